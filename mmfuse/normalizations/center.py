"""`center`."""

import numpy as np

from mmfuse.core.affine import subtract
from mmfuse.core.batch import Block
from mmfuse.core.linear_map import LinearMap
from mmfuse.core.normalization import Normalization
from mmfuse.core.scatter import Scatter
from mmfuse.core.statistics import Moments
from mmfuse.core.strategy import Learned


class Center(Normalization):
    """Give every column mean 0: x − mean; closes the gap between modalities before a mean."""

    learns = True
    linear = True

    def solve(self, moments: Moments, scatter: Scatter | None = None) -> Learned:
        return {"mean": moments.mean}

    def normalize(self, x: Block, learned: Learned) -> None:
        subtract(x, learned["mean"])

    def linear_map(self, learned: Learned, dim: int) -> LinearMap:
        return LinearMap(learned["mean"], np.array(1.0))
