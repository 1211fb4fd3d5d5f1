"""Σ x xᵀ of rows that come a few at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
_ROWS = 4096


class RowProducts:
    """Adds up the products of rows of `width` numbers, many rows at a time.

    Adding a product of `(width, width)` to the sum costs as much as multiplying a few hundred
    rows, so a tile's rows wait for those of others.
    """

    def __init__(self, width: int) -> None:
        self._rows = np.empty((_ROWS, width))
        self._used = 0
        self._product = np.empty((width, width))
        self._total = np.zeros((width, width))

    def room(self, count: int) -> Array:
        """Space for `count` rows, `(count, width)`, to be written before the next call."""
        if self._used + count > len(self._rows):
            self._multiply()
        if count > len(self._rows):
            self._rows = np.empty((count, self._rows.shape[1]))
        self._used += count
        return self._rows[self._used - count : self._used]

    def total(self) -> Array:
        """The sum over all rows; no more are to come."""
        self._multiply()
        return self._total

    def _multiply(self) -> None:
        if self._used:
            x = self._rows[: self._used]
            self._total += np.matmul(x.T, x, out=self._product)
        self._used = 0


def row_products_bytes(width: int) -> int:
    """Bytes of the rows that wait."""
    return 8 * _ROWS * width
