"""Whether a fused file holds what it should: all ids, and a sample of rows, by the npy inputs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from data import MODALITIES

_SAMPLE = 1000


def verify(folder: Path, out: Path) -> None:
    """Raise AssertionError where the output is wrong; the order of the rows is not looked at."""
    ids = [np.load(folder / f"{name}.ids.npy") for name in MODALITIES]
    arrays = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in MODALITIES]
    places = [{number: row for row, number in enumerate(column.tolist())} for column in ids]
    common = set(places[0]).intersection(*places[1:])
    got_ids, got = _read(out)
    assert len(got_ids) == len(common)
    assert set(got_ids) == common
    for row in np.random.default_rng(0).choice(len(got_ids), min(_SAMPLE, len(got_ids)), False):
        expected = [array[place[got_ids[row]]] for array, place in zip(arrays, places, strict=True)]
        assert np.array_equal(got(int(row)), np.concatenate(expected)), got_ids[row]


def _read(out: Path):
    if out.suffix == ".npy":
        text = out.with_suffix(".ids.txt")
        column = text.read_text().split() if text.exists() else np.load(out.with_suffix(".ids.npy"))
        matrix = np.load(out, mmap_mode="r")
        return [int(number) for number in column], lambda row: matrix[row]
    table = pq.read_table(out, memory_map=True)
    vectors = table.column_names == ["id", "embedding"]

    def row_of(row: int) -> np.ndarray:
        one = table.slice(row, 1)
        if vectors:
            return one["embedding"].combine_chunks().flatten().to_numpy()
        return np.array([one[name][0].as_py() for name in table.column_names[1:]], np.float32)

    return table["id"].cast(pa.int64()).to_pylist(), row_of


if __name__ == "__main__":
    verify(Path(sys.argv[1]), Path(sys.argv[2]))
