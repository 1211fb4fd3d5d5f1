"""Wide rows made narrow, so that many pairings of them are quickly compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.randomness import signs

Block = NDArray[np.float32]

_DIMENSIONS = 64
_COLUMNS = 1024  # that are float64 at the same time
_FARTHEST = 1e6  # standard deviations; more would hide all other rows, and pass float32's range
_CONSTANT = 1e-9  # of the largest value: a deviation of so little is rounding


@dataclass(frozen=True)
class Condenser:
    """Standardise columns, so that none counts for its unit, and project them to 64 at most.

    mean, scale: of every column. The projection is random signs: Achlioptas (2003),
    Database-friendly random projections.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    seed: int = 0

    @classmethod
    def of(cls, rows: NDArray[Any], seed: int = 0) -> Condenser:
        """Learn from a sample of the rows, shape `(n, d)`."""
        mean, scale = np.zeros(rows.shape[1]), np.ones(rows.shape[1])
        for part, x, finite in _parts(rows):
            peak = np.abs(x).max(axis=0)
            unit = np.where(peak > 0, peak, 1)
            x /= unit  # so that squares are finite
            centre = x.sum(axis=0) / np.maximum(finite.sum(axis=0), 1)
            spread = np.sqrt(np.square(x - centre).mean(axis=0, where=finite | ~finite.any(axis=0)))
            mean[part] = centre * unit
            scale[part] = np.where(spread > _CONSTANT, spread * unit, np.inf)
        return cls(mean, scale, seed)

    def __call__(self, rows: NDArray[Any]) -> Block:
        """Shape `(n, min(d, 64))`; values that are not finite count as the mean."""
        n, dim = rows.shape
        out = np.zeros((n, min(dim, _DIMENSIONS)))
        for part, x, finite in _parts(rows):
            with np.errstate(over="ignore"):  # of values far beyond those learned from
                x /= self.scale[part]
            x = np.clip(x - self.mean[part] / self.scale[part], -_FARTHEST, _FARTHEST)
            x[~finite] = 0
            if dim > _DIMENSIONS:
                matrix = signs(self.seed, part.start, x.shape[1] * _DIMENSIONS)
                out += x @ matrix.reshape(-1, _DIMENSIONS).astype(np.float64)
            else:
                out[:] = x
        return out.astype(np.float32)


def _parts(rows: NDArray[Any]) -> Iterator[tuple[slice, NDArray[np.float64], NDArray[np.bool_]]]:
    """Some columns at a time in float64, with zeros for what is not finite, and what is."""
    for start in range(0, rows.shape[1], _COLUMNS):
        x = rows[:, start : start + _COLUMNS].astype(np.float64)
        finite = np.isfinite(x)
        x[~finite] = 0
        yield slice(start, start + x.shape[1]), x, finite
