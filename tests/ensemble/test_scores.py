"""Scores, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from mmfuse.ensemble import scores

seeds = st.integers(0, 2**32)


@given(seeds)
def test_scores_of_classes_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    p, y = rng.dirichlet(np.ones(4), 30), rng.integers(0, 4, 30)
    p[0] = np.eye(4)[rng.integers(0, 4)]  # sure, and perhaps wrong
    predicted = p.argmax(axis=1)
    assert scores.log_loss(p, y) == pytest.approx(metrics.log_loss(y, p, labels=range(4)))
    told = scores.confusion(predicted, y, 4)
    assert told.dtype == np.int64
    np.testing.assert_array_equal(told, metrics.confusion_matrix(y, predicted, labels=range(4)))


@given(seeds)
def test_scores_of_numbers_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    y, predicted = rng.normal(size=(2, 30))
    assert scores.r2(predicted, y) == pytest.approx(metrics.r2_score(y, predicted))
    assert scores.rmse(predicted, y) == pytest.approx(metrics.root_mean_squared_error(y, predicted))


@pytest.mark.parametrize("predicted", [[2.0, 2.0], [2.0, 3.0]])
def test_r2_of_what_does_not_vary(predicted):
    y = np.array([2.0, 2.0])
    assert scores.r2(np.array(predicted), y) == metrics.r2_score(y, predicted)


def test_calibration_error_by_hand():
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5], [1.0, 0.0]])
    y = np.array([0, 0, 0, 1, 0])
    # bins of a fifth: (0.4, 0.6] has 0.6 right and 0.5 wrong; (0.6, 0.8] has 0.8 wrong;
    # (0.8, 1] has 0.9 and 1.0, both right
    told = scores.reliability(p, y, bins=5)
    np.testing.assert_array_equal(told.counts, [0, 0, 2, 1, 2])
    np.testing.assert_allclose(told.confidence, [0, 0, 0.55, 0.8, 0.95])
    np.testing.assert_allclose(told.accuracy, [0, 0, 0.5, 0, 1])
    expected = (2 * abs(0.5 - 0.55) + 1 * abs(0 - 0.8) + 2 * abs(1 - 0.95)) / 5
    assert scores.expected_calibration_error(p, y, bins=5) == pytest.approx(expected)


@pytest.mark.parametrize("bins", [1, 3, 10, 15, 49])
def test_the_upper_end_is_of_the_bin(bins):
    ends = np.arange(1, bins + 1) / bins
    p = np.column_stack([ends, 0 * ends])
    told = scores.reliability(p, np.zeros(bins, np.int64), bins)
    np.testing.assert_array_equal(told.counts, 1)
    np.testing.assert_allclose(told.confidence, ends)


@given(seeds)
def test_one_bin_compares_means(seed):
    rng = np.random.default_rng(seed)
    p, y = rng.dirichlet(np.ones(3), 20), rng.integers(0, 3, 20)
    expected = abs(metrics.accuracy_score(y, p.argmax(axis=1)) - p.max(axis=1).mean())
    assert scores.expected_calibration_error(p, y, bins=1) == pytest.approx(expected)
    # the finer the bins, the less over and under cancel
    assert scores.expected_calibration_error(p, y, bins=4) >= expected - 1e-12


def test_standard_error_is_the_formula():
    assert scores.standard_error(np.array([1.0, 2.0, 6.0])) == pytest.approx(
        np.sqrt((4 + 1 + 9) / 2) / np.sqrt(3)
    )
    assert scores.standard_error(np.array([3.0])) == 0
