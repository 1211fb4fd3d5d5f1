"""Ridge regression of classes or numbers on all columns, from what was gathered of the rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mmfuse.core.class_scatter import ClassScatter
from mmfuse.core.scatter import Array
from mmfuse.core.target_scatter import TargetScatter
from mmfuse.errors import InputError


class Ridge(NamedTuple):
    """ŷ = intercept + (x − mean) coef. coef: `(D, C)`. mean: `(D,)`. intercept: `(C,)`."""

    coef: Array
    mean: Array
    intercept: Array


def ridge_of(gathered: ClassScatter | TargetScatter, alpha: float) -> Ridge:
    """The coefficients that make Σ ‖y − ŷ‖² + alpha ‖coef‖² least; the intercept is not penalised.

    y: of classes their one-hot vectors, of which C are predicted; else the number, and C is 1.
    Raises InputError where there is no row to learn from.

    Hoerl & Kennard (1970), Ridge regression: biased estimation for nonorthogonal problems.
    """
    if not gathered.n:
        raise InputError("no row has every modality and a label: there is nothing to learn from")
    if isinstance(gathered, ClassScatter):
        spread = gathered.spread
        matrix = gathered.within + spread.T @ spread
        against = np.sqrt(gathered.counts) * spread.T  # Σ (x − mean)(y − mean of y)ᵀ
        mean, intercept = gathered.mean, gathered.counts / gathered.n
    else:
        matrix, against = gathered.joint.matrix[:-1, :-1], gathered.joint.matrix[:-1, -1:]
        mean, intercept = gathered.joint.mean[:-1], gathered.joint.mean[-1:]
    return Ridge(_solved(matrix, against, alpha), mean, intercept)


def shares_of(scores: Array) -> Array:
    """What is predicted of one-hot vectors, `(k, C)`, as probabilities: what is negative becomes 0,
    and rows are divided by their sums, which were 1. NaN stays."""
    positive = np.maximum(scores, 0)
    shares: Array = positive / positive.sum(axis=1, keepdims=True)
    return shares


def _solved(matrix: Array, against: Array, alpha: float) -> Array:
    """(matrix + alpha I)⁻¹ against; with alpha=0 the shortest solution there is."""
    values, vectors = np.linalg.eigh(matrix)
    ridged = np.maximum(values, 0) + alpha
    kept = ridged > len(values) * np.finfo(np.float64).eps * max(float(ridged.max()), 1e-300)
    inverse = np.divide(1, ridged, out=np.zeros_like(ridged), where=kept)
    found: Array = vectors @ (inverse[:, None] * (vectors.T @ against))
    return found
