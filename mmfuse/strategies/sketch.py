"""`sketch`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch, Block
from mmfuse.core.count_sketch import ARRANGED, arrange, count_sketch
from mmfuse.core.options import Param
from mmfuse.core.randomness import integers, signs
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned, Strategy, numbered


@dataclass(frozen=True)
class Sketch(Strategy):
    """Approximate the product of all features in few columns (compact bilinear pooling).

    Every modality is count-sketched, Ψ_m(x)_k = Σ_{j: h_m(j) = k} s_m(j) x_j, and the sketches
    are convolved: z = IFFT(Π_m FFT Ψ_m(x_m)). Then E⟨z, z'⟩ = Π ⟨x_m, x'_m⟩ over the seeds.
    A row that lacks a modality is the product of those it has.

    Pham & Pagh (2013), Fast and scalable polynomial kernels via explicit feature maps, KDD;
    Gao et al. (2016), Compact bilinear pooling, CVPR; Fukui et al. (2016), Multimodal compact
    bilinear pooling for visual question answering, EMNLP.
    """

    fuses_present = True

    n_components: Annotated[int, Param("Output columns.", min=1)] = 1024
    seed: Annotated[int, Param("Seed of the hashes and signs.", min=0)] = 0
    signed_sqrt: Annotated[
        bool, Param("Signed square root, then l2, of the output, as Fukui et al. do.")
    ] = False

    def columns(self, schema: Schema) -> Sequence[str]:
        return numbered("sketch", self.n_components)

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """For modality m the hashes `h_m` and the signs `s_m`, each of shape `(d_m,)`.

        What else there is follows from them: `arrange` says what.
        """
        learned: dict[str, NDArray[Any]] = {}
        for m, dim in enumerate(schema.dims):
            h = integers(self.seed, 2 * m, dim, self.n_components)
            s = signs(self.seed, 2 * m + 1, dim)
            arranged = arrange(h, s, self.n_components)
            learned |= {f"h_{m}": h, f"s_{m}": s}
            learned |= {f"{name}_{m}": array for name, array in arranged.items()}
        return learned

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        product = self._spectrum(0, batch, out, learned)
        for m in range(1, len(batch.blocks)):
            # in place: `a * b` may become `b * a`, by the size of the batch
            product *= self._spectrum(m, batch, out, learned)
        # M orthonormal FFTs and the one back divide by √n each, and the one back should by n
        product *= self.n_components ** ((len(batch.blocks) - 1) / 2)
        out[:] = np.fft.irfft(product, n=self.n_components, axis=1, norm="ortho")
        if self.signed_sqrt:
            size = np.abs(out)
            norm = np.sqrt(size.sum(axis=1, keepdims=True))  # of the roots, whose squares they are
            np.copysign(np.sqrt(size, out=size), out, out=out)
            out /= np.where(norm > 0, norm, 1)

    def _spectrum(
        self, m: int, batch: Batch, out: Block, learned: Learned
    ) -> NDArray[np.complexfloating[Any, Any]]:
        """FFT Ψ_m(x_m), orthonormal; `out` is used for Ψ_m(x_m).

        Where a row lacks the modality it is that of the unit of convolution.
        """
        arranged = {name: learned[f"{name}_{m}"] for name in ARRANGED}
        count_sketch(batch.blocks[m], arranged, out)
        if batch.present is not None:
            out[~batch.present[:, m], 0] = 1  # the others are 0
        # without a `norm` NumPy takes float32 through float64, at twice the time
        return np.fft.rfft(out, axis=1, norm="ortho")
