"""`pls`."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.canonical import Combining
from mmfuse.core.components import Components, number, wanted
from mmfuse.core.eigen import eigen, rank
from mmfuse.core.options import Param
from mmfuse.core.projection import positive, split
from mmfuse.core.scatter import Scatter
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pls(Combining):
    """Project two modalities on the directions in which they covary most.

    A component is the first pair of singular vectors of the cross-covariance matrix Sxy. In
    canonical mode each modality's own component is taken off it before the next pair is sought;
    `--deflation none` takes all singular vectors of one Sxy. Other than in `cca`, directions that
    vary little count little, so it needs no more rows than columns.

    Wold (1975), Path models with latent variables: the NIPALS approach; Wegelin (2000), A survey
    of partial least squares methods; `auto` keeps covariances above those of independent
    modalities, bounded as by Chevet (1978).
    """

    panel = "Learned feature-level fusion"
    measure = "covariance"
    most = 2

    n_components: Annotated[Components, wanted("squared covariance", "more than chance")] = "auto"
    deflation: Annotated[
        Literal["canonical", "none"], Param("What is taken off before the next component.")
    ] = "canonical"

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """Also `spectrum`, `(r,)`: the singular values of Sxy."""
        assert isinstance(gathered, Scatter)
        x, y = gathered.slices
        s = gathered.covariance
        u, spectrum, v = np.linalg.svd(s[x, y], full_matrices=False)
        k = number(
            self.n_components,
            spectrum**2,
            rank(spectrum),
            lambda: int(np.count_nonzero(spectrum > _by_chance(s[x, x], s[y, y], gathered.n))),
        )
        pair = (u[:, :k], v[:k].T)
        if self.deflation == "canonical":
            pair = _deflated(s[x, x], s[y, y], s[x, y], k)
        learned = split(schema, gathered.mean, positive(np.vstack(pair)))
        return {**learned, "spectrum": spectrum}


def _by_chance(sx: Array, sy: Array, n: int) -> float:
    """‖Sxy‖ of n rows of independent modalities at most: (√(‖Sx‖ tr Sy) + √(‖Sy‖ tr Sx)) / √n."""
    largest = [eigen(s)[0][0] for s in (sx, sy)]
    bound = np.sqrt(largest[0] * np.trace(sy)) + np.sqrt(largest[1] * np.trace(sx))
    return float(bound / np.sqrt(max(n - 1, 1)))


def _deflated(sx: Array, sy: Array, sxy: Array, k: int) -> tuple[Array, Array]:
    """The weights, `(d_x, k)` and `(d_y, k)`, that give all k components of the rows as they are.

    Taking X w pᵀ off X, where p = Sx w / (wᵀ Sx w), is taking it off the covariances; the
    components of what is left are X W (Pᵀ W)^(−1).
    """
    sx, sy, sxy = sx.copy(), sy.copy(), sxy.copy()
    found: list[list[Array]] = [[], [], [], []]
    for _ in range(k):
        pair = _first_pair(sxy)
        loadings = []
        for w, s in zip(pair, (sx, sy), strict=True):
            along = s @ w
            loadings.append(along / (w @ along))
            s -= np.outer(along, loadings[-1])
        p, q = loadings
        sxy -= np.outer(p, pair[0] @ sxy)
        sxy -= np.outer(sxy @ pair[1], q)
        for kept, one in zip(found, (*pair, *loadings), strict=True):
            kept.append(one)
    wx, wy, px, py = (np.column_stack(each) for each in found)
    return wx @ np.linalg.inv(px.T @ wx), wy @ np.linalg.inv(py.T @ wy)


def _first_pair(sxy: Array) -> tuple[Array, Array]:
    """The first left and right singular vectors, by the smaller of the two Gram matrices."""
    wide = sxy.shape[0] > sxy.shape[1]
    c = sxy.T if wide else sxy
    left = eigen(c @ c.T)[1][:, 0]
    right = c.T @ left
    right /= np.linalg.norm(right)
    return (right, left) if wide else (left, right)
