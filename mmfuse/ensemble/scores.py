"""How good predictions are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


def log_loss(p: Array, y: Ints) -> float:
    """The mean of −log p(y), p clipped to [ε, 1 − ε] with float64's ε, as scikit-learn clips it.

    p: `(n, C)`. y: `(n,)`, class numbers.
    """
    eps = np.finfo(np.float64).eps
    return float(-np.log(np.clip(p[np.arange(len(y)), y], eps, 1 - eps)).mean())


class Reliability(NamedTuple):
    """Of each bin of confidence: its rows, their mean confidence and accuracy; 0 where none."""

    counts: Ints
    confidence: Array
    accuracy: Array


def reliability(p: Array, y: Ints, bins: int = 15) -> Reliability:
    """Confidence, the probability of the top class, beside how often that class is right.

    Bin k holds confidences in (k / bins, (k + 1) / bins].
    p: `(n, C)`. y: `(n,)`, class numbers. Guo, Pleiss, Sun & Weinberger (2017).
    """
    confidence = p.max(axis=1)
    bin_of = np.searchsorted(np.arange(1, bins) / bins, confidence, side="left")
    counts = np.bincount(bin_of, minlength=bins)
    right = np.bincount(bin_of, p.argmax(axis=1) == y, minlength=bins)
    total = np.bincount(bin_of, confidence, minlength=bins)
    return Reliability(counts, total / np.maximum(counts, 1), right / np.maximum(counts, 1))


def expected_calibration_error(p: Array, y: Ints, bins: int = 15) -> float:
    """The mean over rows of |accuracy − confidence| of their bins, see `reliability`.

    p: `(n, C)`. y: `(n,)`, class numbers. Guo, Pleiss, Sun & Weinberger (2017).
    """
    told = reliability(p, y, bins)
    return float(told.counts @ np.abs(told.accuracy - told.confidence) / len(y))


def confusion(predicted: Ints, y: Ints, classes: int) -> Ints:
    """Rows of class j that are predicted as class k, `(C, C)` at `[j, k]`.

    predicted, y: `(n,)`, class numbers below `classes`.
    """
    return np.bincount(y * classes + predicted, minlength=classes**2).reshape(classes, classes)


def rmse(predicted: Array, y: Array) -> float:
    """The root of the mean squared error. predicted, y: `(n,)`."""
    return float(np.sqrt(np.mean((predicted - y) ** 2)))


def r2(predicted: Array, y: Array) -> float:
    """1 − Σ (y − predicted)² / Σ (y − mean)²; where y is constant 1 if all are right, else 0.

    predicted, y: `(n,)`.
    """
    left, total = ((y - predicted) ** 2).sum(), ((y - y.mean()) ** 2).sum()
    if total == 0:
        return float(left == 0)
    return float(1 - left / total)


def standard_error(values: Array) -> float:
    """Of the mean of values such as the scores of folds, `(k,)`: sd / √k with ddof=1; 0 of one."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
