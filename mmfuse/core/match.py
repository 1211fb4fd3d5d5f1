"""Match row ids exactly: for every id of one column, its row in another.

Two ways, chosen by the ids alone: integers of a narrow range look their row up in a table; all
others sort both sides by 64-bit keys and walk them together. Keys of text are hashes: a match is
always verified on the text, and keys that collide are drawn again.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, IntegerIds, Rows

ABSENT = -1
_SEEDS = range(4)
_TABLE_FACTOR = 8  # a table of 8 slots a row still costs less than a sort


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
    for seed in _SEEDS:
        candidate = _Sorted(ids, seed)
        if not candidate.collided:
            return candidate
    return _Exact(ids)


class _Table:
    """Integers of a narrow range: the row stands at the id's own place."""

    def __init__(self, ids: IntegerIds, low: int, high: int) -> None:
        rows = np.arange(len(ids), dtype=np.int32 if len(ids) < 2**31 else np.int64)
        self._ids, self._low, self._rows = ids, low, rows
        self._table = np.full(high - low + 1, ABSENT, rows.dtype)
        self._table[ids.values - low] = rows

    def duplicates(self) -> tuple[Rows, Rows]:
        last = self._table[self._ids.values - self._low]
        overwritten = np.flatnonzero(last != self._rows)
        return overwritten, last[overwritten].astype(np.int64)

    def find(self, ids: Ids) -> Rows:
        assert isinstance(ids, IntegerIds)
        # in unsigned arithmetic an id below the range wraps to a place above it
        place = ids.values.view(np.uint64) - np.int64(self._low).astype(np.uint64)
        inside = place < len(self._table)
        found = self._table[np.where(inside, place, 0).view(np.int64)].astype(np.int64)
        found[~inside] = ABSENT
        return found


class _Sorted:
    """Any ids: sorted by key; every match of keys that are hashes is verified on the ids."""

    def __init__(self, ids: Ids, seed: int) -> None:
        self._ids, self._seed = ids, seed
        keys = ids.keys(seed)
        self._order = np.argsort(keys)
        self._keys = keys[self._order]
        self._equal = np.flatnonzero(self._keys[1:] == self._keys[:-1])
        first, second = self._pairs()
        self.collided = bool(ids.collides and not ids.same(first, ids, second).all())

    def _pairs(self) -> tuple[Rows, Rows]:
        return self._order[self._equal], self._order[self._equal + 1]

    def duplicates(self) -> tuple[Rows, Rows]:
        first, second = self._pairs()
        return np.minimum(first, second), np.maximum(first, second)

    def find(self, ids: Ids) -> Rows:
        if not len(self._keys):
            return np.full(len(ids), ABSENT, np.int64)
        keys = ids.keys(self._seed)
        order = np.argsort(keys)  # sorted needles walk the haystack once
        keys = keys[order]
        place = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        hit = self._keys[place] == keys
        rows, found = order[hit], self._order[place[hit]]
        if ids.collides:
            same = self._ids.same(found, ids, rows)
            if not same.all():  # an id that is absent here has the key of another
                rows, found = rows[same], found[same]
        result = np.full(len(ids), ABSENT, np.int64)
        result[rows] = found
        return result


class _Exact:
    """The last resort, for ids made to collide: a dictionary of text."""

    def __init__(self, ids: Ids) -> None:
        self._rows: dict[str, int] = {}
        pairs = [
            (first, row)
            for row, text in enumerate(ids)
            if (first := self._rows.setdefault(text, row)) != row
        ]
        self._duplicates = np.array(pairs, np.int64).reshape(-1, 2)

    def duplicates(self) -> tuple[Rows, Rows]:
        return self._duplicates[:, 0], self._duplicates[:, 1]

    def find(self, ids: Ids) -> Rows:
        return np.array([self._rows.get(text, ABSENT) for text in ids], np.int64)


def in_order(rows: NDArray[np.int64]) -> bool:
    """Whether `rows` is 0, 1, 2, …"""
    return bool(len(rows) == 0 or (rows[0] == 0 and rows[-1] == len(rows) - 1)) and bool(
        (np.diff(rows) == 1).all()
    )
