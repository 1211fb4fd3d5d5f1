"""Rows in their own order, out of a source that is read from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Rows
from mmfuse.errors import InputError

if TYPE_CHECKING:
    from mmfuse.core.source import Source

Matrix = NDArray[Any]


@dataclass
class _Block:
    """Rows start…stop as read; `wanted` of them are still to be taken."""

    start: int
    stop: int
    values: Matrix
    wanted: int


class StreamReader:
    """Takes `rows` (ascending; None: all) of a source, each once, from several threads.

    A block stays in memory until its last row is taken, so threads may be some blocks apart. One
    block is decoded ahead, so that those who wait for it do not wait for all of it.
    """

    def __init__(self, source: Source, rows: Rows | None) -> None:
        from concurrent.futures import ThreadPoolExecutor  # which is slow to import

        self._source, self._rows = source, rows
        self._lock = Lock()
        self._kept: list[_Block] = []
        self._read = 0
        self._coming: Iterator[Matrix] = iter(source.blocks())
        self._decoder = ThreadPoolExecutor(1)
        self._next = self._decoder.submit(next, self._coming, None)

    def read(self, rows: slice | Rows, out: Matrix) -> None:
        """Fill `out` with the rows, which ascend."""
        if isinstance(rows, slice):
            rows = np.arange(rows.start, rows.stop)
        if not len(rows):
            return
        with self._lock:
            blocks = self._holding(int(rows[0]), int(rows[-1]))
        for block in blocks:
            first, last = np.searchsorted(rows, (block.start, block.stop))
            places = rows[first:last] - block.start
            np.take(block.values, places, axis=0, out=out[first:last], mode="clip")
            with self._lock:
                block.wanted -= last - first
        with self._lock:
            self._kept = [block for block in self._kept if block.wanted]

    def _holding(self, first: int, last: int) -> list[_Block]:
        """The blocks that hold rows first…last, read as far as that takes."""
        while self._read <= last:
            values = self._next.result()
            if values is None:
                raise InputError(
                    f"the file ends after {self._read:,} of {self._source.rows:,} rows",
                    where=self._source.label,
                )
            self._next = self._decoder.submit(next, self._coming, None)
            start, stop = self._read, self._read + len(values)
            self._read = stop
            if wanted := self._wanted(start, stop):
                self._kept.append(_Block(start, stop, values, wanted))
        return [block for block in self._kept if block.start <= last and first < block.stop]

    def _wanted(self, start: int, stop: int) -> int:
        if self._rows is None:
            return stop - start
        first, last = np.searchsorted(self._rows, (start, stop))
        return int(last - first)

    def close(self) -> None:
        """Raise InputError if the source changed meanwhile."""
        self._kept = []
        self._decoder.shutdown(cancel_futures=True)
        self._source.verify()
