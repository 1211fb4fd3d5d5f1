"""Ridge regression of classes or numbers on all columns, from what was gathered of the rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mmfuse.core.class_scatter import ClassScatter
from mmfuse.core.scatter import Array, Scatter
from mmfuse.core.whitening import whitener
from mmfuse.errors import InputError


class Ridge(NamedTuple):
    """ŷ = intercept + (x − mean) coef. coef: `(D, C)`. mean: `(D,)`. intercept: `(C,)`."""

    coef: Array
    mean: Array
    intercept: Array


def ridge_of(gathered: ClassScatter | Scatter, alpha: float) -> Ridge:
    """The coefficients that make Σ ‖y − ŷ‖² + alpha ‖coef‖² least; the intercept is not penalised.

    gathered: rows by class, whose one-hot vectors are predicted, so that a row's ŷ sums to 1; or
    rows whose last column is the number that is predicted of the others, and C is 1. With alpha 0
    directions in which the rows do not vary count for nothing.
    Raises InputError where there is no row, or statistics have left the range of float64.

    Hoerl & Kennard (1970), Ridge regression: biased estimation for nonorthogonal problems.
    """
    if not gathered.n:
        raise InputError("no row has every modality and a label: there is nothing to learn from")
    if isinstance(gathered, ClassScatter):
        spread = gathered.spread
        scatter = gathered.within + spread.T @ spread
        against = spread.T * np.sqrt(gathered.counts)  # Σ (x − mean)(y − mean of y)ᵀ
        mean, intercept = gathered.mean, gathered.counts / gathered.n
    else:
        scatter, against = gathered.matrix[:-1, :-1], gathered.matrix[:-1, -1:]
        mean, intercept = gathered.mean[:-1], gathered.mean[-1:]
    root = whitener(scatter, gathered.n, ridge=alpha)
    return Ridge(root @ (root.T @ against), mean, intercept)


def shares_of(scores: Array) -> Array:
    """What is predicted of one-hot vectors, `(k, C)`, as probabilities: what is negative becomes 0,
    and rows are divided by their sums, which were 1. NaN stays."""
    positive = np.maximum(scores, 0)
    shares: Array = positive / positive.sum(axis=1, keepdims=True)
    return shares
