"""Principal components, and how many of them stand out of noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.components import Components, number
from mmfuse.core.eigen import eigen, rank
from mmfuse.core.projection import positive, split
from mmfuse.core.scatter import Scatter
from mmfuse.core.schema import Schema
from mmfuse.core.strategy import Learned

Array = NDArray[np.float64]


def principal(
    schema: Schema, scatter: Scatter, asked: Components, factors: Array | None = None
) -> Learned:
    """The principal components of modalities that are multiplied by `factors`, `(M,)`, first.

    Also `spectrum`, `(D,)`: the variance of every component.
    """
    scale = np.repeat(np.ones(len(schema.dims)) if factors is None else factors, schema.dims)
    spectrum, vectors = eigen(scatter.covariance * scale * scale[:, None])
    spectrum = np.maximum(spectrum, 0)
    most = min(rank(spectrum), max(scatter.n - 1, 0))
    k = number(asked, spectrum, most, lambda: above_noise(spectrum, scatter.n))
    learned = split(schema, scatter.mean, positive(vectors[:, :k]), factors)
    return {**learned, "spectrum": spectrum}


def above_noise(spectrum: Array, n: int) -> int:
    """How many singular values exceed Gavish & Donoho's threshold, ω(β) times their median.

    ω by the authors' approximation 0.56 β³ − 0.95 β² + 1.82 β + 1.43, β the matrix's aspect.
    spectrum: of a covariance matrix of n rows, descending.
    """
    d = len(spectrum)
    beta = min(n, d) / max(n, d)
    singular = np.sqrt(spectrum[: min(n, d)])
    omega = 0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43
    return int(np.count_nonzero(singular > omega * np.median(singular)))
