"""Every normalisation against its formula and scikit-learn, at any scale that floats have."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import fractional_matrix_power
from sklearn.preprocessing import MinMaxScaler, StandardScaler, normalize

import mmfuse
from mmfuse.core.registry import NORMALIZATIONS, normalization
from mmfuse.core.statistics import Moments
from mmfuse.errors import UsageError

Matrix = NDArray[Any]
LEARNED = [name for name in NORMALIZATIONS.modules if normalization(name).learns]


def apply(chain: str, x: Matrix, dtype: str | None = None, **more: Any) -> Matrix:
    """One modality through the public function; the output is as precise as the input."""
    fused = mmfuse.fuse(
        "concat", {"x": x}, normalize=chain, dtype=dtype or str(x.dtype), threads=1, **more
    )
    assert fused.matrix is not None
    return fused.matrix


def notes(chain: str, x: Matrix) -> str:
    return "\n".join(
        mmfuse.fuse("concat", {"x": x}, normalize=chain, dtype=str(x.dtype)).summary.notes
    )


def sample(rows: int = 60, dim: int = 4, dtype: str = "float64") -> Matrix:
    return np.random.default_rng(0).normal(2, 3, (rows, dim)).astype(dtype)


TOLERANCE = {"float32": 3e-6, "float64": 1e-13}
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def softmax(x: Matrix) -> Matrix:
    """By the formula, row by row; the shift changes nothing but the range."""
    wide = x.astype(np.longdouble)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float64)


def share(x: Matrix) -> Matrix:
    """By the formula; a row of zeros stays what it is."""
    total = np.abs(x).sum(axis=1, keepdims=True)
    return x / np.where(total == 0, 1, total)


def whiten(x: Matrix) -> Matrix:
    """(x − mean) (S + λI)^(−1/2), λ a millionth of the mean variance."""
    s = np.cov(x.T).reshape(x.shape[1], -1)
    root = fractional_matrix_power(s + 1e-6 * np.trace(s) / len(s) * np.eye(len(s)), -0.5)
    return (x - x.mean(axis=0)) @ root


FORMULAS = {
    "none": lambda x: x,
    "l2": normalize,
    "zscore": lambda x: StandardScaler().fit_transform(x),
    "minmax": lambda x: MinMaxScaler().fit_transform(x),
    "center": lambda x: StandardScaler(with_std=False).fit_transform(x),
    "sqrt-dim": lambda x: x / np.sqrt(x.shape[1]),
    "softmax": softmax,
    "share": share,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "whiten": whiten,
}


@DTYPES
@pytest.mark.parametrize("name", list(NORMALIZATIONS.modules))
def test_against_the_formula(name: str, dtype: str) -> None:
    x = sample(dtype=dtype)
    x[3] = 0
    expected = FORMULAS[name](x.astype(np.float64))
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(apply(name, x), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("chain", "steps"),
    [
        ("center,l2", ["center", "l2"]),
        ("l2,zscore", ["l2", "zscore"]),
        ("zscore, l2, minmax", ["zscore", "l2", "minmax"]),
        ("none", []),
        ("minmax,none,sqrt-dim", ["minmax", "sqrt-dim"]),
        ("zscore,zscore", ["zscore"]),
    ],
)
def test_chains_apply_in_order(chain: str, steps: list[str]) -> None:
    expected = sample()
    for step in steps:
        expected = FORMULAS[step](expected)
    np.testing.assert_allclose(apply(chain, sample()), expected, rtol=1e-12, atol=1e-12)


def test_the_weight_comes_last() -> None:
    x = sample()
    expected = 3 * FORMULAS["zscore"](FORMULAS["l2"](x))
    np.testing.assert_allclose(apply("l2,zscore", x, weight=3), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", LEARNED)
def test_learned_of_the_aligned_rows_only(name: str) -> None:
    x, ids = sample(), np.arange(60)
    wild = np.concatenate([np.full((5, 4), 1e6), x, np.full((5, 4), -1e6)])
    wild_ids = np.concatenate([np.arange(100, 105), ids, np.arange(200, 205)])
    fused = mmfuse.fuse(
        "concat",
        {"wild": (wild, wild_ids), "other": (x, ids[::-1].copy())},
        normalize={"wild": name},
        dtype="float64",
    )
    assert fused.matrix is not None
    assert fused.ids.tolist() == ids.tolist()
    np.testing.assert_allclose(fused.matrix[:, :4], FORMULAS[name](x), rtol=1e-12, atol=1e-12)


# zero rows, constant columns


@DTYPES
@pytest.mark.parametrize(("name", "order"), [("l2", 2), ("share", 1)])
def test_a_zero_row_stays_zero_and_is_told(name: str, order: int, dtype: str) -> None:
    x = sample(dtype=dtype)
    x[[2, 7]] = 0
    fused = apply(name, x)
    assert not fused[[2, 7]].any()
    others = np.delete(fused, [2, 7], axis=0)
    np.testing.assert_allclose(np.linalg.norm(others, order, axis=1), 1, rtol=1e-6)
    assert f"2 zero rows stay zero under {name}" in notes(name, x)
    assert "zero rows" not in notes(name, sample(dtype=dtype))


@DTYPES
def test_only_rows_of_nothing_but_zeros_are_zero_rows(dtype: str) -> None:
    x = np.array([[0, 0, 1], [0, 0, 0], [0, np.nan, 0], [-0.0, 0, 0], [2, 0, 0]], dtype)
    assert normalization("l2").degenerate_rows(x) == 2
    assert normalization("l2").degenerate_rows(x[[4, 4]]) == 0


@DTYPES
def test_l2_of_many_columns(dtype: str) -> None:
    x = np.random.default_rng(6).normal(1, 1, (3, 100_001)).astype(dtype)
    tolerance = TOLERANCE[dtype]
    np.testing.assert_allclose(apply("l2", x), normalize(x.astype(np.float64)), rtol=tolerance)


@DTYPES
@pytest.mark.parametrize("name", ["zscore", "minmax"])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e8 / 3, 1e30, 1e-30])
def test_a_constant_column_becomes_zero_and_is_told(name: str, value: float, dtype: str) -> None:
    x = sample(rows=1001, dtype=dtype)
    x[:, 1] = value
    fused = apply(name, x)
    assert not fused[:, 1].any()
    assert fused[:, 0].any()
    assert f"1 constant columns are 0 under {name}" in notes(name, x)
    assert "constant" not in notes(name, sample(dtype=dtype))


@pytest.mark.parametrize("name", ["zscore", "minmax", "center", "whiten"])
def test_one_row_is_constant(name: str) -> None:
    assert not apply(name, sample(rows=1)).any()


def test_minmax_reaches_its_ends_and_no_further() -> None:
    fused = apply("minmax", np.random.default_rng(1).normal(0.1, 1e-3, (500, 20)))
    assert (fused.min(axis=0) == 0).all()
    assert (fused.max(axis=0) == 1).all()


@DTYPES
@pytest.mark.parametrize("name", ["zscore", "center"])
def test_a_large_mean_is_taken_off_before_anything_is_rounded(name: str, dtype: str) -> None:
    x = np.random.default_rng(2).normal(1e6, 1, (3000, 2)).astype(dtype)
    expected = FORMULAS[name](x.astype(np.float64))
    np.testing.assert_allclose(apply(name, x), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["zscore", "minmax"])
def test_a_column_that_was_constant_is_zero_in_new_rows_too(name: str) -> None:
    found = normalization(name)
    learned = found.solve(Moments.empty(2).update(np.array([[5.0, 1.0], [5.0, 3.0]])))
    new = np.array([[6.0, 3.0]])
    found.normalize(new, learned)
    assert new.tolist() == [[0.0, 1.0]]


# the ends of the range: what does not depend on scale must not depend on scale


SCALES = [
    *(("float64", scale) for scale in (1e-300, 1e-160, 1e160, 1e300)),
    *(("float32", scale) for scale in (1e-30, 1e30)),
]


@pytest.mark.parametrize(("dtype", "scale"), SCALES)
@pytest.mark.parametrize("name", ["l2", "share", "zscore", "minmax"])
def test_scale_is_nothing_to_a_normalization(name: str, dtype: str, scale: float) -> None:
    x = sample()
    fused = apply(name, (x * scale).astype(dtype))
    tolerance = 10 * TOLERANCE[dtype]
    np.testing.assert_allclose(fused, FORMULAS[name](x), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dtype", "scale"), SCALES)
@pytest.mark.parametrize("name", ["center", "sqrt-dim", "none"])
def test_scale_goes_through(name: str, dtype: str, scale: float) -> None:
    x = sample()
    fused = apply(name, (x * scale).astype(dtype)).astype(np.float64) / scale
    tolerance = 10 * TOLERANCE[dtype]
    np.testing.assert_allclose(fused, FORMULAS[name](x), rtol=tolerance, atol=tolerance)


@DTYPES
@pytest.mark.parametrize("name", ["l2", "share", "minmax"])
def test_subnormals(name: str, dtype: str) -> None:
    whole = np.random.default_rng(3).integers(-9, 10, (50, 3))
    x = (whole * np.finfo(dtype).smallest_subnormal).astype(dtype)
    assert np.count_nonzero(x) == np.count_nonzero(whole)
    expected = FORMULAS[name](whole.astype(np.float64))
    np.testing.assert_allclose(apply(name, x), expected, rtol=1e-6, atol=1e-6)


@DTYPES
def test_l2_of_rows_of_every_size_at_once(dtype: str) -> None:
    info = np.finfo(dtype)
    x = sample(rows=5, dtype=dtype)
    x[1], x[2] = info.max, info.tiny
    x[3] = [info.max, 0, -info.max, 1]
    fused = apply("l2", x)
    expected = [
        *normalize(x[:1]),
        [0.5] * 4,
        [0.5] * 4,
        [0.5**0.5, 0, -(0.5**0.5), 0],
        *normalize(x[4:]),
    ]
    np.testing.assert_allclose(fused, expected, rtol=1e-6, atol=1e-30)


@DTYPES
def test_softmax_and_sigmoid_at_the_ends(dtype: str) -> None:
    top = np.finfo(dtype).max
    x = np.array([[top, -top, 0], [1000, 1001, -1000], [-top, -top, -top]], dtype)
    e = np.exp(1)
    expected = [[1, 0, 0], [1 / (1 + e), e / (1 + e), 0], [1 / 3] * 3]
    np.testing.assert_allclose(apply("softmax", x), expected, rtol=1e-6)
    expected = [[1, 0, 0.5], [1, 1, 0], [0, 0, 0]]
    np.testing.assert_allclose(apply("sigmoid", x), expected, rtol=1e-6)


def test_sigmoid_is_exact_far_below_zero() -> None:
    x = np.array([[-700.0, -30.0, 30.0]])
    expected = [[np.exp(-700.0), np.exp(-30.0), 1 - np.exp(-30.0)]]
    np.testing.assert_allclose(apply("sigmoid", x), expected, rtol=1e-12)


@pytest.mark.parametrize("name", list(NORMALIZATIONS.modules))
def test_kept_values_that_are_not_finite_warn_of_nothing(name: str) -> None:
    x = sample()
    x[0, 0], x[1, 1], x[2, 2] = np.nan, np.inf, -np.inf
    if normalization(name).mixes:
        with pytest.raises(UsageError, match="not finite, and nothing is learned from those"):
            apply(name, x, nan="keep")
        return
    fused = apply(name, x, nan="keep")
    assert not np.isfinite(fused[0, 0])
    finite = FORMULAS[name](np.delete(x, [0, 1, 2], axis=0))
    if name not in LEARNED:
        np.testing.assert_allclose(fused[3:], finite, rtol=1e-12)
