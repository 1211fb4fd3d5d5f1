"""Products of rows with a matrix in which no row depends, to the bit, on those beside it."""

from __future__ import annotations

import numpy as np

from mmfuse.core.batch import Block

_ROWS = 256


def multiply_rows(x: Block, matrix: Block, out: Block) -> None:
    """out = x · matrix, of shapes `(n, d)`, `(d, k)` and `(n, k)` and of one dtype.

    A BLAS library sums a row in an order that depends on how many rows there are. So it is always
    given as many: the last ones are filled up with zeros.
    """
    n = len(x)
    whole = n - n % _ROWS
    for start in range(0, whole, _ROWS):
        np.matmul(x[start : start + _ROWS], matrix, out=out[start : start + _ROWS])
    if whole < n:
        padded = np.zeros((_ROWS, x.shape[1]), x.dtype)
        padded[: n - whole] = x[whole:]
        out[whole:] = (padded @ matrix)[: n - whole]
