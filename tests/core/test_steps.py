"""Steps of sequences against loops over them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfuse.core.steps import STEP_POOLS, padding, pool_steps, pooled_dtype

DTYPES = [np.float16, np.float32, np.float64, np.int8, np.uint8, np.int64, np.bool_]


def by_hand(steps: list[np.ndarray], pool: str, dim: int) -> np.ndarray:
    """What the steps of one row become that count."""
    if not steps:
        return np.zeros(dim)
    x = np.array(steps, float)
    return {
        "mean": x.mean(axis=0),
        "max": x.max(axis=0),
        "std": x.std(axis=0),
        "last": x[-1],
        "flatten": x.reshape(-1),
    }[pool]


@given(
    st.integers(1, 5),
    st.integers(1, 6),
    st.integers(1, 3),
    st.sampled_from(DTYPES),
    st.sampled_from(STEP_POOLS),
    st.booleans(),
    st.integers(0, 99),
)
def test_pools(n: int, t: int, d: int, dtype: Any, pool: Any, masked: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = 0 if dtype in (np.uint8, np.bool_) else -9
    x = rng.integers(low, 2 if dtype == np.bool_ else 9, (n, t, d)).astype(dtype)
    x[rng.random((n, t)) < 0.5] = 0
    masked = masked and pool != "flatten"
    found = pool_steps(x, pool, padding(x) if masked else None)
    expected = [by_hand([step for step in row if step.any() or not masked], pool, d) for row in x]
    np.testing.assert_allclose(found.astype(float), expected, atol=1e-12)
    assert np.can_cast(found.dtype, pooled_dtype(x.dtype, pool), "same_kind")


@pytest.mark.parametrize("pool", ["mean", "max", "std"])
def test_what_is_not_finite_stays_so(pool: Any) -> None:
    x = np.array([[[1.0], [np.nan]], [[1.0], [0.0]]])
    found = pool_steps(x, pool, padding(x))
    assert np.isnan(found[0, 0])
    assert found[1, 0] == (0 if pool == "std" else 1)


def test_means_are_summed_in_float64() -> None:
    x = np.full((1, 100_000, 1), 0.1, np.float16)
    assert pool_steps(x, "mean")[0, 0] == pytest.approx(float(np.float16(0.1)), rel=1e-12)
    assert pooled_dtype(np.dtype(np.float16), "mean") == np.float32
    assert pooled_dtype(np.dtype(np.int32), "mean") == np.float64
    assert pooled_dtype(np.dtype(np.int32), "max") == np.int32
