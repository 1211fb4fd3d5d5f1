"""Random tables through every pair of formats, against an oracle of plain dicts."""

from __future__ import annotations

import csv
import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

import mmfuse

Rows = dict[str, list[float]]  # id as text -> features

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=6)
# a text id that looks like an integer is another matter than a row id (see tests/core)
TEXT_ID = TEXT.filter(lambda text: not text.strip().lstrip("+-").replace(".", "").isdigit())
IDS = st.one_of(
    st.lists(TEXT_ID, min_size=1, max_size=12, unique=True),
    st.lists(st.integers(-(2**63), 2**63 - 1).map(str), min_size=1, max_size=12, unique=True),
)
FLOAT = st.floats(width=32, allow_nan=False, allow_infinity=False)


def integers(ids: list[str]) -> bool:
    return all(text.lstrip("-").isdigit() for text in ids)


def matrix(rows: Rows) -> np.ndarray:
    return np.array(list(rows.values()), np.float32)


def id_array(rows: Rows) -> pa.Array:
    ids = list(rows)
    return pa.array([int(text) for text in ids]) if integers(ids) else pa.array(ids)


def write_npy(folder: Path, name: str, rows: Rows) -> Path:
    np.save(folder / f"{name}.npy", matrix(rows))
    (folder / f"{name}.ids.txt").write_text("".join(f"{text}\n" for text in rows), "utf-8")
    return folder / f"{name}.npy"


def write_npy_fortran_json(folder: Path, name: str, rows: Rows) -> Path:
    np.save(folder / f"{name}.npy", np.asfortranarray(matrix(rows)))
    ids = [int(text) for text in rows] if integers(list(rows)) else list(rows)
    (folder / f"{name}_ids.json").write_text(json.dumps(ids))
    return folder / f"{name}.npy"


def write_csv(folder: Path, name: str, rows: Rows, suffix: str = ".csv") -> Path:
    path = folder / f"{name}{suffix}"
    opener = gzip.open if suffix.endswith(".gz") else open
    with opener(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if ".tsv" in suffix else ",")
        dim = len(next(iter(rows.values())))
        writer.writerow(["id", *(f"f{j}" for j in range(dim))])
        writer.writerows([text, *map(repr, values)] for text, values in rows.items())
    return path


def write_list_csv(folder: Path, name: str, rows: Rows) -> Path:
    path = folder / f"{name}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "embedding"])
        writer.writerows([text, json.dumps(values)] for text, values in rows.items())
    return path


def write_wide(folder: Path, name: str, rows: Rows) -> Path:
    columns = {f"f{j}": pa.array(column) for j, column in enumerate(matrix(rows).T.copy())}
    pq.write_table(pa.table({"id": id_array(rows), **columns}), folder / f"{name}.parquet")
    return folder / f"{name}.parquet"


def write_vectors(kind: str) -> Callable[[Path, str, Rows], Path]:
    def write(folder: Path, name: str, rows: Rows) -> Path:
        values = matrix(rows)
        flat = pa.array(values.reshape(-1))
        fixed = pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
        if kind == "tensor":
            tensor = pa.fixed_shape_tensor(pa.float32(), [values.shape[1]])
            column = pa.ExtensionArray.from_storage(tensor, fixed)
        else:
            wanted = {"list": pa.list_, "large": pa.large_list, "fixed": None}[kind]
            column = fixed if wanted is None else fixed.cast(wanted(pa.float32()))
        table = pa.table({"id": id_array(rows), "embedding": column})
        pq.write_table(table, folder / f"{name}.parquet")
        return folder / f"{name}.parquet"

    return write


def write_npz(folder: Path, name: str, rows: Rows, save: Any = np.savez) -> Path:
    ids = [int(text) for text in rows] if integers(list(rows)) else list(rows)
    save(folder / f"{name}.npz", ids=np.array(ids), emb=matrix(rows))
    return folder / f"{name}.npz"


def write_npz_fortran_deflated(folder: Path, name: str, rows: Rows) -> Path:
    ids = [int(text) for text in rows] if integers(list(rows)) else list(rows)
    array = np.asfortranarray(matrix(rows))
    np.savez_compressed(folder / f"{name}.npz", array, filenames=np.array(ids))
    return folder / f"{name}.npz"


def write_safetensors(folder: Path, name: str, rows: Rows) -> Path:
    library = pytest.importorskip("safetensors.numpy", reason="in the development group")
    tensors, metadata = {"features": matrix(rows)}, {}
    if integers(list(rows)):
        tensors["ids"] = np.array([int(text) for text in rows])
    else:
        metadata["ids"] = json.dumps(list(rows))
    library.save_file(tensors, folder / f"{name}.safetensors", metadata)
    return folder / f"{name}.safetensors"


