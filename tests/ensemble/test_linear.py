"""Linear models solved from statistics, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import Ridge

from mmfuse.core.batch import Batch
from mmfuse.core.class_scatter import ClassScatter
from mmfuse.core.ridge import ridge_of, shares_of
from mmfuse.core.scatter import Scatter
from mmfuse.ensemble.linear import lda_of, softmax


def by_class(x, y, classes: int = 3, widths=None) -> ClassScatter:
    widths = widths or (x.shape[1],)
    blocks = np.split(x, np.cumsum(widths)[:-1], axis=1)
    return ClassScatter.empty(widths, classes).gather(
        [Batch(blocks, np.ones(len(widths)), None, y)]
    )


def with_numbers(x, y) -> Scatter:
    return Scatter.empty((x.shape[1], 1)).gather([Batch([x, y[:, None]], np.ones(2))])


def scores(solved, x):
    coef, mean, intercept = solved
    return intercept + (x - mean) @ coef


@pytest.mark.parametrize("alpha", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_ridge_of_classes_is_scikit_learns_of_one_hot_numbers(load, alpha):
    x, y = load(return_X_y=True)
    peer = Ridge(alpha).fit(x, np.eye(3)[y]).predict(x)
    found = scores(ridge_of(by_class(x, y), alpha), x)
    np.testing.assert_allclose(found, peer, atol=1e-8)
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("alpha", [0.01, 1.0, 100.0])
def test_ridge_of_numbers_is_scikit_learns(alpha):
    x, y = load_diabetes(return_X_y=True)
    peer = Ridge(alpha).fit(x, y).predict(x)
    found = scores(ridge_of(with_numbers(x, y), alpha), x)[:, 0]
    np.testing.assert_allclose(found, peer, atol=1e-8)


def test_ridge_without_penalty_is_least_squares_of_least_norm_in_units_of_the_columns():
    x, y = load_diabetes(return_X_y=True)
    twice = np.hstack([x, 3 * x, np.ones((len(x), 1))])
    peer = np.linalg.lstsq(np.c_[x, np.ones(len(x))], y)[0]
    coef, mean, intercept = ridge_of(with_numbers(twice, y), 0)
    found = scores((coef, mean, intercept), twice)[:, 0]
    np.testing.assert_allclose(found, x @ peer[:-1] + peer[-1], rtol=1e-8)
    np.testing.assert_allclose(coef[:10], 3 * coef[10:20], rtol=1e-6)
    assert coef[-1] == 0


@pytest.mark.parametrize("shrinkage", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_lda_is_scikit_learns(load, shrinkage):
    x, y = load(return_X_y=True)
    x, y = x[20:], y[20:]  # so that classes differ in size
    peer = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(x, y)
    found = softmax(scores(lda_of(by_class(x, y), shrinkage), x))
    np.testing.assert_allclose(found, peer.predict_proba(x), atol=1e-6)


def test_constant_and_repeated_columns_do_not_matter_to_lda():
    x, y = load_iris(return_X_y=True)
    more = np.hstack([x, x[:, :1] * 1e4, np.full((len(x), 2), 7.0)])
    plain = softmax(scores(lda_of(by_class(x, y)), x))
    np.testing.assert_allclose(softmax(scores(lda_of(by_class(more, y)), more)), plain, atol=1e-6)


def test_a_class_without_rows_has_no_share_and_no_probability():
    x, y = load_iris(return_X_y=True)
    gathered, fewer = by_class(x, y * 2, 6), by_class(x, y)
    for solve, link in ((ridge_of, shares_of), (lda_of, softmax)):
        found, plain = (link(scores(solve(g, 1.0), x)) for g in (gathered, fewer))
        assert (found[:, [1, 3, 5]] == 0).all()
        np.testing.assert_allclose(found[:, [0, 2, 4]], plain, atol=1e-12)


def test_modalities_may_stand_side_by_side():
    x, y = load_wine(return_X_y=True)
    for solve in (ridge_of, lda_of):
        for apart, joined in zip(
            solve(by_class(x, y, widths=(4, 9)), 0.5), solve(by_class(x, y), 0.5), strict=True
        ):
            np.testing.assert_array_equal(apart, joined)


def test_large_means_cost_nothing():
    x, y = load_iris(return_X_y=True)
    for solve in (ridge_of, lda_of):
        plain, far = (scores(solve(by_class(z, y), 0.1), z) for z in (x, x + 1e6))
        np.testing.assert_allclose(far, plain, atol=1e-6)
