"""Shifts and scales of columns against extended precision, at any scale that floats have."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmfuse.core.affine import standardize, subtract

Matrix = NDArray[Any]
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def ulps(found: Matrix, expected: NDArray[np.longdouble]) -> float:
    """The largest error, in units in the last place of the expected value."""
    unit = np.spacing(np.abs(expected).astype(found.dtype))
    return float(np.max(np.abs(found.astype(np.longdouble) - expected) / unit))


@DTYPES
@given(shift=st.floats(-1e6, 1e6), spread=st.floats(1e-3, 1e3), seed=st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=100)
def test_a_shift_of_any_size_leaves_the_last_place(
    dtype: str, shift: float, spread: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = (shift + rng.normal(0, spread, (20, 3))).astype(dtype)
    x[0], x[1] = np.dtype(dtype).type(shift), 0
    # in float64 it is one subtraction; a shift that float32 has no room for is the matter here
    column = np.array([shift, shift / 3, -shift])
    expected = x.astype(np.longdouble) - column
    subtract(x, column)
    assert ulps(x, expected) <= 1


@DTYPES
@pytest.mark.parametrize("scale", [1e-43, 1e-38, 1e-20, 1.0, 1e20, 1e38])
def test_standardize_at_the_ends_of_float32(dtype: str, scale: float) -> None:
    x = (np.random.default_rng(0).uniform(-3, 3, (50, 4)) * scale).astype(dtype)
    wide = x.astype(np.longdouble)
    shift = np.array([0.0, 1.0, -2.9, 1e-3]) * scale
    divisor = np.array([0.1, 6.0, 1.0, 1e-1]) * scale
    expected = (wide - shift) / divisor
    standardize(x, shift, divisor)
    np.testing.assert_allclose(x, expected.astype(dtype), rtol=4 * np.finfo(dtype).eps)


@DTYPES
def test_an_infinite_scale_makes_zero(dtype: str) -> None:
    x = np.array([[3.0, 5.0], [3.0, 7.0]], dtype)
    standardize(x, np.array([3.0, 5.0]), np.array([np.inf, 2.0]))
    assert x.tolist() == [[0, 0], [0, 1]]


def test_the_extremes_of_float32_are_one_range_apart() -> None:
    top = np.finfo(np.float32).max
    x = np.array([[-top], [0], [top]], np.float32)
    standardize(x, np.array([-float(top)]), np.array([2 * float(top)]))
    assert x.tolist() == [[0], [0.5], [1]]
