"""The two ends of the path: where rows come from, where they go. Formats supply both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, Rows

Matrix = NDArray[Any]


class RowReader(Protocol):
    """Rows of one source, in any order; may be called by several threads."""

    def read(self, rows: slice | Rows, out: Matrix) -> None:
        """Fill `out`, shape `(k, d)` in the source's dtype, with the rows; -1 is not allowed."""

    def close(self) -> None:
        """Give back what reading took; raises InputError if the source changed meanwhile."""


Progress = Callable[[str, int, int], None]
"""Told what is being done, how many more rows of it are done, and how many there are in all."""


def unseen(step: str, rows: int, total: int) -> None:
    """The progress that nobody looks at."""


class Scratch(Protocol):
    """Room for a matrix whose rows cannot be read in any order where they are."""

    def store(
        self, shape: tuple[int, int], dtype: np.dtype[Any], blocks: Iterable[Matrix], name: str = ""
    ) -> Matrix:
        """The blocks, one below the other, as one array of that shape; on disk if it is large."""


@dataclass(kw_only=True)
class Source(ABC):
    """One modality as its file knows it: everything but the features, which are read on demand.

    label: how messages name it, `NAME=PATH`.
    columns: names of the features. rows: how many there are.
    dtype: of the features as stored. id_source: where the ids were found, for people.
    notes: what a person should know of how the file was read.
    """

    name: str
    label: str
    columns: tuple[str, ...]
    rows: int
    dtype: np.dtype[Any]
    ids: Ids | None
    id_source: str
    notes: tuple[str, ...] = ()

    @abstractmethod
    def blocks(self) -> Iterable[Matrix]:
        """All rows in the file's order, in blocks of any height, shape `(k, d)` each."""

    def reader(self, scratch: Scratch) -> RowReader:
        """Rows in any order. By default every row is first decoded into scratch room."""
        shape = (self.rows, len(self.columns))
        return ArrayReader(scratch.store(shape, self.dtype, self.blocks(), self.name))


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


class Sink(ABC):
    """Takes the rows of the output; the ids are known to it from the start."""

    positional: bool = True
    """Whether blocks may come in any order and from several threads at once."""

    @abstractmethod
    def write(self, start: int, block: Matrix) -> None:
        """Rows `start` … `start + len(block) - 1` of the output, shape `(k, width)`."""
