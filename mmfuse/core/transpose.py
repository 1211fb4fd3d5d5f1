"""Copies between matrices stored by rows and by columns, larger than a cache."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_STRIP_ROWS = (
    128  # one value of each of 64 rows fits into a core's first cache, with its neighbours
)


def copy(matrix: NDArray[Any], out: NDArray[Any]) -> None:
    """Fill `out` with a C-ordered matrix of its shape `(n, d)`.

    NumPy's own copy to columns misses the cache at every value; by strips it is several times as
    fast.
    """
    step = max(1, len(out)) if out.strides[0] >= out.strides[1] else _STRIP_ROWS
    for top in range(0, len(out), step):
        out[top : top + step] = matrix[top : top + step]


def transposed(matrix: NDArray[Any]) -> NDArray[Any]:
    """The transpose of a C-ordered matrix `(n, d)`, itself C-ordered."""
    out = np.empty(matrix.shape[::-1], matrix.dtype)
    copy(matrix, out.T)
    return out
