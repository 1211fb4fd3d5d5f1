"""`mmfuse convert`: one modality from any format to any other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from mmfuse.core.registry import FORMATS

RNG = np.random.default_rng(11)
IDS = ["b", "a", "Å", "a,b", "007"]
DTYPES = ["int8", "uint8", "int16", "uint32", "int64", "uint64", "float16", "float32", "float64"]
TEXT_FORMATS = {"csv", "jsonl"}
"""Formats of text have no dtype: whatever was written, float64 is read."""


def matrix(dtype: str) -> np.ndarray:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return RNG.normal(size=(5, 3)).astype(kind)
    return RNG.integers(0, 256, (5, 3 * kind.itemsize), np.uint8).view(kind)


def write_npy(name: str, values: np.ndarray, ids: list[str] | None = None) -> None:
    np.save(f"{name}.npy", values)
    if ids is not None:
        Path(f"{name}.ids.txt").write_text("".join(f"{text}\n" for text in ids))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("format", FORMATS.modules)
def test_there_and_back(format, dtype, here, call):
    values = matrix(dtype)
    if format in TEXT_FORMATS and np.dtype(dtype).itemsize == 8 and values.dtype.kind in "iu":
        values = values >> np.array(11, values.dtype)  # 53 bits are exact in float64
    write_npy("x", values, IDS)
    there = call("convert", "x.npy", "there", "-f", format)
    assert there.code == 0, there.err
    back = call("convert", "there", "--from", format, "-o", "back.npy")
    assert back.code == 0, back.err
    read = np.load("back.npy")
    assert read.dtype == ("float64" if format in TEXT_FORMATS else dtype)
    assert np.array_equal(read.astype(dtype), values)  # text is the shortest that is exact
    assert Path("back.ids.txt").read_text().splitlines() == IDS


@pytest.mark.parametrize("format", FORMATS.modules)
def test_equal_inputs_give_equal_bytes(format, here, call):
    write_npy("x", matrix("float32"), IDS)
    for name in ("one", "other"):
        os.mkdir(name)
        assert call("convert", "x.npy", f"{name}/out", "-f", format).code == 0
    for name in os.listdir("one"):
        assert Path("one", name).read_bytes() == Path("other", name).read_bytes()


def test_columns_keep_their_names(here, mmfuse):
    frame = pd.DataFrame({"id": ["s1", "s2"], "pitch": [1.5, 2.5], "volume": [3.25, -0.5]})
    frame.to_csv("audio.csv", index=False)
    assert mmfuse("convert", "audio.csv", "audio.parquet").code == 0
    pd.testing.assert_frame_equal(pd.read_parquet("audio.parquet"), frame)
    assert mmfuse("convert", "audio.parquet", "back.csv").code == 0
    pd.testing.assert_frame_equal(pd.read_csv("back.csv"), frame)
    assert mmfuse("convert", "audio.csv", "v.parquet", "--layout", "vector").code == 0
    assert pq.read_schema("v.parquet").names == ["id", "embedding"]


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64", "uint64"])
def test_wide_integers_of_plain_parquet_are_exact(dtype, here, call):
    columns = {name: pa.array(column) for name, column in zip("uvw", matrix(dtype).T, strict=True)}
    plain = {"use_dictionary": False, "compression": "none"}
    pq.write_table(pa.table({"id": IDS, **columns}), "plain.parquet", **plain)
    assert call("convert", "plain.parquet", "out.parquet").code == 0
    table = pq.read_table("out.parquet")
    assert table.column_names == ["id", "u", "v", "w"]
    assert {str(kind) for kind in table.schema.types[1:]} == {dtype}
    for name, column in columns.items():
        assert table[name].to_pylist() == column.to_pylist()


@pytest.mark.parametrize(
    ("values", "statistics", "dtype"),
    [
        ([1 << 60, -(1 << 60)], True, "int64"),
        ([1, None], True, "double"),
        ([1, 2], False, "double"),  # nobody says that none is null
    ],
)
def test_integers_that_may_be_null(values, statistics, dtype, here, call):
    table = pa.table({"id": ["a", "b"], "n": pa.array(values, pa.int64())})
    pq.write_table(table, "in.parquet", row_group_size=1, write_statistics=statistics)
    assert call("convert", "in.parquet", "out.parquet").code == 0
    column = pq.read_table("out.parquet")["n"]
    assert str(column.type) == dtype
    expected = [float("nan") if value is None else value for value in values]
    np.testing.assert_array_equal(column.to_numpy(), np.array(expected, column.to_numpy().dtype))


def test_a_count_of_nulls_that_is_wrong_is_found(here, mmfuse):
    table = pa.table({"id": ["a", "b"], "n": pa.array([1, None], pa.int64())})
    pq.write_table(table, "in.parquet", use_dictionary=False, compression="none")
    data = Path("in.parquet").read_bytes()
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for at in range(start, len(data) - 8):
        if data[at : at + 2] == b"\x16\x02":  # field 3 of statistics: an i64, zigzag of 1
            lying = data[:at] + b"\x16\x00" + data[at + 2 :]
            Path("lying.parquet").write_bytes(lying)
            done = mmfuse("convert", "lying.parquet", "out.parquet")
            if "nulls that its file denies" in done.err:
                assert (done.code, os.path.exists("out.parquet")) == (3, False)
                return
    raise AssertionError("no byte of the footer counts the nulls")


def test_lists_become_lists_of_a_fixed_size(here, call):
    values = matrix("float32")
    table = pa.table({"doc_id": IDS, "emb": pa.array(list(values), pa.list_(pa.float32()))})
    pq.write_table(table, "lists.parquet")
    assert call("convert", "lists.parquet", "--id-column", "doc_id", "-o", "x.parquet").code == 0
    column = pq.read_table("x.parquet")["embedding"].combine_chunks()
    assert (column.type.list_size, column.type.value_type) == (3, pa.float32())
    assert np.array_equal(column.flatten().to_numpy().reshape(5, 3), values)


def test_without_ids_rows_get_their_numbers(here, call):
    write_npy("x", matrix("float32"))
    assert call("convert", "x.npy", "x.parquet").code == 0
    assert pq.read_table("x.parquet")["id"].to_pylist() == [0, 1, 2, 3, 4]


def test_ids_that_repeat_and_values_that_are_not_finite_stay(here, call):
    values = np.array([[1, np.nan], [np.inf, 2], [3, -np.inf]], np.float32)
    write_npy("x", values, ["a", "a", "b"])
    assert call("convert", "x.npy", "x.parquet").code == 0
    table = pq.read_table("x.parquet")
    assert table["id"].to_pylist() == ["a", "a", "b"]
    assert np.array_equal(np.stack(table["embedding"].to_numpy()), values, equal_nan=True)


def test_chosen_columns_ids_and_their_transforms(here, call):
    Path("wide.csv").write_text("name,v_1,v_2,t_1,label\na.jpg,1,2,3,0\nb.jpg,4,5,6,1\n")
    given = ("--column", "v_*", "--id-column", "name", "--id-transform", "stem")
    assert call("convert", "visual=wide.csv", "out.csv", *given).code == 0
    assert Path("out.csv").read_text() == "id,v_1,v_2\na,1,2\nb,4,5\n"


def test_from_stdin_to_stdout(here):
    write_npy("x", matrix("int16"))
    command = [sys.executable, "-m", "mmfuse", "convert", "-", "--from", "npy", "-o", "-"]
    done = subprocess.run(
        command, input=Path("x.npy").read_bytes(), capture_output=True, check=True
    )
    read = pa_csv.read_csv(pa.BufferReader(done.stdout)).to_pandas()
    assert np.array_equal(read.drop(columns="id"), np.load("x.npy"))


def test_an_output_for_every_option_of_writing(here, call):
    write_npy("x", matrix("uint8"), IDS)
    assert call("convert", "x.npy", "x.parquet", "--compression", "zstd").code == 0
    assert pq.ParquetFile("x.parquet").metadata.row_group(0).column(1).compression == "ZSTD"
    assert np.array_equal(
        np.stack(pq.read_table("x.parquet")["embedding"].to_numpy()), np.load("x.npy")
    )
    assert call("convert", "x.npy", "x.parquet", "--no-clobber").code == 5


def test_json_and_dry_run(here, mmfuse):
    write_npy("x", matrix("int32"), IDS)
    done = mmfuse("convert", "x.npy", "x.parquet", "-n", "--json")
    told = json.loads(done.out)
    assert (told["mmfuse_summary"], told["command"]) == (1, "convert")
    assert (told["rows"], told["columns"], told["dtype"]) == (5, 3, "int32")
    assert not os.path.exists("x.parquet")


def test_the_record_tells_of_the_conversion(here, call):
    write_npy("x", matrix("float32"), IDS)
    assert call("convert", "image=x.npy", "x.parquet").code == 0
    record = json.loads(pq.read_schema("x.parquet").metadata[b"mmfuse"])
    assert (record["command"], record["slices"]) == ("convert", {"image": [0, 3]})


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        (("x.npy",), 2, "name the output once"),
        (("x.npy", "a.csv", "-o", "b.csv"), 2, "name the output once"),
        (("x.npy", "x.npy"), 2, "is one of the inputs"),
        (("x.npy", "x.xlsx"), 2, "cannot tell the format"),
        (("missing.npy", "a.csv"), 3, "no such file"),
        (("n.csv", "a.csv", "--id-column", "name", "--column", "id"), 2, "is named 'id'"),
    ],
)
def test_what_is_refused(given, code, told, here, mmfuse):
    write_npy("x", matrix("float32"))
    Path("n.csv").write_text("name,id\na,1\nb,2\n")
    before = sorted(os.listdir())
    done = mmfuse("convert", *given)
    assert (done.code, told in done.err) == (code, True), done.err
    assert sorted(os.listdir()) == before
