"""`cca`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.canonical import Combining
from mmfuse.core.chance import largest_by_chance
from mmfuse.core.scatter import Scatter
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned
from mmfuse.core.whitening import Ridge, Shrinkage, whitener

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Cca(Combining):
    """Project two modalities on the directions in which they correlate most.

    With U D Vᵀ the singular value decomposition of Sxx^(−1/2) Sxy Syy^(−1/2), A = Sxx^(−1/2) U
    and B = Syy^(−1/2) V, the output is [Aᵀx; Bᵀy], or Aᵀx + Bᵀy with `--combine sum`; D holds
    the canonical correlations, every column has unit variance (both but for `--ridge` and
    `--shrinkage`). Where there are as many columns as rows, correlations of 1 mean nothing, and
    these help.

    Hotelling (1936), Relations between two sets of variates, Biometrika 28; fused as by Sun et
    al. (2005), A new method of feature fusion, Pattern Recognition 38; `auto` keeps more than the
    largest correlation by chance, Wachter (1980), Annals of Statistics 8.
    """

    panel = "Learned feature-level fusion"
    measure = "correlation"
    most = 2

    ridge: Ridge = 0.0
    shrinkage: Shrinkage = 0.0

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """Also `spectrum`, `(r,)`: the canonical correlations."""
        assert isinstance(gathered, Scatter)
        x, y = gathered.slices
        s, n = gathered.covariance, gathered.n
        a, b = (whitener(s[m, m], n, self.ridge, self.shrinkage) for m in (x, y))
        ranks = (a.shape[1], b.shape[1])
        u, strengths, v = np.linalg.svd(a.T @ s[x, y] @ b, full_matrices=False)
        a, b = a @ u, b @ v.T
        # those of the columns that come out: regularised, D is not
        scale = np.sqrt(_variances(a, s[x, x]) * _variances(b, s[y, y]))
        varies = scale > 1e-12 * scale.max(initial=0)  # a regularised one may not
        correlations = np.minimum(strengths / np.where(varies, scale, np.inf), 1)
        return self.kept(
            schema,
            gathered.mean,
            np.vstack([a, b]),
            correlations,
            strengths**2,
            lambda: int(np.count_nonzero(1 + correlations > largest_by_chance(ranks, n))),
        )


def _variances(weights: Array, s: Array) -> Array:
    """Of the images of columns with covariance `s`, `(r,)`."""
    variances: Array = np.einsum("ij,ij->j", weights, s @ weights)
    return np.maximum(variances, 0)
