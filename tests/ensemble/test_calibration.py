"""Calibration: of least log loss, or never falling; rows sum to one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.isotonic import IsotonicRegression

from mmfuse.ensemble.calibration import calibrate, learn_calibration
from mmfuse.ensemble.scores import expected_calibration_error, log_loss

HOW = ["temperature", "isotonic"]


def predictions(heat: float, n: int = 2000, classes: int = 3, seed: int = 0):
    """Labels drawn from softmax(z), predictions softmax(z heat)."""
    rng = np.random.default_rng(seed)
    z = 2 * rng.normal(size=(n, classes))
    y = np.array([rng.choice(classes, p=row) for row in softmax(z, axis=1)])
    return softmax(z * heat, axis=1), y


@pytest.mark.parametrize("heat", [0.3, 1.0, 4.0])
def test_the_temperature_is_of_least_log_loss(heat):
    p, y = predictions(heat)
    learned = learn_calibration("temperature", p, y)
    logs = np.log(np.maximum(p, 1e-12))
    peer = minimize_scalar(
        lambda t: -log_softmax(logs / t, axis=1)[np.arange(len(y)), y].mean(),
        bounds=(0.05, 20), method="bounded", options={"xatol": 1e-10},
    )  # fmt: skip
    assert learned["temperature"] == pytest.approx(peer.x, rel=1e-5)
    assert learned["temperature"] == pytest.approx(heat, rel=0.1)
    np.testing.assert_allclose(
        calibrate(learned, p), softmax(logs / learned["temperature"], axis=1)
    )


def test_the_temperature_stays_in_its_bounds():
    y = np.arange(30) % 3
    right = np.full((30, 3), 0.3)
    right[np.arange(30), y] = 0.4
    assert learn_calibration("temperature", right, y)["temperature"] == pytest.approx(0.05)
    assert learn_calibration("temperature", right, (y + 1) % 3)["temperature"] == pytest.approx(20)


@pytest.mark.parametrize("how", HOW)
def test_what_is_too_sure_is_calmed(how):
    p, y = predictions(4.0)
    later, truth = predictions(4.0, seed=1)
    calmed = calibrate(learn_calibration(how, p, y), later)
    assert log_loss(calmed, truth) < log_loss(later, truth)
    gone, was = (expected_calibration_error(one, truth) for one in (calmed, later))
    assert gone < was / 2


def test_isotonic_is_one_curve_a_class_by_their_sum():
    p, y = predictions(3.0)
    later, _ = predictions(3.0, n=200, seed=1)
    learned = learn_calibration("isotonic", p, y)
    curves = np.column_stack([
        IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(p[:, c], y == c)
        .predict(later[:, c]) for c in range(3)
    ])  # fmt: skip
    expected = curves / curves.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(calibrate(learned, later), expected, atol=1e-12)


def test_a_row_that_no_curve_wants_stays():
    p = np.array([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9]])
    learned = learn_calibration("isotonic", p, np.arange(3))
    flat = np.full((1, 3), 1 / 3)
    lowest = np.array([[0.05, 0.05, 0.05]]) + 0 * flat
    np.testing.assert_array_equal(calibrate(learned, lowest), lowest)
    np.testing.assert_allclose(calibrate(learned, flat), flat)


@pytest.mark.parametrize("how", HOW)
@given(seed=st.integers(0, 2**32), certain=st.booleans())
def test_rows_sum_to_one_and_have_no_order(how, seed, certain):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, 20)
    p = np.eye(3)[rng.integers(0, 3, 20)] if certain else rng.dirichlet(np.ones(3), 20)
    learned = learn_calibration(how, p, y)
    out = calibrate(learned, p)
    assert out.min() >= 0
    np.testing.assert_allclose(out.sum(axis=1), 1)
    order = rng.permutation(20)
    again = learn_calibration(how, p[order], y[order])
    np.testing.assert_allclose(calibrate(again, p), out, atol=1e-9)
