import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmfuse.files import parquet_columns, parquet_pages
from mmfuse.files.parquet_pages import PageWriter

FLOATS = {"float16": pa.float16(), "float32": pa.float32(), "float64": pa.float64()}
METADATA = {"MMFUSE": '{"é": 1}', "empty": ""}


@dataclass
class Case:
    """A table, and how it is to be laid out."""

    ids: list[int] | list[str]
    values: NDArray[Any]
    vector: str | None = "embedding"
    flags: dict[str, NDArray[np.bool_]] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        return [f"f{j}" for j in range(self.values.shape[1])]

    def writer(self, fd: int) -> PageWriter:
        return PageWriter(
            fd,
            ids=encode_ids(self.ids),
            columns=self.columns,
            dtype=self.values.dtype,
            vector=self.vector,
            flags=self.flags,
            metadata=METADATA,
        )

    def schema(self) -> pa.Schema:
        text = bool(self.ids) and isinstance(self.ids[0], str)
        fields = [pa.field("id", pa.string() if text else pa.int64(), nullable=False)]
        number = FLOATS[self.values.dtype.name]
        if self.vector is None:
            fields += [pa.field(name, number, nullable=False) for name in self.columns]
        else:
            element = pa.field("element", number, nullable=False)
            vectors = pa.list_(element, self.values.shape[1])
            fields.append(pa.field(self.vector, vectors, nullable=False))
        fields += [pa.field(name, pa.bool_(), nullable=False) for name in self.flags]
        return pa.schema(fields, METADATA)


def encode_ids(ids: Sequence[int] | Sequence[str]) -> Any:
    if not ids or isinstance(ids[0], int):
        return np.array(ids, np.int64)
    texts = [str(name).encode() for name in ids]
    offsets = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return np.frombuffer(b"".join(texts), np.uint8), offsets


def write(case: Case, path: Path, cuts: Sequence[int] = (), seed: int = 0) -> bytes:
    """Write the table in blocks, in an order of chance, and return the file's bytes."""
    edges = sorted({0, *cuts, len(case.ids)})
    blocks = list(pairwise(edges))
    random.Random(seed).shuffle(blocks)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        writer = case.writer(fd)
        for start, stop in blocks:
            writer.write(start, case.values[start:stop])
        assert writer.close() == os.fstat(fd).st_size
    finally:
        os.close(fd)
    return path.read_bytes()


def matrix(case: Case, table: pa.Table) -> NDArray[Any]:
    if case.vector is None:
        return np.stack([table[name].to_numpy() for name in case.columns], axis=1)
    flat = [chunk.flatten().to_numpy() for chunk in table[case.vector].chunks]
    return np.concatenate([*flat, np.empty(0, case.values.dtype)]).reshape(case.values.shape)


def assert_same_bits(found: NDArray[Any], expected: NDArray[Any]) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert found.tobytes() == expected.tobytes()


def assert_reads_back(case: Case, path: Path) -> pq.FileMetaData:
    table = pq.read_table(path, page_checksum_verification=True)
    table.validate(full=True)
    assert table.schema.equals(case.schema(), check_metadata=True)
    assert table["id"].to_pylist() == case.ids
    assert_same_bits(matrix(case, table), case.values)
    for name, flag in case.flags.items():
        assert table[name].to_pylist() == flag.tolist()
    return pq.read_metadata(path)


@contextmanager
def small(page: int, rows: int, group: int) -> Iterator[None]:
    """Shrink pages and row groups, for small tables to have many of both."""
    sizes = {"GROUP_ROWS": rows, "WIDE_GROUP_MIN_ROWS": 1}
    limits = {"VECTOR_GROUP_BYTES": group, "WIDE_GROUP_BYTES": group}
    with (
        mock.patch.object(parquet_columns, "PAGE_BYTES", page),
        mock.patch.multiple(parquet_pages, **sizes, **limits),
    ):
        yield


def random_case(
    rows: int, width: int, dtype: str = "float32", vector: str | None = "embedding"
) -> Case:
    rng = np.random.default_rng(rows * 1000 + width)
    values = rng.standard_normal((rows, width)).astype(dtype)
    ids = ["né" * (row % 5) + str(row) for row in range(rows)]
    return Case(ids, values, vector, {"has_a": rng.random(rows) < 0.5, "b": rng.random(rows) < 0.9})


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rows = draw(st.integers(0, 60))
    width = draw(st.integers(1, 12))
    dtype = np.dtype(draw(st.sampled_from(sorted(FLOATS))))
    size = rows * width * dtype.itemsize
    bits = np.random.default_rng(draw(st.integers(0, 1 << 32))).bytes(size)  # NaNs as well
    values = np.frombuffer(bits, dtype).reshape(rows, width)
    integers = st.integers(-(1 << 63), (1 << 63) - 1)
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    ids = draw(
        st.one_of(*(st.lists(kind, min_size=rows, max_size=rows) for kind in (integers, texts)))
    )
    names = draw(st.lists(st.sampled_from(["has_text", "has_é", "x"]), unique=True))
    flags = {
        name: np.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), np.bool_)
        for name in names
    }
    return Case(ids, values, draw(st.sampled_from(["embedding", "é", None])), flags)


