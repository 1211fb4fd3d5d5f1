"""A second model, on what the models predict of rows that they have not learned from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.products import multiply_rows
from mmfuse.ensemble.extra import require_sklearn
from mmfuse.errors import InputError

Array = NDArray[np.float64]


def learn_stack(
    p: Array, present: NDArray[np.bool_], y: NDArray[np.int64] | NDArray[np.float64]
) -> dict[str, NDArray[Any]]:
    """Named arrays of the second model, as scikit-learn's stacking learns it.

    For class numbers `LogisticRegression(max_iter=1000)`: `classes`, those that y has, `(K,)`,
    `coef`, `(K, F)`, and `intercept`, `(K,)`; of two, the first has zeros. For numbers
    `RidgeCV()`: `coef`, `(M,)`, and `intercept`, `()`. F is M C, model after model, or M
    where there are two classes, of which the second stands for both.

    p: `(M, n, C)`, of rows that the models have not learned from. present: `(n, M)`, a model in
    every row. y: `(n,)`.
    Raises InputError for labels of one class, UsageError where there is no scikit-learn.

    Wolpert (1992), Stacked generalization.
    """
    linear = require_sklearn("linear_model")
    features = _features(p, present)
    if np.issubdtype(y.dtype, np.floating):
        ridge = linear.RidgeCV().fit(features, y)
        return {"coef": ridge.coef_, "intercept": np.asarray(ridge.intercept_)}
    if len(np.unique(y)) < 2:
        raise InputError("all labels are of one class, and a stack learns to tell classes apart")
    logistic = linear.LogisticRegression(max_iter=1000).fit(features, y)
    coef, intercept = logistic.coef_, logistic.intercept_
    if len(coef) == 1:
        coef, intercept = np.vstack([0 * coef, coef]), np.append(0 * intercept, intercept)
    return {"classes": logistic.classes_, "coef": coef, "intercept": intercept}


def apply_stack(
    learned: Mapping[str, NDArray[Any]],
    p: Array,
    present: NDArray[np.bool_],
) -> Array:
    """What the second model predicts, `(n, C)`; 0 for classes that it has not learned.

    learned: by `learn_stack`. p: `(M, n, C)`. present: `(n, M)`, a model in every row.
    """
    coef = np.atleast_2d(learned["coef"])
    scores = np.empty((len(present), len(coef)))
    multiply_rows(_features(p, present), coef.T, scores)
    scores += learned["intercept"]
    if "classes" not in learned:
        return scores
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    out = np.zeros(p.shape[1:])
    out[:, learned["classes"]] = scores / scores.sum(axis=1, keepdims=True)
    return out


def _features(p: Array, present: NDArray[np.bool_]) -> Array:
    """Predictions side by side, `(n, F)`; the mean of a row's others for a model it lacks."""
    there = present.T[:, :, None]
    mean = p.sum(axis=0, where=there) / present.sum(axis=1)[:, None]
    filled = np.where(there, p, mean)
    if p.shape[2] == 2:
        filled = filled[:, :, 1:]
    return filled.transpose(1, 0, 2).reshape(p.shape[1], -1)
