"""What is noticed of the rows: the same for any cut, and as plain loops would count it."""

from __future__ import annotations

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfuse.core.tally import Tally, all_finite

NAN, INF = math.nan, math.inf
SAMPLED = 1000  # at most so many rows are measured


def noticed(blocks: list[np.ndarray], cuts: list[int]) -> Tally:
    """A tally of all rows, of two modalities, from one tally a cut."""
    n = len(blocks[0])
    total = Tally.empty(len(blocks))
    ends = sorted({0, n, *(cut % (n + 1) for cut in cuts)})
    for start, stop in pairwise(ends):
        part = Tally.empty(len(blocks))
        for m, block in enumerate(blocks):
            part.count_nonfinite(m, block[start:stop], range(start, stop), True)
            part.measure(m, block[start:stop], range(start, stop), n)
        part.count_overflow(blocks[0][start:stop])
        total = total.merge(part)
    return total


@given(
    n=st.integers(1, 40),
    seed=st.integers(0, 999),
    cuts=st.lists(st.integers(0, 40), max_size=4),
)
@settings(deadline=None, max_examples=60)
def test_any_cut_notices_the_same_values(n: int, seed: int, cuts: list[int]) -> None:
    rng = np.random.default_rng(seed)
    odd = np.array([NAN, INF, -INF, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0], np.float32)
    blocks = [rng.choice(odd, (n, 2)), rng.choice(odd[3:], (n, 3))]
    found = noticed(blocks, cuts)
    wrong = [[not math.isfinite(value) for value in row] for row in blocks[0].tolist()]
    assert found.nonfinite == [sum(map(sum, wrong)), 0]
    assert found.nonfinite_rows == [[k for k, row in enumerate(wrong) if any(row)][:3], []]
    assert found.overflow == sum(map(sum, wrong))
    lengths = [math.hypot(*row) for row in blocks[1].tolist()]
    mean, deviation = found.norms(1, n) or (NAN, NAN)
    assert mean == pytest.approx(math.fsum(lengths) / n)
    assert deviation == pytest.approx(float(np.std(lengths)), abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 999, 1000, 1001, 2500])
def test_lengths_are_those_of_evenly_spaced_rows(n: int) -> None:
    x = np.arange(3.0, 3 + n)[:, None]
    spaced = (
        [3 + k * (n - 1) // (min(n, SAMPLED) - 1) for k in range(min(n, SAMPLED))] if n > 1 else [3]
    )
    found = noticed([x, x], [7, 400, 401])
    assert found.norms(0, n) == pytest.approx([np.mean(spaced), np.std(spaced)])


def test_places_that_are_no_range_and_columns_that_come_apart() -> None:
    n, rng = 3000, np.random.default_rng(0)
    x = rng.normal(size=(n, 4)).astype(np.float32)
    whole, pieces = Tally.empty(1), Tally.empty(1)
    whole.measure(0, x, range(n), n)
    order = rng.permutation(n)
    for some in (np.sort(order[:100]), np.sort(order[100:]), order[:0]):
        for columns in (slice(0, 3), slice(3, 4)):
            pieces.measure(0, x[some, columns], some, n)
    np.testing.assert_allclose(pieces.squares[0], whole.squares[0])
    assert np.count_nonzero(whole.squares[0]) == SAMPLED


def test_squares_are_taken_in_float64() -> None:
    found = Tally.empty(1)
    found.measure(0, np.array([[60000.0]], np.float16), range(1), 1)
    assert found.norms(0, 1) == [float(np.float16(60000.0)), 0.0]


def test_lengths_are_of_rows_that_have_the_modality_and_are_finite() -> None:
    found = Tally.empty(1)
    found.measure(0, np.array([[3.0], [NAN], [0.0], [5.0]]), range(4), 4)
    assert found.norms(0, 4) == pytest.approx([8 / 3, np.std([3, 0, 5])])
    assert found.norms(0, 4, np.array([True, True, False, True])) == [4.0, 1.0]
    assert not found.norms(0, 4, np.zeros(4, np.bool_))  # none has a length


def test_only_what_is_to_be_checked_is_counted() -> None:
    found = Tally.empty(2)
    found.count_nonfinite(1, np.array([[NAN]]), range(1), False)
    assert (found.nonfinite, found.nonfinite_rows) == ([0, 0], [[], []])
    for _ in range(2):
        found.count_nonfinite(1, np.array([[NAN], [1.0]]), range(1, 3), True)
    assert (found.nonfinite, found.nonfinite_rows) == ([0, 2], [[], [1]])


def test_the_first_rows_are_told_whatever_comes_first() -> None:
    late, early = Tally.empty(1), Tally.empty(1)
    bad = np.full((2, 1), INF)
    late.count_nonfinite(0, bad, range(8, 10), True)
    early.count_nonfinite(0, bad, np.array([2, 5]), True)
    for found in (late.merge(early), early.merge(late)):
        assert found.nonfinite_rows == [[2, 5, 8]]
        assert found.nonfinite == [4]


def test_rows_that_stages_left_alone_add_up() -> None:
    one, other = Tally.empty(2), Tally.empty(2)
    one.count_degenerate(1, [1, 0])
    one.count_degenerate(1, [2, 5])
    other.count_degenerate(1, [10, 20])
    assert one.degenerate == [[], [3, 5]]
    assert one.merge(other).degenerate == other.merge(one).degenerate == [[], [13, 25]]


def test_nan_is_expected_in_some_rows_and_infinity_in_none() -> None:
    out = np.array([[NAN, INF], [NAN, 1.0], [-INF, 1.0]])
    found = Tally.empty(1)
    found.count_overflow(out, np.array([True, False, True]))
    assert found.overflow == 3
    found.count_overflow(out)
    assert found.overflow == 3 + 4


def test_integers_that_float64_does_not_hold_are_counted() -> None:
    one, other = Tally.empty(2), Tally.empty(2)
    one.count_large(1, np.array([[2.0**53 - 1, 2.0**53], [-(2.0**64), 2.0**65]]))
    one.count_large(1, np.array([[-(2.0**60)]]))
    other.count_large(1, np.array([[2.0**53]]))
    assert one.large == [0, 3]
    assert one.merge(other).large == [0, 4]


def test_infinity_that_no_input_brought_is_counted() -> None:
    blocks = [np.array([[1.0], [NAN], [3.0]]), np.array([[1.0, 2.0], [3.0, INF], [5.0, 6.0]])]
    out = np.array([[INF, 1.0, INF], [INF, INF, INF], [NAN, 1.0, 1.0]])
    found = Tally.empty(2)
    # side by side: in the second row only the middle value has an input that was finite
    found.count_infinite(out, blocks, beside=True)
    assert found.overflow == 2 + 1
    # of whole rows: the second row has inputs that were not finite
    found.count_infinite(out, blocks, beside=False)
    assert found.overflow == 3 + 2
    found.count_infinite(out[2:], [block[2:] for block in blocks], beside=True)
    assert found.overflow == 5


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], True), ([1e308, 1e308], True), ([1.0, NAN], False), ([INF, -INF], False), ([INF], False)],
)
def test_finite_values_whose_sum_is_not(values: list[float], expected: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all_finite(np.array([values])) is expected
