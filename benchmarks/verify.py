"""Whether a fused file holds what it should, by the npy inputs.

`python benchmarks/verify.py FOLDER OUT [--strategy NAME] [--normalize NAME] [--any-order]`

All ids are compared, and a sample of rows. Of what has random numbers of its own (`sketch`,
`random-projection`, `random-lowrank`) only ids, shape and that the values are finite; the tests
prove the rest.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Array = np.ndarray
_SAMPLE = 1000
_CHUNK = 50_000
_NAMES = ("image", "text", "audio")


def _with_one(block: Array) -> Array:
    return np.hstack([np.ones((len(block), 1)), block])


def _shares(scores: Array) -> Array:
    return scores / scores.sum(axis=1, keepdims=True)


def _votes(block: Array) -> Array:
    return np.eye(block.shape[1])[block.argmax(axis=1)]


def _points(block: Array) -> Array:
    """Of C classes C − 1 for the likeliest, none for the last; equals share the mean."""
    below = (block[:, :, None] > block[:, None]).sum(axis=2)
    above = (block[:, :, None] < block[:, None]).sum(axis=2)
    return (block.shape[1] - 1 + below - above) / 2


RULES: dict[str, Callable[[list[Array]], Array]] = {
    "soft-vote": lambda blocks: np.mean(blocks, axis=0),
    "log-pool": lambda blocks: _shares(np.exp(np.mean(np.log(blocks), axis=0))),
    "product-rule": lambda blocks: _shares(np.prod(blocks, axis=0)),
    "max-rule": lambda blocks: _shares(np.max(blocks, axis=0)),
    "min-rule": lambda blocks: _shares(np.min(blocks, axis=0)),
    "median-rule": lambda blocks: _shares(np.median(blocks, axis=0)),
    "hard-vote": lambda blocks: np.mean([_votes(block) for block in blocks], axis=0),
    "borda-vote": lambda blocks: _shares(np.sum([_points(block) for block in blocks], axis=0)),
    # of models that are wholly reliable
    "dempster-shafer": lambda blocks: _shares(np.prod(blocks, axis=0)),
    "weighted-mean": lambda blocks: np.mean(blocks, axis=0),
}
STRATEGIES: dict[str, Callable[[list[Array]], Array] | None] = {
    "concat": np.hstack,
    "sum": lambda blocks: np.sum(blocks, axis=0),
    "mean": lambda blocks: np.mean(blocks, axis=0),
    "product": lambda blocks: np.prod(blocks, axis=0),
    "max": lambda blocks: np.max(blocks, axis=0),
    "min": lambda blocks: np.min(blocks, axis=0),
    "outer": lambda blocks: reduce(
        lambda left, right: np.einsum("ni,nj->nij", left, right).reshape(len(left), -1),
        map(_with_one, blocks),
    ),
    "sketch": None,
    "random-projection": None,
    "random-lowrank": None,
    **RULES,
}


@dataclass(frozen=True)
class Moments:
    """Of every column of a modality, over the rows of the output."""

    mean: Array
    sd: Array
    low: Array
    high: Array
    covariance: Array


def _whiten(block: Array, all: Moments) -> Array:
    """ZCA, with a millionth of the mean variance beside every variance."""
    s = all.covariance
    return (block - all.mean) @ inverse_root(s + 1e-6 * np.trace(s) / len(s) * np.eye(len(s)))


def inverse_root(s: Array) -> Array:
    """S^(−1/2) of a symmetric matrix."""
    values, vectors = np.linalg.eigh(s)
    return vectors / np.sqrt(values) @ vectors.T


def _softmax(block: Array) -> Array:
    powers = np.exp(block - block.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


NORMALIZATIONS: dict[str, Callable[[Array, Moments], Array]] = {
    "none": lambda block, _: block,
    "l2": lambda block, _: block / np.linalg.norm(block, axis=1, keepdims=True),
    "sqrt-dim": lambda block, _: block / np.sqrt(block.shape[1]),
    "sigmoid": lambda block, _: 1 / (1 + np.exp(-block)),
    "softmax": lambda block, _: _softmax(block),
    "share": lambda block, _: block / np.abs(block).sum(axis=1, keepdims=True),
    "center": lambda block, all: block - all.mean,
    "zscore": lambda block, all: (block - all.mean) / all.sd,
    "minmax": lambda block, all: (block - all.low) / (all.high - all.low),
    "whiten": _whiten,
}


def verify(folder: Path, out: Path, strategy: str, normalize: str, any_order: bool) -> None:
    """Raise AssertionError where the output is wrong."""
    names = [name for name in _NAMES if (folder / f"{name}.npy").exists()]
    ids = [np.load(folder / f"{name}.ids.npy") for name in names]
    arrays = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in names]
    expected_ids, rows = align(ids)
    got_ids = _read_ids(out).astype(expected_ids.dtype)
    assert len(got_ids) == len(expected_ids), "not the right number of rows"
    to_expected = np.arange(len(got_ids))
    if any_order:
        to_expected = np.empty(len(got_ids), np.int64)
        to_expected[np.argsort(got_ids)] = np.argsort(expected_ids)
    assert np.array_equal(got_ids, expected_ids[to_expected]), "not the right ids"
    size = min(_SAMPLE, len(got_ids))
    sample = np.sort(np.random.default_rng(0).choice(len(got_ids), size, False))
    got = _read_rows(out, sample)
    assert got.dtype == np.float32, f"values are {got.dtype}"
    fuse = STRATEGIES[strategy]
    if fuse is None:
        assert np.isfinite(got).all()
        assert got.any(axis=1).all()
        return
    blocks = []
    for array, row in zip(arrays, rows, strict=True):
        block = np.asarray(array[row[to_expected[sample]]], np.float64)
        blocks.append(NORMALIZATIONS[normalize](block, _moments(array, row, normalize)))
    exact = strategy == "concat" and normalize == "none"
    expected = fuse(blocks)
    if exact:
        assert np.array_equal(got, expected), "not the right values"
    else:
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def align(ids: list[Array]) -> tuple[Array, list[Array]]:
    """The ids of an inner join in the first one's order, and every modality's row numbers."""
    kept = np.logical_and.reduce([np.isin(ids[0], other) for other in ids])
    rows = [np.flatnonzero(kept)]
    for other in ids[1:]:
        order = np.argsort(other)
        rows.append(order[np.searchsorted(other, ids[0][kept], sorter=order)])
    return ids[0][kept], rows


def _moments(array: Array, rows: Array, normalize: str) -> Moments:
    """Zeros where the normalisation looks at one row at a time."""
    zeros = np.zeros(array.shape[1])
    none = np.zeros((0, 0))
    if normalize not in ("center", "zscore", "minmax", "whiten"):
        return Moments(zeros, zeros, zeros, zeros, none)
    total, square, low, high = zeros, zeros, zeros + np.inf, zeros - np.inf
    for start in range(0, len(rows), _CHUNK):
        block = np.asarray(array[rows[start : start + _CHUNK]], np.float64)
        total = total + block.sum(axis=0)
        square = square + (block**2).sum(axis=0)
        low = np.minimum(low, block.min(axis=0))
        high = np.maximum(high, block.max(axis=0))
    mean = total / len(rows)
    sd = np.sqrt(square / len(rows) - mean**2)
    covariance = _covariance(array, rows, mean) if normalize == "whiten" else none
    return Moments(mean, sd, low, high, covariance)


def _covariance(array: Array, rows: Array, mean: Array) -> Array:
    total = np.zeros((len(mean), len(mean)))
    for start in range(0, len(rows), _CHUNK):
        block = array[rows[start : start + _CHUNK]] - mean
        total += block.T @ block
    return total / (len(rows) - 1)


def _read_ids(out: Path) -> Array:
    if out.suffix == ".npy":
        text = out.with_suffix(".ids.txt")
        if text.exists():
            return np.array(text.read_text().split())
        return np.load(out.with_suffix(".ids.npy"))
    return pq.read_table(out, columns=["id"])["id"].to_numpy()


def _read_rows(out: Path, rows: Array) -> Array:
    """Sorted rows of the output; of Parquet, row group by row group."""
    if out.suffix == ".npy":
        return np.load(out, mmap_mode="r")[rows]
    found = []
    with pq.ParquetFile(out) as file:
        start = 0
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            wanted = rows[(rows >= start) & (rows < end)] - start
            if len(wanted):
                found.append(_matrix(file.read_row_group(group).take(pa.array(wanted))))
            start = end
    return np.vstack(found)


def _matrix(table: pa.Table) -> Array:
    if table.column_names[:2] == ["id", "embedding"]:  # of predictions more stands beside
        flat = pa.array(table["embedding"].combine_chunks().flatten())
        return flat.to_numpy().reshape(table.num_rows, -1)
    return np.column_stack([table[name].to_numpy() for name in table.column_names[1:]])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--strategy", default="concat")
    parser.add_argument("--normalize", default="none")
    parser.add_argument("--any-order", action="store_true")
    options = parser.parse_args()
    verify(**vars(options))
