"""Inputs for the benchmarks.

`python benchmarks/data.py FOLDER ROWS [npy,vector,wide,csv] [int|text]`
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

MODALITIES = {"image": (512, 0.95), "text": (768, 0.92), "audio": (128, 0.90)}
_CHUNK = 50_000


def make(folder: Path, rows: int, formats: set[str], kind: str = "int") -> None:
    """Every modality in every format; a format that is there already is left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, (dim, share)) in enumerate(MODALITIES.items()):
        random = np.random.default_rng(seed)
        ids = 10_000_000 + random.permutation(rows)[: int(rows * share)]
        if kind == "text":
            ids = np.array([f"item-{number:09d}" for number in ids.tolist()])
        values = np.empty((len(ids), dim), np.float32)
        for start in range(0, len(ids), _CHUNK):
            random.standard_normal(out=values[start : start + _CHUNK], dtype=np.float32)
        for format in sorted(formats):
            _write(folder, name, format, ids, values)


def _write(folder: Path, name: str, format: str, ids: np.ndarray, values: np.ndarray) -> None:
    place = (
        folder
        / {
            "npy": f"{name}.npy",
            "vector": f"{name}.vector.parquet",
            "wide": f"{name}.wide.parquet",
            "csv": f"{name}.csv",
        }[format]
    )
    if place.exists():
        return
    if format == "npy":
        np.save(place, values)
        np.save(folder / f"{name}.ids.npy", ids)
        return
    if format == "vector":
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
        table = pa.table({"id": pa.array(ids), "embedding": vectors})
    else:
        columns = {f"{name}_{j}": pa.array(column) for j, column in enumerate(values.T.copy())}
        table = pa.table({"id": pa.array(ids), **columns})
    if format == "csv":
        pa_csv.write_csv(table, place)
    else:
        pq.write_table(table, place, use_dictionary=False, row_group_size=100_000)


if __name__ == "__main__":
    wanted = set((sys.argv[3] if len(sys.argv) > 3 else "npy").split(","))
    make(Path(sys.argv[1]), int(sys.argv[2]), wanted, *sys.argv[4:5])
