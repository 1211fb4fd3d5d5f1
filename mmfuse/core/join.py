"""Joins of every kind, over ids that may repeat: which rows of every source make an output row.

The plain inner join of unique ids has a way of its own in `core.align`, which takes less memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, IntegerIds, Rows, concatenated
from mmfuse.core.match import ABSENT, Index, index, numbers
from mmfuse.core.natural import natural
from mmfuse.core.ranges import ranges
from mmfuse.errors import ResourceError

Join = Literal["inner", "left", "outer"]
Duplicates = Literal["error", "first", "mean", "max", "explode"]
Several = Literal["mean", "max", "std", "last"]
"""What several rows of one id become where that is said of one source alone."""

JOINS: tuple[Join, ...] = get_args(Join)
DUPLICATES: tuple[Duplicates, ...] = get_args(Duplicates)
_MOST_ROWS = 1 << 40

Runs: TypeAlias = tuple[Rows, Rows]
"""Where runs of rows begin, and how many rows each has."""


@dataclass(frozen=True)
class Joined:
    """The rows of a join.

    ids: of every output row. rows: for every source the rows that it gives, those of the first
    output row before those of the second. ends: for every source where the rows of each output
    row end in `rows`, shape `(n,)`; None: one each.
    distinct: different ids in every source. complete: ids that all sources have.
    """

    ids: Ids
    rows: tuple[Rows, ...]
    ends: tuple[Rows | None, ...]
    distinct: tuple[int, ...]
    complete: int


def join(
    columns: Sequence[Ids], how: Join, duplicates: Sequence[Duplicates | Several], sort: bool
) -> Joined:
    """Join columns of ids of one kind.

    Output rows stand in the first source's order, those of an outer join that it lacks behind, as
    they are met; or in the natural order of the ids.

    duplicates: for every source what several rows of one id become. With `explode` an id gives a
    row for every combination of its rows, the last source's changing first; with `first` or `last`
    one of its rows counts; else all its rows are given, to be pooled.

    Raises ResourceError where `explode` makes too many rows.
    """
    known, numbered, different = _numbered(columns, duplicates, new=how == "outer")
    groups = [_group(number, len(known)) for number in numbered]
    del numbered  # what is left to do takes memory of its own
    has = np.array([counts > 0 for _, counts in groups])
    complete = has.all(axis=0)
    kept = {"inner": complete, "left": has[0], "outer": np.ones(len(known), bool)}[how]
    order = np.flatnonzero(kept)
    if sort:
        order = order[natural_order(known.take(order))]
    runs: Iterable[Runs] = (_runs(counts, order) for _, counts in groups)  # one at a time
    if "explode" in duplicates:
        each = [policy == "explode" for policy in duplicates]
        order, runs = _exploded(order, list(runs), each)
    taken = [_taken(rows, *run) for (rows, _), run in zip(groups, runs, strict=True)]
    rows, ends = zip(*taken, strict=True)
    return Joined(known.take(order), rows, ends, different, int(complete.sum()))


def _numbered(
    columns: Sequence[Ids], duplicates: Sequence[Duplicates | Several], new: bool
) -> tuple[Ids, list[Rows], tuple[int, ...]]:
    """Number the different ids as they are met; those that the first source lacks if `new`.

    Returns the ids; for every row of every source the number of its id, or ABSENT where the id or,
    by `first` and `last`, the row does not count; and how many different ids every source has.
    """
    kind = np.int32 if sum(map(len, columns)) < 2**31 else np.int64
    known, found = columns[0], index(columns[0])
    numbered: list[Rows] = []
    counts = []
    for k, (ids, policy) in enumerate(zip(columns, duplicates, strict=True)):
        first = first_rows(ids, found if k == 0 else index(ids))
        unique, own = distinct(ids, first)
        if k == 0:
            met: Rows = np.arange(len(unique)).astype(kind)
            if len(unique) < len(ids):
                known, found = unique, index(unique)
        else:
            met = found.find(unique).astype(kind, copy=False)
        if new and (unmet := met == ABSENT).any():
            met[unmet] = len(known) + np.arange(np.count_nonzero(unmet))
            known = concatenated(known, unique.take(np.flatnonzero(unmet)))
            found = index(known)
        if len(own) < len(ids):
            met = met[np.searchsorted(own, first)]
            if policy in ("first", "last"):
                one = first if policy == "first" else _last_rows(first)
                met[one != numbers(len(ids))] = ABSENT
        numbered.append(met)
        counts.append(len(own))
    return known, numbered, tuple(counts)


def distinct(ids: Ids, first: Rows) -> tuple[Ids, Rows]:
    """Every id once, and the row where it stands first; `first` is of `first_rows`."""
    own = np.flatnonzero(first == numbers(len(ids)))
    return (ids if len(own) == len(ids) else ids.take(own)), own


def first_rows(ids: Ids, found: Index) -> Rows:
    """For every row the first row with its id."""
    some = found.find(ids)  # one of the rows with the id, the same for all of them
    rows = numbers(len(ids))
    first = np.empty(len(ids), rows.dtype)
    first[some[::-1]] = rows[::-1]  # the last one written stays
    return first[some]


def _last_rows(first: Rows) -> Rows:
    """For every row the last row with its id, from the first ones."""
    last = np.empty_like(first)
    last[first] = numbers(len(first))  # the last one written stays
    return last[first]


def natural_order(ids: Ids) -> NDArray[np.intp]:
    """The rows in the natural order of their ids."""
    if isinstance(ids, IntegerIds):
        return np.argsort(ids.values, kind="stable")
    keys = [natural(text) for text in ids]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.intp)


def _group(number: Rows, total: int) -> tuple[Rows, Rows]:
    """The rows that have a number, by number and in their order; and how many each number has."""
    order = np.argsort(number, kind="stable")
    order = order[np.searchsorted(number, 0, sorter=order) :]  # ABSENT sorts first
    counts = np.bincount(number[number != ABSENT], minlength=total)
    return order.astype(number.dtype), counts.astype(number.dtype)


def _runs(counts: Rows, order: NDArray[np.intp]) -> Runs:
    """Where the rows of the ids in `order` begin among those grouped, and how many each has."""
    starts = np.cumsum(counts) - counts
    return starts[order], counts[order]


def _taken(rows: Rows, starts: Rows, counts: Rows) -> tuple[Rows, Rows | None]:
    """The rows of runs, and where each run ends; None: one each."""
    if (counts == 1).all():
        return rows[starts], None
    return rows[ranges(starts, counts)], np.cumsum(counts, dtype=np.int64)


def _exploded(
    order: NDArray[np.intp], runs: Sequence[Runs], exploding: Sequence[bool]
) -> tuple[NDArray[np.intp], list[Runs]]:
    """A row for every combination of an id's rows in the sources that are `exploding`."""
    digits = [
        np.maximum(counts, 1) if explodes else np.ones_like(counts)
        for (_, counts), explodes in zip(runs, exploding, strict=True)
    ]
    each = np.ones(len(order))
    for digit in digits:
        each *= digit
    if each.sum() > _MOST_ROWS:
        raise ResourceError(
            f"--duplicates explode would make {each.sum():.1e} rows",
            hint="an id stands for many rows; --duplicates mean makes one of them",
        )
    total = each.astype(np.int64)
    source = np.repeat(np.arange(len(order)), total)
    place = np.arange(len(source)) - np.repeat(np.cumsum(total) - total, total)
    exploded: list[Runs] = []
    for m in reversed(range(len(runs))):
        starts, counts = (part[source] for part in runs[m])
        place, step = np.divmod(place, digits[m][source])
        exploded.append((starts + step, np.minimum(counts, 1) if exploding[m] else counts))
    return order[source], exploded[::-1]
