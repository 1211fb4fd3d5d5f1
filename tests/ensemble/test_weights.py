"""Learned weights: of most likelihood, of least variance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from mmfuse.core.forecast_weights import bates_granger, inverse_variance
from mmfuse.ensemble.weights import gains, learned_weights, stepped
from mmfuse.errors import InputError

seeds = st.integers(0, 2**32)


def models(seed: int, m: int = 3, n: int = 40, classes: int = 3, lacking: float = 0.0):
    """Predictions of models each better than the one before, rows that lack some, labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    p = rng.gamma(0.7, size=(m, n, classes)) + 1e-9
    p[:, np.arange(n), y] += np.linspace(0, 1, m)[:, None]
    p /= p.sum(axis=2, keepdims=True)
    present = rng.random((n, m)) >= lacking
    present[~present.any(axis=1), 0] = True
    return p * present.T[:, :, None], present, y


def likelihood(weights, p, present, y) -> float:
    """The mean log-likelihood of labels under the linear pool of the models a row has."""
    likely = np.maximum(p[:, np.arange(len(y)), y].T, 1e-12) * present
    return float(np.mean(np.log(likely @ weights / (present @ weights))))


def best_weights(p, present, y):
    """By another method: weights are the softmax of free numbers."""

    def loss(free):
        weights = np.exp(free - free.max())
        return -likelihood(weights, p, present, y)

    free = minimize(loss, np.zeros(len(p)), options={"gtol": 1e-9}).x
    weights = np.exp(free - free.max())
    return weights / weights.sum()


@given(seeds, st.sampled_from([0.0, 0.4]))
def test_no_step_makes_labels_less_likely(seed, lacking):
    p, present, y = models(seed, lacking=lacking)
    likely = np.maximum(p[:, np.arange(len(y)), y].T, 1e-12) * present
    weights = np.random.default_rng(seed).dirichlet(np.ones(3))
    before = likelihood(weights, p, present, y)
    for _ in range(10):
        weights = stepped(weights, gains(weights, likely, present.astype(float)))
        after = likelihood(weights, p, present, y)
        assert after >= before - 1e-11
        assert weights.sum() == pytest.approx(1)
        before = after


@pytest.mark.parametrize(("lacking", "close"), [(0.0, 1e-7), (0.4, 5e-5)])
def test_the_weights_are_of_most_likelihood(lacking, close):
    p, present, y = models(7, m=4, n=300, lacking=lacking)
    weights, best = learned_weights(p, present, y), best_weights(p, present, y)
    reached, possible = (likelihood(w, p, present, y) for w in (weights, best))
    equal = likelihood(np.full(4, 0.25), p, present, y)
    assert reached == pytest.approx(possible, abs=close)
    assert equal < possible - 1e-3  # there was something to learn
    np.testing.assert_allclose(weights, best, atol=0.01)


@given(seeds)
def test_the_gap_bounds_what_is_left_to_gain(seed):
    p, present, y = models(seed)
    weights = np.full(3, 1 / 3)
    likely = np.maximum(p[:, np.arange(len(y)), y].T, 1e-12)
    gap = gains(weights, likely, present.astype(float)).max() - 1
    rng = np.random.default_rng(seed)
    for other in rng.dirichlet(np.ones(3), size=20):
        gained = likelihood(other, p, present, y) - likelihood(weights, p, present, y)
        assert gained <= gap + 1e-12


@given(seeds, st.sampled_from([0.0, 0.4]))
def test_weights_sum_to_one_and_rows_have_no_order(seed, lacking):
    p, present, y = models(seed, lacking=lacking)
    weights = learned_weights(p, present, y)
    assert weights.min() > 0
    assert weights.sum() == pytest.approx(1)
    order = np.random.default_rng(seed).permutation(len(y))
    again = learned_weights(p[:, order], present[order], y[order])
    np.testing.assert_allclose(again, weights, atol=1e-4)


def test_a_perfect_model_takes_all():
    p, present, y = models(1)
    p[1] = np.eye(3)[y]
    np.testing.assert_allclose(learned_weights(p, present, y), [0, 1, 0], atol=1e-6)


def test_models_that_are_alike_share():
    p, present, y = models(2)
    weights = learned_weights(np.concatenate([p, p]), np.tile(present, 2), y)
    np.testing.assert_allclose(weights[:3], weights[3:])
    np.testing.assert_allclose(2 * weights[:3], learned_weights(p, present, y), atol=1e-6)


