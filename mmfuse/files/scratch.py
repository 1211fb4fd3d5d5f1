"""Room for decoded rows: memory, or a temporary file without a name."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Lock

import numpy as np

from mmfuse.core.ids import Rows
from mmfuse.core.layout import lay_out, runs
from mmfuse.core.plan import Way
from mmfuse.core.pool import in_order
from mmfuse.core.source import ArrayReader, Matrix, Part, Progress, Source, Taken, unseen
from mmfuse.errors import InputError
from mmfuse.files.inputs import as_bytes
from mmfuse.files.mapped import ResidentPages
from mmfuse.files.output import write_all, writing
from mmfuse.files.unnamed import unnamed_file

Put = Callable[[int, Matrix], None]
"""Puts rows at a place and those after it."""


class ScratchRoom:
    """Reads sources once, on `threads`, and keeps the rows that are taken.

    bucket: rows of the output that lie together in a file, which is made in `folder`.
    """

    def __init__(
        self,
        bucket: int,
        folder: str | None = None,
        threads: int = 1,
        progress: Progress = unseen,
    ) -> None:
        self._bucket, self._folder = bucket, folder
        self._threads, self._progress = threads, progress
        self._telling = Lock()

    def store(self, source: Source, rows: Rows | None, way: Way) -> Taken:
        """Keep the rows that are taken in memory, or partitioned in a file.

        Raises InputError where the source does not have the rows it said it has.
        """
        places, targets = lay_out(rows, source.rows, self._bucket)
        kept = int(targets.max()) + 1
        if way == "memory":
            array = np.empty((kept, len(source.columns)), source.dtype)

            def put(place: int, block: Matrix) -> None:
                array[place : place + len(block)] = block

            self._read(source, targets, put)
            return Taken(ArrayReader(array), places)
        return Taken(self._on_disk(source, kept, targets), places)

    def _read(self, source: Source, targets: Rows, put: Put) -> None:
        """Put every row that is taken at its place."""

        def work(part: Part) -> None:
            start, end = part.start, part.start + part.rows
            for block in part.blocks():
                if start + len(block) > end:
                    raise InputError(
                        "the file changed while it was read: it holds more rows than before"
                    )
                order, pieces = runs(targets[start : start + len(block)])
                picked = np.take(block, order, axis=0)
                for first, last, place in pieces:
                    put(place, picked[first:last])
                start += len(block)
                with self._telling:
                    self._progress(f"reading {source.name}", len(block), source.rows)
            if start != end:
                raise InputError(f"the file ends after {start:,} of {end:,} rows")

        in_order(work, source.parts(), self._threads, lambda *_: None)
        source.verify()

    def _on_disk(self, source: Source, kept: int, targets: Rows) -> ArrayReader:
        row_bytes = len(source.columns) * source.dtype.itemsize
        with self._writing():
            file = unnamed_file(self._folder)
        with file:
            with self._writing():
                os.posix_fallocate(file.fileno(), 0, kept * row_bytes)

            def put(place: int, block: Matrix) -> None:
                with self._writing():
                    data = as_bytes(np.ascontiguousarray(block, source.dtype))
                    write_all(file.fileno(), data, place * row_bytes)

            self._read(source, targets, put)  # what fails in here but not in `put` fails to read
            # nobody else can reach the file to cut it short, so mapping it is safe
            mapped = mmap.mmap(file.fileno(), kept * row_bytes, prot=mmap.PROT_READ)
        array = np.frombuffer(mapped, source.dtype).reshape(kept, len(source.columns))
        return _FileReader(array, ResidentPages(mapped))

    def _writing(self) -> AbstractContextManager[None]:
        return writing(self._folder or "a temporary file")


class _FileReader(ArrayReader):
    """Rows of a mapped file that nobody else can reach."""

    def __init__(self, array: Matrix, pages: ResidentPages) -> None:
        super().__init__(array)
        self._pages = pages

    def read(self, rows: slice | Rows, out: Matrix) -> None:
        super().read(rows, out)
        self._pages.used(len(out))
