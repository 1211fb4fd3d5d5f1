"""The sample data in memory: what `digits.py` compares ways of fusing on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import mmfuse

SAMPLE = Path(__file__).resolve().parent.parent / "sample_data"
_FILES = {
    "pixels": "pixels.npy",
    "fourier": "fourier.csv",
    "karhunen": "karhunen.parquet",
    "profiles": "profiles.parquet",
    "zernike": "zernike.npy",
    "morphology": "morphology.csv",
}
NAMES = tuple(_FILES)
Modalities = dict[str, tuple[np.ndarray, np.ndarray]]
"""Of every modality the rows, `(n, d)`, and their ids, `(n,)`."""


def digits() -> Modalities:
    """The files as they are: each with its own rows in its own order."""
    found = {}
    for name, file in _FILES.items():
        fused = mmfuse.fuse("concat", {name: str(SAMPLE / file)})
        found[name] = (fused.matrix, fused.ids)
    return found


_LABELS = dict(
    line.split(",") for line in (SAMPLE / "labels.csv").read_text().strip().split("\n")[1:]
)


def labels(ids: np.ndarray) -> np.ndarray:
    """The digit that every id is."""
    return np.array([int(_LABELS[one]) for one in ids.tolist()], np.int64)


def of_ids(data: Modalities, ids: np.ndarray) -> Modalities:
    """The rows that have one of these ids."""
    wanted, found = set(ids.tolist()), {}
    for name, (x, own) in data.items():
        kept = np.array([one in wanted for one in own.tolist()])
        found[name] = (x[kept], own[kept])
    return found


def thinned(data: Modalities, share: float) -> Modalities:
    """Without a share of every modality's rows, each chosen at random by itself."""
    random = np.random.default_rng(0)
    found = {}
    for name, (x, ids) in data.items():
        kept = np.sort(random.permutation(len(ids))[round(share * len(ids)) :])
        found[name] = (x[kept], ids[kept])
    return found
