"""Eigenvalues of symmetric matrices, largest first, and how many of them are more than rounding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmfuse.errors import InputError

Array = NDArray[np.float64]


def eigen(matrix: Array) -> tuple[Array, Array]:
    """Eigenvalues `(d,)`, descending, and eigenvectors, the columns of `(d, d)`.

    Raises InputError for a matrix whose sums have left the range of float64.
    """
    if not np.isfinite(matrix).all():
        raise InputError(
            "the features are too large, or vary too little, for their squares to be added up",
            hint="--normalize zscore, or leave out columns that are all but constant",
        )
    values, vectors = np.linalg.eigh(matrix)
    return values[::-1], vectors[:, ::-1]


def rank(values: Array, size: int | None = None) -> int:
    """How many of descending eigenvalues of a matrix of sums are more than rounding errors.

    size: of the matrix, where only some of its eigenvalues are given.
    """
    if not len(values) or values[0] <= 0:
        return 0
    tolerance = values[0] * (size or len(values)) * np.finfo(np.float64).eps
    return int(np.count_nonzero(values > tolerance))
