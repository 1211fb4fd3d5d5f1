"""Products of rows with a matrix in which no row depends, to the bit, on those beside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Block

_ROWS = 256


def multiply_rows(x: Block, matrix: NDArray[np.float64], out: Block, *, add: bool = False) -> None:
    """out = x · matrix, of shapes `(n, d)`, `(d, k)` and `(n, k)`, rounded once; x may be out.

    add: to what stands in `out`.

    A BLAS library sums a row in an order that depends on how many rows there are, and in float32
    on where among them it stands. So it is given float64, and always as many rows: the last ones
    are filled up with zeros.
    """
    rows, products = np.zeros((_ROWS, x.shape[1])), np.empty((_ROWS, out.shape[1]))
    for start in range(0, len(x), _ROWS):
        part = x[start : start + _ROWS]
        rows[: len(part)], rows[len(part) :] = part, 0
        np.matmul(rows, matrix, out=products)
        image = out[start : start + _ROWS]
        if add:
            np.add(image, products[: len(part)], out=image, casting="same_kind")
        else:
            image[:] = products[: len(part)]
