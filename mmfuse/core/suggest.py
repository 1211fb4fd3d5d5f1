"""Why ids do not meet: the transforms tried one by one, so that one can be suggested."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import NamedTuple

import numpy as np

from mmfuse.core.id_transforms import NAMED, parse, transformed
from mmfuse.core.ids import Ids
from mmfuse.core.match import ABSENT, index
from mmfuse.errors import AlignmentError

_SAMPLE = 100_000  # ids a source that are tried
_CANDIDATES = (*NAMED, "strip,lower", "stem,lower", "stem,int", "s/\\D+//,int")


class Suggestion(NamedTuple):
    """A transform that lets `met` of the first `tried` ids of the first source meet all others."""

    transform: str
    met: int
    tried: int

    def __str__(self) -> str:
        transform = quote(self.transform)
        return f"{self.met:,} of {self.tried:,} ids match with --id-transform {transform}"


def suggest(columns: Sequence[Ids]) -> Suggestion | None:
    """The simplest transform after which most ids meet, if more than before and at least half."""
    before = _met(columns)
    best: Suggestion | None = None
    for candidate in _CANDIDATES:
        try:
            columns_then = [transformed(_some(ids), parse(candidate)) for ids in columns]
        except AlignmentError:  # ids that it cannot take, or leaves empty
            continue
        tried = min(map(len, columns_then))
        met = _met(columns_then)
        if 2 * met >= tried and met > max(before, best.met if best else 0):
            best = Suggestion(candidate, met, tried)
    return best


def _some(ids: Ids) -> Ids:
    return ids if len(ids) <= _SAMPLE else ids.take(slice(0, _SAMPLE))


def _met(columns: Sequence[Ids]) -> int:
    """How many ids of the first source all others have too; 0 where a transform made them equal."""
    texts = [_some(ids).as_text() for ids in columns]
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
