"""How often `mmfuse check` is right about features: the figures of docs/check.md.

    python benchmarks/alignment.py [SEEDS]

False alarms are counted on rows that are independent; power on every pair of the sample data, in
their own order, shuffled and moved by one row.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import mmfuse

SAMPLE = Path(__file__).resolve().parent.parent / "sample_data"
FILES = ("pixels.npy", "fourier.csv", "karhunen.parquet", "profiles.parquet", "zernike.npy",
         "morphology.csv")  # fmt: skip
VERDICTS = ("aligned", "shifted", "unaligned", "unclear")
Pair = tuple[np.ndarray, np.ndarray]


def verdict(one: np.ndarray, other: np.ndarray, seed: int) -> str:
    """What the test says of rows as they stand."""
    return mmfuse.check({"a": one, "b": other}, seed=seed).tests[0].result.verdict


def trail(rng: np.random.Generator, rows: int, dim: int, keep: float) -> np.ndarray:
    """Rows of which each resembles the one before."""
    x = rng.normal(size=(rows, dim))
    for t in range(1, rows):
        x[t] += keep * x[t - 1]
    return x


def digits() -> dict[str, np.ndarray]:
    """The rows of the sample data that all modalities have, in one random order."""
    order = mmfuse.fuse("concat", [str(SAMPLE / file) for file in FILES]).row_ids
    ids = list(order)
    found = {}
    for file in FILES:
        fused = mmfuse.fuse("concat", [str(SAMPLE / file)])
        row = {one: k for k, one in enumerate(fused.row_ids)}
        found[file.split(".")[0]] = fused.matrix[[row[one] for one in ids]]
    rows = np.random.default_rng(0).permutation(len(ids))
    by_class = np.argsort(np.array(ids))  # ids stand class by class
    return {
        **{name: x[rows] for name, x in found.items()},
        **{f"{name}, by class": x[by_class] for name, x in found.items()},
    }


def line(title: str, verdicts: Counter[str]) -> None:
    """A row of a Markdown table."""
    print(f"| {title} | " + " | ".join(str(verdicts[name]) for name in VERDICTS) + " |", flush=True)


def false_alarms(seeds: int) -> None:
    """Independent rows of many kinds."""
    rng = np.random.default_rng(0)
    for rows, dims in ((200, (8, 5)), (400, (8, 5)), (2000, (8, 5)), (400, (512, 768))):
        for keep in (0.0, 0.5, 0.9, 0.99):
            pairs = ([trail(rng, rows, dim, keep) for dim in dims] for _ in range(seeds))
            found = Counter(verdict(x, y, seed) for seed, (x, y) in enumerate(pairs))
            line(f"{rows:,} rows, {dims[0]} and {dims[1]} columns, {keep:g}", found)


def power() -> None:
    """Every pair of the sample data."""
    data = digits()
    rng = np.random.default_rng(1)
    ways: dict[str, Callable[[np.ndarray, np.ndarray], Pair]] = {
        "in order": lambda x, y: (x, y),
        "shuffled": lambda x, y: (x, rng.permutation(y)),
        "moved by one row": lambda x, y: (x[1:], y[:-1]),
        "in order, the first 200 rows": lambda x, y: (x[:200], y[:200]),
        "moved by one row, the first 200 rows": lambda x, y: (x[1:201], y[:200]),
    }
    for suffix in ("", ", by class"):
        names = [name for name in data if name.endswith(", by class") == bool(suffix)]
        for title, way in ways.items():
            pairs = combinations(names, 2)
            found = Counter(verdict(*way(data[a], data[b]), 0) for a, b in pairs)
            line(title + suffix, found)


if __name__ == "__main__":
    print("| | " + " | ".join(VERDICTS) + " |\n|---|" + "---:|" * len(VERDICTS))
    false_alarms(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    power()
