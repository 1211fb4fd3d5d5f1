"""`snf`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from mmfuse.core.batch import Batch, Block
from mmfuse.core.networks import affinity, embedding, fused, network_bytes
from mmfuse.core.options import Param
from mmfuse.core.schema import Schema
from mmfuse.core.strategy import Learned, Strategy, numbered
from mmfuse.errors import InputError


@dataclass(frozen=True)
class Snf(Strategy):
    """Fuse the modalities' networks of similar rows, and embed the rows by what results (SNF).

    Every modality is a network W_ij = N(ρ_ij; 0, (μσ_ij)²), ρ the Euclidean distance and σ_ij the
    mean of ρ_ij and of the mean distances of i and of j to their K nearest neighbours. The networks
    diffuse through each other's neighbourhoods, P_v ← S_v (mean of the other P) S_vᵀ + I, t times;
    their mean is the fused network. The output is its spectral embedding: eigenvectors of the
    normalised Laplacian I − D^(−1/2) W D^(−1/2), times D^(−1/2), smallest eigenvalues first,
    without the first, which is constant. Clustering into k groups takes k − 1 columns.

    Columns of large scale dominate a modality's distances: `--normalize zscore`. The scale of a
    whole modality does not matter, and so neither does its weight. Rows that lack a modality are
    alike in it. snf works in memory, on all rows at once, for up to some ten thousand of them.

    Wang et al. (2014), Similarity network fusion for aggregating data types on a genomic scale,
    Nature Methods 11; its embedding is that of von Luxburg (2007), A tutorial on spectral
    clustering.
    """

    panel = "Learned feature-level fusion"
    whole = True
    least = 2

    n_components: Annotated[int, Param("Columns of the spectral embedding.", min=1)] = 10
    neighbors: Annotated[int, Param("K, the nearest neighbours of a row.", min=1)] = 20
    mu: Annotated[
        float, Param("μ, the width of the kernel; the paper takes 0.3 to 0.8.", min=0.1, max=1)
    ] = 0.5
    iterations: Annotated[int, Param("t, how often the networks diffuse.", min=0)] = 20

    def columns(self, schema: Schema) -> Sequence[str]:
        return numbered("snf", self.n_components)

    def workspace(self, rows: int, schema: Schema) -> int:
        return network_bytes(rows, schema.dims, self.neighbors)

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        self._check(len(batch))
        if not all(np.isfinite(block).all() for block in batch.blocks):
            out[:] = np.nan  # no row's place among the others is known
            return
        networks = [affinity(block, self.neighbors, self.mu) for block in batch.blocks]
        out[:] = embedding(fused(networks, self.neighbors, self.iterations), self.n_components)

    def _check(self, rows: int) -> None:
        """Raise InputError where there are too few rows."""
        for count, what, flag in (
            (self.neighbors, "neighbours a row", "--neighbors"),
            (self.n_components, "columns", "--n-components"),
        ):
            if count >= rows:
                raise InputError(
                    f"snf is asked for {count:,} {what}, and {rows:,} rows have {rows - 1:,} "
                    "at most",
                    hint=f"{flag} {rows - 1}, or fewer" if rows > 1 else None,
                )
