"""The ids of several sources as one kind, so that they can be compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_letters
from typing import Protocol

import numpy as np

from mmfuse.core.ids import Ids, IntegerIds, Rows, TextIds
from mmfuse.core.join import Several
from mmfuse.errors import AlignmentError

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

    @property
    def several(self) -> Several | None:
        """What several rows of one id become, where that is said of this source alone."""


def comparable(sources: Sequence[Identified], *, insisted: bool = True) -> list[Ids]:
    """The ids of all sources as one kind: integers where all are, else text.

    insisted: whether it was said that rows join by id. Raises AlignmentError: a source without
    ids, integers beside text that only looks like them.
    """
    columns = []
    for source in sources:
        if source.ids is None:
            raise AlignmentError(
                f"{source.label} has no row ids" + ("" if insisted else ", but other inputs have"),
                where=source.label,
                hint="name its ids with --ids NAME=FILE or --id-column NAME=COLUMN"
                + ("" if insisted else ", or join row by row with --by-position"),
            )
        columns.append(source.ids)
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
            hint="write the ids of all inputs the same way, or take these for integers with "
            "--id-transform int",
        )


def _without_letters_around(ids: TextIds) -> Rows:
    """The rows whose id neither begins nor ends with an ASCII letter, as most text does."""
    letter = np.zeros(256, np.bool_)
    letter[list(ascii_letters.encode())] = True
    rows = np.flatnonzero(ids.lengths)
    rows = rows[~letter[ids.data[ids.offsets[rows]]]]
    return rows[~letter[ids.data[ids.offsets[rows + 1] - 1]]]
