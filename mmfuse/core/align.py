"""Alignment: which rows of every source make a row of the output. The only place that decides it.

Decided once, from ids alone, before a feature is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mmfuse.core.alignment import Alignment
from mmfuse.core.comparable import Identified, comparable
from mmfuse.core.ids import Ids, IntegerIds, Rows
from mmfuse.core.join import Duplicates, Join, Several, join, natural_order
from mmfuse.core.match import ABSENT, Index, in_order, index, joined, numbers
from mmfuse.core.suggest import suggest
from mmfuse.errors import AlignmentError

By = Literal["auto", "id", "position"]

_LITTLE = 0.5  # of the ids of a source: less that meets is a reason to look for another spelling


@dataclass(frozen=True)
class Joining:
    """How rows are matched.

    by: on ids where there are any, else by position ("auto"); or insist on "id" or "position".
    how: the ids of the output: "inner" those of all sources, "left" those of the first, "outer"
        those of any.
    duplicates: what several rows of one id become: an "error", the "first", their "mean" or "max",
        or "explode", a row for every combination.
    sort: the natural order of the ids, instead of the first source's.
    strict: no row may be dropped. min_overlap: share of every source's ids that all must have.
    """

    by: By = "auto"
    how: Join = "inner"
    duplicates: Duplicates = "error"
    sort: bool = False
    strict: bool = False
    min_overlap: float = 0.0


def align(sources: Sequence[Identified], joining: Joining = Joining()) -> Alignment:
    """Join the sources on their ids.

    Without ids in any source, rows are taken by position; their counts must then be equal.
    `by="position"` takes them by position whatever ids there are, and keeps the first source's
    that has some; `by="id"` insists on ids.

    Raises AlignmentError: ids in some sources only, unequal counts, duplicate ids, integers
    beside text that only looks like them, no id in common, less overlap than is asked for.
    """
    by = joining.by
    without = [source for source in sources if source.ids is None]
    if by == "position" or (by == "auto" and len(without) == len(sources)):
        refuse_pools(sources, "rows are joined by position")
        found = _by_position(sources)
        return found.take(natural_order(found.ids)) if joining.sort else found
    columns = comparable(sources, insisted=by == "id")
    duplicates = [source.several or joining.duplicates for source in sources]
    if joining.how == "inner" and set(duplicates) == {"error"}:
        found = _inner(sources, columns)
        if joining.sort:
            found = found.take(natural_order(found.ids))
    else:
        found = _joined(sources, columns, duplicates, joining)
    if min(found.overlap) < _LITTLE:
        found = replace(found, suggestion=suggest(columns))
    _refuse_little(sources, found, joining)
    return found


def _by_position(sources: Sequence[Identified]) -> Alignment:
    counts = tuple(source.rows for source in sources)
    if len(set(counts)) > 1:
        told = ", ".join(f"{source.label} {source.rows:,}" for source in sources)
        raise AlignmentError(
            f"row counts differ, so rows cannot be joined by position: {told}",
            hint="give every input its row ids: --ids NAME=FILE or --id-column NAME=COLUMN",
        )
    known = (source.ids for source in sources if source.ids is not None)
    ids = next(known, IntegerIds(np.arange(counts[0])))
    return Alignment(ids, (None,) * len(sources), counts, "position")


def _inner(sources: Sequence[Identified], columns: Sequence[Ids]) -> Alignment:
    """The inner join of ids that are unique, in the first source's order."""
    first, found = columns[0], index(columns[0])
    _refuse_duplicates(sources[0], *found.duplicates())
    common = np.ones(len(first), np.bool_)
    matches = [numbers(len(first))]
    for source, ids in zip(sources[1:], columns[1:], strict=True):
        matches.append(_matches(source, ids, found, len(first)))
        common &= matches[-1] != ABSENT
    del found  # what is left to do takes memory of its own
    if not common.any():
        raise _nothing_common(sources, columns)
    whole = bool(common.all())
    if not whole:
        for k, rows in enumerate(matches):  # one by one, so that each goes as it is cut
            matches[k] = rows[common]
    return Alignment(
        first if whole else first.take(matches[0]),
        tuple(
            None if len(rows) == source.rows and in_order(rows) else rows
            for rows, source in zip(matches, sources, strict=True)
        ),
        tuple(source.rows for source in sources),
        "id",
        overlap=tuple(len(matches[0]) / source.rows for source in sources),
    )


