"""Rows made narrow."""

from __future__ import annotations

import numpy as np
import pytest

from mmfuse.core.condense import Condenser

RNG = np.random.default_rng(0)


def test_narrow_rows_are_standardised():
    x = RNG.normal(3, 5, size=(50, 4))
    expected = (x - x.mean(axis=0)) / x.std(axis=0)
    np.testing.assert_allclose(Condenser.of(x)(x), expected, atol=1e-5)


def test_no_unit_counts():
    x = RNG.normal(size=(50, 100))
    scaled = x * 10.0 ** RNG.integers(-100, 100, size=100) + 3
    scaled[:, ::2] = (x * 1e200)[:, ::2]
    np.testing.assert_allclose(Condenser.of(x)(x), Condenser.of(x * 1e200)(x * 1e200), atol=1e-3)
    assert Condenser.of(scaled)(scaled).shape == (50, 64)
    assert np.isfinite(Condenser.of(scaled)(scaled)).all()


def test_the_largest_values_there_are():
    x = RNG.uniform(-1, 1, size=(50, 3))
    np.testing.assert_allclose(
        Condenser.of(x * 1.7e308)(x * 1.7e308), Condenser.of(x)(x), atol=1e-4
    )
    assert np.isfinite(Condenser.of(x)(x * 1.7e308)).all()
    assert np.isfinite(Condenser.of(x * 1e-300)(x * 1.7e308)).all()


def test_constant_columns_and_values_that_are_not_finite_say_nothing():
    x = RNG.normal(size=(40, 3))
    x[:, 1] = 1e6
    x[3, 0], x[5, 2] = np.nan, np.inf
    narrow = Condenser.of(x)(x)
    assert not narrow[:, 1].any()
    assert narrow[3, 0] == narrow[5, 2] == 0
    others = np.delete(x[:, 0], 3)
    expected = (others - others.mean()) / others.std()
    np.testing.assert_allclose(np.delete(narrow[:, 0], 3), expected, atol=1e-5)


@pytest.mark.parametrize("dim", [65, 3000])
def test_wide_rows_keep_their_products(dim):
    """Johnson and Lindenstrauss: 64 random signs keep lengths to about sqrt(2 / 64)."""
    x = RNG.normal(size=(30, dim))
    narrow = Condenser.of(x)(x)
    assert narrow.shape == (30, 64)
    lengths = np.square(narrow).sum(axis=1) / (64 * dim)
    assert abs(lengths.mean() - 1) < 0.2
    whole = np.vstack([Condenser.of(x)(part) for part in np.array_split(x, 4)])
    np.testing.assert_allclose(narrow, whole, rtol=1e-4, atol=1e-3)
