"""`mfa`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from mmfuse.core.components import Components, at_most, wanted
from mmfuse.core.eigen import eigen
from mmfuse.core.principal import principal
from mmfuse.core.projection import Projection
from mmfuse.core.scatter import Scatter
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned, numbered


@dataclass(frozen=True)
class Mfa(Projection):
    """Scale every modality to a largest variance of 1, then take principal components of all.

    A modality is divided by σ₁, the standard deviation along its own first principal component,
    so that neither a wide nor a loud one dominates the first components (multiple factor
    analysis). A weight multiplies the modality after that. Columns of other units want
    `--normalize zscore` first.

    Escofier & Pagès (1994), Multiple factor analysis (AFMULT package), Computational Statistics
    & Data Analysis 18; `auto` as for pca, Gavish & Donoho (2014).
    """

    panel = "Learned feature-level fusion"

    n_components: Annotated[Components, wanted("variance", "those that stand out of noise")] = (
        "auto"
    )

    def columns(self, schema: Schema) -> Sequence[str]:
        return numbered("mfa", at_most(self.n_components, sum(schema.dims), "these modalities"))

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """Also `spectrum`, `(D,)`: the variance of every component of the scaled modalities."""
        assert isinstance(gathered, Scatter)
        s = gathered.covariance
        largest = np.array([eigen(s[block, block])[0][0] for block in gathered.slices])
        # one that does not vary stays as it is
        sigma = np.sqrt(np.where(largest > 0, largest, 1))
        return principal(schema, gathered, self.n_components, schema.weights / sigma)