@settings(deadline=None, max_examples=200)
@given(
    case=cases(),
    cuts=st.lists(st.integers(0, 60), max_size=12),
    seed=st.integers(0, 99),
    page=st.integers(1, 300),
    rows=st.integers(1, 70),
    group=st.integers(1, 2000),
)
def test_any_table_cut_anyhow(
    case: Case, cuts: list[int], seed: int, page: int, rows: int, group: int
) -> None:
    inside = [cut for cut in cuts if cut < len(case.ids)]
    with TemporaryDirectory() as folder, small(page, rows, group):
        path = Path(folder) / "cut.parquet"
        assert write(case, path, inside, seed) == write(case, Path(folder) / "whole.parquet")
        assert_reads_back(case, path)


@pytest.mark.parametrize("vector", ["embedding", None])
@pytest.mark.parametrize("dtype", sorted(FLOATS))
def test_row_groups_of_the_real_size(tmp_path: Path, dtype: str, vector: str | None) -> None:
    case = random_case(140_000, 3, dtype, vector)
    cuts = [1, 65_536, 131_071, 131_073]
    assert write(case, tmp_path / "a", cuts) == write(case, tmp_path / "b", range(0, 140_000, 999))
    metadata = assert_reads_back(case, tmp_path / "a")
    rows = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert max(rows) <= 1 << 17
    assert len(rows) == 2


def test_many_pages_and_groups(tmp_path: Path) -> None:
    case = random_case(100, 8)
    with small(page=100, rows=32, group=32 * 40):
        write(case, tmp_path / "a", [50])
    metadata = assert_reads_back(case, tmp_path / "a")
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [30] * 3 + [
        10
    ]


def test_metadata_is_what_parquet_asks_for(tmp_path: Path) -> None:
    write(random_case(10, 4), tmp_path / "a")
    metadata = pq.read_metadata(tmp_path / "a")
    chunk = metadata.row_group(0).column(1)
    assert metadata.created_by == "mmfuse"
    assert metadata.format_version == "2.6"
    assert metadata.metadata[b"MMFUSE"] == METADATA["MMFUSE"].encode()
    assert (chunk.physical_type, chunk.compression) == ("FLOAT", "UNCOMPRESSED")
    assert (chunk.path_in_schema, chunk.num_values) == ("embedding.list.element", 40)
    assert set(chunk.encodings) == {"PLAIN", "RLE"}
    leaf = metadata.schema.column(1)
    assert (leaf.max_definition_level, leaf.max_repetition_level) == (1, 1)
    assert str(metadata.schema.column(0).logical_type) == "String"


def test_wide_columns_one_at_a_time(tmp_path: Path) -> None:
    case = random_case(50, 6, vector=None)
    whole = write(case, tmp_path / "whole")
    fd = os.open(tmp_path / "columns", os.O_RDWR | os.O_CREAT)
    writer = case.writer(fd)
    for j in reversed(range(6)):
        writer.write_column(j, 20, case.values[20:, j])
        writer.write_column(j, 0, case.values[:20, j])
    writer.close()
    os.close(fd)
    assert (tmp_path / "columns").read_bytes() == whole


@pytest.mark.parametrize("vector", ["embedding", None])
def test_threads_write_the_same_bytes(tmp_path: Path, vector: str | None) -> None:
    case = random_case(2000, 40, vector=vector)
    with small(page=1000, rows=300, group=100_000):
        whole = write(case, tmp_path / "whole")
        with open(tmp_path / "threads", "wb") as file, ThreadPoolExecutor(8) as threads:
            writer = case.writer(file.fileno())
            starts = range(0, 2000, 37)
            blocks = [case.values[start : start + 37] for start in starts]
            list(threads.map(writer.write, starts, blocks))
            writer.close()
    assert (tmp_path / "threads").read_bytes() == whole


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = random_case(40, 5)
    whole = write(case, tmp_path / "whole")

    def short(fd: int, parts: Sequence[Any], offset: int) -> int:
        return os.pwrite(fd, b"".join(parts)[:7], offset)

    monkeypatch.setattr(os, "pwritev", short)
    assert write(case, tmp_path / "short", [13]) == whole


