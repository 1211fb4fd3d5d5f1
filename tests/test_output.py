"""What mmfuse writes holds every id and every bit, for mmfuse and for other readers."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import mmfuse
from mmfuse.errors import OutputError

Id = int | str


@dataclass
class Table:
    """Ids, and a float32 vector for each."""

    ids: list[Id]
    matrix: NDArray[np.float32]


ODD = [-0.0, 1e-45, -1.1754942e-38, 3.4028235e38, 0.1, 1 / 3, 16777217.0]


def _matrix(seed: int, rows: int, width: int) -> NDArray[np.float32]:
    random_numbers = np.random.default_rng(seed)
    matrix = random_numbers.standard_normal((rows, width)).astype(np.float32)
    odd = random_numbers.random((rows, width)) < 0.2
    matrix[odd] = random_numbers.choice(np.array(ODD, np.float32), int(odd.sum()))
    return matrix


AWKWARD: list[Id] = [
    "001", "1", "NA", "1e5", "a,b", 'say "hi"', "tab\there", "ü", "🜚", " x ", "-", "null",
]  # fmt: skip
LINES: list[Id] = ["two\nlines", "carriage\rreturn", "\r\n"]
BIG: list[Id] = [2**53, 2**53 + 1, -(2**63), 2**63 - 1, 0]
COMPRESSIONS = [None, "zstd", "snappy"]


def _table(ids: list[Id]) -> Table:
    return Table(ids, _matrix(len(ids), len(ids), 3))


def _fuse(table: Table, path: Path, **how: Any) -> None:
    mmfuse.fuse("concat", {"x": (table.matrix, table.ids)}, path, **how)


def _same(frame: pd.DataFrame, table: Table) -> None:
    assert frame["id"].tolist() == table.ids
    values = frame.drop(columns="id").to_numpy(np.float32)
    assert values.tobytes() == table.matrix.tobytes()


def _reread(path: Path, table: Table) -> None:
    """mmfuse reads what it wrote: the same rows, and ids of the same type."""
    fused = mmfuse.fuse("concat", {"a": path, "b": (table.matrix, table.ids)})
    assert fused.matrix is not None
    assert fused.ids.tolist() == table.ids
    assert fused.matrix.tobytes() == np.hstack([table.matrix, table.matrix]).tobytes()


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("ids", [AWKWARD + LINES, BIG])
def test_parquet_vectors(ids: list[Id], compression: str | None, tmp_path: Path) -> None:
    table, path = _table(ids), tmp_path / "o.parquet"
    _fuse(table, path, compression=compression)
    read = pq.read_table(path)
    assert read.schema.field("id").type == (pa.string() if ids is not BIG else pa.int64())
    element = pa.field("element", pa.float32(), nullable=False)
    assert read.schema.field("embedding").type == pa.list_(element, 3)
    assert read["id"].to_pylist() == ids
    values = read["embedding"].combine_chunks().flatten().to_numpy()
    assert values.tobytes() == table.matrix.tobytes()
    frame = pd.read_parquet(path)
    assert np.stack(frame["embedding"]).tobytes() == table.matrix.tobytes()
    _reread(path, table)


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("ids", [AWKWARD + LINES, BIG])
def test_parquet_wide(ids: list[Id], compression: str | None, tmp_path: Path) -> None:
    table, path = _table(ids), tmp_path / "o.parquet"
    _fuse(table, path, layout="wide", compression=compression)
    assert pq.read_schema(path).names == ["id", "x_0", "x_1", "x_2"]
    _same(pd.read_parquet(path), table)
    _reread(path, table)


@pytest.mark.parametrize(("name", "separator"), [("o.csv", ","), ("o.tsv", "\t")])
@pytest.mark.parametrize("ids", [AWKWARD + LINES, BIG])
def test_csv(ids: list[Id], name: str, separator: str, tmp_path: Path) -> None:
    table, path = _table(ids), tmp_path / name
    _fuse(table, path)
    # as text, because pandas' own floats are off by a bit now and then
    frame = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False)
    frame["id"] = [int(key) if ids is BIG else key for key in frame["id"]]
    _same(frame.astype(dict.fromkeys(["x_0", "x_1", "x_2"], np.float64)), table)
    with open(path, encoding="utf-8", newline="") as stream:
        rows = list(csv.reader(stream, delimiter=separator))
    assert rows[0] == ["id", "x_0", "x_1", "x_2"]
    assert [row[0] for row in rows[1:]] == list(map(str, ids))
    _reread(path, table)


@pytest.mark.parametrize("ids", [AWKWARD, BIG])
def test_npy(ids: list[Id], tmp_path: Path) -> None:
    table, path = _table(ids), tmp_path / "o.npy"
    _fuse(table, path)
    read = np.load(path)
    assert read.dtype == np.dtype("<f4")
    assert read.flags.c_contiguous
    assert read.tobytes() == table.matrix.tobytes()
    text = (tmp_path / "o.ids.txt").read_bytes().decode()
    assert text == "".join(f"{key}\n" for key in ids)
    _reread(path, table)


@pytest.mark.parametrize(
    ("text", "name"), [*((text, "o.npy") for text in LINES), ("a\0b", "o.npy"), ("a\0b", "o.csv")]
)
def test_ids_that_a_format_cannot_hold(text: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="an id holds"):
        _fuse(_table([text, "b"]), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_id_that_begins_like_a_byte_order_mark(tmp_path: Path) -> None:
    table = _table(["\ufeffa", "a"])
    _fuse(table, tmp_path / "o.npy")
    _reread(tmp_path / "o.npy", table)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", ["o.parquet", "o.npy", "o.csv"])
def test_output_dtypes(dtype: str, name: str, tmp_path: Path) -> None:
    exact = np.array([[0.1, -0.0], [1e-7, 1234.5]], dtype)
    mmfuse.fuse("concat", {"x": (exact, ["a", "b"])}, tmp_path / name, dtype=dtype)
    back = mmfuse.fuse("concat", {"x": tmp_path / name}, dtype=dtype)
    assert back.matrix is not None
    assert back.matrix.dtype == dtype
    assert back.matrix.tobytes() == exact.tobytes()


_any_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@pytest.mark.parametrize("name", ["o.parquet", "o.csv", "o.tsv"])
@settings(deadline=None, max_examples=25)
@given(st.lists(_any_text, min_size=1, unique=True))
@example(["[", "[1]"])
def test_any_text_is_an_id(name: str, ids: list[str]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        _fuse(_table([*ids]), path)
        read = mmfuse.fuse("concat", {"x": path})
    assert list(read.row_ids) == ids


@pytest.mark.parametrize("name", ["o.parquet", "o.csv", "o.npy"])
def test_bytes_do_not_depend_on_threads_or_memory(name: str, tmp_path: Path) -> None:
    table = Table([f"k{k}" + ',"' * (k == 4321) for k in range(5000)], _matrix(0, 5000, 40))
    for k, how in enumerate(({"threads": 1}, {"threads": 4}, {"threads": 2, "memory": 16 << 20})):
        (tmp_path / str(k)).mkdir()
        _fuse(table, tmp_path / str(k) / name, **how)
    written = {(tmp_path / str(k) / name).read_bytes() for k in range(3)}
    assert len(written) == 1
