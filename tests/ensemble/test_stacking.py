"""Stacking, against scikit-learn's with the same folds."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import StackingClassifier, StackingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeCV
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from mmfuse.ensemble.folds import folds_of
from mmfuse.ensemble.stacking import apply_stack, learn_stack
from mmfuse.errors import InputError


def halves(width: int, first, second):
    """A model of each half of the columns."""
    columns = np.array_split(np.arange(width), 2)
    return [
        (str(k), make_pipeline(make_column_transformer(("passthrough", own)), model))
        for k, (own, model) in enumerate(zip(columns, (first, second), strict=True))
    ]


def splits(y, labels):
    fold = folds_of([str(k) for k in range(len(y))], labels, 3, 0)
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(3)]


def everywhere(p):
    return np.ones((p.shape[1], p.shape[0]), bool)


@pytest.mark.parametrize("load", [load_digits, load_breast_cancer])
def test_classes_as_scikit_learn_stacks_them(load):
    x, y = load(return_X_y=True)
    x, y, later = x[:500], y[:500], x[500:560]
    models = halves(x.shape[1], GaussianNB(var_smoothing=1e-2), LinearDiscriminantAnalysis())
    cv = splits(y, y)
    peer = StackingClassifier(models, LogisticRegression(max_iter=1000), cv=cv).fit(x, y)
    p = np.array([cross_val_predict(m, x, y, cv=cv, method="predict_proba") for _, m in models])
    learned = learn_stack(p, everywhere(p), y)
    q = np.array([model.fit(x, y).predict_proba(later) for _, model in models])
    np.testing.assert_allclose(
        apply_stack(learned, q, everywhere(q)), peer.predict_proba(later), atol=1e-10
    )


def test_numbers_as_scikit_learn_stacks_them():
    x, y = load_diabetes(return_X_y=True)
    models = halves(x.shape[1], LinearRegression(), RidgeCV())
    cv = splits(y, None)
    peer = StackingRegressor(models, cv=cv).fit(x, y)
    p = np.array([cross_val_predict(m, x, y, cv=cv) for _, m in models])[:, :, None]
    learned = learn_stack(p, everywhere(p), y)
    q = np.array([model.fit(x, y).predict(x) for _, model in models])[:, :, None]
    stacked = apply_stack(learned, q, everywhere(q))
    assert stacked.shape == (len(y), 1)
    np.testing.assert_allclose(stacked[:, 0], peer.predict(x), rtol=1e-10)


def predictions(classes: int, m: int = 3, n: int = 60):
    rng = np.random.default_rng(classes)
    y = rng.integers(0, classes, n)
    p = rng.dirichlet(np.ones(classes), size=(m, n))
    p[:, np.arange(n), y] += 0.5
    p /= p.sum(axis=2, keepdims=True)
    return p, y


@pytest.mark.parametrize("classes", [2, 4])
def test_the_mean_of_the_others_stands_for_a_model_that_a_row_lacks(classes):
    p, y = predictions(classes)
    present = everywhere(p)
    present[::3, 1] = False
    present[::6, 2] = False
    filled = p.copy()
    filled[1, ::3] = (p[0, ::3] + p[2, ::3]) / 2
    filled[1:, ::6] = p[0, ::6]
    given = p * present.T[:, :, None]
    learned, whole = learn_stack(given, present, y), learn_stack(filled, everywhere(p), y)
    for name in learned:
        np.testing.assert_allclose(learned[name], whole[name], rtol=1e-9)
    stacked = apply_stack(learned, given, present)
    np.testing.assert_allclose(stacked, apply_stack(learned, filled, everywhere(p)))
    np.testing.assert_allclose(stacked.sum(axis=1), 1)


@pytest.mark.parametrize("seen", [[0, 2, 3], [1, 3]])
def test_a_class_that_was_never_seen_has_no_probability(seen):
    p, y = predictions(4)
    rows = np.isin(y, seen)
    learned = learn_stack(p[:, rows], everywhere(p)[rows], y[rows])
    np.testing.assert_array_equal(learned["classes"], seen)
    stacked = apply_stack(learned, p, everywhere(p))
    assert (stacked[:, seen] > 0).all()
    np.testing.assert_array_equal(np.delete(stacked, seen, axis=1), 0)
    np.testing.assert_allclose(stacked.sum(axis=1), 1)
    peer = LogisticRegression(max_iter=1000)
    side_by_side = np.hstack(list(p))
    peer.fit(side_by_side[rows], y[rows])
    np.testing.assert_allclose(stacked[:, seen], peer.predict_proba(side_by_side), atol=1e-10)


def test_one_class_cannot_be_told_apart():
    p, y = predictions(3)
    with pytest.raises(InputError, match="all labels are of one class, and a stack learns to tell"):
        learn_stack(p, everywhere(p), y * 0)


def test_no_row_depends_on_those_beside_it():
    p, y = predictions(4, n=700)
    learned = learn_stack(p, everywhere(p), y)
    whole = apply_stack(learned, p, everywhere(p))
    parts = [apply_stack(learned, q, everywhere(q)) for q in np.split(p, [1, 3, 300], axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