def _joined(
    sources: Sequence[Identified],
    columns: Sequence[Ids],
    duplicates: Sequence[Duplicates | Several],
    joining: Joining,
) -> Alignment:
    """Any other join."""
    found = join(columns, joining.how, duplicates, joining.sort)
    for m, (source, ids) in enumerate(zip(sources, columns, strict=True)):
        if duplicates[m] == "error" and found.distinct[m] < len(ids):
            _refuse_duplicates(source, *index(ids).duplicates())
    pooled = [m for m, source in enumerate(sources) if source.several is not None]
    if all(found.distinct[m] == len(columns[m]) for m in pooled):
        refuse_pools(sources, "no id stands in several rows")
    if not found.complete:
        raise _nothing_common(sources, columns)
    return Alignment(
        found.ids,
        tuple(
            None if ends is None and len(rows) == source.rows and in_order(rows) else rows
            for rows, ends, source in zip(found.rows, found.ends, sources, strict=True)
        ),
        tuple(source.rows for source in sources),
        "id",
        joining.how,
        found.ends,
        tuple(found.complete / distinct for distinct in found.distinct),
        pools=tuple(policy if policy in ("max", "std") else "mean" for policy in duplicates),
    )


def refuse_pools(sources: Sequence[Identified], reason: str) -> None:
    """Raise AlignmentError if a source's rows are to be pooled."""
    for source in sources:
        if source.several is not None:
            raise AlignmentError(
                f"--pool {source.several} has nothing to pool: {reason}", where=source.label
            )


def _nothing_common(sources: Sequence[Identified], columns: Sequence[Ids]) -> AlignmentError:
    found = suggest(columns)
    return AlignmentError(
        "no id is common to all inputs: " + "; ".join(map(_examples, sources)),
        hint=str(found)
        if found is not None
        else "--ids or --id-column names the right ids; mmfuse inspect shows where they are",
    )


def _refuse_little(sources: Sequence[Identified], found: Alignment, joining: Joining) -> None:
    """Raise AlignmentError where less meets than is asked for."""
    hint = str(found.suggestion) if found.suggestion is not None else None
    for m, (source, share) in enumerate(zip(sources, found.overlap, strict=True)):
        if share < joining.min_overlap:
            raise AlignmentError(
                f"{share:.1%} of the ids are in all inputs, and --min-overlap asks for "
                f"{joining.min_overlap:.1%}",
                where=source.label,
                hint=hint,
            )
        if joining.strict and (dropped := found.dropped[m]):
            raise AlignmentError(
                f"{dropped:,} of {source.rows:,} rows would be dropped, and --strict forbids it; "
                f"the first {_told_ids(source, found.unused(m)[:3])}",
                where=source.label,
                hint=hint or _keeping(joining),
            )


def _keeping(joining: Joining) -> str:
    """What would keep more rows."""
    if joining.how != "outer":
        return "--join outer keeps the rows that others lack"
    return "--duplicates mean, max or explode takes all rows of an id"


def _told_ids(source: Identified, rows: Rows) -> str:
    assert source.ids is not None
    return "are those of " + ", ".join(repr(source.ids[int(row)]) for row in rows)


def _matches(source: Identified, ids: Ids, first: Index, rows: int) -> Rows:
    """For every one of the first source's `rows` its row in another, or ABSENT.

    Raises AlignmentError if an id of the other is there twice.
    """
    own, places = numbers(len(ids)), first.find(ids)
    met = places != ABSENT
    alone, places, own = own[~met], places[met], own[met]
    matches = np.full(rows, ABSENT, own.dtype)
    matches[places] = own
    last = matches[places]
    again = last != own
    # what the first source does not have may repeat as well
    one, other = index(ids.take(alone)).duplicates()
    _refuse_duplicates(source, *joined([(own[again], last[again]), (alone[one], alone[other])]))
    return matches


def _refuse_duplicates(source: Identified, first: Rows, second: Rows) -> None:
    if len(first) and source.ids is not None:
        k = int(np.argmin(first))  # an index may list the pairs in any order
        raise AlignmentError(
            f"{len(first):,} row{'s repeat' if len(first) > 1 else ' repeats'} an id; "
            f"the first is {source.ids[int(first[k])]!r} in rows "
            f"{int(first[k]) + 1:,} and {int(second[k]) + 1:,}",
            where=source.label,
            hint="--duplicates first, mean, max or explode says what several rows of an id become",
        )


def _examples(source: Identified) -> str:
    assert source.ids is not None
    ids = source.ids
    told = ", ".join(repr(text) for text, _ in zip(ids, range(2), strict=False))
    return f"{source.label} has {told}{', …' if len(ids) > 2 else ''}"