def write_arrow(kind: str, suffix: str) -> Callable[[Path, str, Rows], Path]:
    def write(folder: Path, name: str, rows: Rows) -> Path:
        values = matrix(rows)
        column = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
        columns = {"embedding": column}
        if kind == "list":
            columns = {"embedding": column.cast(pa.list_(pa.float32()))}
        if kind == "wide":
            columns = {f"f{j}": pa.array(values) for j, values in enumerate(values.T.copy())}
        table = pa.table({**columns, "id": id_array(rows)})
        path = folder / f"{name}.{suffix}"
        new = pa.ipc.new_stream if suffix == "arrow" else pa.ipc.new_file
        with new(path, table.schema) as file:
            file.write_table(table, max_chunksize=3)
        return path

    return write


def write_jsonl(folder: Path, name: str, rows: Rows, suffix: str = ".jsonl") -> Path:
    path = folder / f"{name}{suffix}"
    opener = gzip.open if suffix.endswith(".gz") else open
    whole = integers(list(rows))
    with opener(path, "wt", encoding="utf-8") as file:
        for text, values in rows.items():
            found = {"embedding": values, "id": int(text) if whole else text}
            file.write(json.dumps(found) + "\n")
    return path


WRITERS: dict[str, Callable[[Path, str, Rows], Path]] = {
    "npy": write_npy,
    "npy-fortran-json": write_npy_fortran_json,
    "csv": write_csv,
    "csv.gz": lambda folder, name, rows: write_csv(folder, name, rows, ".csv.gz"),
    "tsv": lambda folder, name, rows: write_csv(folder, name, rows, ".tsv"),
    "csv-lists": write_list_csv,
    "parquet-wide": write_wide,
    "parquet-list": write_vectors("list"),
    "parquet-large-list": write_vectors("large"),
    "parquet-fixed": write_vectors("fixed"),
    "parquet-tensor": write_vectors("tensor"),
    "npz": write_npz,
    "npz-deflated": lambda folder, name, rows: write_npz(folder, name, rows, np.savez_compressed),
    "npz-fortran": write_npz_fortran_deflated,
    "safetensors": write_safetensors,
    "feather": write_arrow("fixed", "feather"),
    "feather-wide": write_arrow("wide", "feather"),
    "arrow-stream": write_arrow("list", "arrow"),
    "jsonl": write_jsonl,
    "jsonl.gz": lambda folder, name, rows: write_jsonl(folder, name, rows, ".jsonl.gz"),
}


@st.composite
def tables(draw: st.DrawFn) -> list[Rows]:
    """Two or three modalities over one pool of ids, each with its own rows in its own order."""
    pool = draw(IDS)
    found = []
    for _ in range(draw(st.integers(2, 3))):
        own = draw(st.permutations(pool))[: draw(st.integers(1, len(pool)))]
        dim = draw(st.integers(1, 4))
        vector = st.lists(FLOAT, min_size=dim, max_size=dim)
        found.append({text: draw(vector) for text in own})
    return found


