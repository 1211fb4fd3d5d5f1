"""`random-projection`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from mmfuse.core.batch import Batch, Block
from mmfuse.core.options import Param
from mmfuse.core.products import multiply_rows
from mmfuse.core.randomness import normals
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned, Strategy, numbered


@dataclass(frozen=True)
class RandomProjection(Strategy):
    """Project the modalities side by side on random directions, which nearly keeps distances.

    z = Σ_m R_mᵀ x_m with R_ij ~ N(0, 1/k), so that E⟨z, z'⟩ = Σ_m ⟨x_m, x'_m⟩ over the seeds. It
    learns nothing, so it brings a modality that is too wide for the learned strategies to fewer
    columns. A row that lacks a modality is the sum of the others.

    Johnson & Lindenstrauss (1984), Extensions of Lipschitz mappings into a Hilbert space; Indyk &
    Motwani (1998), Approximate nearest neighbors, STOC.
    """

    n_components: Annotated[int, Param("Output columns k.", min=1)] = 256
    seed: Annotated[int, Param("Seed of the random directions.", min=0)] = 0

    def columns(self, schema: Schema) -> Sequence[str]:
        return numbered("random_projection", self.n_components)

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """For modality m the directions `r_m`, shape `(d_m, k)`."""
        k = self.n_components
        return {
            f"r_{m}": normals(self.seed, m, dim * k).reshape(dim, k) / np.sqrt(k)
            for m, dim in enumerate(schema.dims)
        }

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        for m, block in enumerate(batch.blocks):
            multiply_rows(block, learned[f"r_{m}"], out, add=m > 0)
