"""How many directions modalities have in common, by the bounds of AJIVE.

Both bounds are distributions that are drawn from. What is drawn of n random numbers a column is
known once their triangular factor is, so that the work does not grow with the rows.

Feng, Jiang, Hannig & Marron (2018), Angle-based joint and individual variation explained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.randomness import normals
from mmfuse.core.scatter import spans

Array = NDArray[np.float64]

_DRAWS = 200
_ROUNDING = 1e-6
"""The share of a bound below which squares of singular values are still taken to reach it: they
are those of products that were added up."""


@dataclass(frozen=True, eq=False)
class Signal:
    """A modality's singular value decomposition, cut at its signal.

    singular: all singular values that are not 0, descending, `(q,)`. rank: those of the signal.
    dim: columns of the modality.
    """

    singular: Array
    rank: int
    dim: int

    @property
    def threshold(self) -> float:
        """Between the signal's least singular value and the largest of the noise."""
        beyond = self.singular[self.rank] if self.rank < len(self.singular) else 0.0
        return float(self.singular[self.rank - 1] + beyond) / 2


def joint_bound(signals: Sequence[Signal], n: int, seed: int) -> float:
    """The squared singular value of [U_1 … U_M], above which a direction is a joint one.

    The larger of the 95th percentile of the largest between random subspaces of these ranks, and
    the 5th percentile of Wedin's bound of what the noise leaves of a common one.
    """
    chance = np.percentile(_between_random([s.rank for s in signals], n, seed), 95)
    wedin = len(signals) - sum(
        _perturbation(signal, n, seed, 1 + 2 * m) ** 2 for m, signal in enumerate(signals)
    )
    return float(max(chance, np.percentile(wedin, 5))) * (1 - _ROUNDING)


def _between_random(ranks: Sequence[int], n: int, seed: int) -> Array:
    """Draws of the largest squared singular value of orthonormal bases of random subspaces."""
    found = np.empty(_DRAWS)
    for draw in range(_DRAWS):
        factor = triangle(seed, draw, n, sum(ranks))
        bases = [np.linalg.qr(factor[:, columns])[0] for columns in spans(ranks)]
        found[draw] = np.linalg.norm(np.concatenate(bases, axis=1), 2) ** 2
    return found


def _perturbation(signal: Signal, n: int, seed: int, stream: int) -> Array:
    """Draws of Wedin's bound of the sine of the angle between the signal's space and the truth."""
    noise = signal.singular[signal.rank :]
    sides = [
        _noise_norms(noise, size - signal.rank, signal.rank, seed, stream + side)
        for side, size in enumerate((n, signal.dim))
    ]
    sines: Array = np.minimum(np.maximum(*sides) / signal.singular[signal.rank - 1], 1)
    return sines


def _noise_norms(noise: Array, size: int, rank: int, seed: int, stream: int) -> Array:
    """Draws of ‖diag(noise) Q‖, Q the first rows of `rank` random orthonormal columns of `size`."""
    found = np.zeros(_DRAWS)
    if not len(noise):
        return found
    rank = min(rank, size)
    for draw in range(_DRAWS):
        own = 2 * (stream * _DRAWS + draw)
        z = normals(seed, own, len(noise) * rank).reshape(len(noise), rank)
        below = triangle(seed, own + 1, size - len(noise), rank)
        # of Z with ZᵀZ = LLᵀ the orthonormal columns are Z L⁻ᵀ
        lower = np.linalg.cholesky(z.T @ z + below.T @ below)
        z *= noise[:, None]
        half = np.linalg.solve(lower, z.T @ z)
        found[draw] = np.linalg.norm(np.linalg.solve(lower, half.T), 2) ** 0.5
    return found


def triangle(seed: int, stream: int, n: int, p: int) -> Array:
    """R of Z = QR for a random matrix Z of `(n, p)` normal numbers, shape `(min(n, p), p)`.

    Independent normal numbers above the diagonal, the χ of n, n − 1, … degrees of freedom on it:
    Bartlett (1933). χ² is by Wilson & Hilferty's cube (1931), good to a percent or two for more
    than two degrees of freedom.
    """
    rows = min(n, p)
    r: Array = np.triu(normals(seed, stream, rows * p).reshape(rows, p))
    freedom = n - np.arange(rows)
    spread = 2 / (9 * freedom)
    cube = np.maximum(1 - spread + np.sqrt(spread) * np.diag(r), 0.01)
    np.fill_diagonal(r, np.sqrt(freedom * cube**3))
    return r
