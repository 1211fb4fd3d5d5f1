"""`zscore`."""

import numpy as np

from mmfuse.core.affine import standardize
from mmfuse.core.batch import Block
from mmfuse.core.linear_map import LinearMap
from mmfuse.core.normalization import Normalization
from mmfuse.core.scatter import Scatter
from mmfuse.core.statistics import Moments
from mmfuse.core.strategy import Learned


class ZScore(Normalization):
    """Give every column mean 0 and standard deviation 1: (x − mean) / sd, with ddof=0.

    A constant column becomes 0 and is counted.
    """

    learns = True
    linear = True

    def solve(self, moments: Moments, scatter: Scatter | None = None) -> Learned:
        return {"mean": moments.mean, "sd": np.where(moments.sd > 0, moments.sd, np.inf)}

    def normalize(self, x: Block, learned: Learned) -> None:
        standardize(x, learned["mean"], learned["sd"])

    def degenerate_columns(self, moments: Moments) -> int:
        return int(np.count_nonzero(moments.sd == 0))

    def linear_map(self, learned: Learned, dim: int) -> LinearMap:
        return LinearMap(learned["mean"], 1 / learned["sd"])
