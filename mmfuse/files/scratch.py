"""Room for decoded rows: memory while there is enough, else a temporary file without a name."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from mmfuse.core.source import Matrix, Progress, unseen
from mmfuse.errors import InputError
from mmfuse.files.inputs import as_bytes
from mmfuse.files.output import write_all, writing
from mmfuse.files.unnamed import unnamed_file


class ScratchRoom:
    """Holds matrices up to `memory` bytes in all in memory, larger ones in files in `folder`."""

    def __init__(self, memory: int, folder: str | None = None, progress: Progress = unseen) -> None:
        self._memory = memory
        self._folder = folder
        self._progress = progress

    def store(
        self, shape: tuple[int, int], dtype: np.dtype[Any], blocks: Iterable[Matrix], name: str = ""
    ) -> Matrix:
        """The blocks one below the other, as an array of `shape`.

        Raises InputError where the blocks do not have just that many rows.
        """
        needed = shape[0] * shape[1] * dtype.itemsize
        blocks = self._watched(blocks, shape[0], name)
        if needed > self._memory:
            return self._on_disk(shape, dtype, blocks)
        self._memory -= needed
        array = np.empty(shape, dtype)
        start = 0
        for block in blocks:
            _check_fits(start + len(block), shape[0])
            array[start : start + len(block)] = block
            start += len(block)
        _check_complete(start, shape[0])
        return array

    def _watched(self, blocks: Iterable[Matrix], rows: int, name: str) -> Iterator[Matrix]:
        for block in blocks:
            yield block
            self._progress(f"reading {name}", len(block), rows)

    def _on_disk(
        self, shape: tuple[int, int], dtype: np.dtype[Any], blocks: Iterable[Matrix]
    ) -> Matrix:
        row_bytes = shape[1] * dtype.itemsize
        with self._writing():
            file = unnamed_file(self._folder)
        with file:
            start = 0
            for block in blocks:  # what fails in here fails to read
                _check_fits(start + len(block), shape[0])
                data = as_bytes(np.ascontiguousarray(block, dtype))
                with self._writing():
                    write_all(file.fileno(), data, start * row_bytes)
                start += len(block)
            _check_complete(start, shape[0])
            with self._writing():
                os.posix_fallocate(file.fileno(), 0, shape[0] * row_bytes)
                # nobody else can reach the file to cut it short, so mapping it is safe
                mapped = mmap.mmap(file.fileno(), shape[0] * row_bytes, prot=mmap.PROT_READ)
        return np.frombuffer(mapped, dtype).reshape(shape)

    def _writing(self) -> AbstractContextManager[None]:
        return writing(self._folder or "a temporary file")


def _check_fits(rows: int, expected: int) -> None:
    if rows > expected:
        raise InputError("the file changed while it was read: it holds more rows than before")


def _check_complete(rows: int, expected: int) -> None:
    if rows != expected:
        raise InputError(f"the file ends after {rows:,} of {expected:,} rows")
