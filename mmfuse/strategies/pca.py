"""`pca`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from mmfuse.core.components import Components, at_most, wanted
from mmfuse.core.principal import principal
from mmfuse.core.projection import Projection
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