def test_long_ids_have_pages_of_their_own(tmp_path: Path) -> None:
    rows = 30
    ids = [chr(0x4E00 + row) * 200_000 for row in range(rows)]
    case = Case(ids, np.arange(rows * 2.0).reshape(rows, 2))
    write(case, tmp_path / "a", [7])
    assert_reads_back(case, tmp_path / "a")


@pytest.mark.parametrize("vector", ["embedding", None])
@pytest.mark.parametrize(
    ("start", "block"),
    [
        (0, np.zeros((2, 3), np.float64)),
        (0, np.zeros((2, 4), np.float32)),
        (9, np.zeros((2, 3), np.float32)),
        (-1, np.zeros((2, 3), np.float32)),
    ],
)
def test_blocks_of_another_file_are_refused(
    tmp_path: Path, vector: str | None, start: int, block: NDArray[Any]
) -> None:
    with open(tmp_path / "a", "wb") as file:
        writer = random_case(10, 3, vector=vector).writer(file.fileno())
        with pytest.raises(ValueError, match="rows"):
            writer.write(start, block)
    assert not any((tmp_path / "a").read_bytes())  # room was made, and nothing written


def test_columns_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with open(tmp_path / "a", "wb") as file:
        wide = random_case(10, 3, vector=None).writer(file.fileno())
        vectors = random_case(10, 3).writer(file.fileno())
        for writer, j in [(wide, -1), (vectors, 0)]:
            with pytest.raises(ValueError, match="of a wide file"):
                writer.write_column(j, 0, np.zeros(10, np.float32))
        with pytest.raises(IndexError):
            wide.write_column(3, 0, np.zeros(10, np.float32))


def test_a_file_has_features(tmp_path: Path) -> None:
    with open(tmp_path / "a", "wb") as file, pytest.raises(ValueError, match="at least one"):
        random_case(3, 0).writer(file.fileno())


def by_polars(path: Path, case: Case) -> tuple[list[Any], NDArray[Any]]:
    frame = pl.read_parquet(path)
    if case.vector is not None:
        assert isinstance(frame.schema[case.vector], pl.Array)
        return frame["id"].to_list(), frame[case.vector].to_numpy()
    return frame["id"].to_list(), np.stack([frame[name].to_numpy() for name in case.columns], 1)


def by_duckdb(path: Path, case: Case) -> tuple[list[Any], NDArray[Any]]:
    names = case.columns if case.vector is None else [case.vector]
    query = f"select {', '.join(names)} from '{path}'"
    values = duckdb.sql(query).fetchall()
    ids = [name for (name,) in duckdb.sql(f"select id from '{path}'").fetchall()]
    rows = values if case.vector is None else [row[0] for row in values]
    return ids, np.array(rows, case.values.dtype)  # DuckDB widens float16 to FLOAT


def by_pandas(path: Path, case: Case) -> tuple[list[Any], NDArray[Any]]:
    frame = pd.read_parquet(path, engine="pyarrow")
    return frame["id"].tolist(), from_pandas(frame, case)


def by_fastparquet(path: Path, case: Case) -> tuple[list[Any], NDArray[Any]]:
    fastparquet = pytest.importorskip("fastparquet", reason="an old reader, for good measure")
    with open(path, "rb") as file:  # it leaves to the collector what it opens itself
        frame = fastparquet.ParquetFile(file).to_pandas()
    return frame["id"].tolist(), from_pandas(frame, case)


def from_pandas(frame: pd.DataFrame, case: Case) -> NDArray[Any]:
    if case.vector is None:
        return frame[case.columns].to_numpy()
    return np.stack(frame[case.vector].tolist()).astype(case.values.dtype)


@pytest.mark.parametrize("read", [by_polars, by_duckdb, by_pandas, by_fastparquet])
@pytest.mark.parametrize("vector", ["embedding", None])
@pytest.mark.parametrize("dtype", sorted(FLOATS))
def test_other_readers(
    tmp_path: Path,
    read: Callable[[Path, Case], tuple[list[Any], NDArray[Any]]],
    dtype: str,
    vector: str | None,
) -> None:
    if read is by_fastparquet and dtype == "float16":
        pytest.skip("fastparquet gives float16 as bytes")
    case = random_case(100, 9, dtype, vector)
    path = tmp_path / "table.parquet"
    with small(page=200, rows=40, group=10_000):
        write(case, path, [33, 77])
    ids, values = read(path, case)
    assert ids == case.ids
    assert_same_bits(np.ascontiguousarray(values), case.values)
