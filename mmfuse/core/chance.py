"""What modalities that have nothing in common would show by chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


_QUANTILE = 2.02345  # 99 % of the Tracy-Widom law of real matrices


def largest_by_chance(ranks: Sequence[int], n: int, weights: Array | None = None) -> float:
    """What the largest eigenvalue of Σ w_m P_m exceeds once in a hundred times.

    P_m projects n − 1 dimensions on r_m random ones. The bulk of the eigenvalues ends at the
    least value of the inverse Cauchy transform of their free sum, K(z) = 1/z + Σ w_m R_m(w_m z)
    with R(z) = (z − 1 + √((1 − z)² + 4αz)) / 2z of a projection on a share α of the dimensions;
    the largest strays from there by about (K''/2)^(1/3) (n − 1)^(−2/3). For two modalities of
    weight 1 that end is 1 + ρ, ρ the largest canonical correlation of independent ones.

    Wachter (1980), The limiting empirical measure of multiple discriminant ratios; Voiculescu
    (1986), Addition of certain non-commuting random variables; Johnstone (2008), Multivariate
    analysis and Jacobi ensembles.
    """
    some = np.array(ranks) > 0
    alpha = np.minimum(np.array(ranks)[some] / max(n - 1, 1), 1)
    scale = np.ones(len(alpha)) if weights is None else weights[some]
    z = np.logspace(-6, 6, 20_000) / scale.max()
    least = z[np.argmin(_inverse_cauchy(z, alpha, scale))]
    below, end, above = _inverse_cauchy(least * np.array([0.99, 1, 1.01]), alpha, scale)
    curvature = max(above - 2 * end + below, 0) / (0.01 * least) ** 2
    strays = _QUANTILE * (curvature / 2) ** (1 / 3) * max(n - 1, 1) ** (-2 / 3)
    # with as many columns as rows, eigenvalues are the sum itself but for rounding
    return float(min(end + strays, scale.sum())) * (1 + 1e-9)


def _inverse_cauchy(z: Array, alpha: Array, scale: Array) -> Array:
    one = z[:, None] * scale
    root = np.sqrt((1 - one) ** 2 + 4 * alpha * one)
    # (z − 1 + root) / 2z, written so that nothing cancels where z is small
    r = np.where(one < 1, 2 * alpha / (root + 1 - one), (one - 1 + root) / (2 * one))
    transform: Array = 1 / z + (scale * r).sum(axis=1)
    return transform
