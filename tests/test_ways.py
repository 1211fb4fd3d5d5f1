"""However the inputs are read, the output is the same to the byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mmfuse
from mmfuse import prepare
from mmfuse.core import plan as planning
from mmfuse.errors import InputError

ROWS = 3000
DIMS = {"image": 24, "text": 9}
MIB = 1 << 20


@pytest.fixture
def arrays(here: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Two modalities, each with its own rows in its own order, as ids and values."""
    made = {}
    for seed, (name, dim) in enumerate(DIMS.items()):
        rng = np.random.default_rng(seed)
        ids = rng.permutation(ROWS)[: ROWS - 100 * (seed + 1)]
        made[name] = ids, rng.normal(1, 2, (len(ids), dim)).astype(np.float32)
    return made


def write(name: str, kind: str, ids: np.ndarray, values: np.ndarray) -> str:
    """A modality as a file."""
    if kind in ("npy", "fortran"):
        np.save(f"{name}.npy", np.asfortranarray(values) if kind == "fortran" else values)
        np.save(f"{name}.ids.npy", ids)
        return f"{name}.npy"
    columns = {f"c{j}": values[:, j] for j in range(values.shape[1])}
    if kind in ("npz", "deflated", "deflated fortran"):
        save = np.savez if kind == "npz" else np.savez_compressed
        array = np.asfortranarray(values) if "fortran" in kind else values
        save(f"{name}.npz", ids=ids, embeddings=array)
        return f"{name}.npz"
    if kind == "safetensors":
        return write_safetensors(name, ids, values)
    if kind == "jsonl":
        rows = zip(ids.tolist(), values.tolist(), strict=True)
        lines = (json.dumps({"id": i, "vector": vector}) for i, vector in rows)
        Path(f"{name}.jsonl").write_text("\n".join(lines))
        return f"{name}.jsonl"
    if kind == "csv":  # the shortest text of a float32 is read as another float64
        frame = pd.DataFrame({"id": ids, **{k: v.astype(np.float64) for k, v in columns.items()}})
        frame.to_csv(f"{name}.csv", index=False)
        return f"{name}.csv"
    if "vector" in kind:
        flat = pa.array(values.reshape(-1))
        columns = {"embedding": pa.FixedSizeListArray.from_arrays(flat, values.shape[1])}
    table = pa.table({"id": ids, **columns})
    if kind == "feather vector":
        with pa.ipc.new_file(f"{name}.feather", table.schema) as file:
            file.write_table(table, max_chunksize=700)
        return f"{name}.feather"
    how: dict[str, Any] = {}
    if "plain" in kind:
        codec = "none" if "bare" in kind else "snappy"
        how = {"use_dictionary": False, "compression": codec, "data_page_size": 2000}
    pq.write_table(table, f"{name}.parquet", row_group_size=700, **how)
    return f"{name}.parquet"


def write_safetensors(name: str, ids: np.ndarray, values: np.ndarray) -> str:
    """By hand, as the format's specification says."""
    values_end = ids.nbytes + values.nbytes
    header = {
        "ids": {"dtype": "I64", "shape": [len(ids)], "data_offsets": [0, ids.nbytes]},
        "x": {"dtype": "F32", "shape": values.shape, "data_offsets": [ids.nbytes, values_end]},
    }
    text = json.dumps(header).encode()
    head = len(text).to_bytes(8, "little") + text
    Path(f"{name}.safetensors").write_bytes(head + ids.tobytes() + values.tobytes())
    return f"{name}.safetensors"


_STREAMED = {"memory", "partitioned", "sequential"}

