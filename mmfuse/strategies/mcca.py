"""`mcca`."""

from dataclasses import dataclass

import numpy as np

from mmfuse.core.canonical import Combining
from mmfuse.core.chance import largest_by_chance
from mmfuse.core.eigen import eigen
from mmfuse.core.scatter import Scatter, spans
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned
from mmfuse.core.whitening import Ridge, Shrinkage, block_whitener


@dataclass(frozen=True)
class Mcca(Combining):
    """Project two or more modalities so that the sum of their correlations is largest (SUMCOR).

    The weights v = [v_1; …; v_M] solve C v = λ D v, C the covariance matrix of all columns and D
    its diagonal blocks, both regularised alike; of two modalities λ is 1 + their canonical
    correlation. v is scaled to vᵀ D v = M, so that a projection has about unit variance.

    Kettenring (1971), Canonical analysis of several sets of variables, Biometrika 58; `auto`
    keeps more than the largest λ by chance, Wachter (1980), Annals of Statistics 8.
    """

    panel = "Learned feature-level fusion"
    measure = "λ"

    ridge: Ridge = 0.0
    shrinkage: Shrinkage = 0.0

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """Also `spectrum`, `(r,)`: every λ above 1."""
        assert isinstance(gathered, Scatter)
        s, n = gathered.covariance, gathered.n
        blocks = [s[block, block] for block in gathered.slices]
        root, ranks, gains = block_whitener(blocks, [n] * len(blocks), self.ridge, self.shrinkage)
        between = root.T @ s @ root
        for columns in spans(ranks):  # D is the identity here, C's own blocks are those of D
            between[columns, columns] = np.eye(columns.stop - columns.start)
        spectrum, u = eigen(between)
        common = int(np.count_nonzero(spectrum > 1 + 1e-12))
        spectrum = spectrum[:common]
        return self.kept(
            schema,
            gathered.mean,
            np.sqrt(len(ranks)) * (root @ u[:, :common]),
            spectrum,
            (spectrum - 1) ** 2,
            lambda: int(
                np.count_nonzero(spectrum - 1 > gains.max() * (largest_by_chance(ranks, n) - 1))
            ),
        )
