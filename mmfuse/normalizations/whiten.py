"""`whiten`."""

import numpy as np

from mmfuse.core.affine import subtract
from mmfuse.core.batch import Block
from mmfuse.core.eigen import eigen
from mmfuse.core.linear_map import LinearMap
from mmfuse.core.normalization import Normalization
from mmfuse.core.products import multiply_rows
from mmfuse.core.scatter import Scatter
from mmfuse.core.statistics import Moments
from mmfuse.core.strategy import Learned

_RIDGE = 1e-6


class Whiten(Normalization):
    """Make columns uncorrelated and of variance 1 (ZCA): (x − mean) (S + λI)^(−1/2).

    S is the covariance matrix and λ a millionth of its mean variance, so that directions in which
    the rows do not vary stay near 0. Of all such maps it leaves the columns most alike to what
    they were.

    Kessy, Lewin & Strimmer (2018), Optimal whitening and decorrelation.
    """

    learns = True
    linear = True
    mixes = True

    def solve(self, moments: Moments, scatter: Scatter | None = None) -> Learned:
        assert scatter is not None
        matrix = np.zeros_like(scatter.matrix)
        varies = np.flatnonzero(moments.sd > 0)  # a constant column is to be 0, not nearly so
        some = np.ix_(varies, varies)
        values, vectors = eigen(scatter.covariance[some])
        values = np.maximum(values, 0)
        root = 1 / np.sqrt(values + _RIDGE * values.sum() / len(matrix))
        matrix[some] = (vectors * root) @ vectors.T
        return {"mean": scatter.mean, "matrix": matrix}

    def normalize(self, x: Block, learned: Learned) -> None:
        subtract(x, learned["mean"])
        multiply_rows(x, learned["matrix"], x)

    def degenerate_columns(self, moments: Moments) -> int:
        return int(np.count_nonzero(moments.sd == 0))

    def linear_map(self, learned: Learned, dim: int) -> LinearMap:
        return LinearMap(learned["mean"], learned["matrix"])
