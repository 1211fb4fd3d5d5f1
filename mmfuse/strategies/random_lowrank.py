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

    def solve(self, schema: Schema) -> Learned:
        """For modality m the signs `r_m`, shape `(d_m + 1, D)`."""
        return {
            f"r_{m}": signs(self.seed, m, (dim + 1) * self.n_components).reshape(dim + 1, -1)
            for m, dim in enumerate(schema.dims)
        }

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        out[:] = 1 / np.sqrt(self.n_components)
        for m, block in enumerate(batch.blocks):
            r = learned[f"r_{m}"].astype(np.float64)
            np.multiply(out, r[0] + _on_a_grid(block) @ r[1:], out=out, casting="same_kind")


def _on_a_grid(block: Block) -> NDArray[np.float64]:
    """Every row rounded to multiples of a power of two, so that its signed sums are exact.

    The grid is d to 4 d float64 spacings of the row's largest value. Sums that are exact are the
    same in whatever order a BLAS library takes them: for any cut of the rows, on any machine.
    """
    reach = np.abs(block).max(axis=1, keepdims=True).astype(np.float64) * block.shape[1]
    grid = np.ldexp(1.0, np.frexp(reach)[1] - 52)
    grid = np.maximum(grid, np.finfo(np.float64).smallest_subnormal)
    rounded: NDArray[np.float64] = np.rint(block / grid) * grid
    return rounded
