"""What `nan` does with values that are not finite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mmfuse
from mmfuse.errors import InputError, UsageError

BAD = np.array([[1.0, 2.0], [np.nan, 4.0], [5.0, np.inf], [7.0, 8.0]], np.float32)
IDS = ["a", "b", "c", "d"]
OTHER = (np.arange(8.0).reshape(4, 2), ["d", "c", "b", "a"])


def fused(nan: str, **how: object) -> mmfuse.Fused:
    return mmfuse.fuse("concat", {"bad": (BAD, IDS), "other": OTHER}, nan=nan, **how)


def test_an_error_counts_them_and_names_the_first_ids() -> None:
    with pytest.raises(InputError, match=r"2 values.*'b', 'c'") as caught:
        fused("error")
    assert caught.value.where == "bad"
    assert "--nan" in (caught.value.hint or "")


@pytest.mark.parametrize("normalize", [None, "zscore"])
def test_an_error_leaves_no_file(tmp_path: Path, normalize: str | None) -> None:
    modalities = {"bad": (BAD, IDS)}
    with pytest.raises(InputError):
        mmfuse.fuse("concat", modalities, tmp_path / "o.parquet", normalize=normalize)
    assert list(tmp_path.iterdir()) == []


def test_only_rows_that_are_fused_count() -> None:
    kept = mmfuse.fuse("concat", {"other": (np.ones((2, 1)), ["a", "d"]), "bad": (BAD, IDS)})
    assert np.array_equal(kept.matrix, [[1, 1, 2], [1, 7, 8]])


def test_keep_lets_them_pass() -> None:
    matrix = fused("keep").matrix
    assert matrix is not None
    assert np.array_equal(matrix[:, :2], BAD, equal_nan=True)


def test_zero() -> None:
    result = fused("zero")
    assert np.array_equal(result.matrix[:, :2], [[1, 2], [0, 4], [5, 0], [7, 8]])
    assert any("2 values" in note for note in result.summary.notes)


def test_mean_is_that_of_the_finite_values_of_the_column() -> None:
    matrix = fused("mean").matrix
    assert np.allclose(matrix[:, 0], [1, (1 + 5 + 7) / 3, 5, 7])
    assert np.allclose(matrix[:, 1], [2, 4, (2 + 4 + 8) / 3, 8])


def test_mean_comes_before_the_normalisation() -> None:
    filled = np.array([[1, 2], [13 / 3, 4], [5, 14 / 3], [7, 8]])
    expected = (filled - filled.mean(axis=0)) / filled.std(axis=0)
    matrix = fused("mean", normalize={"bad": "zscore"}).matrix
    assert np.allclose(matrix[:, :2], expected, atol=1e-6)


def test_drop_leaves_the_rows_out_and_tells() -> None:
    result = fused("drop", normalize={"bad": "center"})
    assert list(result.ids) == ["a", "d"]
    assert np.array_equal(result.matrix, [[-3, -3, 6, 7], [3, 3, 0, 1]])
    assert any("2 rows dropped" in note for note in result.summary.notes)


def test_drop_of_everything_is_an_error() -> None:
    with pytest.raises(InputError, match="none"):
        mmfuse.fuse("concat", {"x": np.full((3, 1), np.nan)}, nan="drop")


def test_an_output_out_of_range_is_an_error() -> None:
    big = {"a": np.full((2, 1), 1e200), "b": np.full((2, 1), 1e100)}
    with pytest.raises(InputError, match="too large for float32"):
        mmfuse.fuse("product", big)
    with pytest.raises(InputError, match="too large for float16"):
        mmfuse.fuse("concat", {"a": np.full((2, 1), 70_000)}, dtype="float16")
    with pytest.raises(InputError, match="too large for float32"):
        mmfuse.fuse("product", big, nan="zero")
    assert mmfuse.fuse("product", big, dtype="float64").matrix.tolist() == [[1e300], [1e300]]


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(UsageError, match="--nan"):
        fused("interpolate")


def test_a_column_without_a_finite_value_has_no_mean_and_is_told() -> None:
    found = mmfuse.fuse("concat", {"a": np.array([[np.nan, 1.0], [np.nan, 2.0]])}, nan="mean")
    assert np.array_equal(found.matrix, [[0, 1], [0, 2]])
    assert "a: 1 all-NaN columns are 0 under nan-mean" in found.summary.notes