def oracle(modalities: list[Rows]) -> dict[str, list[float]]:
    """The inner join, in the first one's order."""
    return {
        text: [value for rows in modalities for value in rows[text]]
        for text in modalities[0]
        if all(text in rows for rows in modalities)
    }


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tables(), st.randoms(use_true_random=False))
def test_the_result_is_the_inner_join(
    tmp_path_factory: pytest.TempPathFactory, modalities: list[Rows], chance: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    inputs = {
        f"m{k}": WRITERS[chance.choice(list(WRITERS))](folder, f"m{k}", rows)
        for k, rows in enumerate(modalities)
    }
    expected = oracle(modalities)
    if not expected:
        with pytest.raises(mmfuse.MmfuseError) as caught:
            mmfuse.fuse("concat", inputs)
        assert caught.value.exit_code == 4
        return
    fused = mmfuse.fuse("concat", inputs)
    assert [str(text) for text in fused.ids] == list(expected)
    assert fused.matrix is not None
    wanted = np.array(list(expected.values()), np.float32)
    assert fused.matrix.tobytes() == wanted.tobytes()  # bit by bit: −0.0 is not 0.0


@pytest.mark.parametrize("second", WRITERS)
@pytest.mark.parametrize("first", WRITERS)
def test_every_pair_of_formats(tmp_path: Path, first: str, second: str) -> None:
    left = {"b": [1.5, -0.0], "a": [3.25, 1e-40], "c d": [5.0, 6.0]}
    right = {"c d": [0.1], "x": [9.0], "b": [-7.125]}
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    inputs = {
        "left": WRITERS[first](tmp_path / "one", "left", left),
        "right": WRITERS[second](tmp_path / "two", "right", right),
    }
    fused = mmfuse.fuse("concat", inputs)
    assert list(fused.ids) == ["b", "c d"]
    wanted = np.array([[1.5, -0.0, -7.125], [5.0, 6.0, 0.1]], np.float32)
    assert fused.matrix is not None
    assert fused.matrix.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("ids", [["7", "-3", "9007199254740993"], ["u", "v", "w"]])
def test_a_table_gives_the_same_bytes_in_any_format(tmp_path: Path, ids: list[str]) -> None:
    rows = {text: [float(k), 0.1 * k] for k, text in enumerate(ids)}
    seen = set()
    for format, write in WRITERS.items():
        (tmp_path / format).mkdir()
        fused = mmfuse.fuse("concat", {"m": write(tmp_path / format, "m", rows)})
        assert fused.matrix is not None
        seen.add((fused.ids.dtype.kind, tuple(fused.ids), fused.matrix.tobytes()))
    assert len(seen) == 1


@pytest.mark.parametrize("kind", ["int", "text"])
def test_pandas_merges_to_the_same(tmp_path: Path, kind: str) -> None:
    chance = np.random.default_rng(5)
    frames = []
    for name, dim in (("a", 3), ("b", 5), ("c", 1)):
        ids = chance.permutation(500)[:450]
        frame = pd.DataFrame(
            chance.normal(size=(450, dim)).astype(np.float32),
            columns=[f"{name}_{j}" for j in range(dim)],
        )
        frame.insert(0, "id", ids if kind == "int" else [f"row {i:03d}" for i in ids])
        frame.to_parquet(tmp_path / f"{name}.parquet", index=False)
        frames.append(frame)
    merged = frames[0].merge(frames[1], on="id").merge(frames[2], on="id")
    fused = mmfuse.fuse("concat", [tmp_path / f"{name}.parquet" for name in "abc"])
    assert list(fused.ids) == list(merged["id"])
    assert np.array_equal(fused.matrix, merged.drop(columns="id").to_numpy())


OUTPUTS = [
    *("o.parquet", "o.npy", "o.csv", "o.tsv", "wide.parquet", "o.npz", "o.safetensors"),
    *("o.feather", "wide.feather", "o.arrow", "o.jsonl", "o.ndjson"),
]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("ids", [[5, -6, 2**53 + 1], ["001", "a,b", 'q"u']])
def test_an_output_is_read_back_exactly(tmp_path: Path, output: str, ids: list[object]) -> None:
    chance = np.random.default_rng(3)
    values = chance.normal(size=(3, 4)).astype(np.float32)
    values[0, 0] = -0.0
    layout = "wide" if output.startswith("wide") else None
    mmfuse.fuse("concat", {"m": (values, ids)}, tmp_path / output, layout=layout)
    again = mmfuse.fuse("concat", [tmp_path / output])
    assert list(again.ids) == ids
    assert again.matrix is not None
    assert again.matrix.tobytes() == values.tobytes()


def test_ids_that_only_look_alike_stay_apart(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_text("id,x\n001,1\n1,2\nNA,3\n1e5,4\n")
    (tmp_path / "v.csv").write_text("id,z\n1e5,40\nNA,30\n1,20\n001,10\n")
    fused = mmfuse.fuse("concat", [tmp_path / "w.csv", tmp_path / "v.csv"])
    assert list(fused.ids) == ["001", "1", "NA", "1e5"]
    assert np.array_equal(fused.matrix, [[1, 10], [2, 20], [3, 30], [4, 40]])


def test_other_readers_see_the_same_file(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="in the development group")
    pl = pytest.importorskip("polars", reason="in the development group")
    values = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32)
    ids = [f"r{k}" for k in range(20)]
    place = tmp_path / "f.parquet"
    mmfuse.fuse("concat", {"m": (values, ids)}, place)
    frame = pl.read_parquet(place)
    assert frame["id"].to_list() == ids
    assert frame.schema["embedding"] == pl.Array(pl.Float32, 3)
    assert np.array_equal(frame["embedding"].to_numpy(), values)
    rows = duckdb.sql(f"select id, embedding from '{place}'").fetchall()
    assert [row[0] for row in rows] == ids
    assert np.array_equal(np.array([row[1] for row in rows], np.float32), values)
    read = pd.read_parquet(place)
    assert np.array_equal(np.stack(read["embedding"]), values)
    assert pq.read_schema(place).field("embedding").type.list_size == 3
