"""The arrays that a thread works in, lent for every tile and block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.aligned import Aligned
from mmfuse.core.batch import Block
from mmfuse.core.fusion import Absent
from mmfuse.core.plan import Plan
from mmfuse.core.tally import Places


class Workspace:
    """One thread's arrays: a tile of every modality as stored and as computed with, a block out."""

    def __init__(
        self,
        taken: Sequence[Aligned],
        dims: Sequence[int],
        dtypes: Sequence[np.dtype[Any]],
        working: Sequence[np.dtype[Any]],
        plan: Plan,
        width: int,
        dtype: np.dtype[Any] | None,
    ) -> None:
        """The modalities, their widths, their dtypes as read and as computed with; the output's."""
        self._taken = taken
        self._stored = [
            np.empty((plan.tile_rows, dim), as_read)
            for dim, as_read in zip(dims, dtypes, strict=True)
        ]
        self._working: list[Block] = [
            stored if stored.dtype == wanted else np.empty(stored.shape, wanted)
            for stored, wanted in zip(self._stored, working, strict=True)
        ]
        self._spread: dict[int, Block] = {}
        rows = min(plan.block_rows, plan.rows) if width else 0
        self.out = np.empty((rows, width), dtype, order="F" if plan.columnar else "C")

    def load(self, m: int, start: int, stop: int) -> tuple[Block, Places]:
        """The rows start…stop that have modality `m`, in the precision of arithmetic.

        Returns them, shape `(k, d)`, and their numbers in the output.
        """
        aligned = self._taken[m]
        stored = aligned.read(start, stop, self._stored[m])
        working = self._working[m][: len(stored)]
        if working.dtype != stored.dtype:
            working[:] = stored
        has = aligned.present(start, stop)
        if has is None:
            return working, range(start, stop)
        return working, np.flatnonzero(has) + start

    def spread(self, m: int, x: Block, has: NDArray[np.bool_], absent: Absent) -> Block:
        """A block with a row for every row of the output, `absent` where it lacks the modality."""
        if len(x) == len(has):
            return x
        if m not in self._spread:
            self._spread[m] = np.empty(self._working[m].shape, x.dtype)
        block = self._spread[m][: len(has)]
        block[has], block[~has] = x, absent
        return block
