"""What modalities that have nothing in common would show by chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def largest_by_chance(
    ranks: Sequence[int], n: int, weights: NDArray[np.float64] | None = None
) -> float:
    """The largest eigenvalue of Σ w_m P_m, P_m projections of n dimensions on r_m random ones.

    It is where the bulk of the eigenvalues ends as n and the ranks r_m grow together: the least
    value of the inverse Cauchy transform of the free sum, K(z) = 1/z + Σ w_m R_m(w_m z), with
    R(z) = (z − 1 + √((1 − z)² + 4αz)) / 2z of a projection of rank α = r/n. For two modalities
    of weight 1 it is 1 + ρ, ρ the largest canonical correlation of independent ones.

    Wachter (1980), The limiting empirical measure of multiple discriminant ratios, for two;
    Voiculescu (1986), Addition of certain non-commuting random variables, for more.
    """
    alpha = np.minimum(np.array(ranks, float) / n, 1)
    scale = np.ones(len(alpha)) if weights is None else weights
    z = np.logspace(-6, 6, 20_000)[:, None] / scale.max()
    one = z * scale
    root = np.sqrt((1 - one) ** 2 + 4 * alpha * one)
    # (z − 1 + root) / 2z, written so that nothing cancels where z is small
    r = np.where(one < 1, 2 * alpha / (root + 1 - one), (one - 1 + root) / (2 * one))
    cauchy = 1 / z[:, 0] + (scale * r).sum(axis=1)
    return float(min(cauchy.min(), scale.sum()))
