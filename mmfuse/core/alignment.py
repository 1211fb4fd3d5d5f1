"""What alignment decides: the rows of the output, as rows of every source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.aligned import Pool
from mmfuse.core.ids import Ids, Rows
from mmfuse.core.join import Join
from mmfuse.core.ranges import pick_runs
from mmfuse.core.suggest import Suggestion


@dataclass(frozen=True)
class Alignment:
    """The rows of the output.

    ids: the id of every output row.
    rows: for every source the row numbers to take, those of the first output row before those of
        the second; None: all its rows as they stand.
    read: rows in every source.
    by: whether rows were matched by id, by position or in time.
    how: inner, left or outer.
    ends: for every source where the rows of each output row end in `rows`, shape `(n,)`, for
        output rows that have none of its rows or several; None: one each.
    overlap: for every source the share of its different ids that all sources have.
    suggestion: how more ids would meet, where few do.
    pools: for every source what several of its rows become.
    times: of every output row in nanoseconds, where rows were matched in time; then also
        unmatched: for every source the rows of the first that meet none of its rows.
    """

    ids: Ids
    rows: tuple[Rows | None, ...]
    read: tuple[int, ...]
    by: Literal["id", "position", "time"]
    how: Join = "inner"
    ends: tuple[Rows | None, ...] = field(default=())
    overlap: tuple[float, ...] = field(default=())
    suggestion: Suggestion | None = None
    pools: tuple[Pool, ...] = field(default=())
    times: NDArray[np.int64] | None = None
    unmatched: tuple[int, ...] = field(default=())

    def __post_init__(self) -> None:
        for name, plain in (("ends", None), ("pools", "mean"), ("unmatched", 0)):
            if not getattr(self, name):
                object.__setattr__(self, name, (plain,) * len(self.rows))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def dropped(self) -> tuple[int, ...]:
        """Rows of every source that are in no output row."""
        return tuple(len(self.unused(m)) for m in range(len(self.rows)))

    def unused(self, m: int) -> Rows:
        """The rows of source `m` that are in no output row, in their order."""
        unused = np.ones(self.read[m], np.bool_)
        rows = self.rows[m]
        unused[slice(None) if rows is None else rows] = False
        return np.flatnonzero(unused)

    @property
    def absent(self) -> tuple[int, ...]:
        """Output rows that lack each source."""
        masks = map(self.present, range(len(self.rows)))
        return tuple(0 if has is None else int((~has).sum()) for has in masks)

    @property
    def complete(self) -> bool:
        """Whether every output row has every modality."""
        return all(self.present(m) is None for m in range(len(self.rows)))

    def present(self, m: int) -> NDArray[np.bool_] | None:
        """Which output rows have source `m`, shape `(n,)`; None: all."""
        if (ends := self.ends[m]) is None:
            return None
        has: NDArray[np.bool_] = np.diff(ends, prepend=0) > 0
        return None if has.all() else has

    def of(self, sources: Sequence[int | None]) -> Alignment:
        """The same rows of these sources, by number; None is one that has none of them."""
        nothing = np.zeros(len(self), np.int64)
        return replace(
            self,
            rows=tuple(nothing[:0] if m is None else self.rows[m] for m in sources),
            read=tuple(0 if m is None else self.read[m] for m in sources),
            ends=tuple(nothing if m is None else self.ends[m] for m in sources),
            pools=tuple("mean" if m is None else self.pools[m] for m in sources),
            unmatched=tuple(0 if m is None else self.unmatched[m] for m in sources),
        )

    def take(self, kept: Rows) -> Alignment:
        """Only the output rows `kept`, in that order."""
        picked = [_pick(*taken, kept) for taken in zip(self.rows, self.ends, strict=True)]
        rows, ends = zip(*picked, strict=True)
        times = None if self.times is None else self.times[kept]
        return replace(self, ids=self.ids.take(kept), rows=rows, ends=ends, times=times)


def _pick(rows: Rows | None, ends: Rows | None, kept: Rows) -> tuple[Rows, Rows | None]:
    """The rows of some output rows, and where those of each end."""
    if ends is None:
        return (kept if rows is None else rows[kept]), None
    assert rows is not None
    places, ends = pick_runs(ends, kept)
    return rows[places], ends
