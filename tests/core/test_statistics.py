"""Moments against NumPy and scikit-learn, and the laws of merging."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler

from mmfuse.core.linear_map import LinearMap, scaling
from mmfuse.core.statistics import Moments, sum_of_squares

Matrix = NDArray[np.float64]


def moments(*blocks: Matrix) -> Moments:
    return reduce(Moments.update, blocks, Moments.empty(blocks[0].shape[1]))


def check(found: Moments, x: Matrix, rtol: float = 1e-11) -> None:
    """Against NumPy in extended precision, column by column, over the finite values."""
    for j, column in enumerate(x.T.astype(np.longdouble)):
        values = column[np.isfinite(column)]
        assert found.count[j] == len(values)
        np.testing.assert_allclose(found.mean[j], float(values.mean()), rtol=rtol, atol=1e-300)
        np.testing.assert_allclose(found.sd[j], float(values.std()), rtol=rtol)
        assert found.minimum[j] == values.min()
        assert found.maximum[j] == values.max()


def same(one: Moments, other: Moments) -> None:
    """Counts and extents exactly, sums up to their rounding."""
    for field in ("count", "minimum", "maximum"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    np.testing.assert_allclose(one.mean, other.mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(one.deviation, other.deviation, rtol=1e-11, atol=1e-11)


def identical(one: Moments, other: Moments) -> None:
    for field in ("count", "mean", "deviation", "minimum", "maximum"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


PIECES = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 2**32 - 1)), min_size=1, max_size=5
).map(lambda sizes: [np.random.default_rng(seed).normal(3, 2, (n, 3)) for n, seed in sizes])


def test_far_from_zero() -> None:
    x = np.random.default_rng(0).normal(1e8, 1, (5000, 4))
    found = moments(*np.array_split(x, 7))
    check(found, x, rtol=1e-8)  # what float64 holds of a deviation of 1 beside 1e8
    scaler = StandardScaler().fit(x)
    np.testing.assert_allclose(found.mean, scaler.mean_, rtol=1e-14)
    np.testing.assert_allclose(found.sd, scaler.scale_, rtol=1e-8)


@given(PIECES)
@settings(deadline=None, max_examples=60)
def test_pieces_are_the_whole(pieces: list[Matrix]) -> None:
    whole = np.concatenate(pieces)
    if len(whole):
        check(moments(*pieces), whole, rtol=1e-10)
    same(moments(*pieces), moments(whole))


@given(PIECES, PIECES, PIECES)
@settings(deadline=None, max_examples=60)
def test_merge_is_commutative_and_associative(
    first: list[Matrix], second: list[Matrix], third: list[Matrix]
) -> None:
    a, b, c = moments(*first), moments(*second), moments(*third)
    same(a.merge(b), b.merge(a))
    same(a.merge(b).merge(c), a.merge(b.merge(c)))


@given(PIECES)
@settings(deadline=None, max_examples=30)
def test_nothing_changes_nothing(pieces: list[Matrix]) -> None:
    found = moments(*pieces)
    identical(found.merge(Moments.empty(3)), found)
    identical(Moments.empty(3).merge(found), found)
    identical(found.update(np.empty((0, 3))), found)


def test_update_leaves_the_block_and_the_statistic_alone() -> None:
    x = np.arange(6.0).reshape(3, 2)
    start = Moments.empty(2)
    start.update(x)
    np.testing.assert_array_equal(x, np.arange(6.0).reshape(3, 2))
    assert start.count.tolist() == [0, 0]


@pytest.mark.parametrize("value", [0.1, -1e8 / 3, 1e300, 1e-300, 5e-324, 0.0])
def test_a_constant_column_has_no_deviation_at_all(value: float) -> None:
    x = np.full((1001, 1), value)
    found = moments(*np.array_split(x, 10))
    assert found.sd.tolist() == [0.0]
    assert found.minimum == found.maximum == value
    np.testing.assert_allclose(found.mean, [value], rtol=1e-14)


def test_values_that_are_not_finite_do_not_count() -> None:
    x = np.random.default_rng(1).normal(5, 3, (400, 3))
    x[::7, 0], x[::5, 1], x[::11, 1] = np.nan, np.inf, -np.inf
    check(moments(*np.array_split(x, 9)), x)


def test_a_column_without_a_finite_value() -> None:
    found = moments(np.array([[np.nan, 1.0], [np.inf, 2.0]]))
    assert found.count.tolist() == [0, 2]
    assert found.mean.tolist() == [0, 1.5]
    assert found.sd.tolist() == [0, 0.5]
    after = found.update(np.array([[4.0, 3.0], [8.0, 3.0]]))
    assert after.mean[0] == 6
    assert after.sd[0] == 2


@pytest.mark.parametrize("scale", [1e-310, 1e-300, 1e-160, 1e160, 1e300])
def test_squares_that_no_float64_holds(scale: float) -> None:
    # scaling by itself is exact enough: the deviation scales with the values
    x = np.random.default_rng(2).normal(2, 1, (300, 2))
    found = moments(*np.array_split(x * scale, 4))
    tolerance = 1e-10 if scale > 1e-307 else 1e-4  # subnormals have few bits
    np.testing.assert_allclose(found.sd / scale, x.std(axis=0), rtol=tolerance)
    np.testing.assert_allclose(found.mean / scale, x.mean(axis=0), rtol=tolerance)


def test_float32_is_summed_in_float64() -> None:
    x = np.random.default_rng(3).normal(1e4, 1, (4096, 2)).astype(np.float32)
    found = Moments.empty(2).update(x)
    check(found, x.astype(np.float64))
    assert found.mean.dtype == np.float64


def test_columns_beyond_float64_beside_common_ones() -> None:
    """Each by itself: a column is neither scaled nor measured by another."""
    plain = np.random.default_rng(4).normal(2, 1, 300)
    scales = np.array([1e-160, 1.0, 1e160, 1e-170, 0.0])
    found = moments(*np.array_split(plain[:, None] * scales, 3))
    expected = plain.std() * scales
    np.testing.assert_allclose(found.sd, expected, rtol=1e-10)


@pytest.mark.parametrize("scale", [1e-150, 1e-149, 1e149, 1e150, 1e154])
def test_lengths_at_the_ends_of_what_squares_hold(scale: float) -> None:
    x = np.array([[3.0, 1.0], [-3.0, 1.0]]) * scale
    found = moments(x)
    np.testing.assert_allclose(found.deviation, [np.sqrt(18) * scale, 0], rtol=1e-14)


def test_only_one_end_of_a_column_is_not_finite() -> None:
    for odd in (np.inf, -np.inf):
        found = moments(np.array([[odd], [1.0], [4.0], [1.0]]))
        assert (found.count[0], found.mean[0]) == (3, 2.0)
        assert (found.minimum[0], found.maximum[0]) == (1.0, 4.0)
        np.testing.assert_allclose(found.deviation, np.sqrt(6))
    one = moments(np.array([[np.nan], [7.0]]))
    assert (one.count[0], one.mean[0], one.sd[0]) == (1, 7.0, 0.0)


def test_a_constant_is_its_own_mean_to_the_bit() -> None:
    found = moments(np.full((7, 1), 0.1))
    assert found.mean[0] == 0.1  # which 7 · 0.1 / 7 is not in float64
    assert found.deviation[0] == 0


@pytest.mark.parametrize(
    "one",
    [scaling(2.5), scaling(-3.0), LinearMap(np.array([1.0, -2.0, 0.5]), np.array([2, -1, 0]))],
)
def test_mapped_is_what_is_gathered_of_mapped_rows(one: LinearMap) -> None:
    x = np.random.default_rng(5).normal(1, 2, (50, 3))
    found, expected = moments(x).mapped(one), moments(one.of_points(x))
    np.testing.assert_array_equal(found.count, expected.count)
    for field in ("mean", "deviation", "minimum", "maximum"):
        np.testing.assert_allclose(
            getattr(found, field), getattr(expected, field), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("n", [0, 1, 255, 256, 257, 1000])
def test_the_sum_of_squares_is_that_of_finite_values(n: int) -> None:
    x = np.random.default_rng(6).normal(100, 1, (n, 3)).astype(np.float32)
    before = x.copy()
    expected = np.square(x.astype(np.longdouble)).sum()
    assert sum_of_squares(x) == pytest.approx(float(expected), rel=1e-12)
    np.testing.assert_array_equal(x, before)
    if n:
        odd = x.copy()
        odd[0], odd[-1, 1:] = np.nan, (np.inf, -np.inf)
        left = np.where(np.isfinite(odd), odd, 0).astype(np.longdouble)
        assert sum_of_squares(odd) == pytest.approx(float(np.square(left).sum()), rel=1e-12)