def test_who_lacks_a_row_is_not_judged_by_it():
    p, present, y = models(3, lacking=0.4)
    weights = learned_weights(p, present, y)
    never = np.zeros((len(y), 1), bool)
    more = learned_weights(np.concatenate([p, p[:1] * 0]), np.hstack([present, never]), y)
    np.testing.assert_allclose(more, [*weights, 0], atol=1e-11)
    # a row of one model says nothing of weights, nor does a row of none
    alone = np.concatenate([present, np.eye(3, dtype=bool), np.zeros((1, 3), bool)])
    rest = np.concatenate([p, p[:, :4] * alone[-4:].T[:, :, None]], axis=1)
    np.testing.assert_allclose(
        learned_weights(rest, alone, np.append(y, y[:4])), weights, atol=1e-4
    )


def test_without_predictions_there_is_nothing_to_learn():
    with pytest.raises(InputError, match="no row has both a label and a prediction"):
        learned_weights(np.zeros((2, 3, 2)), np.zeros((3, 2), bool), np.zeros(3, np.int64))


def covariance(seed: int, m: int = 3, rank: int | None = None):
    rows = np.random.default_rng(seed).normal(size=(m, rank or 2 * m))
    return rows @ rows.T


@given(seeds)
def test_bates_granger_is_the_formula(seed):
    S = covariance(seed)
    ones = np.linalg.solve(S, np.ones(3))
    np.testing.assert_allclose(bates_granger(S), ones / ones.sum(), rtol=1e-6)


def test_bates_granger_of_two_is_the_papers_formula():
    s1, s2, rho = 2.0, 3.0, 0.4
    S = np.array([[s1**2, rho * s1 * s2], [rho * s1 * s2, s2**2]])
    k = (s2**2 - rho * s1 * s2) / (s1**2 + s2**2 - 2 * rho * s1 * s2)
    np.testing.assert_allclose(bates_granger(S), [k, 1 - k])


@given(seeds, st.integers(2, 5), st.data())
def test_no_other_combination_varies_less(seed, m, data):
    S = covariance(seed, m, data.draw(st.integers(1, m)))
    weights = bates_granger(S)
    assert np.isfinite(weights).all()
    assert weights.sum() == pytest.approx(1)
    for other in np.random.default_rng(seed).normal(1, 1, size=(20, m)):
        other = other / other.sum()
        rounding = 1e-9 * np.abs(S).max() * (weights @ weights)
        assert weights @ S @ weights <= other @ S @ other + rounding


@pytest.mark.parametrize("weigh", [bates_granger, inverse_variance])
def test_singular_covariances(weigh):
    np.testing.assert_allclose(weigh(np.ones((3, 3))), np.full(3, 1 / 3))
    np.testing.assert_allclose(weigh(np.zeros((2, 2))), [0.5, 0.5])
    np.testing.assert_allclose(weigh(np.diag([0.0, 1.0, 0.0])), [0.5, 0, 0.5])
    np.testing.assert_allclose(weigh(np.array([[1.0, -1.0], [-1.0, 1.0]])), [0.5, 0.5])
    np.testing.assert_allclose(weigh(np.array([[5e-324, 0.0], [0.0, 1.0]])), [1, 0], atol=1e-300)


def test_models_whose_errors_are_the_same_share_their_weight():
    S = covariance(5)
    twice = S[np.ix_([0, 1, 1, 2], [0, 1, 1, 2])]
    a, b, c = bates_granger(S)
    np.testing.assert_allclose(bates_granger(twice), [a, b / 2, b / 2, c], rtol=1e-6)


def test_errors_that_cancel_are_found():
    errors = np.random.default_rng(0).normal(size=(2, 50))
    S = np.cov([errors[0], -errors[0], errors[1]], ddof=0)
    np.testing.assert_allclose(bates_granger(S), [0.5, 0.5, 0], atol=1e-9)
    np.testing.assert_allclose(bates_granger(1e-20 * S), [0.5, 0.5, 0], atol=1e-9)


def test_inverse_variance_is_the_formula_and_bates_granger_without_covariances():
    variance = np.array([0.5, 2.0, 4.0])
    expected = (1 / variance) / (1 / variance).sum()
    np.testing.assert_allclose(inverse_variance(covariance(0) * 0 + np.diag(variance)), expected)
    np.testing.assert_allclose(bates_granger(np.diag(variance)), expected)
    S = covariance(1)
    np.testing.assert_allclose(inverse_variance(S), inverse_variance(np.diag(np.diag(S))))
