"""A block's normalisation as a linear map, through which moments are carried without the rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LinearMap:
    """x ↦ (x − shift) · scale of rows x of shape `(d,)`.

    shift: `(d,)`, or 0. scale: a factor a column, `(d,)`; one for all, `()`; or a matrix `(d, d)`.
    """

    shift: Array | float
    scale: Array

    @property
    def mixes(self) -> bool:
        """Whether a column of the result depends on several of the block."""
        return self.scale.ndim == 2

    def of_points(self, x: NDArray[Any]) -> Array:
        """The images of rows, shape `(…, d)`."""
        moved: Array = x - self.shift
        return moved @ self.scale if self.mixes else moved * self.scale

    def of_products(self, x: NDArray[Any]) -> Array:
        """The images of rows whose mean is 0, shape `(…, d)`: nothing is shifted."""
        image: Array = x @ self.scale if self.mixes else x * self.scale
        return image


def scaling(factor: float) -> LinearMap:
    """x ↦ factor · x."""
    return LinearMap(0.0, np.array(factor))
