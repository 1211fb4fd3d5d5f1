"""`random-lowrank`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch, Block
from mmfuse.core.options import Param
from mmfuse.core.randomness import signs
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned, Strategy, numbered


@dataclass(frozen=True)
class RandomLowrank(Strategy):
    """Approximate tensor fusion by products of random projections.

    z_k = (1/√D) Π_m ([1; x_m]·r_mk) with r of random signs (Rademacher); E⟨z, z'⟩ =
    Π (1 + ⟨x_m, x'_m⟩) over the seeds. The unsupervised twin of low-rank tensor fusion.

    Kar & Karnick (2012), Random feature maps for dot product kernels, AISTATS; Liu et al. (2018),
    Efficient low-rank multimodal fusion with modality-specific factors, ACL.
    """

    n_components: Annotated[int, Param("Output columns D.", min=1)] = 1024
    seed: Annotated[int, Param("Seed of the random signs.", min=0)] = 0

    def columns(self, schema: Schema) -> Sequence[str]:
        return numbered("random_lowrank", self.n_components)

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """For modality m the signs `r_m`, shape `(d_m + 1, D)`; float64, as `fuse` multiplies."""
        return {
            f"r_{m}": signs(self.seed, m, (dim + 1) * self.n_components)
            .reshape(dim + 1, -1)
            .astype(np.float64)
            for m, dim in enumerate(schema.dims)
        }

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        out[:] = 1 / np.sqrt(self.n_components)
        factor = np.empty(out.shape)
        for m, block in enumerate(batch.blocks):
            r = learned[f"r_{m}"]
            np.matmul(_on_a_grid(block), r[1:], out=factor)
            factor += r[0]
            np.multiply(out, factor, out=out, casting="same_kind")


def _on_a_grid(block: Block) -> NDArray[np.float64]:
    """Every row rounded to multiples of a power of two, so that its signed sums are exact.

    The grid is d to 4 d float64 spacings of the row's largest value. Sums that are exact are the
    same in whatever order a BLAS library takes them: for any cut of the rows, on any machine.
    """
    largest = np.maximum(block.max(axis=1, keepdims=True), -block.min(axis=1, keepdims=True))
    exponent = np.frexp(largest.astype(np.float64) * block.shape[1])[1]
    # beside 1.5 · 2ᵉ a float64 has room for multiples of 2ᵉ⁻⁵² only: added, it rounds
    anchor = np.ldexp(1.5, exponent)
    rounded: NDArray[np.float64] = block.astype(np.float64)
    rounded += anchor
    rounded -= anchor
    return rounded
