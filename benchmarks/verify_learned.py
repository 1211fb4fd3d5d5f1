"""Whether a file of learned components holds what it should, by the npy inputs.

`python benchmarks/verify_learned.py FOLDER OUT pca|cca NAME[,NAME...] K [--approximate]`

The components are computed again from a covariance matrix in float64, which is kept beside the
inputs. Their signs are free, and so is how like ones are turned into each other: what has to agree
are all ids, the variance or correlation of every component over all rows, and the space that the
components of a sample of rows span.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from verify import align, inverse_root

Array = np.ndarray
_CHUNK = 20_000
_EXACT, _APPROXIMATE = 1e-3, 2e-2  # of what has the size 1


@dataclass(frozen=True)
class Inputs:
    """The rows that all modalities have, with mean and covariance of their columns."""

    ids: Array
    arrays: list[Array]
    rows: list[Array]
    mean: Array
    covariance: Array

    def centred(self, which: Array) -> Array:
        """Some rows, side by side, less the mean; float64."""
        return _beside(self.arrays, [row[which] for row in self.rows]) - self.mean


def verify(folder: Path, out: Path, strategy: str, names: str, k: int, approximate: bool) -> None:
    """Raise AssertionError where the output is wrong."""
    inputs = _inputs(folder, names.split(","))
    got = np.load(out, mmap_mode="r")
    assert np.array_equal(_ids(out).astype(inputs.ids.dtype), inputs.ids), "not the right ids"
    assert got.dtype == np.float32, f"values are {got.dtype}"
    size = min(len(got), 8 * k)
    sample = np.sort(np.random.default_rng(0).choice(len(got), size, False))
    check = _cca if strategy == "cca" else _pca
    check(inputs, got, sample, k, _APPROXIMATE if approximate else _EXACT)


def _pca(inputs: Inputs, got: Array, sample: Array, k: int, tolerance: float) -> None:
    values, vectors = np.linalg.eigh(inputs.covariance)
    values, vectors = values[::-1][:k], vectors[:, ::-1][:, :k]
    assert got.shape == (len(inputs.ids), k), f"shape {got.shape}"
    shares = np.diag(_covariance(got)) / values
    assert np.allclose(shares, 1, atol=tolerance), f"variances are off by {_worst(shares - 1)}"
    _same_space(got[sample], inputs.centred(sample) @ vectors, tolerance)


def _cca(inputs: Inputs, got: Array, sample: Array, k: int, tolerance: float) -> None:
    d = inputs.arrays[0].shape[1]
    a, b = (inverse_root(inputs.covariance[m, m]) for m in (slice(d), slice(d, None)))
    u, rho, v = np.linalg.svd(a @ inputs.covariance[:d, d:] @ b)
    assert got.shape == (len(inputs.ids), 2 * k), f"shape {got.shape}"
    s = _covariance(got)
    scale = 1 / np.sqrt(np.diag(s))
    identity, ones = np.eye(k), np.diag(rho[:k])
    error = s * scale * scale[:, None] - np.block([[identity, ones], [ones, identity]])
    assert np.abs(error).max() < tolerance, f"correlations are off by {_worst(error)}"
    x = inputs.centred(sample)
    _same_space((got * scale)[sample, :k], x[:, :d] @ a @ u[:, :k], tolerance)
    _same_space((got * scale)[sample, k:], x[:, d:] @ b @ v[:k].T, tolerance)


def _same_space(got: Array, expected: Array, tolerance: float) -> None:
    """Whether rows are those expected but for a rotation or a reflection of all."""
    got = got.astype(np.float64)
    u, _, v = np.linalg.svd(got.T @ expected)
    error = np.linalg.norm(got @ u @ v - expected) / np.linalg.norm(expected)
    assert error < tolerance, f"another space: rows are off by {error:.2g}"


def _covariance(x: Array) -> Array:
    """Of a matrix that may be mapped."""
    total, square = np.zeros(x.shape[1]), np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), _CHUNK):
        part = x[start : start + _CHUNK].astype(np.float64)
        total += part.sum(axis=0)
        square += part.T @ part
    mean = total / len(x)
    return (square - len(x) * np.outer(mean, mean)) / (len(x) - 1)


def _worst(error: Array) -> str:
    return f"{np.abs(error).max():.2g}"


def _inputs(folder: Path, names: list[str]) -> Inputs:
    arrays = [np.load(folder / f"{name}.npy", mmap_mode="r") for name in names]
    ids, rows = align([np.load(folder / f"{name}.ids.npy") for name in names])
    kept = folder / f"covariance-{'-'.join(names)}.npz"
    if not kept.exists():
        mean, covariance = _moments(arrays, rows)
        with kept.with_suffix(".part").open("wb") as file:
            np.savez(file, mean=mean, covariance=covariance)
        kept.with_suffix(".part").rename(kept)
    with np.load(kept) as known:
        return Inputs(ids, arrays, rows, known["mean"], known["covariance"])


def _moments(arrays: list[Array], rows: list[Array]) -> tuple[Array, Array]:
    """Mean and covariance in two passes."""
    n, d = len(rows[0]), sum(array.shape[1] for array in arrays)
    total, square = np.zeros(d), np.zeros((d, d))
    cuts = [slice(start, start + _CHUNK) for start in range(0, n, _CHUNK)]
    for cut in cuts:
        total += _beside(arrays, [row[cut] for row in rows]).sum(axis=0)
    for cut in cuts:
        x = _beside(arrays, [row[cut] for row in rows]) - total / n
        square += x.T @ x
    return total / n, square / (n - 1)


def _beside(arrays: list[Array], rows: list[Array]) -> Array:
    return np.hstack([a[row].astype(np.float64) for a, row in zip(arrays, rows, strict=True)])


def _ids(out: Path) -> Array:
    text = out.with_suffix(".ids.txt")
    if text.exists():
        return np.array(text.read_text().split())
    return np.load(out.with_suffix(".ids.npy"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("strategy", choices=("pca", "cca"))
    parser.add_argument("names")
    parser.add_argument("k", type=int)
    parser.add_argument("--approximate", action="store_true")
    verify(**vars(parser.parse_args()))
