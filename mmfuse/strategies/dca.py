"""`dca`."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.canonical import Combining
from mmfuse.core.class_scatter import ClassScatter
from mmfuse.core.components import Components, at_most, number, wanted
from mmfuse.core.projection import positive, split
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned

Array = NDArray[np.float64]
_NOTHING = 1e-10


@dataclass(frozen=True)
class Dca(Combining):
    """Project two modalities so that classes come apart, then so that only like components meet.

    Each modality is projected on the directions in which the means of the classes of `--labels`
    differ, scaled so that the scatter between them becomes the identity; the singular value
    decomposition U D Vᵀ of what is left of Sxy then gives U D^(−1/2) and V D^(−1/2), after which
    the cross-covariance is the identity. Rows without a label are fused, and not learned from.

    Haghighat, Abdel-Mottaleb & Alhalabi (2016), Discriminant correlation analysis, IEEE
    Transactions on Information Forensics and Security 11; here on covariances instead of sums,
    so that the scale of the output does not depend on the number of rows.
    """

    panel = "Learned feature-level fusion"
    measure = "cross-covariance"
    most = 2
    supervised = True

    n_components: Annotated[Components, wanted("cross-covariance", "all")] = "auto"

    def _components(self, schema: Schema) -> int:
        most = min(len(schema.classes) - 1, *schema.dims)
        return at_most(
            self.n_components, most, f"{len(schema.classes)} classes and these modalities"
        )

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """Also `spectrum`, `(r,)`: the singular values D."""
        assert isinstance(gathered, ClassScatter)
        x, y = gathered.slices
        free = max(gathered.n - 1, 1)
        apart = gathered.spread / np.sqrt(free)
        a, b = _apart(apart[:, x]), _apart(apart[:, y])
        r = min(a.shape[1], b.shape[1], max(np.count_nonzero(gathered.counts) - 1, 0))
        a, b = a[:, :r], b[:, :r]
        cross = gathered.within[x, y] / free + apart[:, x].T @ apart[:, y]
        u, spectrum, v = np.linalg.svd(a.T @ cross @ b)
        most = int(np.count_nonzero(spectrum > _NOTHING * spectrum.max(initial=0)))
        k = number(self.n_components, spectrum, most, lambda: most)
        root = np.sqrt(spectrum[:k])
        weights = np.vstack([a @ u[:, :k] / root, b @ v[:k].T / root])
        learned = split(schema, gathered.mean, positive(weights), schema.weights)
        return {**learned, "spectrum": spectrum}


def _apart(spread: Array) -> Array:
    """W of shape `(d, r)` with Wᵀ S W = I, S = spreadᵀ spread the scatter between the classes."""
    _, sigma, p = np.linalg.svd(spread, full_matrices=False)
    r = int(np.count_nonzero(sigma > _NOTHING * sigma.max(initial=0)))
    columns: Array = p[:r].T / sigma[:r]
    return columns
