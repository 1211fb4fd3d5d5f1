"""Rows of a plain matrix within a file, in any order.

Gathering through a memory map is three to six times faster than one read call a row. But a map
dies of SIGBUS when somebody cuts the file short, and no Python code can catch that. So the map
is used under a read lease: the kernel holds back whoever opens the file for writing until the
lease is given up, and says so when asked. Where there is no lease to be had (another owner's
file, a network file system, a writer already there), rows are read by calls.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import signal
from typing import Any

import numpy as np

from mmfuse.core.ids import Rows
from mmfuse.core.source import Matrix, take_rows
from mmfuse.errors import InputError
from mmfuse.files.inputs import InputFile, as_bytes, read_all

_CHECK_ROWS = 1024  # a row may map as much as 2 MB, the kernel's largest piece of cache
_RESIDENT_BYTES = 3 << 30  # giving back more often costs more than it saves
_SET_SIGNAL = 10  # F_SETSIG, which the fcntl module does not name


class MappedReader:
    """Rows of a C-ordered `(n, d)` matrix that begins at byte `offset` of a file."""

    def __init__(
        self, file: InputFile, shape: tuple[int, int], dtype: np.dtype[Any], offset: int
    ) -> None:
        self._file, self._shape, self._dtype, self._offset = file, shape, dtype, offset
        self._row_bytes = shape[1] * dtype.itemsize
        self._fd = os.open(file.path, os.O_RDONLY)
        try:
            # reading by calls never looks at a lease, which would only hold writers up
            mappable = offset % dtype.alignment == 0 and _lease(self._fd)
            file.verify()  # with the lease held, what is true now stays true
            self._array = self._map() if mappable else None
        except BaseException:
            os.close(self._fd)  # a lease left behind would hold up whoever writes the file
            raise

    def _map(self) -> Matrix:
        self._mapped = mmap.mmap(self._fd, 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
        self._pages = ResidentPages(self._mapped)
        count = self._shape[0] * self._shape[1]
        return np.frombuffer(self._mapped, self._dtype, count, self._offset).reshape(self._shape)

    def read(self, rows: slice | Rows, out: Matrix) -> None:
        """Fill `out` with the rows."""
        if self._array is None:
            self._call(rows, out)
        elif fcntl.fcntl(self._fd, fcntl.F_GETLEASE) != fcntl.F_RDLCK:
            raise InputError("the file changed while it was read", where=self._file.label)
        else:
            take_rows(self._array, rows, out)
            self._pages.used(len(out))

    def _call(self, rows: slice | Rows, out: Matrix) -> None:
        """Read by calls; one for consecutive rows, else one a row."""
        numbers = [rows.start] if isinstance(rows, slice) else rows.tolist()
        parts = [out] if isinstance(rows, slice) else list(out)
        for row, part in zip(numbers, parts, strict=True):
            place = self._offset + row * self._row_bytes
            read_all(self._fd, as_bytes(part), place, self._file.label)

    def close(self) -> None:
        """Give up map and lease. Raises InputError if the file changed meanwhile."""
        if self._array is not None:
            self._array = None
            self._mapped.close()  # it has the file open too, and would keep the lease
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self._file.verify()


class ResidentPages:
    """Gives mapped pages back now and then; they stay in the page cache, but not with us."""

    def __init__(self, mapped: mmap.mmap) -> None:
        self._mapped, self._unchecked = mapped, 0

    def used(self, rows: int) -> None:
        """Note that so many rows more have been read."""
        self._unchecked += rows
        if self._unchecked >= _CHECK_ROWS:
            self._unchecked = 0
            if _shared_bytes() > _RESIDENT_BYTES:
                self._mapped.madvise(mmap.MADV_DONTNEED)


def _shared_bytes() -> int:
    """Bytes of files that are mapped into this process and resident."""
    with open("/proc/self/statm", "rb") as pages:
        return int(pages.read().split()[2]) * mmap.PAGESIZE


def _lease(fd: int) -> bool:
    """Take a read lease, if there is one to be had."""
    try:
        # told by a signal that is ignored by default: reading asks for the lease's state instead
        fcntl.fcntl(fd, _SET_SIGNAL, signal.SIGURG)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        return False
    return True
