"""Rows of one modality as the output has them: absent in some, pooled of several in others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Rows
from mmfuse.core.ranges import pick_runs
from mmfuse.core.source import Matrix, Taken

Pool = Literal["mean", "max", "std"]
"""What several rows become, column by column; `std` has ddof=0."""

_PIECE_BYTES = 4 << 20


@dataclass(frozen=True)
class Aligned:
    """What an alignment takes of a source.

    taken: the source's rows, those of the first output row before those of the second.
    ends: where the rows of each output row end, shape `(n,)`; None: one each.
    """

    taken: Taken
    dtype: np.dtype[Any]
    ends: Rows | None = None
    pool: Pool = "mean"

    @cached_property
    def pools(self) -> bool:
        """Whether rows are computed: some output row has several, or its one is no mean of it."""
        if self.ends is None:
            return False
        return self.pool == "std" or bool((np.diff(self.ends, prepend=0) > 1).any())

    def present(self, start: int, stop: int) -> NDArray[np.bool_] | None:
        """Which of the output rows start…stop have the modality; None: all."""
        if self.ends is None:
            return None
        has: NDArray[np.bool_] = self._counts(start, stop) > 0
        return None if has.all() else has

    def read(self, start: int, stop: int, out: Matrix) -> Matrix:
        """Those of the output rows start…stop that are present, in the first rows of `out`."""
        if self.ends is None:
            self.taken.read(start, stop, out)
            return out[: stop - start]
        counts = self._counts(start, stop)
        last = int(self.ends[stop - 1])
        first = last - int(counts.sum())
        counts = counts[counts > 0]
        if len(counts) and self.pools:
            self._pool(first, counts, out[: len(counts)])
        elif len(counts):
            self.taken.read(first, last, out)
        return out[: len(counts)]

    def keep(self, kept: Rows) -> Aligned:
        """Only these rows of the output."""
        if self.ends is None:
            return replace(self, taken=self.taken.keep(kept))
        places, ends = pick_runs(self.ends, kept)
        return replace(self, taken=self.taken.keep(places), ends=ends)

    def _counts(self, start: int, stop: int) -> NDArray[np.int64]:
        assert self.ends is not None
        before = int(self.ends[start - 1]) if start else 0
        return np.diff(self.ends[start:stop], prepend=before)

    def _pool(self, first: int, counts: NDArray[np.int64], out: Matrix) -> None:
        """Reduce runs of `counts` rows from row `first` of `taken` on, in float64, read once."""
        if self.pool == "max":
            found = np.full(out.shape, -np.inf)
            for groups, starts, x in self._pieces(first, counts, out.shape[1]):
                found[groups] = np.maximum(found[groups], np.maximum.reduceat(x, starts, axis=0))
            out[:] = found
            return
        seen, mean, squares = np.zeros((len(out), 1)), np.zeros(out.shape), np.zeros(out.shape)
        for groups, starts, x in self._pieces(first, counts, out.shape[1]):
            lengths = np.diff(starts, append=len(x))
            part = np.add.reduceat(x, starts, axis=0) / lengths[:, None]
            if self.pool == "std":
                x -= np.repeat(part, lengths, axis=0)
                squares[groups] += np.add.reduceat(np.square(x, out=x), starts, axis=0)
            # merged as `core.statistics.Moments` are
            before, delta = seen[groups].copy(), part - mean[groups]
            seen[groups] += lengths[:, None]
            share = lengths[:, None] / seen[groups]
            mean[groups] += delta * share
            squares[groups] += np.square(delta) * before * share
        out[:] = mean if self.pool == "mean" else np.sqrt(squares / seen)

    def _pieces(self, first: int, counts: NDArray[np.int64], dim: int) -> Any:
        """The rows in pieces: the runs that each touches, where they start in it, its values."""
        ends = np.cumsum(counts)
        step = max(1, _PIECE_BYTES // (8 * dim))
        for start in range(0, int(ends[-1]), step):
            stop = min(start + step, int(ends[-1]))
            stored = np.empty((stop - start, dim), self.dtype)
            self.taken.read(first + start, first + stop, stored)
            low = int(np.searchsorted(ends, start, "right"))
            high = int(np.searchsorted(ends, stop, "left")) + 1
            starts = np.maximum((ends - counts)[low:high] - start, 0)
            yield slice(low, high), starts, stored.astype(np.float64)
