"""Joins of every kind, over ids that may repeat: which rows of every source make an output row.

The plain inner join of unique ids has a way of its own in `core.align`, which takes less memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

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
    known, numbered, firsts = _numbered(columns, new=how == "outer")
    for first, number, policy in zip(firsts, numbered, duplicates, strict=True):
        if policy in ("first", "last"):
            rows = numbers(len(first))
            one = first if policy == "first" else _last_rows(first)
            number[one != rows] = ABSENT
    groups = [_group(number, len(known)) for number in numbered]
    has = np.array([counts > 0 for _, counts in groups])
    complete = has.all(axis=0)
    kept = {"inner": complete, "left": has[0], "outer": np.ones(len(known), bool)}[how]
    order = np.flatnonzero(kept)
    if sort:
        order = order[natural_order(known.take(order))]
    counts = [counts[order] for _, counts in groups]
    starts = [(np.cumsum(counts) - counts)[order] for _, counts in groups]
    if "explode" in duplicates:
        each = [policy == "explode" for policy in duplicates]
        order, starts, counts = _exploded(order, starts, counts, each)
    return Joined(
        known.take(order),
        tuple(
            rows[ranges(start, count)]
            for (rows, _), start, count in zip(groups, starts, counts, strict=True)
        ),
        tuple(None if (count == 1).all() else np.cumsum(count) for count in counts),
        tuple(int((first == numbers(len(first))).sum()) for first in firsts),
        int(complete.sum()),
    )


def _numbered(columns: Sequence[Ids], new: bool) -> tuple[Ids, list[Rows], list[Rows]]:
    """Number the different ids as they are met; those that the first source lacks if `new`.

    Returns the ids; for every row of every source the number of its id, or ABSENT; and for every
    row the first row with its id.
    """
    known = columns[0].take(slice(0, 0))
    found = index(known)
    numbered: list[Rows] = []
    firsts = []
    for k, ids in enumerate(columns):
        first = first_rows(ids, index(ids))
        own = first == numbers(len(first))
        unique = ids.take(np.flatnonzero(own))
        met = found.find(unique).astype(np.int64)
        if (k == 0 or new) and (unmet := met == ABSENT).any():
            met[unmet] = len(known) + np.arange(np.count_nonzero(unmet))
            known = concatenated(known, unique.take(np.flatnonzero(unmet)))
            found = index(known)
        numbered.append(met[(np.cumsum(own) - 1)[first]])
        firsts.append(first)
    return known, numbered, firsts


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


def _group(number: Rows, total: int) -> tuple[Rows, NDArray[np.int64]]:
    """The rows that have a number, by number and in their order; and how many each number has."""
    order = np.argsort(number, kind="stable")
    order = order[np.searchsorted(number[order], 0) :]  # ABSENT sorts first
    rows = order.astype(numbers(len(number)).dtype)
    return rows, np.bincount(number[order], minlength=total)


def _exploded(
    order: NDArray[np.intp],
    starts: Sequence[NDArray[np.int64]],
    counts: Sequence[NDArray[np.int64]],
    exploding: Sequence[bool],
) -> tuple[NDArray[np.intp], list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """A row for every combination of an id's rows in the sources that are `exploding`."""
    digits = [
        np.maximum(count, 1) if explodes else np.ones_like(count)
        for count, explodes in zip(counts, exploding, strict=True)
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
    exploded: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for start, count, digit, explodes in reversed(
        list(zip(starts, counts, digits, exploding, strict=True))
    ):
        place, step = np.divmod(place, digit[source])
        taken = np.minimum(count[source], 1) if explodes else count[source]
        exploded.append((start[source] + step, taken))
    found_starts, found_counts = zip(*reversed(exploded), strict=True)
    return order[source], list(found_starts), list(found_counts)
