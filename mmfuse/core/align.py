"""Alignment: which row of every source makes a row of the output. The only place that decides it.

Decided once, from ids alone, before a feature is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from string import ascii_letters
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, IntegerIds, Rows, TextIds
from mmfuse.core.match import ABSENT, Index, in_order, index, joined, numbers
from mmfuse.errors import AlignmentError

By = Literal["auto", "id", "position"]

# text that a person would take for the integer it is not: ` 7`, `007`, `+7`, `7.0`
_LOOKS_INTEGER = re.compile(r"\s*[+-]?\d+(\.0*)?\s*")
_PLAIN_INTEGER = re.compile(r"0|-?[1-9][0-9]*")


class Identified(Protocol):
    """What alignment needs to know of a source."""

    @property
    def label(self) -> str:
        """How messages name it."""

    @property
    def rows(self) -> int:
        """Rows in the source."""

    @property
    def ids(self) -> Ids | None:
        """One id a row, or None where the source has none."""


@dataclass(frozen=True)
class Alignment:
    """The rows of the output.

    ids: the id of every output row.
    rows: for every source the row number to take, shape `(n,)`; None: all its rows as they stand.
    read: rows in every source.
    by: whether rows were matched by id or by position.
    """

    ids: Ids
    rows: tuple[Rows | None, ...]
    read: tuple[int, ...]
    by: Literal["id", "position"]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dropped(self) -> tuple[int, ...]:
        """Rows of every source that are in no output row."""
        return tuple(read - len(self) for read in self.read)

    def keep(self, mask: NDArray[np.bool_]) -> Alignment:
        """Only the output rows where `mask` holds, in the same order."""
        kept = numbers(len(self))[mask]
        rows = tuple(kept if rows is None else rows[kept] for rows in self.rows)
        return replace(self, ids=self.ids.take(kept), rows=rows)


def align(sources: Sequence[Identified], by: By = "auto") -> Alignment:
    """Join the sources on their ids: rows that all of them have, in the first one's order.

    Without ids in any source, rows are taken by position; their counts must then be equal.
    `by="position"` takes them by position whatever ids there are, and keeps the first source's
    that has some; `by="id"` insists on ids.

    Raises AlignmentError: ids in some sources only, unequal counts, duplicate ids, integers
    beside text that only looks like them, no id in common.
    """
    without = [source for source in sources if source.ids is None]
    if by == "position" or (by == "auto" and len(without) == len(sources)):
        return _by_position(sources)
    if without:
        raise AlignmentError(
            f"{without[0].label} has no row ids"
            + ("" if by == "id" else ", but other inputs have"),
            where=without[0].label,
            hint="name its ids with --ids NAME=FILE or --id-column NAME=COLUMN"
            + ("" if by == "id" else ", or join row by row with --by-position"),
        )
    return _by_id(sources, _comparable(sources))


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


def _by_id(sources: Sequence[Identified], columns: Sequence[Ids]) -> Alignment:
    first, found = columns[0], index(columns[0])
    _refuse_duplicates(sources[0], *found.duplicates())
    common = np.ones(len(first), np.bool_)
    matches = [numbers(len(first))]
    for source, ids in zip(sources[1:], columns[1:], strict=True):
        matches.append(_matches(source, ids, found, len(first)))
        common &= matches[-1] != ABSENT
    del found  # what is left to do takes memory of its own
    if not common.any():
        raise AlignmentError(
            "no id is common to all inputs: " + "; ".join(map(_examples, sources)),
            hint="--ids or --id-column names the right ids; mmfuse inspect shows where they are",
        )
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
    )


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


def _comparable(sources: Sequence[Identified]) -> list[Ids]:
    """The ids of all sources as one kind: integers where all are, else text."""
    columns = [source.ids for source in sources if source.ids is not None]
    if all(isinstance(ids, IntegerIds) for ids in columns):
        return columns
    if any(isinstance(ids, IntegerIds) for ids in columns):
        for source in sources:
            if isinstance(source.ids, TextIds):
                _refuse_lookalikes(source, source.ids)
    return [ids.as_text() for ids in columns]


def _refuse_lookalikes(source: Identified, ids: TextIds) -> None:
    lookalikes = [
        text
        for text in ids.take(_without_letters_around(ids))
        if _LOOKS_INTEGER.fullmatch(text) and not _PLAIN_INTEGER.fullmatch(text)
    ]
    if lookalikes:
        told = " and ".join(repr(text) for text in lookalikes[:2])
        raise AlignmentError(
            f"{len(lookalikes):,} text ids look like integers but are not written like them "
            f"({told}), and another input has integer ids",
            where=source.label,
            hint="write the ids of all inputs the same way",
        )


def _without_letters_around(ids: TextIds) -> Rows:
    """The rows whose id neither begins nor ends with an ASCII letter, as most text does."""
    letter = np.zeros(256, np.bool_)
    letter[list(ascii_letters.encode())] = True
    rows = np.flatnonzero(ids.lengths)
    rows = rows[~letter[ids.data[ids.offsets[rows]]]]
    return rows[~letter[ids.data[ids.offsets[rows + 1] - 1]]]


def _refuse_duplicates(source: Identified, first: Rows, second: Rows) -> None:
    if len(first) and source.ids is not None:
        k = int(np.argmin(first))  # an index may list the pairs in any order
        raise AlignmentError(
            f"{len(first):,} row{'s repeat' if len(first) > 1 else ' repeats'} an id; "
            f"the first is {source.ids[int(first[k])]!r} in rows "
            f"{int(first[k]) + 1:,} and {int(second[k]) + 1:,}",
            where=source.label,
            hint="keep one row an id",
        )


def _examples(source: Identified) -> str:
    ids = source.ids if source.ids is not None else ()
    told = ", ".join(repr(text) for text, _ in zip(ids, range(2), strict=False))
    return f"{source.label} has {told}{', …' if len(ids) > 2 else ''}"
