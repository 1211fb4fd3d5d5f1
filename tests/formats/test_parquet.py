"""Parquet: what is read exactly, what is refused and how, what is written."""

import datetime
import decimal
import json
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
from mmfuse.errors import AlignmentError, InputError, MmfuseError
from mmfuse.files import parquet_source

pytestmark = pytest.mark.usefixtures("here")

IDS = ["a", "b", "c"]
F32 = pa.float32()


def put(columns: dict[str, Any] | pa.Table, path: str = "a.parquet", **how: Any) -> str:
    pq.write_table(pa.table(columns), path, **how)
    return path


def fuse(columns: dict[str, Any] | pa.Table, **more: Any) -> mmfuse.Fused:
    return mmfuse.fuse("concat", {"a": put(columns)}, **{"dtype": "float64", **more})


def rows(columns: dict[str, Any] | pa.Table, **more: Any) -> Any:
    fused = fuse(columns, **more)
    assert fused.matrix is not None
    return fused.matrix.tolist()


def names(columns: dict[str, Any] | pa.Table, **more: Any) -> list[str]:
    return [name.removeprefix("a_") for name in fuse(columns, **more).columns]


def error_of(path: str = "a.parquet", **more: Any) -> MmfuseError:
    with pytest.raises((InputError, AlignmentError)) as caught:
        mmfuse.fuse("concat", {"a": path}, **more)
    assert caught.value.where == f"a={path}"
    return caught.value


def refused(columns: dict[str, Any] | pa.Table, **more: Any) -> MmfuseError:
    return error_of(put(columns), **more)


# features: vectors

VALUES = [[1.0, -0.5], [2.0, 0.25], [3.0, 1024.0]]
LISTS = [
    pa.list_(F32),
    pa.large_list(F32),
    pa.list_(F32, 2),
    pa.list_(pa.float16()),
    pa.list_(pa.float64()),
    pa.list_(pa.float64(), 2),
]


@pytest.mark.parametrize("kind", LISTS, ids=str)
def test_every_kind_of_list(kind: pa.DataType) -> None:
    fused = fuse({"id": IDS, "v": pa.array(VALUES, kind)})
    assert fused.ids.tolist() == IDS
    assert fused.matrix is not None
    assert fused.matrix.tolist() == VALUES
    assert [name.removeprefix("a_") for name in fused.columns] == ["0", "1"]


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint8(), pa.int64(), pa.uint32(), pa.bool_()])
@pytest.mark.parametrize("fixed", [False, True])
def test_vectors_of_integers(kind: pa.DataType, fixed: bool) -> None:
    values = [[0, 1], [1, 1], [1, 0]]
    column = pa.FixedSizeListArray.from_arrays(pa.array(np.ravel(values)).cast(kind), 2)
    if not fixed:
        column = column.cast(pa.list_(kind))
    assert rows({"id": IDS, "v": column}) == values


def test_fixed_shape_tensors() -> None:
    flat = pa.array(VALUES, pa.list_(F32, 2))
    column = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(F32, [2]), flat)
    assert rows({"id": IDS, "v": column}) == VALUES


def test_vectors_in_many_row_groups_and_batches() -> None:
    x = np.random.default_rng(0).normal(size=(70_000, 3)).astype(np.float32)
    flat = pa.array(x.ravel())
    for kind in (pa.list_(F32), pa.list_(F32, 3)):
        column = pa.array(list(x), kind)
        assert len(column.flatten()) == len(flat)
        put({"id": np.arange(len(x)), "v": column}, row_group_size=9_999)
        found = mmfuse.fuse("concat", {"a": "a.parquet"}).matrix
        assert found is not None
        assert np.array_equal(found, x)


def test_a_null_vector_is_refused_with_its_row() -> None:
    for kind in (pa.list_(F32), pa.list_(F32, 2)):
        error = refused({"id": IDS, "v": pa.array([[1, 2], None, [3, 4]], kind)})
        assert "1 vectors are null" in error.message
        assert "row 2" in error.message


def test_null_vectors_in_a_later_row_group() -> None:
    column = pa.array([[1.0, 2.0]] * 50 + [None] * 2)
    put({"id": np.arange(52), "v": column}, row_group_size=20)
    assert "row 51" in error_of().message


