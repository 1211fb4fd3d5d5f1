"""Inputs for the benchmarks: `python benchmarks/data.py FOLDER SET ROWS FORMAT[,FORMAT...]`.

A set is three modalities (`narrow`: two), each file its own random 90 to 95 % of the ids in its
own random order. In `factors` they have something in common, else every value is its own. Those of
`predictions` are probabilities of classes.
Formats: npy (always made, the others are made of it), vector, wide, csv.
What is there already is left alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import factors
import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

SHARES = {"image": 0.95, "text": 0.92, "audio": 0.90}
WIDTHS = {
    "main": {"image": 512, "text": 768, "audio": 128},
    "text-ids": {"image": 512, "text": 768, "audio": 128},  # the features of `main`
    "factors": {"image": 512, "text": 768, "audio": 128},
    "equal": {"image": 512, "text": 512, "audio": 512},
    "narrow": {"image": 32, "text": 32},
    "predictions": {"image": 100, "text": 100, "audio": 100},
    "tiny": {"image": 4, "text": 3, "audio": 2},
}
_FIRST = 10_000_000  # the smallest id
_CHUNK = 50_000
_ROW_GROUP = 100_000


def make(folder: Path, kind: str, rows: int, formats: list[str]) -> None:
    """Every modality of a set in every format that is asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    main = folder.with_name(folder.name.replace("text-ids", "main"))
    if kind == "text-ids":
        make(main, "main", rows, ["npy"])
    for seed, (name, width) in enumerate(WIDTHS[kind].items()):
        random = np.random.default_rng(seed)
        ids = _FIRST + random.permutation(rows)[: int(rows * SHARES[name])]
        features, sidecar = folder / f"{name}.npy", folder / f"{name}.ids.npy"
        if kind == "text-ids":
            _once(features, partial(_link, target=main / f"{name}.npy"))
            ids = np.array([f"item-{number:09d}" for number in ids.tolist()])
        elif kind == "factors":
            known = {"random": random, "order": ids - _FIRST, "rows": rows, "width": width}
            _once(features, partial(factors.write, **known, own=factors.OWN[name]))
        else:
            shape = partial(_features, random=random, rows=len(ids), width=width)
            _once(features, partial(shape, probable=kind == "predictions"))
        _once(sidecar, partial(_save, ids=ids))
        for format in sorted(set(formats) - {"npy"}):
            suffix = "csv" if format == "csv" else f"{format}.parquet"
            write = partial(_table, folder=folder, name=name, format=format)
            _once(folder / f"{name}.{suffix}", write)


def _once(place: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name first, so that an interrupted run leaves none that is cut."""
    if not place.exists():
        part = place.with_name("part." + place.name)
        part.unlink(missing_ok=True)
        write(part)
        os.replace(part, place)


def _save(part: Path, ids: np.ndarray) -> None:
    with part.open("wb") as file:
        np.save(file, ids)


def _link(part: Path, target: Path) -> None:
    part.symlink_to(target)


def _features(
    part: Path, random: np.random.Generator, rows: int, width: int, probable: bool
) -> None:
    """Standard normal float32, a chunk at a time; or the shares of their exponentials."""
    header = {"descr": "<f4", "fortran_order": False, "shape": (rows, width)}
    with part.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, rows, _CHUNK):
            size = (min(_CHUNK, rows - start), width)
            values = random.standard_normal(size, dtype=np.float32)
            if probable:
                np.exp(values, out=values)
                values /= values.sum(axis=1, keepdims=True)
            file.write(values)


def _table(part: Path, folder: Path, name: str, format: str) -> None:
    pieces = _pieces(folder, name, format)
    first = next(pieces)
    if format == "csv":
        writer = pa_csv.CSVWriter(part, first.schema)
    else:
        writer = pq.ParquetWriter(part, first.schema, use_dictionary=False)
    with writer:
        writer.write_table(first)
        for piece in pieces:
            writer.write_table(piece)


def _pieces(folder: Path, name: str, format: str) -> Iterator[pa.Table]:
    """A modality as tables of one row group each."""
    ids = np.load(folder / f"{name}.ids.npy")
    values = np.load(folder / f"{name}.npy", mmap_mode="r")
    for start in range(0, len(ids), _ROW_GROUP):
        here = slice(start, start + _ROW_GROUP)
        block = np.array(values[here])
        if format == "vector":
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(block.reshape(-1)), block.shape[1])
            columns = {"embedding": vectors}
        else:
            columns = {f"{name}_{j}": pa.array(column) for j, column in enumerate(block.T.copy())}
        yield pa.table({"id": pa.array(ids[here]), **columns})


if __name__ == "__main__":
    make(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4].split(","))
