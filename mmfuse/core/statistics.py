"""What can be gathered of data in one pass, in pieces that merge.

A statistic is immutable: `update` and `merge` return a new one, and an empty one changes nothing.
Sums are float64. Because pieces merge, one pass serves streaming, threads and machines alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.linear_map import LinearMap

Column = NDArray[np.float64]
_ROWS = 256


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean, deviation and extent of every column, each of shape `(d,)`.

    Merged by Chan, Golub & LeVeque (1979), Updating formulae and a pairwise algorithm for
    computing sample variances; by the root of the sum of squares, which stays within float64
    wherever the values do. Values that are not finite do not count.
    """

    count: Column
    mean: Column
    deviation: Column  # √Σ (x − mean)²
    minimum: Column
    maximum: Column

    @classmethod
    def empty(cls, dim: int) -> Moments:
        """Nothing gathered yet, of `dim` columns."""
        zeros = np.zeros(dim)
        return cls(zeros, zeros, zeros, np.full(dim, np.inf), np.full(dim, -np.inf))

    @property
    def sd(self) -> Column:
        """Standard deviation (ddof=0); exactly 0 where a column holds one value only."""
        spread = self.maximum > self.minimum
        return np.where(spread, self.deviation / np.sqrt(np.maximum(self.count, 1)), 0.0)

    def update(self, block: NDArray[np.floating[Any]]) -> Moments:
        if not len(block):
            return self
        x = block.astype(np.float64)
        low = block.min(axis=0).astype(np.float64)
        high = block.max(axis=0).astype(np.float64)
        # the ends of a column are NaN or infinite where one of its values is
        if np.isfinite(low).all() and np.isfinite(high).all():
            count = np.full(x.shape[1], float(len(x)))
            mean = np.where(low == high, low, x.mean(axis=0))  # a constant is its own mean
            x -= mean
        else:
            finite = np.isfinite(x)
            count = finite.sum(axis=0, dtype=np.float64)
            mean = np.where(finite, x, 0).sum(axis=0) / np.maximum(count, 1)
            low = np.where(finite, x, np.inf).min(axis=0)
            high = np.where(finite, x, -np.inf).max(axis=0)
            x = np.where(finite, x - mean, 0)
        return self.merge(Moments(count, mean, column_lengths(x), low, high))

    def merge(self, other: Moments) -> Moments:
        count = self.count + other.count
        share = other.count / np.maximum(count, 1)
        delta = other.mean - self.mean
        return Moments(
            count,
            # two means that agree stay what they are, to the bit
            self.mean + delta * share,
            np.hypot(
                np.hypot(self.deviation, other.deviation),
                delta * np.sqrt(self.count * share),
            ),
            np.minimum(self.minimum, other.minimum),
            np.maximum(self.maximum, other.maximum),
        )

    def mapped(self, one: LinearMap) -> Moments:
        """The moments of the block's image under a map that does not mix columns."""
        low, high = one.of_points(self.minimum), one.of_points(self.maximum)
        return Moments(
            self.count,
            one.of_points(self.mean),
            np.abs(one.of_products(self.deviation)),
            np.minimum(low, high),
            np.maximum(low, high),
        )


def sum_of_squares(block: NDArray[np.floating[Any]]) -> float:
    """Σ ‖x‖² of rows, shape `(k, d)`; values that are not finite do not count."""
    total = 0.0
    for start in range(0, len(block), _ROWS):
        part = block[start : start + _ROWS].astype(np.float64)
        square = float(np.vdot(part, part))
        if not np.isfinite(square):
            part[~np.isfinite(part)] = 0
            square = float(np.vdot(part, part))
        total += square
    return total


def column_lengths(x: NDArray[np.float64]) -> Column:
    """‖x‖₂ of every column, shape `(d,)`, also where its square is not a float64."""
    lengths: Column = np.sqrt(np.einsum("ij,ij->j", x, x))
    extreme = ~((lengths > 1e-150) & (lengths < 1e150))
    if extreme.any():
        columns = x[:, extreme]
        largest = np.abs(columns).max(axis=0, initial=0)
        columns /= np.where(largest > 0, largest, 1)
        lengths[extreme] = largest * np.sqrt(np.einsum("ij,ij->j", columns, columns))
    return lengths
