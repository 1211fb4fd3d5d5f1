"""Which ids are in which modalities: every combination that occurs, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mmfuse.core.ids import Ids
from mmfuse.core.join import join


class Combination(NamedTuple):
    """`ids` different ids are in just the modalities with `members[m]` true."""

    members: tuple[bool, ...]
    ids: int


def overlap(columns: Sequence[Ids]) -> list[Combination]:
    """The combinations of columns of one kind, the most frequent first; an id counts once.

    Lex, Gehlenborg, Strobelt, Vuillemot & Pfister (2014), UpSet: visualization of intersecting
    sets.
    """
    joined = join(columns, "outer", ["first"] * len(columns), sort=False)
    has = np.ones((len(joined.ids), len(columns)), np.bool_)
    for m, ends in enumerate(joined.ends):
        if ends is not None:
            has[:, m] = np.diff(ends, prepend=0) > 0
    members, counts = np.unique(has, axis=0, return_counts=True)
    found = [
        Combination(tuple(map(bool, row)), int(count))
        for row, count in zip(members, counts, strict=True)
    ]
    return sorted(found, key=lambda one: (-one.ids, [not member for member in one.members]))
