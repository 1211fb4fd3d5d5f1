"""Weights of models that predict numbers, from the covariance of their errors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_NONE = 1e-12  # a variance of that share counts as none


def bates_granger(S: Array) -> Array:
    """w = S⁻¹1 / (1ᵀS⁻¹1), `(M,)`, of sum 1: the combination whose errors vary least.

    S: `(M, M)`, the covariance of the models' errors: centred, with ddof=0, as the paper takes
    forecasts to be unbiased. Weights may be negative, where errors are closely correlated.

    Where S is singular, w is the shortest of the vectors that come to the least variance, in the
    units of the models' own deviations: models that are alike share their weight. A model whose
    error does not vary takes all, or shares it with others of that kind.

    Bates & Granger (1969), The combination of forecasts.
    """
    deviation = np.sqrt(np.maximum(np.diag(S), 0))
    if deviation.min() == 0:
        return inverse_variance(S)
    values, vectors = np.linalg.eigh(S / deviation[:, None] / deviation)
    ones = vectors.T @ (deviation.min() / deviation)
    none = values <= _NONE * values[-1]
    if np.linalg.norm(ones[none]) > np.sqrt(_NONE) * np.linalg.norm(ones):
        ones[~none] = 0  # there are combinations without any variance
    else:
        ones[none] = 0
        ones[~none] /= values[~none]
    weights = vectors @ ones / deviation
    shares: Array = weights / weights.sum()
    return shares


def inverse_variance(S: Array) -> Array:
    """w_m ∝ 1 / S_mm, `(M,)`, of sum 1: `bates_granger` as though errors were uncorrelated.

    S: `(M, M)`. A model whose error does not vary takes all, or shares it with others of that
    kind.
    """
    variance = np.maximum(np.diag(S), 0)
    least = variance.min()
    weights = least / variance if least > 0 else (variance == 0).astype(np.float64)
    shares: Array = weights / weights.sum()
    return shares
