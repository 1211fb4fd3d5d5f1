"""`cca`."""

from dataclasses import dataclass

import numpy as np

from mmfuse.core.canonical import Combining
from mmfuse.core.chance import largest_by_chance
from mmfuse.core.scatter import Scatter
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned
from mmfuse.core.whitening import Ridge, Shrinkage, whitener


@dataclass(frozen=True)
class Cca(Combining):
    """Project two modalities on the directions in which they correlate most.

    With U D Vᵀ the singular value decomposition of Sxx^(−1/2) Sxy Syy^(−1/2), A = Sxx^(−1/2) U
    and B = Syy^(−1/2) V, the output is [Aᵀx; Bᵀy], or Aᵀx + Bᵀy with `--combine sum`; D holds
    the canonical correlations, every column has unit variance. Where there are as many columns
    as rows, correlations of 1 mean nothing: `--ridge` or `--shrinkage` helps.

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
        u, correlations, v = np.linalg.svd(a.T @ s[x, y] @ b, full_matrices=False)
        correlations = np.minimum(correlations, 1)  # but for rounding
        ranks = (a.shape[1], b.shape[1])
        return self.kept(
            schema,
            gathered.mean,
            np.vstack([a @ u, b @ v.T]),
            correlations,
            correlations**2,
            lambda: int(np.count_nonzero(1 + correlations > largest_by_chance(ranks, n))),
        )
