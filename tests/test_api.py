"""The public functions, called from Python."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mmfuse
from mmfuse.core.registry import NORMALIZATIONS, STRATEGIES
from mmfuse.errors import (
    AlignmentError,
    InputError,
    MmfuseError,
    OutputError,
    ResourceError,
    UsageError,
)
from mmfuse.strategies.outer import Outer

A = np.arange(6, dtype=np.float32).reshape(3, 2)
B = np.array([[1.0], [2.0], [4.0]], dtype=np.float32)


def test_arrays_without_ids():
    fused = mmfuse.fuse("concat", {"a": A, "b": B})
    assert np.array_equal(fused.matrix, np.hstack([A, B]))
    assert fused.matrix.dtype == np.float32
    assert fused.ids.tolist() == [0, 1, 2]
    assert fused.columns == ("a_0", "a_1", "b_0")
    assert fused.summary.slices == {"a": [0, 2], "b": [2, 3]}
    assert (fused.summary.by, fused.summary.rows, fused.summary.output) == ("position", 3, None)


@pytest.mark.parametrize("wrap", [list, np.array, pd.Series], ids=["list", "array", "series"])
@pytest.mark.parametrize("ids", [(["x", "y", "z"], ["z", "q", "x"]), ([7, 8, 9], [9, 1, 7])])
def test_arrays_with_ids(ids, wrap):
    fused = mmfuse.fuse("concat", {"a": (A, wrap(ids[0])), "b": (B, wrap(ids[1]))})
    assert fused.ids.tolist() == [ids[0][0], ids[0][2]]
    assert np.array_equal(fused.matrix, np.hstack([A[[0, 2]], B[[2, 0]]]))
    assert [item.dropped for item in fused.summary.inputs] == [1, 1]


def test_ids_as_an_option():
    fused = mmfuse.fuse(
        "concat", {"a": A, "b": B}, ids={"a": ["x", "y", "z"], "b": ["z", "y", "x"]}
    )
    assert np.array_equal(fused.matrix, np.hstack([A, B[::-1]]))


def test_frames_tables_and_paths(tmp_path):
    frame = pd.DataFrame({"id": ["x", "y", "z"], "u": A[:, 0], "v": A[:, 1]})
    table = pa.table({"id": ["z", "y", "x"], "w": B[:, 0]})
    np.save(tmp_path / "c.npy", B)
    (tmp_path / "c.ids.txt").write_text("y\nx\nz\n")
    fused = mmfuse.fuse("concat", {"f": frame, "t": table, "c": tmp_path / "c.npy"})
    assert fused.columns == ("f_u", "f_v", "t_w", "c_0")
    assert np.array_equal(fused.matrix, np.hstack([A, B[::-1], B[[1, 0, 2]]]))
    assert [item.ids for item in fused.summary.inputs] == [
        *("column id", "column id", "c.ids.txt (sidecar)")
    ]


def test_a_named_index_holds_the_ids():
    frame = pd.DataFrame(A, columns=["u", "v"], index=pd.Index(["x", "y", "z"], name="doc"))
    fused = mmfuse.fuse("concat", {"f": frame, "b": (B, ["z", "y", "x"])}, id_column={"f": "doc"})
    assert np.array_equal(fused.matrix, np.hstack([A, B[::-1]]))


def test_sequence_of_paths_into_a_file(tmp_path):
    np.save(tmp_path / "a.npy", A)
    np.save(tmp_path / "b.npy", B)
    out = tmp_path / "z.parquet"
    fused = mmfuse.fuse("concat", [tmp_path / "a.npy", f"text={tmp_path}/b.npy"], out)
    assert fused.matrix is None
    assert fused.summary.output == str(out)
    assert fused.summary.bytes == out.stat().st_size
    assert np.array_equal(np.stack(pq.read_table(out)["embedding"].to_numpy()), np.hstack([A, B]))
    assert list(fused.summary.slices) == ["a", "text"]


def test_options_normalizations_and_weights():
    fused = mmfuse.fuse(
        "outer",
        {"a": A, "b": B},
        options={"ones": False},
        normalize={"a": "center,l2", "*": "none"},
        weight={"b": 3},
        dtype="float64",
    )
    a = (A - A.mean(axis=0)).astype(np.float64)
    norm = np.linalg.norm(a, axis=1, keepdims=True)
    expected = 3 * B * a / np.where(norm > 0, norm, 1)
    np.testing.assert_allclose(fused.matrix, expected, rtol=1e-12)
    same = mmfuse.fuse(Outer(ones=False), {"a": A, "b": B})
    assert same.summary.command == "outer"
    assert np.array_equal(same.matrix, A * B)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("zero", [[1], [0], [3]]), ("mean", [[1], [2], [3]]), ("drop", [[1], [3]])],
)
def test_nan_policies(policy, expected):
    x = np.array([[1], [np.nan], [3]], np.float32)
    fused = mmfuse.fuse("concat", {"x": x}, nan=policy)
    assert np.array_equal(fused.matrix, expected)
    assert len(fused.ids) == len(expected)


def test_dry_run_returns_no_matrix():
    fused = mmfuse.fuse("concat", {"a": A, "b": B}, dry_run=True)
    assert fused.matrix is None
    assert fused.summary.dry_run
    assert fused.summary.bytes == 3 * 3 * 4


def test_inputs_are_not_changed():
    a = A.copy()
    mmfuse.fuse("concat", {"a": a}, normalize="zscore,l2", weight=5)
    assert np.array_equal(a, A)


ERRORS = {
    "unknown strategy": (UsageError, lambda: mmfuse.fuse("conct", {"a": A})),
    "unknown option": (UsageError, lambda: mmfuse.fuse("sum", {"a": A}, options={"k": 1})),
    "value of an option": (UsageError, lambda: mmfuse.fuse("sum", {"a": A}, options={"pad": 1})),
    "unknown modality": (UsageError, lambda: mmfuse.fuse("sum", {"a": A}, weight={"b": 1})),
    "no inputs": (UsageError, lambda: mmfuse.fuse("sum", {})),
    "no name": (UsageError, lambda: mmfuse.fuse("sum", [A])),
    "not a modality": (UsageError, lambda: mmfuse.fuse("sum", {"a": object()})),
    "missing file": (InputError, lambda: mmfuse.fuse("sum", ["missing.npy"])),
    "object array": (InputError, lambda: mmfuse.fuse("sum", {"a": np.array([[{}]])})),
    "NaN": (InputError, lambda: mmfuse.fuse("sum", {"a": np.array([[np.nan]])})),
    "rows": (AlignmentError, lambda: mmfuse.fuse("concat", {"a": A, "b": B[:2]})),
    "count of ids": (AlignmentError, lambda: mmfuse.fuse("concat", {"a": (A, ["x"])})),
    "duplicate ids": (AlignmentError, lambda: mmfuse.fuse("sum", {"a": (A, ["x", "x", "y"])})),
    "place": (OutputError, lambda: mmfuse.fuse("sum", {"a": A}, "no/such/z.npy")),
    "width": (
        ResourceError,
        lambda: mmfuse.fuse("outer", {"a": A, "b": B}, options={"max_columns": 2}),
    ),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_errors(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected, act = ERRORS[kind]
    with pytest.raises(expected) as raised:
        act()
    assert type(raised.value) is expected
    assert isinstance(raised.value, mmfuse.MmfuseError)


def test_exit_codes():
    kinds = [MmfuseError, UsageError, InputError, AlignmentError, OutputError, ResourceError]
    assert [kind.exit_code for kind in kinds] == [1, 2, 3, 4, 5, 6]
    told = MmfuseError("what", where="a=b", hint="do")
    assert str(told) == "what\n  in: a=b\nhint: do"


def test_inspect(tmp_path):
    np.save(tmp_path / "a.npy", A)
    a, b = mmfuse.inspect({"a": tmp_path / "a.npy", "b": (B, ["x", "y", "z"])})
    assert (a.rows, a.columns, a.ids, a.zero_rows) == (3, 2, "none", 0)
    assert (b.rows, b.columns, b.ids, b.id_kind, b.id_examples) == (
        *(3, 1, "given", "text"),
        ["x", "y", "z"],
    )
    np.testing.assert_allclose(a.mean, A.mean())


def test_lists_work_after_a_strategy_was_loaded():
    # `mmfuse.strategies` is the package of strategies then, so the lists have names of their own
    mmfuse.fuse("concat", {"a": A})
    assert [item["name"] for item in mmfuse.list_strategies()] == list(STRATEGIES.modules)
    assert [item["name"] for item in mmfuse.list_normalizations()] == list(NORMALIZATIONS.modules)


def test_the_example_in_the_docstring(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", A)
    example = "\n".join(re.findall(r"^    (fused.*)$", mmfuse.__doc__ or "", re.MULTILINE))
    assert "mmfuse.fuse(" in example
    names = {"mmfuse": mmfuse, "dataframe": pd.DataFrame({"w": [1.0, 2.0, 3.0]})}
    exec(compile(example, "docstring", "exec"), names)
    assert names["fused"].matrix.shape == (3, 3)


def test_unknown_names():
    with pytest.raises(AttributeError, match="no attribute 'fusee'"):
        _ = mmfuse.fusee  # type: ignore[attr-defined]
    assert Path(mmfuse.__file__).with_name("py.typed").exists()


def test_a_rounding_is_told() -> None:
    def notes(dtype: str, out: str) -> list[str]:
        return mmfuse.fuse("concat", {"m": np.ones((1, 1), dtype)}, dtype=out).summary.notes

    assert notes("float64", "float32") == [
        "rounded to float32: m (float64); --dtype float64 keeps more"
    ]
    assert notes("int64", "float64") == ["rounded to float64: m (int64)"]
    assert notes("int32", "float64") == notes("float16", "float32") == []


def test_no_threads_cannot_work() -> None:
    with pytest.raises(UsageError, match="--threads is 0; it must be at least 1"):
        mmfuse.fuse("concat", {"a": np.ones((3, 2))}, threads=0)
