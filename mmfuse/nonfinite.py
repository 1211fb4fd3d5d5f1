"""What to do with values that are not finite: the `--nan` policies."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mmfuse.core.batch import Block
from mmfuse.core.normalization import Normalization
from mmfuse.core.scatter import Scatter
from mmfuse.core.statistics import Moments
from mmfuse.core.strategy import Learned

NanPolicy = Literal["error", "keep", "zero", "mean", "drop"]


class ToZero(Normalization):
    """Every value that is not finite becomes 0."""

    def normalize(self, x: Block, learned: Learned) -> None:
        x[~np.isfinite(x)] = 0


class ToMean(Normalization):
    """Every value that is not finite becomes the mean of its column's finite values."""

    learns = True

    def solve(self, moments: Moments, scatter: Scatter | None = None) -> Learned:
        return {"mean": moments.mean}

    def normalize(self, x: Block, learned: Learned) -> None:
        rows, columns = np.nonzero(~np.isfinite(x))
        x[rows, columns] = learned["mean"][columns]

    def degenerate_columns(self, moments: Moments) -> int:
        return int(np.count_nonzero(moments.count == 0))
