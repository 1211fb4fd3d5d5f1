"""`lda`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from mmfuse.core.class_scatter import ClassScatter
from mmfuse.core.components import Components, at_most, number, wanted
from mmfuse.core.eigen import eigen, rank
from mmfuse.core.projection import Projection, positive, split
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned, numbered
from mmfuse.core.whitening import Ridge, Shrinkage, whitener


@dataclass(frozen=True)
class Lda(Projection):
    """Project the modalities side by side on the directions that tell classes apart best.

    The weights solve B w = λ W w, B the scatter between the classes of `--labels` and W that
    within them; there is one component less than classes. The covariance matrix within classes
    (ddof=0) is the identity in the output. Rows without a label are fused, not learned from.

    Fisher (1936), The use of multiple measurements in taxonomic problems; Rao (1948), The
    utilization of multiple measurements in problems of biological classification.
    """

    panel = "Learned feature-level fusion"
    measure = "between / within"
    supervised = True

    n_components: Annotated[Components, wanted("variance between classes", "all")] = "auto"
    ridge: Ridge = 0.0
    shrinkage: Shrinkage = 0.0

    def columns(self, schema: Schema) -> Sequence[str]:
        most = min(len(schema.classes) - 1, sum(schema.dims))
        told = f"{len(schema.classes):,} classes and these modalities"
        return numbered("lda", at_most(self.n_components, most, told))

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """Also `spectrum`, `(C − 1,)`: λ, the variance between classes by that within them."""
        assert isinstance(gathered, ClassScatter)
        classes, n = int(np.count_nonzero(gathered.counts)), max(gathered.n, 1)
        root = whitener(gathered.within / n, n - classes + 1, self.ridge, self.shrinkage)
        apart = gathered.spread @ root
        spectrum, u = eigen(apart.T @ apart / n)
        most = min(rank(spectrum), classes - 1)
        k = number(self.n_components, spectrum, most, lambda: most)
        learned = split(schema, gathered.mean, positive(root @ u[:, :k]))
        return {**learned, "spectrum": spectrum[:most]}
