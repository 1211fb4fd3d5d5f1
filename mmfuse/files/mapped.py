"""Rows that lie plain in a file, in any order.

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
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Rows
from mmfuse.core.source import Matrix, take_rows
from mmfuse.errors import InputError
from mmfuse.files.hidden import let_go
from mmfuse.files.inputs import InputFile, as_bytes, read_all

_CHECK_ROWS = 1024  # a row may map as much as 2 MB, the kernel's largest piece of cache
_RESIDENT_BYTES = 3 << 30  # giving back more often costs more than it saves
_SET_SIGNAL = 10  # F_SETSIG, which the fcntl module does not name


class Pages(NamedTuple):
    """Where rows lie in a file: page k begins with row `starts[k]`, at byte `offsets[k]`."""

    starts: NDArray[np.int64]
    offsets: NDArray[np.int64]

    @classmethod
    def one(cls, offset: int) -> Pages:
        """All rows one behind the other."""
        return cls(np.zeros(1, np.int64), np.array([offset]))

    def places(self, rows: slice | Rows, row_bytes: int) -> NDArray[np.int64]:
        """The byte where each of the rows begins."""
        numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        page = np.searchsorted(self.starts, numbers, "right") - 1
        found: NDArray[np.int64] = self.offsets[page] + (numbers - self.starts[page]) * row_bytes
        return found


class MappedReader:
    """Rows of a C-ordered `(n, d)` matrix that lies in one or more pages of a file."""

    def __init__(
        self, file: InputFile, shape: tuple[int, int], dtype: np.dtype[Any], pages: Pages
    ) -> None:
        self._file, self._shape, self._dtype, self._pages = file, shape, dtype, pages
        self._row_bytes = shape[1] * dtype.itemsize
        self._mapped: mmap.mmap | None = None
        self._fd = os.open(file.path, os.O_RDONLY)
        try:
            mappable = _lease(self._fd)
            file.verify()  # with the lease held, what is true now stays true
            if mappable:
                self._map()
        except BaseException:
            self._mapped = None
            let_go(self._fd)  # a lease left behind would hold up whoever writes the file
            raise

    def _map(self) -> None:
        self._mapped = mmap.mmap(self._fd, 0, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
        self._resident = ResidentPages(self._mapped)
        self._array: Matrix | None = None
        first = int(self._pages.offsets[0])
        if len(self._pages.offsets) == 1 and first % self._dtype.alignment == 0:
            count = self._shape[0] * self._shape[1]
            array = np.frombuffer(self._mapped, self._dtype, count, first)
            self._array = array.reshape(self._shape)
        # any bytes that are as many as a row's, wherever they begin
        self._anywhere = np.ndarray(
            len(self._mapped) - self._row_bytes + 1, self._row, self._mapped, strides=1
        )

    @property
    def _row(self) -> np.dtype[Any]:
        """A row as one item: copied whole, whatever its alignment."""
        return np.dtype((np.void, self._row_bytes))

    def read(self, rows: slice | Rows, out: Matrix) -> None:
        """Fill `out` with the rows."""
        if self._mapped is None:
            self._call(rows, out)
        elif fcntl.fcntl(self._fd, fcntl.F_GETLEASE) != fcntl.F_RDLCK:
            raise InputError("the file changed while it was read", where=self._file.label)
        else:
            if self._array is not None:
                take_rows(self._array, rows, out)
            else:
                places = self._pages.places(rows, self._row_bytes)
                out.reshape(-1).view(self._row)[:] = self._anywhere[places]
            self._resident.used(len(out))

    def _call(self, rows: slice | Rows, out: Matrix) -> None:
        """Read by calls, one for rows that lie one behind the other."""
        places = self._pages.places(rows, self._row_bytes)
        cuts = np.flatnonzero(np.diff(places) != self._row_bytes) + 1
        for first, last in pairwise([0, *cuts.tolist(), len(places)]):
            part = as_bytes(out[first:last])
            if len(part):
                read_all(self._fd, part, int(places[first]), self._file.label)

    def close(self) -> None:
        """Give up map and lease. Raises InputError if the file changed meanwhile."""
        if self._mapped is not None:
            self._array = None
            del self._anywhere
            self._mapped.close()  # it has the file open too, and would keep the lease
            self._mapped = None
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            try:
                self._file.verify()  # before whoever waits for the lease may write
            finally:
                let_go(fd)


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
