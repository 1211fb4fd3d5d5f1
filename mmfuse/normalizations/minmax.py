"""`minmax`."""

import numpy as np

from mmfuse.core.affine import standardize
from mmfuse.core.batch import Block
from mmfuse.core.linear_map import LinearMap
from mmfuse.core.normalization import Normalization
from mmfuse.core.scatter import Scatter
from mmfuse.core.statistics import Moments
from mmfuse.core.strategy import Learned


class MinMax(Normalization):
    """Bring every column to 0…1: (x − min) / (max − min).

    A constant column becomes 0 and is counted.
    """

    learns = True
    linear = True

    def solve(self, moments: Moments, scatter: Scatter | None = None) -> Learned:
        spread = moments.maximum - moments.minimum
        return {"minimum": moments.minimum, "range": np.where(spread > 0, spread, np.inf)}

    def normalize(self, x: Block, learned: Learned) -> None:
        standardize(x, learned["minimum"], learned["range"])

    def degenerate_columns(self, moments: Moments) -> int:
        return int(np.count_nonzero(moments.maximum == moments.minimum))

    def linear_map(self, learned: Learned, dim: int) -> LinearMap:
        return LinearMap(learned["minimum"], 1 / learned["range"])
