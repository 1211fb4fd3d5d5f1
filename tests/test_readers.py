"""What others make of an output in which rows lack a modality: the libraries themselves."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import mmfuse

ROWS, DIM = 60, 8
INSTALL = "not installed: make readers does"


@pytest.fixture
def fused(tmp_path: Path) -> Path:
    """An outer join of 60 ids, ten of which lack the text."""
    rng = np.random.default_rng(0)
    ids = [f"item-{k}" for k in range(ROWS)]
    modalities = {
        "image": (rng.normal(size=(ROWS, DIM)).astype(np.float32), ids),
        "text": (rng.normal(size=(ROWS - 10, DIM)).astype(np.float32), ids[10:]),
    }
    out = tmp_path / "fused.parquet"
    mmfuse.fuse("concat", modalities, out, join="outer")
    return out


@pytest.fixture
def expected(fused: Path) -> NDArray[np.float32]:
    found = mmfuse.fuse("concat", {"x": fused}).matrix
    assert found is not None
    assert not found[:10, DIM:].any()
    assert found[10:].all()
    return found


LACKING = [k >= 10 for k in range(ROWS)]


def same(found: Any, expected: NDArray[np.float32]) -> bool:
    return np.array_equal(np.asarray(found, np.float32).reshape(expected.shape), expected)


def test_pandas(fused: Path, expected: NDArray[np.float32]) -> None:
    frame = pd.read_parquet(fused)
    assert same(np.stack(list(frame["embedding"])), expected)
    assert frame["present_text"].tolist() == LACKING
    assert frame["present_image"].all()


def test_polars(fused: Path, expected: NDArray[np.float32]) -> None:
    polars = pytest.importorskip("polars", reason=INSTALL)
    frame = polars.read_parquet(fused)
    assert frame.schema["embedding"] == polars.Array(polars.Float32, 2 * DIM)
    assert same(frame["embedding"].to_numpy(), expected)
    assert frame["present_text"].to_list() == LACKING


def test_duckdb(fused: Path, expected: NDArray[np.float32]) -> None:
    duckdb = pytest.importorskip("duckdb", reason=INSTALL)
    rows = duckdb.sql(f"select embedding, present_text from '{fused}'").fetchall()
    assert same([row[0] for row in rows], expected)
    assert [row[1] for row in rows] == LACKING


def test_hugging_face_datasets(
    fused: Path, expected: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason=INSTALL)
    read = datasets.Dataset.from_parquet(str(fused), cache_dir=str(tmp_path / "cache"))
    assert same(read.with_format("numpy")["embedding"][:], expected)
    assert read["present_text"][:] == LACKING


def test_a_pytorch_data_loader(fused: Path, expected: NDArray[np.float32]) -> None:
    torch = pytest.importorskip("torch", reason=INSTALL)
    import pyarrow.parquet as pq

    table = pq.read_table(fused)
    matrix = table["embedding"].combine_chunks().flatten().to_numpy().reshape(ROWS, -1)
    data = torch.utils.data.TensorDataset(
        torch.tensor(matrix), torch.tensor(table["present_text"].to_pylist())
    )
    batches = list(torch.utils.data.DataLoader(data, batch_size=16))
    assert same(torch.cat([rows for rows, _ in batches]).numpy(), expected)
    assert torch.cat([flags for _, flags in batches]).tolist() == LACKING


def test_faiss(fused: Path, expected: NDArray[np.float32]) -> None:
    faiss = pytest.importorskip("faiss", reason=INSTALL)
    import pyarrow.parquet as pq

    column = pq.read_table(fused)["embedding"].combine_chunks()
    matrix = column.flatten().to_numpy().reshape(ROWS, -1)
    index = faiss.IndexFlatL2(2 * DIM)
    index.add(matrix)
    distances, nearest = index.search(expected, 1)
    assert nearest[:, 0].tolist() == list(range(ROWS))
    assert distances.max() < 1e-4


def test_lancedb(fused: Path, expected: NDArray[np.float32], tmp_path: Path) -> None:
    lancedb = pytest.importorskip("lancedb", reason=INSTALL)
    import pyarrow.parquet as pq

    table = lancedb.connect(tmp_path / "db").create_table("fused", pq.read_table(fused))
    found = table.search(expected[7], vector_column_name="embedding").limit(1).to_list()[0]
    assert found["id"] == "item-7"
    assert found["present_text"] is False
    assert table.count_rows("present_text") == ROWS - 10
