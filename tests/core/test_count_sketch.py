"""The count sketch against its sum, column by column."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfuse.core.count_sketch import arrange, count_sketch

HASHED = st.integers(1, 12).flatmap(
    lambda bins: st.tuples(
        st.just(bins),
        st.lists(
            st.tuples(st.integers(0, bins - 1), st.sampled_from([-1, 1])), min_size=1, max_size=40
        ),
    )
)


@given(HASHED, st.integers(1, 5))
@settings(deadline=None, max_examples=200)
def test_every_bin_is_the_signed_sum_of_its_columns(
    hashed: tuple[int, list[tuple[int, int]]], rows: int
) -> None:
    bins, drawn = hashed
    h, s = (np.array(values) for values in zip(*drawn, strict=True))
    # whole numbers: their sums are exact in any order
    x = np.random.default_rng(len(drawn)).integers(-1000, 1000, (rows, len(h))).astype(float)
    out = np.full((rows, bins), np.nan)
    count_sketch(x, arrange(h, s.astype(np.int8), bins), out)
    expected = np.zeros((rows, bins))
    for i, j in product(range(rows), range(len(h))):
        expected[i, h[j]] += s[j] * x[i, j]
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_it_sums_in_the_precision_of_the_output(dtype: str) -> None:
    x = np.array([[2.0**24, 1.0]], np.float32)
    out = np.empty((1, 1), dtype)
    count_sketch(x, arrange(np.zeros(2, np.int64), np.ones(2, np.int8), 1), out)
    assert out[0, 0] == np.dtype(dtype).type(2**24) + np.dtype(dtype).type(1)
    assert x.tolist() == [[2.0**24, 1.0]]
