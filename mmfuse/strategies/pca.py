"""`pca`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.components import Components, at_most, number, wanted
from mmfuse.core.eigen import eigen, rank
from mmfuse.core.projection import Projection, positive, split
from mmfuse.core.scatter import Scatter
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned, numbered


@dataclass(frozen=True)
class Pca(Projection):
    """Project the modalities side by side on their principal components.

    The components are the eigenvectors of the covariance matrix of [x_1; …; x_M], largest
    variance first. Scales matter: `--normalize zscore` gives every column one voice,
    `zscore,sqrt-dim` every modality.

    Hotelling (1933), Analysis of a complex of statistical variables into principal components;
    `auto` is the threshold of Gavish & Donoho (2014), The optimal hard threshold for singular
    values is 4/√3.
    """

    panel = "Learned feature-level fusion"

    n_components: Annotated[Components, wanted("variance", "those that stand out of noise")] = (
        "auto"
    )

    def columns(self, schema: Schema) -> Sequence[str]:
        return numbered("pca", at_most(self.n_components, sum(schema.dims), "these modalities"))

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """Also `spectrum`, `(D,)`: the variance of every component."""
        assert isinstance(gathered, Scatter)
        return principal(schema, gathered, self.n_components)


def principal(schema: Schema, scatter: Scatter, asked: Components) -> Learned:
    """The principal components of columns with this scatter."""
    spectrum, vectors = eigen(scatter.covariance)
    spectrum = np.maximum(spectrum, 0)
    most = min(rank(spectrum), max(scatter.n - 1, 0))
    k = number(asked, spectrum, most, lambda: _above_noise(spectrum, scatter.n))
    learned = split(schema, scatter.mean, positive(vectors[:, :k]))
    return {**learned, "spectrum": spectrum}


def _above_noise(spectrum: NDArray[np.float64], n: int) -> int:
    """How many singular values exceed Gavish & Donoho's threshold, ω(β) times their median.

    ω by the authors' approximation 0.56 β³ − 0.95 β² + 1.82 β + 1.43, β the matrix's aspect.
    """
    d = len(spectrum)
    beta = min(n, d) / max(n, d)
    singular = np.sqrt(spectrum[: min(n, d)])
    omega = 0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43
    return int(np.count_nonzero(singular > omega * np.median(singular)))