def test_ragged_vectors_are_refused_with_their_row() -> None:
    error = refused({"id": IDS, "v": [[1.0, 2.0], [3.0, 4.0], [5.0]]})
    assert "row 3 has 1 values where the first has 2" in error.message
    error = refused({"id": IDS, "v": [[1.0], [], [2.0]]})
    assert "row 2 has 0 values where the first has 1" in error.message


def test_empty_vectors_are_refused() -> None:
    assert "empty" in refused({"id": IDS, "v": pa.array([[], [], []], pa.list_(F32))}).message


def test_missing_values_within_vectors_are_counted() -> None:
    error = refused({"id": IDS, "v": [[1.0, None], [3.0, 4.0], [None, float("nan")]]})
    assert "3 values are NaN" in error.message
    assert error.message.endswith("'a', 'c'")


def test_vectors_of_integers_with_nulls() -> None:
    error = refused({"id": IDS, "v": pa.array([[1, None], [3, 4], [5, 6]], pa.list_(pa.int32()))})
    assert "null" in error.message


def test_a_vector_column_is_taken_before_wide_columns() -> None:
    table = {"id": IDS, "size": [1, 2, 3], "v": VALUES}
    assert rows(table) == VALUES
    (found,) = mmfuse.inspect({"a": "a.parquet"})
    assert found.notes == ["left out: 'size'"]
    assert rows(table, column="size") == [[1], [2], [3]]


def test_which_of_several_vector_columns() -> None:
    other = [[9.0], [8.0], [7.0]]
    error = refused({"id": IDS, "p": VALUES, "q": other})
    assert "'p', 'q'" in error.message
    assert "--column" in (error.hint or "")
    assert rows({"id": IDS, "p": VALUES, "q": other}, column="q") == other
    assert rows({"id": IDS, "p": VALUES, "emb": other}) == other
    both = {"id": IDS, "features": VALUES, "embedding": other}
    assert rows(both) == other, "embedding comes before features"


def test_a_column_of_vectors_of_text_is_no_feature() -> None:
    table = {"id": IDS, "tags": [["x"], ["y"], []], "v": VALUES}
    assert rows(table) == VALUES
    assert "'tags'" in refused(table, column="tags").message


def test_a_matrix_a_row_is_refused() -> None:
    assert "no numeric column" in refused({"id": IDS, "v": [[[1.0]], [[2.0]], [[3.0]]]}).message


# features: wide

NUMBERS = ["int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "float32", "float64"]


@pytest.mark.parametrize("kind", NUMBERS)
def test_every_number_is_exact(kind: str) -> None:
    dtype = np.dtype(kind)
    info: Any = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    values = np.array([info.min, info.max, 0], dtype)
    assert rows({"id": IDS, "v": values}) == [[float(value)] for value in values]


@pytest.mark.parametrize("kind", [pa.int64(), pa.int8(), pa.float32(), pa.bool_()], ids=str)
def test_nulls_of_wide_columns_become_nan_for_the_policy(kind: pa.DataType) -> None:
    table = {"id": IDS, "v": pa.array([1, None, 0]).cast(kind), "w": [1, 2, 3]}
    error = refused(table)
    assert "1 value is NaN or infinite; the first ids: 'b'" in error.message
    found = np.array(rows(table, nan="keep"))
    assert np.array_equal(found, [[1, 1], [np.nan, 2], [0, 3]], equal_nan=True)
    assert rows(table, nan="zero") == [[1, 1], [0, 2], [0, 3]]


def test_nulls_without_statistics() -> None:
    put({"id": IDS, "v": pa.array([1, None, 2], pa.int64())}, write_statistics=False)
    found = mmfuse.fuse("concat", {"a": "a.parquet"}, nan="keep").matrix
    assert found is not None
    assert np.array_equal(found, [[1], [np.nan], [2]], equal_nan=True)


def test_nulls_in_a_later_row_group() -> None:
    put({"id": np.arange(30), "v": pa.array([7] * 25 + [None] * 5)}, row_group_size=10)
    assert "5 values" in error_of().message
    assert error_of().message.endswith("'25', '26', '27'")


def test_large_integers_beside_a_null_are_not_rounded_in_silence() -> None:
    fused = fuse({"id": IDS, "v": pa.array([2**24 + 1, None, 3])}, nan="keep")
    assert fused.matrix is not None
    assert fused.matrix[0, 0] == 2**24 + 1


def test_columns_by_name_and_glob() -> None:
    table = {"id": IDS, "x_1": [1, 2, 3], "x_2": [4, 5, 6], "w": [7, 8, 9], "label": [0, 1, 0]}
    assert names(table) == ["x_1", "x_2", "w"]
    assert names(table, column="x_*") == ["x_1", "x_2"]
    assert names(table, column=["w", "x_*"]) == ["w", "x_1", "x_2"]
    assert names(table, column=["x_2", "x_*"]) == ["x_2", "x_1"]
    assert rows(table, column=["w", "x_1"]) == [[7, 1], [8, 2], [9, 3]]
    assert rows(table, column="label") == [[0], [1], [0]]


def test_one_file_gives_several_modalities() -> None:
    put({"id": IDS, "vd_1": [1, 2, 3], "vd_2": [4, 5, 6], "ad_1": [7, 8, 9]})
    fused = mmfuse.fuse(
        "concat",
        {"v": "a.parquet", "s": "a.parquet"},
        column={"v": "vd_*", "s": "ad_*"},
    )
    assert fused.matrix is not None
    assert fused.matrix.tolist() == [[1, 4, 7], [2, 5, 8], [3, 6, 9]]


def test_a_column_that_is_not_there() -> None:
    error = refused({"id": IDS, "weight": [1, 2, 3]}, column="wieght")
    assert error.message == "no column 'wieght'"
    assert error.hint == "did you mean 'weight'?"
    error = refused({"id": IDS, "weight": [1, 2, 3]}, column="zz*")
    assert error.message == "no column 'zz*'"
    assert "'weight'" in (error.hint or "")


DATES = pa.array([datetime.date(2020, 1, day) for day in (1, 2, 3)])
OTHERS = {
    "decimal": pa.array([decimal.Decimal("1.5")] * 3),
    "date": DATES,
    "timestamp": DATES.cast(pa.timestamp("s")),
    "duration": pa.array([1, 2, 3], pa.duration("s")),
    "text": pa.array(IDS),
    "dictionary": pa.array(IDS).dictionary_encode(),
    "binary": pa.array([b"\xff"] * 3),
    "struct": pa.array([{"x": 1}] * 3),
    "map": pa.array([[("k", 1)]] * 3, pa.map_(pa.string(), pa.int64())),
    "null": pa.nulls(3),
}


@pytest.mark.parametrize("name", OTHERS)
def test_columns_that_are_no_numbers(name: str) -> None:
    table = {"id": IDS, "odd": OTHERS[name], "x": [1, 2, 3]}
    assert rows(table) == [[1], [2], [3]]
    (found,) = mmfuse.inspect({"a": "a.parquet"})
    assert found.notes == ["left out: 'odd'"]
    assert "column 'odd' is not one of numbers" in error_of(column="odd").message


STRANGE = ["a.b", "größe", "x y", "特徴", "[red]", "x'\"y", "*", "line\nbreak"]


def test_strange_column_names() -> None:
    table = {"id": IDS, **{name: [k, k + 1, k + 2] for k, name in enumerate(STRANGE)}}
    assert names(table) == STRANGE
    assert rows(table) == [[k + row for k in range(len(STRANGE))] for row in range(3)]
    for k, name in enumerate(STRANGE):
        assert rows(table, column=name) == [[k], [k + 1], [k + 2]]


def test_a_column_of_vectors_with_a_dot_in_its_name() -> None:
    table = {"id": IDS, "model.v1": VALUES, "model": [1, 2, 3]}
    assert rows(table) == VALUES
    assert rows(table, column="model") == [[1], [2], [3]]


def test_ids_in_a_column_with_a_dot_in_its_name() -> None:
    fused = fuse({"the.id": [3, 1, 2], "x": [1, 2, 3]}, id_column="the.id")
    assert fused.ids.tolist() == [3, 1, 2]


def test_a_column_named_twice() -> None:
    table = pa.Table.from_arrays([pa.array(IDS), pa.array([1] * 3), pa.array([2] * 3)], list("ixx"))
    assert "named 'x'" in refused(table).message


def test_no_numeric_column() -> None:
    assert "no numeric column" in refused({"id": IDS, "t": IDS}).message


# ids


def text_ids(kind: pa.DataType) -> pa.Array:
    return pa.array(["001", "é", " x"], pa.string()).cast(kind)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
def test_ids_of_every_kind_of_text(kind: pa.DataType) -> None:
    fused = fuse({"id": text_ids(kind), "x": [1, 2, 3]})
    assert fused.ids.tolist() == ["001", "é", " x"]


def test_dictionary_encoded_ids() -> None:
    fused = fuse({"id": text_ids(pa.string()).dictionary_encode(), "x": [1, 2, 3]})
    assert fused.ids.tolist() == ["001", "é", " x"]
    # each row group has a dictionary of its own
    many = pa.array([f"id{i}" for i in range(100)]).dictionary_encode()
    put({"id": many, "x": np.arange(100)}, row_group_size=30)
    assert mmfuse.fuse("concat", {"a": "a.parquet"}).ids.tolist() == many.to_pylist()


def test_text_ids_that_look_like_integers_stay_text() -> None:
    fused = fuse({"id": ["1", "2", "3"], "x": [1, 2, 3]})
    assert fused.ids.tolist() == ["1", "2", "3"]


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint16(), pa.int64(), pa.uint64()], ids=str)
def test_integer_ids(kind: pa.DataType) -> None:
    fused = fuse({"id": pa.array([7, 0, 100], kind), "x": [1, 2, 3]})
    assert fused.ids.dtype == np.int64
    assert fused.ids.tolist() == [7, 0, 100]


def test_integer_ids_at_the_limits() -> None:
    values = [2**63 - 1, -(2**63), 2**53 + 1]
    assert fuse({"id": values, "x": [1, 2, 3]}).ids.tolist() == values


def test_unsigned_ids_beyond_int64_are_exact_as_text() -> None:
    values = [2**64 - 1, 2**63, 5]
    fused = fuse({"id": pa.array(values, pa.uint64()), "x": [1, 2, 3]})
    assert fused.ids.tolist() == [str(value) for value in values]


@pytest.mark.parametrize("values", [["a", None, "b", None], [1, None, 2, None]])
def test_null_ids_are_refused_with_their_rows(values: list[Any]) -> None:
    error = refused({"id": values, "x": [1, 2, 3, 4]})
    assert error.exit_code == 4
    assert "2 ids are null in column 'id'; rows 2, 4" in error.message


def test_float_ids_are_refused_with_a_reason() -> None:
    error = refused({"id": [1.0, 2.0], "x": [1, 2]})
    assert error.exit_code == 4
    assert "ids of column 'id' are double" in error.message
    assert "missing value" in (error.hint or "")


def test_empty_ids_are_refused_with_their_rows() -> None:
    error = refused({"id": ["a", "", "b", ""], "x": [1, 2, 3, 4]})
    assert error.exit_code == 4
    assert "rows 2, 4" in error.message


@pytest.mark.parametrize("column", [DATES, pa.array([True, False, True]), pa.array([b"a"] * 3)])
def test_ids_of_other_kinds_are_refused(column: pa.Array) -> None:
    error = refused({"id": column, "x": [1, 2, 3]})
    assert error.exit_code == 4
    assert "ids are text or integers" in error.message


def test_the_id_column_is_chosen_in_a_fixed_order() -> None:
    table = {"url": ["u", "v"], "key": ["k", "l"], "x": [1, 2]}
    assert fuse(table).ids.tolist() == ["k", "l"]
    assert fuse(table, id_column="url").ids.tolist() == ["u", "v"]
    assert names(table) == ["x"]
    assert "'keys'" in refused(table, id_column="keys").message


# files


@pytest.mark.parametrize("codec", ["none", "snappy", "zstd", "gzip", "lz4", "brotli"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_every_codec_and_page_version(codec: str, version: str) -> None:
    x = np.random.default_rng(0).normal(size=(500, 4))
    columns = {"id": np.arange(500), **{f"x{j}": x[:, j] for j in range(4)}}
    put(columns, compression=codec, data_page_version=version)
    found = mmfuse.fuse("concat", {"a": "a.parquet"}, dtype="float64").matrix
    assert found is not None
    assert np.array_equal(found, x)


def test_no_rows() -> None:
    for kind in (pa.float64(), pa.list_(F32)):
        error = refused({"id": pa.array([], pa.string()), "x": pa.array([], kind)})
        assert error.exit_code == 3
        assert "no rows" in error.message


def test_no_columns() -> None:
    assert refused(pa.table({})).exit_code == 3


@pytest.mark.parametrize("kept", [4, 5, 11, 0.3, 0.9, -1, -4, -8])
def test_a_truncated_file(kept: float) -> None:
    put({"id": np.arange(1000), "v": np.random.default_rng(0).normal(size=1000)})
    blob = Path("a.parquet").read_bytes()
    Path("a.parquet").write_bytes(blob[: int(kept * len(blob)) if 0 < kept < 1 else int(kept)])
    error = error_of()
    assert error.exit_code == 3
    assert len(error.message) > 10


@pytest.mark.parametrize("column", ["id", "v", "w"])
def test_a_flipped_bit_in_a_page_is_noticed(column: str) -> None:
    """Without checksums, such a file would be read with another value in it."""
    rng = np.random.default_rng(0)
    table = {"id": rng.permutation(1000), "v": rng.normal(size=1000), "w": rng.normal(size=1000)}
    how = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    put(table, **how)
    footer = pq.read_metadata("a.parquet")
    k = footer.schema.to_arrow_schema().names.index(column)
    chunk = footer.row_group(0).column(k)
    blob = bytearray(Path("a.parquet").read_bytes())
    blob[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
    Path("a.parquet").write_bytes(blob)
    assert pq.read_table("a.parquet").num_rows == 1000, "the damage is to values only"
    error = error_of()
    assert error.exit_code == 3
    assert "CRC" in error.message or "checksum" in error.message


FLIPS = """
import sys, mmfuse
blob = open("a.parquet", "rb").read()
for place in range(len(blob) - int.from_bytes(blob[-8:-4], "little") - 8, len(blob)):
    damaged = bytearray(blob)
    damaged[place] ^= 1
    open("b.parquet", "wb").write(damaged)
    try:
        print(*mmfuse.fuse("concat", {"a": "b.parquet"}, threads=1).matrix.ravel().tolist())
    except mmfuse.errors.MmfuseError as error:
        print("refused", error.exit_code)
"""


def test_a_damaged_footer_never_ends_the_process() -> None:
    """pyarrow aborts when it is asked for a column's statistics in some of these files."""
    put({"id": IDS, "x": [1, 2, 3]})
    done = subprocess.run([sys.executable, "-c", FLIPS], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    # a byte that nothing depends on, as in the name of the writer, leaves the file as it was
    found = set(done.stdout.splitlines())
    assert {"1.0 2.0 3.0", "refused 3"} <= found <= {"1.0 2.0 3.0", "refused 3", "refused 4"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"id,x\na,1\n", "plain text"),
        (b"\x93NUMPY\x01\x00", "npy"),
        (b"<html>", "HTML"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"ARROW1\x00\x00", "Arrow"),
    ],
)
def test_other_things_named_parquet(content: bytes, told: str) -> None:
    Path("a.parquet").write_bytes(content)
    assert told in error_of().message


# output

X = np.array([[1.5, -0.0], [1e-45, 3.4028235e38], [0.1, 7]], np.float32)


def write(ids: list[Any], path: str = "out.parquet", **more: Any) -> pa.Table:
    np.save("a.npy", X)
    mmfuse.fuse("concat", {"a": "a.npy"}, path, ids=ids, **more)
    return pq.read_table(path)


@pytest.mark.parametrize("compression", [None, "zstd", "snappy", "gzip"])
@pytest.mark.parametrize(
    ("ids", "kind"), [(["b", "001", "é"], pa.string()), ([3, 1, 2**60], pa.int64())]
)
def test_the_vector_layout(compression: str | None, ids: list[Any], kind: pa.DataType) -> None:
    table = write(ids, compression=compression)
    element = pa.field("element", F32, nullable=False)
    expected = pa.schema(
        [
            pa.field("id", kind, nullable=False),
            pa.field("embedding", pa.list_(element, 2), nullable=False),
        ]
    )
    assert table.schema.remove_metadata() == expected
    assert table["id"].to_pylist() == ids
    found = table["embedding"].combine_chunks().flatten().to_numpy()
    assert found.tobytes() == X.tobytes()
    codec = pq.read_metadata("out.parquet").row_group(0).column(1).compression
    assert codec == (compression or "uncompressed").upper()


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_the_wide_layout(compression: str | None) -> None:
    table = write([1, 2, 3], layout="wide", compression=compression)
    assert table.schema.names == ["id", "a_0", "a_1"]
    assert [field.type for field in table.schema] == [pa.int64(), F32, F32]
    assert not any(field.nullable for field in table.schema)
    for j in range(2):
        assert table[f"a_{j}"].to_numpy().tobytes() == X[:, j].tobytes()


def test_compressed_pages_carry_checksums() -> None:
    write(IDS, compression="zstd")
    chunk = pq.read_metadata("out.parquet").row_group(0).column(1)
    end = chunk.data_page_offset + chunk.total_compressed_size
    blob = bytearray(Path("out.parquet").read_bytes())
    blob[end - 1] ^= 1
    Path("out.parquet").write_bytes(blob)
    with pytest.raises(OSError, match="CRC"):
        pq.read_table("out.parquet", page_checksum_verification=True)


@pytest.mark.parametrize("compression", [None, "zstd"])
@pytest.mark.parametrize("layout", ["vector", "wide"])
def test_the_record_in_the_footer(compression: str | None, layout: Any) -> None:
    write(IDS, compression=compression, layout=layout)
    record = json.loads(pq.read_metadata("out.parquet").metadata[b"mmfuse"])
    assert record["version"] == mmfuse.__version__
    (found,) = mmfuse.inspect({"o": "out.parquet"})
    assert found.record == record
    assert found.ids == "column id"
    assert str(Path.cwd()) not in json.dumps(record)


@pytest.mark.parametrize("layout", ["vector", "wide"])
def test_written_files_are_read_back(layout: Any) -> None:
    write(["007", "7", "x\ny"], layout=layout)
    again = mmfuse.fuse("concat", {"b": "out.parquet"})
    assert again.ids.tolist() == ["007", "7", "x\ny"]
    assert again.matrix is not None
    assert again.matrix.tobytes() == X.tobytes()


def test_columns_that_say_who_was_present_are_no_features() -> None:
    """They are in files that mmfuse wrote; in others, a column of that name is a feature."""
    columns = {"id": IDS, "x": [1, 2, 3], "present_text": [True, False, True]}
    assert names(columns) == ["x", "present_text"]
    assert names(pa.table(columns).replace_schema_metadata({"mmfuse": "{}"})) == ["x"]


@pytest.mark.parametrize("memory", [512 << 20, 1 << 20])
@pytest.mark.parametrize("normalize", ["none", "zscore"])
def test_columns_that_do_not_fit_together_are_read_one_part_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int, normalize: str
) -> None:
    rng = np.random.default_rng(0)
    for name, width in (("a", 7), ("b", 12)):
        frame = pd.DataFrame(rng.normal(size=(500, width)).astype(np.float32))
        frame.columns = [f"f{j}" for j in range(width)]
        frame["id"] = rng.permutation(500)
        frame.to_parquet(tmp_path / f"{name}.parquet", row_group_size=99)
    files = {name: tmp_path / f"{name}.parquet" for name in "ab"}
    how: Any = {"normalize": normalize, "memory": memory}
    whole = mmfuse.fuse("concat", files, **how)
    monkeypatch.setattr(parquet_source, "_SLAB_BYTES", 1_500)
    parts = mmfuse.fuse("concat", files, **how)
    assert whole.matrix is not None
    assert parts.matrix is not None
    assert parts.matrix.tobytes() == whole.matrix.tobytes()
    assert {item.way for item in parts.summary.inputs} <= {"memory", "partitioned"}
    assert "sequential" in {item.way for item in whole.summary.inputs} or normalize == "zscore"