KINDS = [
    *("npz", "deflated", "deflated fortran", "safetensors", "feather vector", "jsonl"),
    *("npy", "fortran", "csv", "vector", "wide"),
    *("plain vector", "bare plain vector", "plain wide", "bare plain wide"),
]
WAYS = {
    "npz": {"gather", "partitioned", "memory"},
    "safetensors": {"gather", "partitioned", "memory"},
    **dict.fromkeys(("deflated", "deflated fortran", "feather vector", "jsonl"), _STREAMED),
    "npy": {"gather", "partitioned", "memory"},
    "fortran": {"memory", "partitioned", "sequential"},
    "csv": {"memory", "partitioned", "sequential"},
    "vector": {"memory", "partitioned", "sequential"},
    "plain vector": {"memory", "partitioned", "sequential"},
    "bare plain vector": {"gather", "partitioned", "memory"},
    "wide": {"memory", "partitioned", "sequential", "columns"},
    "plain wide": {"memory", "partitioned", "sequential", "columns"},
    "bare plain wide": {"memory", "partitioned", "sequential", "columns"},
}


@pytest.fixture(params=["roomy", "scarce"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The memory to work with, on a machine with much or without any room for files."""
    if request.param == "roomy":
        yield 512 * MIB
    else:
        monkeypatch.setattr(prepare, "available_memory", lambda: 0)
        monkeypatch.setattr(planning, "_BUCKET_BYTES", 1 << 12)
        monkeypatch.setattr(planning, "_BLOCK_BYTES", 1 << 12)
        monkeypatch.setattr(planning, "_TILE_BYTES", 1 << 12)
        yield 150_000


def expected(arrays: dict[str, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    (ids, image), (others, text) = arrays.values()
    row = {i: k for k, i in enumerate(others.tolist())}
    pairs = [(k, row[i]) for k, i in enumerate(ids.tolist()) if i in row]
    return np.array([np.concatenate([image[a], text[b]]) for a, b in pairs])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("suffix", "layout"), [("npy", None), ("parquet", "wide")])
def test_every_way_gives_the_same_rows(
    arrays: dict[str, Any], machine: int, kind: str, suffix: str, layout: Any
) -> None:
    files = {name: write(name, kind, *content) for name, content in arrays.items()}
    results, ways = set(), set()
    for threads in (1, 2):
        out = f"out{threads}.{suffix}"
        fused = mmfuse.fuse("concat", files, out, layout=layout, threads=threads, memory=machine)
        ways |= {item.way for item in fused.summary.inputs}
        results.add(Path(out).read_bytes())
    assert len(results) == 1
    assert ways <= WAYS[kind]
    found = mmfuse.fuse("concat", files, memory=machine).matrix
    np.testing.assert_array_equal(found, expected(arrays))
    other = mmfuse.fuse("concat", arrays_in_memory(arrays), f"other.{suffix}", layout=layout)
    assert other.summary.rows == fused.summary.rows
    if suffix == "npy":
        assert results == {Path("other.npy").read_bytes()}
    else:
        table = pq.read_table("other.parquet").drop_columns("id")
        np.testing.assert_array_equal(
            np.column_stack([column.to_numpy() for column in table.columns]), expected(arrays)
        )


def arrays_in_memory(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: (values, ids) for name, (ids, values) in arrays.items()}


@pytest.mark.parametrize("suffix", ["npz", "safetensors", "feather", "arrow", "jsonl", "csv"])
def test_threads_and_memory_change_no_byte_of_an_output(
    arrays: dict[str, Any], machine: int, suffix: str
) -> None:
    files = {name: write(name, "npy", *content) for name, content in arrays.items()}
    results = set()
    for threads, memory in ((1, machine), (2, machine), (1, 64 * MIB)):
        mmfuse.fuse("concat", files, f"out.{suffix}", threads=threads, memory=memory)
        results.add(Path(f"out.{suffix}").read_bytes())
    assert len(results) == 1
    found = mmfuse.fuse("concat", [f"out.{suffix}"]).matrix
    np.testing.assert_array_equal(found, expected(arrays))


@pytest.mark.parametrize("kind", KINDS)
def test_learning_reads_again_what_it_must(arrays: dict[str, Any], machine: int, kind: str) -> None:
    files = {name: write(name, kind, *content) for name, content in arrays.items()}
    found = mmfuse.fuse("concat", files, normalize="zscore", memory=machine).matrix
    wanted = expected(arrays).astype(np.float64)
    wanted = (wanted - wanted.mean(axis=0)) / wanted.std(axis=0)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


class TestColumns:
    @pytest.fixture
    def files(self, arrays: dict[str, Any]) -> dict[str, str]:
        return {name: write(name, "wide", *content) for name, content in arrays.items()}

    def fuse(self, files: dict[str, str], **more: Any) -> tuple[bytes, set[str]]:
        fused = mmfuse.fuse("concat", files, "out.parquet", layout="wide", **more)
        return Path("out.parquet").read_bytes(), {item.way for item in fused.summary.inputs}

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    @pytest.mark.parametrize("weight", [None, {"text": 0.3}])
    def test_the_bytes_are_those_of_rows(
        self, files: dict[str, str], monkeypatch: pytest.MonkeyPatch, dtype: str, weight: Any
    ) -> None:
        by_columns, ways = self.fuse(files, dtype=dtype, weight=weight)
        assert ways == {"columns"}
        monkeypatch.setattr(planning, "_by_columns", lambda *_: None)
        by_rows, ways = self.fuse(files, dtype=dtype, weight=weight)
        assert "columns" not in ways
        assert by_columns == by_rows

    @pytest.mark.parametrize("more", [{"normalize": "l2"}, {"nan": "drop"}, {"nan": "zero"}])
    def test_not_where_rows_are_needed(self, files: dict[str, str], more: dict[str, Any]) -> None:
        assert "columns" not in self.fuse(files, **more)[1]

    def test_what_is_not_finite_is_told_by_the_first_rows(
        self, arrays: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids, values = arrays["text"]
        common = [i for i in arrays["image"][0].tolist() if i in set(ids.tolist())]
        for k, j in ((7, 8), (2, 3), (5, 0), (5, 1), (9, 2)):
            values[ids.tolist().index(common[k]), j] = np.nan
        files = {name: write(name, "wide", *content) for name, content in arrays.items()}
        told = []
        for way in ("columns", "rows"):
            if way == "rows":
                monkeypatch.setattr(planning, "_by_columns", lambda *_: None)
            with pytest.raises(InputError) as caught:
                self.fuse(files)
            told.append(caught.value.message)
            assert not Path("out.parquet").exists()
        assert told[0] == told[1]
        first = ", ".join(repr(str(common[k])) for k in (2, 5, 7))
        assert told[0] == f"5 values are NaN or infinite; the first ids: {first}"

    def test_nan_that_is_kept(self, arrays: dict[str, Any]) -> None:
        arrays["text"][1][:] = np.nan
        files = {name: write(name, "wide", *content) for name, content in arrays.items()}
        assert self.fuse(files, nan="keep")[1] == {"columns"}
        table = pq.read_table("out.parquet")
        assert np.isnan(table["text_c0"].to_numpy()).all()

    def test_overflow_is_refused(self, arrays: dict[str, Any]) -> None:
        arrays["text"][1][0] = 1e6
        files = {name: write(name, "wide", *content) for name, content in arrays.items()}
        with pytest.raises(InputError, match="10 output values are too large for float16"):
            self.fuse({**files, "image": files["text"]}, dtype="float16", column={"image": "c0"})

    def test_nulls_are_nan(self, arrays: dict[str, Any]) -> None:
        table = pa.table({"id": [1, 2, 3], "x": [1.0, None, 3.0], "y": [1, 2, 3]})
        pq.write_table(table, "a.parquet")
        with pytest.raises(InputError, match="1 value is NaN or infinite; the first ids: '2'"):
            self.fuse({"a": "a.parquet"})

    def test_norms_are_those_of_rows(
        self, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        norms = []
        for _ in range(2):
            fused = mmfuse.fuse("concat", files, "out.parquet", layout="wide")
            norms.append([item.norm for item in fused.summary.inputs])
            monkeypatch.setattr(planning, "_by_columns", lambda *_: None)
        np.testing.assert_allclose(norms[0], norms[1], rtol=1e-12)


class TestOddPages:
    """Where plain pages end, pyarrow goes on, or says what is wrong."""

    def written(self, name: str, vectors: list[Any], **how: Any) -> str:
        kind = pa.list_(pa.float32())
        table = pa.table({"id": range(len(vectors)), "embedding": pa.array(vectors, kind)})
        how = {"use_dictionary": False, "compression": "none", **how}
        pq.write_table(table, name, row_group_size=10, data_page_size=32, **how)
        return name

    def fuse(self, path: str) -> np.ndarray:
        other = np.arange(30)[::-1]
        found = mmfuse.fuse("concat", {"o": (np.zeros((30, 1)), other), "a": path}).matrix
        assert found is not None
        return found[::-1, 1:]

    @pytest.mark.parametrize("compression", ["none", "snappy"])
    @pytest.mark.parametrize("checksums", [False, True])
    def test_regular_pages(self, here: Path, compression: str, checksums: bool) -> None:
        vectors = np.arange(90, dtype=np.float32).reshape(30, 3)
        path = self.written(
            "a.parquet", list(vectors), compression=compression, write_page_checksum=checksums
        )
        np.testing.assert_array_equal(self.fuse(path), vectors)
        np.testing.assert_array_equal(mmfuse.fuse("concat", [path]).matrix, vectors)

    @pytest.mark.parametrize(
        ("odd", "told"),
        [
            ([1.0, 2.0], "row 26 has 2 values where the first has 3"),
            (None, "1 vector is null; the first in row 26|vectors are null; the first in row 26"),
        ],
    )
    def test_a_row_that_is_odd(self, here: Path, odd: Any, told: str) -> None:
        vectors: list[Any] = [[1.0, 2.0, 3.0]] * 30
        vectors[25] = odd
        with pytest.raises(InputError, match=told):
            self.fuse(self.written("a.parquet", vectors))
        with pytest.raises(InputError, match=told):
            mmfuse.fuse("concat", [self.written("a.parquet", vectors)])

    def test_two_odd_rows_that_make_up_for_each_other(self, here: Path) -> None:
        vectors: list[Any] = [[1.0, 2.0, 3.0]] * 30
        vectors[12:14] = [[1.0, 2.0], [3.0, 4.0, 5.0, 6.0]]
        with pytest.raises(InputError, match="row 13 has 2 values where the first has 3"):
            self.fuse(self.written("a.parquet", vectors))

    def test_a_value_that_is_null(self, here: Path) -> None:
        vectors: list[Any] = [[1.0, 2.0, 3.0]] * 30
        vectors[25] = [1.0, None, 3.0]
        with pytest.raises(InputError, match="1 value is NaN or infinite; the first ids: '25'"):
            self.fuse(self.written("a.parquet", vectors))

    def test_a_column_with_nulls_beside_plain_ones(self, here: Path) -> None:
        columns = {f"c{j}": np.arange(30.0) + j for j in range(4)}
        odd = pa.array([None if row == 25 else float(row) for row in range(30)])
        table = pa.table({"id": range(30), **columns, "odd": odd})
        how: dict[str, Any] = {"use_dictionary": False, "row_group_size": 10}
        pq.write_table(table, "a.parquet", **how)
        fused = mmfuse.fuse("concat", ["a.parquet"], "o.parquet", layout="wide", nan="keep")
        assert [item.way for item in fused.summary.inputs] == ["columns"]
        found = pq.read_table("o.parquet").to_pandas().to_numpy()[:, 1:]
        expected = np.column_stack([*columns.values(), odd.to_numpy(zero_copy_only=False)])
        np.testing.assert_array_equal(found, expected)
