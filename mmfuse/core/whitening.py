"""Directions in which a block has unit variance: what CCA, its kin and whitening share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.eigen import eigen
from mmfuse.core.options import Param
from mmfuse.core.scatter import spans
from mmfuse.errors import InputError

Array = NDArray[np.float64]

Ridge = Annotated[float, Param("λ, added to every column's variance: S + λI.", min=0)]
Shrinkage = Annotated[
    float, Param("c, by which covariances are drawn to the identity: (1 − c)S + cI.", min=0, max=1)
]

_NOTHING = 1e-12
"""The share of its columns' variance below which a direction counts as none: float64 sums of
float32 values tell no more of it."""


def whitener(covariance: Array, n: int, ridge: float = 0.0, shrinkage: float = 0.0) -> Array:
    """B of shape `(d, r)` with Bᵀ ((1 − c)S + (c + λ)I) B = I, its columns largest first.

    covariance: S, `(d, d)`, of n rows. r: the directions in which the rows vary; columns that are
    constant or repeat others leave fewer than d. That is told on columns of unit variance, so
    that a column's unit does not matter.
    """
    variances = np.maximum(np.diag(covariance), 0)
    regular = (1 - shrinkage) * variances + (shrinkage + ridge)
    unit = np.divide(1, np.sqrt(regular), out=np.zeros_like(regular), where=variances > 0)
    scaled = covariance * (1 - shrinkage) * unit * unit[:, None]
    most = min(int(np.count_nonzero(unit)), max(n - 1, 0))
    if ridge or shrinkage:
        scaled[np.diag_indices_from(scaled)] += (shrinkage + ridge) * unit**2
        most = int(np.count_nonzero(unit))
    values, vectors = eigen(scaled)
    r = min(most, int(np.count_nonzero(values > _NOTHING * max(values[0], 0))))
    root: Array = unit[:, None] * vectors[:, :r] / np.sqrt(values[:r])
    return root


def block_whitener(
    covariances: Sequence[Array], rows: Sequence[int], ridge: float, shrinkage: float
) -> tuple[Array, list[int], Array]:
    """The whiteners of several blocks, each in its place of one matrix `(D, Σ r_m)`, r_m, gains.

    A gain, one a block, is the largest variance there is once it is whitened: 1, but for what
    regularisation makes of it.
    covariances, rows: of every block. Raises InputError unless two of them vary.
    """
    roots = [whitener(s, n, ridge, shrinkage) for s, n in zip(covariances, rows, strict=True)]
    ranks = [root.shape[1] for root in roots]
    if np.count_nonzero(ranks) < 2:
        raise InputError(
            "there is nothing to learn: fewer than two modalities vary",
            hint="are the features constant, or is there one row only?",
        )
    joined = np.zeros((sum(map(len, covariances)), sum(ranks)))
    for block, columns, root in zip(
        spans(list(map(len, covariances))), spans(ranks), roots, strict=True
    ):
        joined[block, columns] = root
    gains = np.ones(len(roots))
    if ridge or shrinkage:
        for m, (s, root) in enumerate(zip(covariances, roots, strict=True)):
            gains[m] = eigen(root.T @ s @ root)[0].max(initial=0)
    return joined, ranks, gains
