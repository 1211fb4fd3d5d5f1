"""Linear models solved from statistics that merge, in NumPy alone.

They are centred: the scores of rows x are `intercept + (x − mean) @ coef`, with `coef` `(D, C)`,
`mean` `(D,)` and `intercept` `(C,)`. D = Σ d_m, so modalities may stand side by side.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.class_scatter import ClassScatter
from mmfuse.core.scatter import Scatter
from mmfuse.core.whitening import whitener

Array = NDArray[np.float64]
Solved = tuple[Array, Array, Array]
"""coef, mean, intercept."""


def ridge_of(gathered: ClassScatter, alpha: float) -> Solved:
    """Regress the one-hot classes on the rows: coef = (Sxx + αI)⁻¹ Sxy, the intercept unpenalised.

    A row's scores sum to one; some may be negative. A class without rows has zeros. With α = 0
    directions in which the rows do not vary count for nothing. Raises InputError for statistics
    that have left the range of float64.

    Hoerl & Kennard (1970), Ridge regression.
    """
    spread, share = gathered.spread, gathered.counts / max(gathered.n, 1)
    products = spread.T * np.sqrt(gathered.counts)  # n_c (mean of class c − mean of all)
    coef = _ridge(gathered.within + spread.T @ spread, products, gathered.n, alpha)
    return coef, gathered.mean, share


def ridge_regression_of(gathered: Scatter, alpha: float) -> Solved:
    """Regress the last column of the rows gathered on all others, likewise; C = 1."""
    products = gathered.matrix[:-1, -1:]
    coef = _ridge(gathered.matrix[:-1, :-1], products, gathered.n, alpha)
    return coef, gathered.mean[:-1], gathered.mean[-1:]


def _ridge(scatter: Array, products: Array, n: int, alpha: float) -> Array:
    root = whitener(scatter, n, ridge=alpha)
    coef: Array = root @ (root.T @ products)
    return coef


def lda_of(gathered: ClassScatter, shrinkage: float = 0.0) -> Solved:
    """The logarithms of p(c) p(x | c), up to what all classes share, for normal classes.

    They share the covariance S within classes (ddof=0), or (1 − s) S + s tr(S)/D I with s the
    shrinkage; p(c) is the share of rows. A class without rows has the intercept −∞. Directions
    in which no class varies count for nothing. Raises InputError as `ridge_of` does.
    """
    counts, mean, n = gathered.counts, gathered.mean, gathered.n
    covariance, free = gathered.within / max(n, 1), n - int(np.count_nonzero(counts)) + 1
    if shrinkage:
        level = shrinkage * np.trace(covariance) / len(mean)
        covariance = (1 - shrinkage) * covariance
        covariance[np.diag_indices_from(covariance)] += level
        free = len(mean) + 1  # it has full rank
    root = whitener(covariance, free)
    apart = np.where(counts[:, None] > 0, gathered.means - mean, 0) @ root
    with np.errstate(divide="ignore"):
        prior = np.log(counts / max(n, 1))
    coef: Array = root @ apart.T
    return coef, mean, prior - (apart**2).sum(axis=1) / 2


def softmax(scores: Array) -> Array:
    """exp(s) / Σ exp(s) of every row of `(n, C)`, in place; −∞ gives exactly 0."""
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


def positive_share(scores: Array) -> Array:
    """max(s, 0) / Σ max(s, 0) of every row of `(n, C)` whose scores sum to one, in place."""
    np.maximum(scores, 0, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores
