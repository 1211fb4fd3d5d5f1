import io
import os
import random
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import fastparquet
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmfuse.files import thrift
from mmfuse.files.parquet_footer import parse_footer
from mmfuse.files.parquet_pages import PageWriter
from mmfuse.files.parquet_values import Footer, Irregular, read_footer
from mmfuse.files.thrift_decode import MalformedError

DTYPES = ["<f4", "<f8", "<i4", "<i8"]
CODECS = ["none", "snappy", "gzip", "zstd", "brotli"]


@contextmanager
def opened(data: bytes) -> Iterator[tuple[int, int]]:
    """A file with such content: its descriptor and size."""
    fd = os.memfd_create("test")
    try:
        os.write(fd, data)
        yield fd, len(data)
    finally:
        os.close(fd)


def written(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **{"use_dictionary": False, "compression": "none", **options})
    return sink.getvalue()


def column_of(data: bytes, name: str) -> NDArray[Any]:
    """All of a column: (rows,), or (rows, width) if it holds lists."""
    with opened(data) as (fd, size):
        footer = read_footer(fd, size)
        column = footer.column(name)
        groups = []
        for group, rows in enumerate(np.diff(footer.starts)):
            pages = [np.empty(0, column.dtype), *column.pages(fd, group)]
            assert all(page.dtype == column.dtype for page in pages)
            values = np.concatenate(pages)
            assert len(values) == rows * (column.width or 1)
            groups.append(values)
            check_places(fd, size, column.places(fd, group), values, int(rows))
        assert len(groups) == len(footer.starts) - 1
        assert footer.rows == footer.starts[-1]
    found = np.concatenate([np.empty(0, column.dtype), *groups])
    return found if column.width is None else found.reshape(-1, column.width)


def check_places(
    fd: int, size: int, places: list[tuple[int, int]] | None, values: NDArray[Any], rows: int
) -> None:
    """Where values are said to be, they are."""
    if places is None:
        return
    assert sum(count for count, _ in places) == rows
    whole = os.pread(fd, size, 0)
    row_values = len(values) // max(rows, 1)
    found = [
        np.frombuffer(whole, values.dtype, count * row_values, offset) for count, offset in places
    ]
    assert np.concatenate([values[:0], *found]).tobytes() == values.tobytes()


def vectors(rows: int, width: int, dtype: str = "<f4", seed: int = 0) -> NDArray[Any]:
    """Any bits: NaN of every kind, too."""
    bits = np.random.default_rng(seed).bytes(rows * width * np.dtype(dtype).itemsize)
    return np.frombuffer(bits, dtype).reshape(rows, width)


def list_array(matrix: NDArray[Any], kind: str, nullable: bool = True) -> pa.Array:
    """Rows as a list array of such a kind."""
    rows, width = matrix.shape
    flat = pa.array(matrix.reshape(-1))
    element = pa.field("element", flat.type, nullable=nullable)
    if kind == "fixed":
        return pa.FixedSizeListArray.from_arrays(flat, type=pa.list_(element, width))
    offsets = np.arange(rows + 1) * width
    if kind == "large":
        return pa.LargeListArray.from_arrays(pa.array(offsets), flat, pa.large_list(element))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat, pa.list_(element))


def irregular(data: bytes, name: str = "x") -> str:
    """Why a column is left to pyarrow."""
    with pytest.raises(Irregular) as caught:
        column_of(data, name)
    return str(caught.value)


@settings(deadline=None)
@given(
    rows=st.integers(0, 700),
    dtype=st.sampled_from(DTYPES),
    nullable=st.booleans(),
    options=st.fixed_dictionaries(
        {
            "compression": st.sampled_from(CODECS),
            "data_page_version": st.sampled_from(["1.0", "2.0"]),
            "data_page_size": st.sampled_from([1, 100, 3_000, 1 << 20]),
            "row_group_size": st.sampled_from([1, 64, 300, 10_000]),
            "write_page_checksum": st.booleans(),
            "write_statistics": st.booleans(),
            "write_page_index": st.booleans(),
            "write_batch_size": st.sampled_from([7, 1024]),
            "store_schema": st.booleans(),
        }
    ),
    seed=st.integers(0, 1000),
)
def test_flat_columns_as_pyarrow_reads_them(
    rows: int, dtype: str, nullable: bool, options: dict[str, Any], seed: int
) -> None:
    if options["row_group_size"] == 1:
        rows = min(rows, 20)
    values = vectors(rows, 2, dtype, seed)
    columns = [pa.array(np.ascontiguousarray(column)) for column in values.T]
    fields = [pa.field(name, columns[0].type, nullable) for name in ("x", "é")]
    data = written(pa.table(columns, schema=pa.schema(fields)), **options)
    for place, name in enumerate(("x", "é")):
        found = column_of(data, name)
        assert found.tobytes() == values[:, place].tobytes()
        assert found.dtype == pq.read_table(io.BytesIO(data))[name].to_numpy().dtype


@settings(deadline=None)
@given(
    rows=st.integers(1, 300),
    width=st.one_of(st.integers(1, 40), st.sampled_from([64, 100, 300, 512, 768, 1000])),
    dtype=st.sampled_from(DTYPES),
    kind=st.sampled_from(["fixed", "list", "large"]),
    nullable=st.booleans(),
    element_nullable=st.booleans(),
    options=st.fixed_dictionaries(
        {
            "compression": st.sampled_from(CODECS),
            "data_page_version": st.sampled_from(["1.0", "2.0"]),
            "data_page_size": st.sampled_from([1, 1_000, 30_000, 1 << 20]),
            "row_group_size": st.sampled_from([1, 64, 128, 10_000]),
            "write_page_checksum": st.booleans(),
            "write_page_index": st.booleans(),
            "write_batch_size": st.sampled_from([3, 100, 1024]),
            "use_compliant_nested_type": st.booleans(),
        }
    ),
)
def test_vectors_as_pyarrow_reads_them(
    rows: int,
    width: int,
    dtype: str,
    kind: str,
    nullable: bool,
    element_nullable: bool,
    options: dict[str, Any],
) -> None:
    if options["row_group_size"] == 1 or options["data_page_size"] == 1:
        rows = min(rows, 20)
    matrix = vectors(rows, width, dtype)
    array = list_array(matrix, kind, element_nullable)
    table = pa.table([array], schema=pa.schema([pa.field("x", array.type, nullable)]))
    data = written(table, **options)
    read = pq.read_table(io.BytesIO(data))["x"].combine_chunks()
    found = column_of(data, "x")
    assert found.shape == (rows, width)
    assert found.tobytes() == matrix.tobytes() == read.flatten().to_numpy().tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("vector", ["embedding", None])
@pytest.mark.parametrize("rows", [0, 1, 5_000, 140_000])
def test_the_files_of_our_own_writer(dtype: str, vector: str | None, rows: int) -> None:
    values = vectors(rows, 7, np.dtype(dtype).str)
    with opened(b"") as (fd, _):
        names = [f"f{j}" for j in range(7)]
        ids = np.arange(rows, dtype=np.int64)
        writer = PageWriter(fd, ids=ids, columns=names, dtype=values.dtype, vector=vector)
        writer.write(0, values)
        data = os.pread(fd, writer.close(), 0)
    assert column_of(data, "id").tobytes() == ids.tobytes()
    if vector is None:
        for name, column in zip(names, values.T, strict=True):
            assert column_of(data, name).tobytes() == column.tobytes()
    elif rows:
        assert column_of(data, vector).tobytes() == values.tobytes()
    else:
        assert "no row" in irregular(data, vector)


def by_polars(frame: pl.DataFrame, path: Path, compression: str) -> None:
    codec: Any = compression
    frame.write_parquet(path, compression=codec, row_group_size=1_000)


def by_duckdb(frame: pl.DataFrame, path: Path, compression: str) -> None:
    features = frame.to_arrow()  # noqa: F841 - DuckDB finds it by its name
    options = f"format parquet, compression {compression}, row_group_size 2048"
    duckdb.sql(f"copy features to '{path}' ({options})")


def by_duckdb_2(frame: pl.DataFrame, path: Path, compression: str) -> None:
    features = frame.to_arrow()  # noqa: F841 - DuckDB finds it by its name
    options = f"format parquet, compression {compression}, parquet_version v2"
    duckdb.sql(f"copy features to '{path}' ({options})")


@pytest.mark.parametrize("write", [by_polars, by_duckdb])
@pytest.mark.parametrize("compression", ["uncompressed", "snappy", "zstd", "gzip", "brotli"])
@pytest.mark.parametrize("width", [1, 5, 64, 384])
def test_vectors_and_numbers_of_other_writers(
    write: Callable[[pl.DataFrame, Path, str], None], compression: str, width: int, tmp_path: Path
) -> None:
    matrix = np.random.default_rng(width).standard_normal((3_000, width)).astype("f4")
    frame = pl.DataFrame(
        {
            "list": pl.Series(matrix.tolist(), dtype=pl.List(pl.Float32)),
            "fixed": pl.Series(matrix, dtype=pl.Array(pl.Float32, width)),
            "number": matrix[:, 0].copy(),
            "wide": matrix[:, 0].astype("f8"),
        }
    )
    write(frame, tmp_path / "x.parquet", compression)
    data = (tmp_path / "x.parquet").read_bytes()
    for name in ("list", "fixed"):
        assert np.array_equal(column_of(data, name), matrix)
    for name in ("number", "wide"):
        assert np.array_equal(column_of(data, name), matrix[:, 0])


def test_what_duckdb_encodes_otherwise_is_left_to_pyarrow(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": np.random.default_rng(0).standard_normal(5_000).astype("f4")})
    by_duckdb_2(frame, tmp_path / "x.parquet", "snappy")
    assert "plain" in irregular((tmp_path / "x.parquet").read_bytes())


@pytest.mark.parametrize("has_nulls", [True, False])
def test_what_fastparquet_writes_behind_values_is_left_to_pyarrow(
    has_nulls: bool, tmp_path: Path
) -> None:
    path = str(tmp_path / "x.parquet")
    fastparquet.write(path, pd.DataFrame({"x": np.arange(900.0)}), has_nulls=has_nulls)
    assert "more before the values" in irregular(Path(path).read_bytes())


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy"])
@pytest.mark.parametrize("hole", [0, 1, 500, 999])
def test_a_null_is_irregular(version: str, compression: str, hole: int) -> None:
    options = {"data_page_version": version, "compression": compression}
    values: list[float | None] = [1.5] * 1000
    values[hole] = None
    irregular(written(pa.table({"x": pa.array(values)}), **options))
    rows: list[list[float | None] | None] = [[1.0, 2.0, 3.0]] * 1000
    rows[hole] = [1.0, None, 3.0]
    irregular(written(pa.table({"x": pa.array(rows)}), **options))
    rows[hole] = None
    irregular(written(pa.table({"x": pa.array(rows)}), **options))
    irregular(written(pa.table({"x": pa.array(rows, pa.list_(pa.float64(), 3))}), **options))


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("page", [1, 1 << 20])
@pytest.mark.parametrize(
    "lengths", [[2, 4, 3], [4, 2, 3], [3, 3, 2], [3, 0, 6], [0, 0, 0], [1, 2, 3], [3, 3, 9]]
)
def test_ragged_lists_are_irregular(version: str, page: int, lengths: list[int]) -> None:
    """Also where lists are as long as the others on average."""
    table = pa.table({"x": pa.array([[0.5] * length for length in [*lengths, 3, 3, 3]])})
    irregular(written(table, data_page_version=version, data_page_size=page, write_batch_size=2))


def test_row_groups_of_different_width_are_irregular() -> None:
    table = pa.table({"x": pa.array([[0.5] * 2] * 10 + [[0.5] * 3] * 10)})
    assert "lengths" in irregular(written(table, row_group_size=10))


HALVES = pa.array([0.5, 1.5])
OTHERS = {
    "text": pa.array(["a", "b"]),
    "bool": pa.array([True, False]),
    "float16": HALVES.cast(pa.float16()),
    "int8": pa.array([1, 2], pa.int8()),
    "uint32": pa.array([1, 2], pa.uint32()),
    "uint64": pa.array([1, 2], pa.uint64()),
    "date": pa.array([1, 2], pa.date32()),
    "time": pa.array([1, 2], pa.time64("us")),
    "timestamp": pa.array([1, 2], pa.timestamp("us")),
    "decimal": pa.array([1, 2], pa.decimal128(5)),
    "struct": pa.array([{"a": 1.5}, {"a": 2.5}]),
    "structs": pa.array([[{"a": 1.5}], [{"a": 2.5}]]),
    "map": pa.array([[(1, 1.5)], [(2, 2.5)]], pa.map_(pa.int64(), pa.float64())),
    "lists of lists": pa.array([[[1.5]], [[2.5]]]),
    "texts": pa.array([["a"], ["b"]]),
}


@pytest.mark.parametrize("array", OTHERS.values(), ids=OTHERS)
def test_other_types_are_irregular_and_their_neighbours_are_not(array: pa.Array) -> None:
    table = pa.table({"before": HALVES, "x": array, "after": pa.array([[0.5, 1.0], [1.5, 2.0]])})
    data = written(table, store_decimal_as_integer=True)
    assert "not one column of numbers" in irregular(data)
    assert column_of(data, "before").tolist() == [0.5, 1.5]
    assert column_of(data, "after").tolist() == [[0.5, 1.0], [1.5, 2.0]]


@pytest.mark.parametrize(
    "options",
    [
        {"use_dictionary": True},
        {"compression": "lz4"},
        {"column_encoding": {"x": "BYTE_STREAM_SPLIT"}},
        {"column_encoding": {"x": "BYTE_STREAM_SPLIT"}, "data_page_version": "2.0"},
    ],
)
def test_other_encodings_are_irregular(options: dict[str, Any]) -> None:
    assert "plain" in irregular(written(pa.table({"x": HALVES}), **options))


@pytest.mark.parametrize(("compression", "rows"), [("snappy", 50_000), ("zstd", 1_000)])
def test_equal_values_are_read(compression: str, rows: int) -> None:
    data = written(pa.table({"x": np.full(rows, 0.5)}), compression=compression)
    assert column_of(data, "x").tolist() == [0.5] * rows


def test_what_is_compressed_beyond_measure_is_irregular() -> None:
    """A small file may not claim any number of values."""
    table = pa.table({"x": np.full(3_000_000, 0.5)})
    data = written(table, compression="zstd", max_rows_per_page=1 << 30, data_page_size=1 << 28)
    assert len(data) < 3_000_000 * 8 >> 12
    assert "plain" in irregular(data)


def test_columns_are_found_by_their_whole_name() -> None:
    table = pa.table([HALVES, HALVES, pa.array([[1.0], [2.0]])], names=["x", "x", "a.b"])
    data = written(table)
    for name in ("x", "y", "a", "b", "a.b.list.element", "schema", ""):
        assert "not one column" in irregular(data, name)
    assert column_of(data, "a.b").tolist() == [[1.0], [2.0]]


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy"])
def test_a_damaged_page_is_told_by_its_checksum(version: str, compression: str) -> None:
    matrix = vectors(500, 3)
    options = {"data_page_version": version, "compression": compression}
    data = written(
        pa.table({"x": list_array(matrix, "fixed")}), write_page_checksum=True, **options
    )
    assert column_of(data, "x").tobytes() == matrix.tobytes()
    place = data.index(matrix[250].tobytes())
    damaged = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    assert "checksum" in irregular(damaged)


def places_of(data: bytes) -> list[tuple[int, int]] | None:
    with opened(data) as (fd, size):
        return read_footer(fd, size).column("x").places(fd, 0)


def test_places_are_of_whole_uncompressed_rows() -> None:
    table = pa.table({"x": list_array(vectors(500, 3), "fixed")})
    many = places_of(written(table, data_page_size=500, write_batch_size=30))
    assert many is not None
    assert len(many) > 3
    assert places_of(written(table, compression="snappy")) is None
    assert places_of(written(table, write_page_checksum=True)) is None


def page(
    levels: list[bytes], values: NDArray[Any], rows: int | None = None, more: bytes = b""
) -> bytes:
    """A page of version 1, or of version 2 if it tells its rows; it does not tell of `more`."""
    count, zero = thrift.i32(len(values)), thrift.i32(0)
    if rows is None:
        body = b"".join(len(part).to_bytes(4, "little") + part for part in levels)
        head = {5: thrift.struct({1: count, 2: zero, 3: thrift.i32(3), 4: thrift.i32(3)})}
    else:
        body = b"".join(levels)
        sizes = {5: thrift.i32(len(levels[1])), 6: thrift.i32(len(levels[0]))}
        data = thrift.struct({1: count, 2: zero, 3: thrift.i32(rows), 4: zero, **sizes})
        head = {8: data}
    body += values.tobytes()
    size = thrift.i32(len(body))
    kind = thrift.i32(0 if rows is None else 3)
    stored = thrift.i32(len(body + more))
    return thrift.struct({1: kind, 2: size, 3: stored, **head}).body + body + more


def file_of(pages: list[bytes], rows: int, width: int | None) -> bytes:
    """A file of one chunk of doubles with just these pages."""
    data = b"PAR1" + b"".join(pages)
    head = thrift.chunk_head(thrift.FLOATS[8], ["x"])
    chunk = thrift.chunk(head, rows * (width or 1), 4, len(data))
    double = thrift.FLOATS[8]
    schema = [thrift.column("x", double)] if width is None else thrift.list_column("x", double)
    group = thrift.row_group(rows, len(data), [chunk])
    footer = thrift.file_metadata(1, schema, rows, [group], {})
    return data + footer + len(footer).to_bytes(4, "little") + b"PAR1"


NUMBERS = np.arange(6.0)


def test_pages_have_just_the_values_of_their_chunk() -> None:
    pages = [page([], NUMBERS[:4]), page([], NUMBERS[4:])]
    assert column_of(file_of(pages, 6, None), "x").tolist() == NUMBERS.tolist()
    assert "more values" in irregular(file_of(pages, 5, None))
    assert "goes on" in irregular(file_of(pages, 4, None))
    assert "early" in irregular(file_of(pages, 7, None))


def test_a_page_of_no_values_is_irregular() -> None:
    pages = [page([], NUMBERS[:0], more=b"more"), page([], NUMBERS)]
    assert "impossible size" in irregular(file_of(pages, 6, None))


def test_an_uncompressed_page_is_as_long_as_it_says() -> None:
    data = file_of([page([], NUMBERS, more=b"more")], 6, None)
    assert "52 bytes, 48 are announced" in irregular(data)
    with pytest.raises(Irregular, match="not as long"):
        places_of(data)


def test_levels_that_the_schema_does_not_have_are_irregular() -> None:
    assert "does not have" in irregular(file_of([page([b"\x0c\0", b""], NUMBERS, 6)], 6, None))


def test_a_schema_has_just_the_nodes_of_its_columns() -> None:
    double = thrift.column("x", thrift.FLOATS[8])
    for columns, told in ((1, "goes on after"), (3, "ends too early")):
        with pytest.raises(MalformedError, match=told):
            parse_footer(thrift.file_metadata(columns, [double, double], 0, [], {}))


@pytest.mark.parametrize("rows", [None, (2, 0), (1, 1), (1, 0)])
def test_pages_may_begin_within_a_row_in_version_1(rows: tuple[int, int] | None) -> None:
    first = [b"\2\0\4\1\2\0", b"\x08\1"]  # levels 0, 1, 1, 0 of repetition, 1 of definition
    second = [b"\4\1", b"\4\1"]
    counts = (None, None) if rows is None else rows
    pages = [page(first, NUMBERS[:4], counts[0]), page(second, NUMBERS[4:], counts[1])]
    data = file_of(pages, 2, 3)
    if rows is None:
        assert column_of(data, "x").tolist() == NUMBERS.reshape(2, 3).tolist()
        assert places_of(data) is None
    else:
        assert "length" in irregular(data)


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_a_page_of_version_2_has_as_many_rows_as_it_says(rows: int) -> None:
    data = file_of([page([b"\2\0\4\1" * 2, b"\x0c\1"], NUMBERS, rows)], 2, 3)
    if rows == 2:
        assert column_of(data, "x").tolist() == NUMBERS.reshape(2, 3).tolist()
    else:
        assert "length" in irregular(data)


def test_encrypted_and_other_files_are_irregular() -> None:
    data = written(pa.table({"x": HALVES}))
    for other in (
        b"",
        b"PAR1",
        b"PAR1PAR1",
        bytes(100),
        data[:-4] + b"PARE",
        b"PARE" + data[4:],
        data[:-8] + b"\xff\xff\xff\x7fPAR1",
        data[:-8] + b"\0\0\0\0PAR1",
        data[:-1],
        b"\x93NUMPY" + data,
    ):
        with opened(other) as (fd, size), pytest.raises(Irregular):
            read_footer(fd, size)


def test_a_file_that_shrinks_is_irregular() -> None:
    with opened(written(pa.table({"x": HALVES}))) as (fd, size):
        column = read_footer(fd, size).column("x")
        os.ftruncate(fd, 10)
        with pytest.raises(Irregular, match="too early"):
            list(column.pages(fd, 0))
        with pytest.raises(Irregular, match="too early"):
            read_footer(fd, size)
    with pytest.raises(Irregular):  # the descriptor is closed
        list(column.pages(fd, 0))


FUZZED = {
    "vectors": {"table": pa.table({"x": list_array(vectors(40, 12), "fixed")})},
    "pages": {
        "table": pa.table({"x": list_array(vectors(40, 12), "list"), "y": np.arange(40.0)}),
        "data_page_size": 200,
        "write_batch_size": 50,
        "row_group_size": 30,
    },
    "version 2": {
        "table": pa.table({"y": np.arange(40), "x": list_array(vectors(40, 12), "list")}),
        "data_page_version": "2.0",
        "compression": "snappy",
        "row_group_size": 30,
    },
    **{
        codec: {"table": pa.table({"x": np.arange(300.0)}), "compression": codec}
        for codec in CODECS
    },
    "checksums": {
        "table": pa.table({"x": list_array(vectors(40, 12), "fixed")}),
        "compression": "zstd",
        "write_page_checksum": True,
    },
}


def mutated(data: bytes, choose: random.Random) -> bytes:
    """Some bytes flipped, overwritten, left out or put in; the footer is hit often."""
    changed = bytearray(data)
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for _ in range(choose.choice([1, 1, 1, 2, 4])):
        low = choose.choice([0, footer, min(footer, 40)])
        place = choose.randrange(min(low, len(changed) - 1), len(changed))
        action = choose.randrange(5)
        if action == 0:
            changed[place] ^= 1 << choose.randrange(8)
        elif action == 1:
            changed[place] = choose.choice([0, 1, 0x7F, 0x80, 0xFF, choose.randrange(256)])
        elif action == 2:
            del changed[place : place + choose.choice([1, 2, 8])]
        elif action == 3:
            changed[place:place] = choose.randbytes(choose.choice([1, 2, 8]))
        else:
            changed[place : place + 5] = b"\xff\xff\xff\xff\x0f"
        if len(changed) < 2:
            break
    if choose.randrange(4) == 0:  # so that what follows is looked at
        changed[-4:] = b"PAR1"
    return bytes(changed)


@pytest.mark.parametrize("name", FUZZED)
def test_damaged_files_are_read_or_irregular(name: str) -> None:
    """No other error, and no memory on the word of a number."""
    options: dict[str, Any] = dict(FUZZED[name])
    table = options.pop("table")
    data = written(table, **options)
    choose = random.Random(name)
    outcomes = {True: 0, False: 0}
    tracemalloc.start()
    try:
        for _ in range(400):
            for column in table.column_names:
                try:
                    column_of(mutated(data, choose), column)
                    outcomes[True] += 1
                except Irregular:
                    outcomes[False] += 1
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert min(outcomes.values()) > 10


@given(st.binary(max_size=200))
def test_any_bytes_as_a_footer_are_irregular_or_read(footer: bytes) -> None:
    data = b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"
    with opened(data) as (fd, size), suppress(Irregular):
        assert isinstance(read_footer(fd, size), Footer)
