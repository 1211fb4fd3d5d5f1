"""The two ends of the path: where rows come from, where they go. Formats supply both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, Rows
from mmfuse.core.join import Several
from mmfuse.core.plan import Storage, Way
from mmfuse.core.stream import StreamReader

Matrix = NDArray[Any]


class RowReader(Protocol):
    """Rows of one source; may be called by several threads."""

    def read(self, rows: slice | Rows, out: Matrix) -> None:
        """Fill `out`, shape `(k, d)` in the source's dtype, with the rows; -1 is not allowed."""

    def close(self) -> None:
        """Give back what reading took; raises InputError if the source changed meanwhile."""


class ColumnReader(Protocol):
    """Columns of one source; may be called by several threads."""

    def read(self, first: int, last: int, out: Matrix) -> None:
        """Fill `out`, shape `(last - first, n)`, with features first…last of all rows."""

    def close(self) -> None:
        """Give back what reading took; raises InputError if the source changed meanwhile."""


class Taken(NamedTuple):
    """The rows that an alignment takes of a source.

    rows: the number that every output row has in the reader; None: they are the same.
    """

    reader: RowReader
    rows: Rows | None

    def read(self, start: int, stop: int, out: Matrix) -> None:
        """Fill `out`, shape `(stop - start, d)`, with the rows start…stop of the output."""
        self.reader.read(
            slice(start, stop) if self.rows is None else self.rows[start:stop], out[: stop - start]
        )

    def keep(self, kept: Rows) -> Taken:
        """Only these rows of the output."""
        return Taken(self.reader, kept if self.rows is None else self.rows[kept])


Progress = Callable[[str, int, int], None]
"""Told what is being done, how many more rows of it are done, and how many there are in all."""


def unseen(step: str, rows: int, total: int) -> None:
    """The progress that nobody looks at."""


class Part(NamedTuple):
    """Consecutive rows of a source that can be read on their own: blocks `(k, d)` in order."""

    start: int
    rows: int
    blocks: Callable[[], Iterable[Matrix]]


class Scratch(Protocol):
    """Room for rows that cannot be read in any order where they are."""

    def store(self, source: Source, rows: Rows | None, way: Way) -> Taken:
        """Read the source once, and keep the rows that are taken in memory or on disk."""


@dataclass(kw_only=True)
class Source(ABC):
    """One modality as its file knows it: everything but the features, which are read on demand.

    label: how messages name it, `NAME=PATH`.
    columns: names of the features. rows: how many there are.
    dtype: of the features as stored. id_source: where the ids were found, for people.
    notes: what a person should know of how the file was read.
    doubtful: columns of numbers that were taken for no features, for their names.
    several: what several rows of one id become, where that is said of this source alone.
    times: of every row, in nanoseconds, where they were asked for. time_source: like id_source.
    rounds: whether integers beyond 2^53 are rounded as they are read: those of text, and those of
        64 bits beside other numbers.
    """

    name: str
    label: str
    columns: tuple[str, ...]
    rows: int
    dtype: np.dtype[Any]
    ids: Ids | None
    id_source: str
    notes: tuple[str, ...] = ()
    several: Several | None = None
    times: NDArray[np.int64] | None = None
    time_source: str = ""
    doubtful: tuple[str, ...] = ()
    rounds: bool = False

    @property
    def storage(self) -> Storage:
        """Where its rows are."""
        return "stream"

    @property
    def offset(self) -> int | None:
        """Where its rows begin in its file, if they stand there one behind the other as stored."""
        return None

    @property
    def columnar(self) -> bool:
        """Whether there is a `column_reader`."""
        return False

    @property
    def streams(self) -> bool:
        """Whether all columns can be read at a time, from the first row to the last."""
        return True

    @abstractmethod
    def blocks(self) -> Iterable[Matrix]:
        """All rows in the file's order, in blocks of any height, shape `(k, d)` each."""

    def parts(self) -> Sequence[Part]:
        """The rows in parts that threads may read at the same time; by default one."""
        return [Part(0, self.rows, self.blocks)]

    def verify(self) -> None:  # noqa: B027  (what is in memory does not change)
        """Raise InputError if the source has changed since it was opened."""

    def found(self, rows: Rows | None) -> tuple[str, ...]:
        """What reading has found in those of the `rows` that were taken, for people."""
        return ()

    def reader(self, rows: Rows | None, way: Way, scratch: Scratch) -> Taken:
        """What an alignment takes: the rows, in its order; None: all as they stand."""
        if way == "sequential":
            return Taken(StreamReader(self, rows), rows)
        return scratch.store(self, rows, way)

    def column_reader(self) -> ColumnReader:
        """Columns in any order, of sources that are columnar."""
        raise NotImplementedError


def take_rows(array: Matrix, rows: slice | Rows, out: Matrix) -> None:
    """Fill `out` with rows of `array`, which an alignment chose, so that they are there."""
    if isinstance(rows, slice):
        out[:] = array[rows]
    else:
        np.take(array, rows, axis=0, out=out, mode="clip")  # mode="raise" would copy twice


class ArrayReader:
    """Rows of an array `(n, d)` in memory, or mapped into it."""

    def __init__(self, array: Matrix) -> None:
        self._array = array

    def read(self, rows: slice | Rows, out: Matrix) -> None:
        take_rows(self._array, rows, out)

    def close(self) -> None:
        """Nothing to give back."""


class SideBySide:
    """Rows whose columns stand in several places, each read by a reader of its own."""

    def __init__(self, readers: Sequence[RowReader], parts: Sequence[Source]) -> None:
        self._readers = readers
        self._widths = [len(part.columns) for part in parts]
        self._dtypes = [part.dtype for part in parts]

    def read(self, rows: slice | Rows, out: Matrix) -> None:
        start = 0
        for reader, width, dtype in zip(self._readers, self._widths, self._dtypes, strict=True):
            part = np.empty((len(out), width), dtype)
            reader.read(rows, part)
            out[:, start : start + width] = part
            start += width

    def close(self) -> None:
        for reader in self._readers:
            reader.close()


class Sink(ABC):
    """Takes the rows of the output; the ids are known to it from the start."""

    positional: bool = True
    """Whether blocks may come in any order and from several threads at once."""

    @abstractmethod
    def write(self, start: int, block: Matrix) -> None:
        """Rows `start` … `start + len(block) - 1` of the output, shape `(k, width)`."""

    def write_column(self, j: int, values: Matrix) -> None:
        """Column `j` of all rows, shape `(n,)`, from any thread; where the format is columnar."""
        raise NotImplementedError
