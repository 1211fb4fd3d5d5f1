"""Match row ids exactly: for every id of one column, its row in another.

Two ways, chosen by the ids alone: integers of a narrow range look their row up in a table with a
place for each; all others in hash tables, built and asked by many rows at once. Either takes a
few bytes a row, and works on a part of the rows at a time. No match is ever taken on a hash.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, IntegerIds, Rows
from mmfuse.core.randomness import mix
from mmfuse.core.words import parts

ABSENT = -1
_TABLE_FACTOR = 8  # a table of 8 slots a row still costs less than hashing
_LEVELS = 32  # each leaves a third of its rows at most, unless their keys are equal
_FEW = 64  # rows that a dictionary takes sooner than another table
_STEP = 0x9E3779B97F4A7C15


class Index(Protocol):
    """Rows by id."""

    def duplicates(self) -> tuple[Rows, Rows]:
        """Pairs of rows with the same id, empty where every id is unique."""

    def find(self, ids: Ids) -> Rows:
        """The row of every id, shape `(len(ids),)`, ABSENT where there is none."""


def index(ids: Ids) -> Index:
    """The index that suits these ids."""
    if isinstance(ids, IntegerIds) and len(ids):
        low, high = int(ids.values.min()), int(ids.values.max())
        if high - low < _TABLE_FACTOR * len(ids) + 1024:
            return _Table(ids, low, high)
    return _Hashed(ids)


def numbers(rows: int) -> Rows:
    """0, 1, 2, …, below `rows`, in the dtype of row numbers."""
    return np.arange(rows, dtype=np.int32 if rows < 2**31 else np.int64)


class _Table:
    """Integers of a narrow range: the row stands at the id's own place."""

    def __init__(self, ids: IntegerIds, low: int, high: int) -> None:
        self._ids, self._low, self._rows = ids, low, numbers(len(ids))
        self._table = np.full(high - low + 1, ABSENT, self._rows.dtype)
        for part in parts(len(ids)):
            self._table[ids.values[part] - low] = self._rows[part]

    def duplicates(self) -> tuple[Rows, Rows]:
        pairs = [_no_pairs(self._rows.dtype)]
        for part in parts(len(self._ids)):
            last, rows = self._table[self._ids.values[part] - self._low], self._rows[part]
            repeated = last != rows
            pairs.append((rows[repeated], last[repeated]))
        return joined(pairs)

    def find(self, ids: Ids) -> Rows:
        assert isinstance(ids, IntegerIds)
        found = np.empty(len(ids), self._rows.dtype)
        low = np.int64(self._low).astype(np.uint64)
        for part in parts(len(ids)):
            # in unsigned arithmetic an id below the range wraps to a place above it
            place = ids.values[part].view(np.uint64) - low
            inside = place < len(self._table)
            found[part] = self._table[np.where(inside, place, 0).view(np.int64)]
            found[part][~inside] = ABSENT
        return found


class _Hashed:
    """Any ids: tables of rows by hash, each for the rows that lost their slot in the one before.

    A row belongs to the first table where it won its slot, so whoever looks for its id meets it
    there, or an empty slot before. What is left in the end is found by a dictionary: a few rows,
    or those that were made to collide.
    """

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._tables: list[Rows] = []
        keys = np.empty(len(ids), np.uint64)
        for part in parts(len(ids)):
            keys[part] = ids.keys(part)
        rows = numbers(len(ids))
        self._pairs = [_no_pairs(rows.dtype)]
        while len(rows) > _FEW and len(self._tables) < _LEVELS:
            rows = self._add_table(keys, rows)
        self._rest: dict[str, int] = {}
        again = [(self._rest.setdefault(ids[row], row), row) for row in rows.tolist()]
        repeated = np.array([pair for pair in again if pair[0] != pair[1]], rows.dtype)
        first, second = repeated.reshape(-1, 2).T
        self._pairs.append((first, second))

    def _add_table(self, keys: NDArray[np.uint64], rows: Rows) -> Rows:
        """Let the rows compete for the slots of another table; return those that lost."""
        level, size = len(self._tables), 1 << (3 * len(rows) // 2).bit_length()
        table = np.full(size, ABSENT, rows.dtype)
        for part in parts(len(rows)):
            table[_slots(keys[rows[part]], level, size)] = rows[part]
        left = [rows[:0]]
        for part in parts(len(rows)):
            winners = table[_slots(keys[rows[part]], level, size)]
            lost = np.flatnonzero(winners != rows[part])
            winners, losers = winners[lost], rows[part][lost]
            repeated = self._ids.same(losers, self._ids, winners)
            self._pairs.append((losers[repeated], winners[repeated]))
            left.append(losers[~repeated])
        self._tables.append(table)
        return np.concatenate(left)

    def duplicates(self) -> tuple[Rows, Rows]:
        return joined(self._pairs)

    def find(self, ids: Ids) -> Rows:
        found = np.full(len(ids), ABSENT, self._pairs[0][0].dtype)
        for part in parts(len(ids)):
            self._find(ids, part, found[part])
        return found

    def _find(self, ids: Ids, part: slice, found: Rows) -> None:
        keys = ids.keys(part)
        sought = np.arange(len(keys))
        for level, table in enumerate(self._tables):
            rows = table[_slots(keys[sought], level, len(table))]
            met = np.flatnonzero(rows != ABSENT)  # an empty slot: the id is nowhere
            sought, rows = sought[met], rows[met]
            same = self._ids.same(rows, ids, sought + part.start)
            found[sought[same]] = rows[same]
            sought = sought[~same]
        if self._rest:
            for place in sought.tolist():
                found[place] = self._rest.get(ids[part.start + place], ABSENT)


def _slots(keys: NDArray[np.uint64], level: int, size: int) -> NDArray[np.int64]:
    """Each key's slot in a table of `size`, a power of two; another one at every level."""
    hashed = mix(keys + np.uint64((level * _STEP) % 2**64))
    return (hashed & np.uint64(size - 1)).view(np.int64)


def _no_pairs(dtype: np.dtype[np.signedinteger]) -> tuple[Rows, Rows]:
    return np.empty(0, dtype), np.empty(0, dtype)


def joined(pairs: list[tuple[Rows, Rows]]) -> tuple[Rows, Rows]:
    """All pairs as one, the lower row of each first."""
    one, other = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return np.minimum(one, other), np.maximum(one, other)


def in_order(rows: Rows) -> bool:
    """Whether `rows` is 0, 1, 2, …"""
    if not len(rows):
        return True
    ends = rows[0] == 0 and rows[-1] == len(rows) - 1
    return bool(ends and (rows[1:] > rows[:-1]).all())  # then there is no room for a gap
