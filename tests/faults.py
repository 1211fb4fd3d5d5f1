"""Every command that reads or writes, with files for it to work on, for what can go wrong."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import mmfuse

N = 12

# What writes, with {} for OUT; {}/ is a folder. All read a.npz, or p.csv.
WRITERS = {
    "concat": "concat a.npz b.npz -f csv -o {}",
    "npy": "concat a.npz b.npz -f npy -o {}",
    "npz": "mean a.npz b.npz -f npz -o {}",
    "parquet": "max a.npz b.npz -f parquet -o {}",
    "wide parquet": "sum a.npz b.npz -f parquet --layout wide --compression zstd -o {}",
    "arrow": "product a.npz b.npz -f arrow -o {}",
    "jsonl": "min a.npz b.npz -f jsonl -o {}",
    "safetensors": "outer a.npz b.npz -f safetensors -o {}",
    "shards": "concat a.npz b.npz --shard-rows 5 -f npy -o {}/",
    "soft-vote": "soft-vote p.csv q.csv -f csv -o {}",
    "lda": "lda a.npz b.npz --labels labels.csv -f csv -o {}",
    "save": "pca a.npz b.npz -o other.npy --save {}",
    "plot": "pca a.npz b.npz -o other.npy --plot {}.svg",
    "lock": "concat a.npz b.npz -o other.npy --lock {}",
    "summary": "concat a.npz b.npz -o other.npy --summary {}",
    "depfile": "concat a.npz b.npz -o other.npy --depfile {}",
    "fit": "fit cca a.npz b.npz -o {}",
    "fit on": "fit --continue m.st a.npz b.npz -o {}",
    "merge": "merge m.st m2.st -o {}",
    "apply": "apply m.st a.npz b.npz -f npy -o {}",
    "train": "train a.npz b.npz --labels labels.csv --estimator lda --folds 0 -o {}",
    "train a folder": "train a.npz b.npz --labels labels.csv --estimator lda --folds 0 -o {}/",
    "train a sum": "train a.npz b.npz --labels labels.csv --fuse sum --folds 2 -o {}",
    "train on": "train --continue t.st a.npz b.npz --labels labels.csv -o {}",
    "predict": "predict t.st a.npz b.npz -f csv -o {}",
    "convert": "convert a.npz -f jsonl -o {}",
    "align": "align a.npz b.npz -o {}/",
    "picture of a model": "inspect m.st --plot {}.svg",
}  # fmt: skip
FOLDERS = {name for name, line in WRITERS.items() if line.endswith("{}/")}


def write_inputs() -> None:
    """What the commands read, in the working folder."""
    rng = np.random.default_rng(0)
    ids = [f"r{k}" for k in range(N)]
    classes = np.arange(N) % 2
    for name in "ab":
        features = rng.normal(size=(N, 3)) + classes[:, None]
        np.savez(f"{name}.npz", ids=np.array(ids), x=features.astype(np.float32))
    for name in "pq":
        rows = rng.dirichlet([1, 1], N).tolist()
        text = "".join(f"{i},{u!r},{v!r}\n" for i, (u, v) in zip(ids, rows, strict=True))
        Path(f"{name}.csv").write_text("id,no,yes\n" + text)
    named = zip(ids, ["no", "yes"] * N, strict=False)
    Path("labels.csv").write_text("id,label\n" + "".join(f"{i},{c}\n" for i, c in named))
    Path("groups.csv").write_text("id,g\n" + "".join(f"{i},{k % 4}\n" for k, i in enumerate(ids)))
    Path("ids.txt").write_text("\n".join(ids) + "\n")
    Path("times.txt").write_text("".join(f"{k}\n" for k in range(N)))
    Path("list.txt").write_text("a.npz\nb.npz\n")
    np.save("plain.npy", rng.normal(size=(N, 2)))
    for model in ("m.st", "m2.st"):
        mmfuse.fit("pca", ["a.npz", "b.npz"], model, options={"n_components": 1})
    mmfuse.train(["a.npz", "b.npz"], "labels.csv", "t.st", estimator="lda", folds=0)


# One modality of the same rows and values in every format that is read.
FORMATS = ("csv", "tsv", "npy", "npz", "parquet", "arrow", "jsonl", "safetensors")


def write_formats() -> None:
    """`x.csv`, `x.parquet`, …"""
    values = np.arange(8, dtype=np.float32).reshape(4, 2) / 4
    ids = ["r1", "r2", "r3", "r4"]
    for name in FORMATS:
        mmfuse.fuse("concat", {"x": (values, ids)}, output=f"x.{name}")
    for extra in ("x.ids.txt", "x_ids.txt"):
        if os.path.exists(extra):
            os.unlink(extra)  # the formats are to tell the same


def tree() -> dict[str, bytes | str]:
    """All that is in the working folder, hidden files too: bytes of files, targets of links."""
    found: dict[str, bytes | str] = {}
    for folder, folders, files in os.walk("."):
        for name in (*folders, *files):
            path = os.path.join(folder, name)
            if os.path.islink(path):
                found[path] = os.readlink(path)
            elif os.path.isfile(path):
                found[path] = Path(path).read_bytes()
            else:
                found[path] = "folder" if os.path.isdir(path) else "special"
    return found


def is_one_message(text: str) -> bool:
    """`error: …`, then at most one `  in: …` and one `hint: …`; no traceback, nothing else."""
    heads = [line.split(":")[0] for line in text.splitlines()]
    rest = (), ("  in",), ("hint",), ("  in", "hint")
    return tuple(heads) in [("error", *r) for r in rest] and "internal error" not in text


def unpicklable(path: str) -> object:
    """What makes a file of this name when it is unpickled."""

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (Path(path),))

    return Trap()


def table(**columns: object) -> pa.Table:
    """A table of these columns."""
    return pa.table(columns)


def write_parquet(path: str, **columns: object) -> None:
    """A Parquet file of these columns."""
    pq.write_table(table(**columns), path)
