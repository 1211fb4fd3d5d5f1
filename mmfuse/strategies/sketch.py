"""`sketch`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch, Block
from mmfuse.core.options import Param
from mmfuse.core.randomness import integers, signs
from mmfuse.core.schema import Schema
from mmfuse.core.strategy import Learned, Strategy, numbered


@dataclass(frozen=True)
class Sketch(Strategy):
    """Approximate the product of all features in few columns (compact bilinear pooling).

    Every modality is count-sketched, Ψ_m(x)_k = Σ_{j: h_m(j) = k} s_m(j) x_j, and the sketches
    are convolved: z = IFFT(Π_m FFT Ψ_m(x_m)). Then E⟨z, z'⟩ = Π ⟨x_m, x'_m⟩ over the seeds.

    Pham & Pagh (2013), Fast and scalable polynomial kernels via explicit feature maps, KDD;
    Gao et al. (2016), Compact bilinear pooling, CVPR; Fukui et al. (2016), Multimodal compact
    bilinear pooling for visual question answering, EMNLP.
    """

    n_components: Annotated[int, Param("Output columns.", min=1)] = 1024
    seed: Annotated[int, Param("Seed of the hashes and signs.", min=0)] = 0
    signed_sqrt: Annotated[
        bool, Param("Signed square root, then l2, of the output, as Fukui et al. do.")
    ] = False

    def columns(self, schema: Schema) -> Sequence[str]:
        return numbered("sketch", self.n_components)

    def solve(self, schema: Schema) -> Learned:
        """For modality m the hashes `h_m` and the signs `s_m`, each of shape `(d_m,)`."""
        learned: dict[str, NDArray[Any]] = {}
        for m, dim in enumerate(schema.dims):
            learned[f"h_{m}"] = integers(self.seed, 2 * m, dim, self.n_components)
            learned[f"s_{m}"] = signs(self.seed, 2 * m + 1, dim)
        return learned

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        spectra = (
            np.fft.rfft(self._count_sketch(block, learned[f"h_{m}"], learned[f"s_{m}"]), axis=1)
            for m, block in enumerate(batch.blocks)
        )
        product = next(spectra)
        for spectrum in spectra:
            product *= spectrum  # in place: `a * b` may become `b * a`, by the size of the batch
        fused = np.fft.irfft(product, n=self.n_components, axis=1)
        if self.signed_sqrt:
            fused = np.sign(fused) * np.sqrt(np.abs(fused))
            norm = np.linalg.norm(fused, axis=1, keepdims=True)
            fused /= np.where(norm > 0, norm, 1)
        out[:] = fused

    def _count_sketch(self, block: Block, h: NDArray[Any], s: NDArray[Any]) -> Block:
        order = np.argsort(h, kind="stable")
        bins, starts = np.unique(h[order], return_index=True)
        sketch = np.zeros((len(block), self.n_components), block.dtype)
        signed = block[:, order] * s[order].astype(block.dtype)
        sketch[:, bins] = np.add.reduceat(signed, starts, axis=1)
        return sketch
