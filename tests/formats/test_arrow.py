"""Arrow files and streams: what is read, what is refused, what other readers make of ours."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mmfuse
from mmfuse.errors import AlignmentError, InputError
from mmfuse.files.table_sink import _Unbuffered

pytestmark = pytest.mark.usefixtures("here")

X = np.arange(12, dtype=np.float32).reshape(4, 3)
IDS = ["a", "b", "c", "d"]


def put(columns: Any, path: str = "a.arrow", stream: bool = False, **how: Any) -> str:
    table = pa.table(columns)
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(path, table.schema, **how) as file:
        file.write_table(table, max_chunksize=3)
    return path


def fuse(*inputs: Any, **more: Any) -> mmfuse.Fused:
    return mmfuse.fuse("concat", list(inputs), **more)


def refused(path: str) -> InputError:
    with pytest.raises(InputError) as caught:
        fuse(f"x={path}")
    assert caught.value.where == f"x={path}"
    return caught.value


@pytest.mark.parametrize("codec", [None, "zstd", "lz4"])
@pytest.mark.parametrize("stream", [False, True])
def test_every_kind_of_file(stream: bool, codec: Any) -> None:
    columns = {"x": X[:, 0], "key": IDS, "z": [1, None, 3, 4], "label": [0, 1, 0, 1]}
    put(columns, "a.ipc", stream, options=pa.ipc.IpcWriteOptions(compression=codec))
    fused = fuse("a.ipc", nan="keep")
    assert fused.ids.tolist() == IDS
    wanted = np.column_stack([X[:, 0], [1, np.nan, 3, 4]])
    np.testing.assert_array_equal(fused.matrix, wanted)


@pytest.mark.parametrize("kind", [pa.int16(), pa.uint8(), pa.float16(), pa.float64()])
def test_vectors_of_every_kind(kind: pa.DataType) -> None:
    lists = pa.array(X.astype(int).tolist(), pa.list_(kind))
    assert np.array_equal(fuse(put({"id": IDS, "vec": lists})).matrix, X)


def test_columns_in_the_order_asked_for() -> None:
    path = put({"p": X[:, 0], "q": X[:, 1], "id": IDS})
    assert np.array_equal(fuse(path, column=["q", "p"]).matrix, X[:, [1, 0]])


def test_ids_in_a_dictionary_that_grows() -> None:
    ids = pa.chunked_array(
        [pa.array(IDS[:2]).dictionary_encode(), pa.array(IDS[2:]).dictionary_encode()]
    )
    table = pa.table({"id": ids, "v": X[:, 0]})
    with pa.ipc.new_stream("a.arrow", table.schema) as file:
        file.write_table(table)
    assert fuse("a.arrow").ids.tolist() == IDS


def test_pandas_writes_feather() -> None:
    pd.DataFrame({"id": IDS, "v": X[:, 2]}).to_feather("a.feather")
    assert np.array_equal(fuse("a.feather").matrix, X[:, 2:])


def test_ids_of_another_file() -> None:
    np.save("x.npy", X)
    put({"name": IDS, "n": [4, 3, 2, 1]}, "ids.feather")
    assert fuse("x.npy", ids="ids.feather:n").ids.tolist() == [4, 3, 2, 1]


def test_feather_of_version_1() -> None:
    Path("a.feather").write_bytes(b"FEA1" + bytes(60))
    error = refused("a.feather")
    assert "version 1" in error.message
    assert "write_feather" in (error.hint or "")


@pytest.mark.parametrize("stream", [False, True])
def test_files_that_are_cut_or_something_else(stream: bool) -> None:
    whole = Path(put({"id": IDS, "v": X[:, 0]}, stream=stream)).read_bytes()
    for size in (4, 20, len(whole) // 3, len(whole) // 2):
        Path("a.arrow").write_bytes(whole[:size])
        assert refused("a.arrow").message
    Path("a.arrow").write_text("hello")
    assert "looks like plain text" in refused("a.arrow").message


@pytest.mark.parametrize("stream", [False, True])
def test_null_and_float_ids(stream: bool) -> None:
    for ids in (["a", None, "c", "d"], [1.0, 2.0, 3.0, 4.0]):
        with pytest.raises(AlignmentError):
            fuse(put({"id": ids, "v": X[:, 0]}, stream=stream))


def test_a_table_without_rows() -> None:
    empty = {"id": pa.array([], pa.string()), "v": pa.array([], pa.float32())}
    assert "no rows" in refused(put(empty)).message


@pytest.mark.parametrize("layout", ["vector", "wide"])
@pytest.mark.parametrize("path", ["o.arrow", "o.feather"])
def test_others_read_what_is_written(path: str, layout: str) -> None:
    pl = pytest.importorskip("polars", reason="in the development group")
    inputs = {"m": (X, IDS), "n": (X[:3], IDS[:3])}
    mmfuse.fuse("concat", inputs, path, join="outer", layout=layout)
    table = pa.ipc.open_file(path).read_all()
    assert json.loads(table.schema.metadata[b"mmfuse"])["command"] == "concat"
    assert not any(field.nullable for field in table.schema)
    frame, other = pd.read_feather(path), pl.read_ipc(path)
    for found in (frame, other):
        assert list(found["id"]) == IDS
        assert list(found["present_n"]) == [True, True, True, False]
    vector = layout == "vector"
    names = [f"m_{j}" for j in range(3)]
    values = np.stack(frame["embedding"])[:, :3] if vector else frame[names].to_numpy()
    assert np.array_equal(values, X)
    if vector:
        assert other.schema["embedding"] == pl.Array(pl.Float32, 6)
    (profile,) = mmfuse.inspect([path])
    assert profile.record is not None
    assert profile.columns == 6


def test_from_one_call_to_the_next() -> None:
    np.save("x.npy", X)
    Path("x.ids.txt").write_text("\n".join(IDS))
    command = [sys.executable, "-m", "mmfuse", "concat"]
    one = subprocess.run([*command, "x.npy", "-f", "arrow", "-o", "-"], capture_output=True)
    assert np.array_equal(np.stack(pa.ipc.open_stream(one.stdout).read_pandas()["embedding"]), X)
    two = subprocess.run(
        [*command, "v=-", "--from", "arrow", "-o", "-"], input=one.stdout, capture_output=True
    )
    assert two.returncode == 0, two.stderr
    lines = two.stdout.decode().splitlines()
    assert lines == ["id,v_0,v_1,v_2", "a,0,1,2", "b,3,4,5", "c,6,7,8", "d,9,10,11"]


@pytest.mark.parametrize("rows", [1, 3, 4, 6, 7])
def test_groups_hold_as_many_rows_as_fit_and_none_is_empty(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmfuse.formats.arrow._BATCH_BYTES", 3 * X[0].nbytes)
    monkeypatch.setattr("mmfuse.formats.parquet._GROUP_BYTES", 3 * X[0].nbytes)
    values = np.arange(3.0 * rows, dtype=np.float32).reshape(rows, 3)
    mmfuse.fuse("concat", {"a": values}, "o.arrow")
    mmfuse.fuse("concat", {"a": values}, "o.parquet", compression="zstd")
    with pa.OSFile("o.arrow") as stream, pq.ParquetFile("o.parquet") as groups:
        file = pa.ipc.open_file(stream)
        batches = [file.get_batch(k) for k in range(file.num_record_batches)]
        found = [batches, [groups.read_row_group(k) for k in range(groups.num_row_groups)]]
    for parts in found:
        assert [len(part) for part in parts] == [3] * (rows // 3) + [rows % 3] * (rows % 3 > 0)
        together = np.concatenate([part["embedding"].to_pylist() for part in parts])
        assert np.array_equal(together, values)


def test_a_file_that_pyarrow_closes_twice_is_closed_once() -> None:
    with open("z", "wb") as file:
        stream = _Unbuffered(file.fileno())
        stream.close()
        other = os.dup(file.fileno())  # takes the number that is free again
        stream.close()
        os.close(other)


@pytest.mark.parametrize(
    ("record", "names"),
    [
        *((record, "012") for record in (b"no JSON", b"[" * 100_000, b"7", b"\xff", b"{}")),
        *((b'{"classes": %b}' % classes, "012") for classes in (b'["p", "p", "q"]', b"[1, 2, 3]")),
        (b'{"classes": ["p", "q", "r"]}', "pqr"),
    ],
)
def test_only_a_sound_record_names_the_columns_of_a_vector(record: bytes, names: str) -> None:
    columns = {"id": IDS, "embedding": X.tolist()}
    table = pa.table(columns, metadata={"mmfuse": record})
    with pa.ipc.new_file("a.arrow", table.schema) as file:
        file.write_table(table)
    fused = fuse("a.arrow")
    assert list(fused.columns) == [f"a_{name}" for name in names]
    assert np.array_equal(fused.matrix, X)


def test_ids_in_a_dictionary_of_numbers() -> None:
    integers = pa.array([7, 2, 9, 5])
    put({"id": integers.dictionary_encode(), "v": X[:, 0]})
    assert fuse("a.arrow").ids.tolist() == [7, 2, 9, 5]
    put({"id": integers.cast(pa.float64()).dictionary_encode(), "v": X[:, 0]})
    with pytest.raises(AlignmentError, match="ids of column 'id' are double"):
        fuse("a.arrow")
