"""Why ids do not meet: the transforms tried one by one, so that one can be suggested."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.id_transforms import parse, transformed
from mmfuse.core.ids import Ids, TextIds
from mmfuse.core.match import ABSENT, index
from mmfuse.core.randomness import mix
from mmfuse.core.words import parts
from mmfuse.errors import AlignmentError

_TRIED = 100_000  # ids a source that are tried, or a few more
_CANDIDATES = (  # the one that takes least away first
    *("strip", "lower", "nfc", "basename", "stem", "int"),
    *("strip,lower", "stem,lower", "stem,int", "s/\\D+//,int"),
)


class Suggestion(NamedTuple):
    """A transform that lets `met` of `tried` ids of the first source meet all others."""

    transform: str
    met: int
    tried: int

    def __str__(self) -> str:
        transform = quote(self.transform)
        return f"{self.met:,} of {self.tried:,} ids match with --id-transform {transform}"


def suggest(columns: Sequence[Ids]) -> Suggestion | None:
    """The simplest transform after which most ids meet, if more than before and at least half."""
    columns = sampled(columns)
    before = _met(columns)
    best: Suggestion | None = None
    for candidate in _CANDIDATES:
        try:
            columns_then = [transformed(ids, parse(candidate)) for ids in columns]
        except AlignmentError:  # ids that it cannot take, or leaves empty
            continue
        tried = min(map(len, columns_then))
        met = _met(columns_then)
        if 2 * met >= tried and met > max(before, best.met if best else 0):
            best = Suggestion(candidate, met, tried)
    return best


def sampled(columns: Sequence[Ids]) -> list[Ids]:
    """Some ids of long columns: the same ones of each, however they are spelled and ordered.

    They are chosen by their digits, which no transform changes but for zeros before a number.
    """
    share = _TRIED / max(1, *map(len, columns))
    if share >= 1:
        return list(columns)
    texts = [ids.as_text() for ids in columns]
    kept = (np.flatnonzero(_digit_keys(ids) < share * 2.0**64)[: 2 * _TRIED] for ids in texts)
    return [ids.take(rows) for ids, rows in zip(texts, kept, strict=True)]


def _digit_keys(ids: TextIds) -> NDArray[np.uint64]:
    """A hash of the digits of every id but zeros, in any order, shape `(n,)`."""
    keys = np.empty(len(ids), np.uint64)
    for part in parts(len(ids)):
        some = ids.take(part)
        digit = some.data - np.uint8(ord("0"))  # wraps, so that all else is more than nine
        cubes = np.where(digit < 10, digit, 0).astype(np.int64) ** 3
        ends = np.concatenate([[0], np.cumsum(cubes)])[some.offsets]
        keys[part] = mix(np.diff(ends).view(np.uint64))
    return keys


def _met(columns: Sequence[Ids]) -> int:
    """How many ids of the first source all others have too; 0 where a transform made them equal."""
    texts = [ids.as_text() for ids in columns]
    found = index(texts[0])
    common = np.ones(len(texts[0]), bool)
    for k, ids in enumerate(texts):
        rows = found.find(ids)
        if len(index(ids).duplicates()[0]):
            return 0
        has = np.zeros(len(texts[0]), bool)
        has[rows[rows != ABSENT]] = True
        if k:
            common &= has
    return int(common.sum())
