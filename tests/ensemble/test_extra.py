"""scikit-learn is an extra: imported by what learns, told where it lacks."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mmfuse.ensemble.calibration import calibrate, learn_calibration
from mmfuse.ensemble.extra import require_sklearn
from mmfuse.ensemble.stacking import apply_stack, learn_stack
from mmfuse.errors import UsageError

MODULES = "calibration, extra, folds, scores, selection, stacking, weights"


@pytest.fixture
def without(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)


def test_a_module_of_scikit_learn():
    assert require_sklearn("linear_model").Ridge.__module__.startswith("sklearn.")


@pytest.mark.usefixtures("without")
def test_what_learns_with_it_tells_the_way_to_it():
    p, y = np.full((1, 4, 2), 0.5), np.array([0, 1, 0, 1])
    for learn in (
        lambda: learn_stack(p, np.ones((4, 1), bool), y),
        lambda: learn_calibration("isotonic", p[0], y),
    ):
        with pytest.raises(UsageError) as told:
            learn()
        assert told.value.hint == "pip install 'mmfuse[learn]'"


@pytest.mark.usefixtures("without")
def test_what_applies_does_without():
    p = np.array([[[0.4, 0.6]]])
    learned = {
        "classes": np.array([0, 1]),
        "coef": np.array([[0.0], [1.0]]),
        "intercept": 0 * p[0, 0],
    }
    expected = 1 / (1 + np.exp(-0.6))
    np.testing.assert_allclose(
        apply_stack(learned, p, np.ones((1, 1), bool)), [[1 - expected, expected]]
    )
    assert calibrate(learn_calibration("temperature", p[0], np.array([1])), p[0]).shape == (1, 2)


def test_importing_imports_numpy_only():
    code = (
        f"import sys; from mmfuse.ensemble import {MODULES};"
        "assert not {'sklearn', 'scipy', 'pandas', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
