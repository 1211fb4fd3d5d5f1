"""`gcca`."""

from dataclasses import dataclass

import numpy as np

from mmfuse.core.batch import Batch, Block
from mmfuse.core.canonical import Canonical
from mmfuse.core.chance import largest_by_chance
from mmfuse.core.components import at_most
from mmfuse.core.eigen import eigen, rank
from mmfuse.core.present_scatter import PresentScatter, present_scatter_bytes
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned
from mmfuse.core.whitening import Ridge, Shrinkage, block_whitener
from mmfuse.errors import UsageError


@dataclass(frozen=True)
class Gcca(Canonical):
    """Find the representation that all modalities predict best, also from rows that lack some.

    With P_m the projection on the columns of modality m, K_m the diagonal matrix of a_m, 1 where
    a row has the modality, and N = Σ w_m K_m, the components are the leading eigenvectors of
    N^(−1/2) (Σ w_m K_m P_m K_m) N^(−1/2), times N^(−1/2) (MAXVAR). Rows that lack a modality are
    learned from too. A row's output is the mean, by weights, of what its modalities predict;
    a column has unit mean square.

    Carroll (1968), Generalization of canonical correlation analysis to three or more sets of
    variables; with missing rows, van de Velden & Bijmolt (2006), Psychometrika 71; `auto` keeps
    more than the largest eigenvalue by chance, Wachter (1980), Annals of Statistics 8.
    """

    panel = "Learned feature-level fusion"
    measure = "eigenvalue"

    ridge: Ridge = 0.0
    shrinkage: Shrinkage = 0.0

    def _components(self, schema: Schema) -> int:
        if (schema.weights <= 0).any():
            raise UsageError("gcca needs weights above zero")
        return at_most(self.n_components, sum(schema.dims), "these modalities")

    def statistics(self, schema: Schema) -> Statistic:
        return PresentScatter.empty(schema.dims, schema.weights)

    def statistic_bytes(self, schema: Schema) -> int:
        return present_scatter_bytes(schema.dims)

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """Also `spectrum`, `(r,)`: all eigenvalues."""
        assert isinstance(gathered, PresentScatter)
        own, weights = gathered.own, schema.weights
        root, ranks, gains = block_whitener(
            [one.covariance for one in own], [one.n for one in own], self.ridge, self.shrinkage
        )
        # columns of root times √w_m and the inverse root of Σ a_m x xᵀ, not of the covariance
        rows = np.array([max(one.n - 1, 1) for one in own])
        root *= np.repeat(np.sqrt(weights / rows), ranks)
        spectrum, u = eigen(root.T @ gathered.products @ root)
        spectrum = spectrum[: rank(spectrum)]
        # the largest eigenvalue that each would have with nothing in common with the others
        alone = gains * weights * np.diag(gathered.counts) / [max(one.n, 1) for one in own]
        scale = np.sqrt(weights @ [one.n for one in own] / spectrum)
        share = np.repeat(weights, schema.dims)[:, None]
        return self.kept(
            schema,
            gathered.mean,
            root @ u[:, : len(spectrum)] * scale / share,
            spectrum,
            np.maximum(spectrum - alone.max(), 0) ** 2,
            lambda: int(np.count_nonzero(spectrum > largest_by_chance(ranks, gathered.n, alone))),
        )

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        super().fuse(batch, out, learned)
        has = True if batch.present is None else batch.present
        total = np.where(has, batch.weights, 0).sum(axis=-1, keepdims=True)
        out /= total.astype(out.dtype)
