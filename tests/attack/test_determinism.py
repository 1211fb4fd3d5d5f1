"""The same inputs give the same bytes, whatever machine settings the process was started with."""

from __future__ import annotations

import json
import locale
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from suited import softmax

import mmfuse

JOBS = Path(__file__).with_name("same_bytes.py")
SET = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "PYTHONHASHSEED", "TZ", "LC_ALL", "LANG")
PLAIN = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
}


def _turkish() -> str:
    """A locale where i is no I, if there is one; else one of ASCII alone."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "tr_TR.UTF-8")
    except locale.Error:
        return "POSIX"
    finally:
        locale.setlocale(locale.LC_ALL, before)
    return "tr_TR.UTF-8"


OTHERS: dict[str, dict[str, str]] = {
    "two BLAS threads, another hash seed, ASCII": {
        "OPENBLAS_NUM_THREADS": "2",
        "OMP_NUM_THREADS": "2",
        "PYTHONHASHSEED": "1234",
        "TZ": "Pacific/Chatham",
        "LC_ALL": "C",
    },
    "nothing said": {"PYTHONHASHSEED": "random", "TZ": "America/St_Johns", "LC_ALL": _turkish()},
}


def write(folder: Path, rows: int, width: int) -> None:
    """Features x and y, probabilities p and numbers n of modalities a, b and c; labels."""
    folder.mkdir()
    rng = np.random.default_rng(5)
    hidden = rng.normal(size=(rows, 4))
    ids = np.array([f"row {k:05d}" for k in range(rows)])
    for name, suffix in (("a", ".npy"), ("b", ".parquet"), ("c", ".csv")):
        noise = rng.normal(size=(rows, width))
        x = (hidden @ rng.normal(size=(4, width)) + noise).astype(np.float32)
        for kind, block in (
            ("x", x),
            ("y", x + np.float32(1)),
            ("p", softmax(x[:, :3])),
            ("n", x[:, :1]),
        ):
            kept = rng.permutation(rows)[: rows - rows // 20]
            value = (block[kept], ids[kept].tolist())
            layout: Any = "wide" if suffix == ".parquet" and kind in "xy" else None
            mmfuse.convert({name: value}, folder / f"{kind}{name}{suffix}", layout=layout)
    labels = np.array(["u", "v", "w"])[(hidden[:, 0] > 0) * 1 + (hidden[:, 1] > 0.5)]
    lines = zip(ids, labels, (hidden[:, 0] + 0.25).tolist(), strict=True)
    told = "".join(f"{i},{label},{number}\n" for i, label, number in lines)
    (folder / "labels.csv").write_text("id,label,number\n" + told)


def run(
    place: Path, data: str, env: dict[str, str], threads: int, memory: int, jobs: str
) -> dict[str, str]:
    place.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in SET}
    command = [sys.executable, JOBS, data, str(threads), str(memory), jobs]
    done = subprocess.run(
        command, cwd=place, env={**kept, **env}, capture_output=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    hashes: dict[str, str] = json.loads(done.stdout)
    return hashes


@pytest.mark.parametrize("jobs", ["every", "large"])
def test_the_same_bytes_in_any_process(jobs: str, tmp_path: Path, long: bool) -> None:
    size = (4000, 300) if long else (1500, 200)
    write(tmp_path / "data", *((60, 6) if jobs == "every" else size))
    plain = run(tmp_path / "plain", "../data", PLAIN, 1, 512, jobs)
    assert len(plain) > (80 if jobs == "every" else 15)
    for k, env in enumerate(OTHERS.values()):
        data = str(tmp_path / "data") if k else f"../../{tmp_path.name}/data/../data"
        other = run(tmp_path / str(k), data, env, 2 + k, (100, 200)[k], jobs)
        assert {name for name in plain if plain[name] != other.get(name)} == set()
        assert other.keys() == plain.keys()


def test_rows_that_are_moved_are_the_same_on_any_processor(tmp_path: Path) -> None:
    write(tmp_path / "data", 60, 6)
    plain = run(tmp_path / "plain", "../data", PLAIN, 1, 512, "moved")
    older = {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX2 FMA3 AVX512F AVX512_SKX",
        "ARROW_USER_SIMD_LEVEL": "NONE",
    }
    other = run(tmp_path / "other", "../data", {**PLAIN, **older}, 2, 64, "moved")
    assert other == plain


# --- a table in any format


def dressed(x: np.ndarray, ids: list[Any], folder: Path) -> dict[str, Path]:
    """The same table in every format, each named m."""
    found = {}
    for name in ("npy", "npz", "csv", "tsv", "jsonl", "safetensors", "parquet", "feather", "arrow"):
        (folder / name).mkdir(parents=True)
        found[name] = folder / name / f"m.{name}"
        mmfuse.convert({"m": (x, ids)}, found[name])
    wide = pa.table({"id": ids, **{f"c{j}": column for j, column in enumerate(x.T.copy())}})
    for name, put in (("wide.parquet", pq.write_table), ("wide.feather", feather.write_feather)):
        (folder / name).mkdir()
        found[name] = folder / name / f"m.{name.partition('.')[2]}"
        put(wide, found[name])
    return found


FUSIONS: list[tuple[str, str | None, dict[str, Any]]] = [
    ("concat", None, {}),
    ("concat", "zscore,l2", {}),
    ("mean", "minmax", {}),
    ("sum", "whiten", {}),
    ("pca", "zscore", {"n_components": 2}),
    ("gcca", None, {"n_components": 2}),
    ("outer", None, {}),
    ("random-projection", None, {"n_components": 3}),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("strategy", "normalize", "options"), FUSIONS)
def test_the_same_bytes_of_any_format(
    strategy: str, normalize: str | None, options: dict[str, Any], dtype: Any, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(90, 5)).astype(dtype)
    other = (rng.normal(size=(90, 5)).astype(dtype), list(range(10, 100)))
    seen: dict[bytes, list[str]] = {}
    for name, path in dressed(x, list(range(90)), tmp_path / "in").items():
        text = name in ("csv", "tsv", "jsonl")
        if text and dtype == "float32" and (strategy, normalize) != ("concat", None):
            continue  # text is float64, and is computed with as that
        out = tmp_path / f"{name}.npy"
        mmfuse.fuse(
            *(strategy, {"m": path, "n": other}, out),
            options=options,
            normalize=normalize,
            dtype=dtype,
        )
        seen.setdefault(out.read_bytes(), []).append(name)
        assert (tmp_path / f"{name}.ids.txt").read_text() == "".join(
            f"{k}\n" for k in range(10, 90)
        )
    assert len(seen) == 1, list(seen.values())


def test_a_record_differs_by_what_it_tells_of_the_inputs_alone(tmp_path: Path) -> None:
    x = np.random.default_rng(2).normal(size=(9, 3))
    records, tables = set(), set()
    for path in dressed(x, list("abcdefghi"), tmp_path / "in").values():
        mmfuse.fuse("concat", {"m": path}, tmp_path / "o.parquet")
        table = pq.read_table(tmp_path / "o.parquet")
        record = json.loads(table.schema.metadata[b"mmfuse"])
        (item,) = record["inputs"]
        assert item.pop("file") == path.name
        assert item.pop("ids")
        records.add(json.dumps(record))
        tables.add(table.to_pandas().to_json(double_precision=15))
    assert len(records) == len(tables) == 1


def test_the_same_file_in_another_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    x = np.random.default_rng(3).normal(size=(9, 3))
    for output in ("o.parquet", "o.feather", "o.npz", "o.safetensors", "zstd.parquet"):
        seen = set()
        for folder in ("one", "two words"):
            (tmp_path / folder).mkdir(exist_ok=True)
            mmfuse.convert({"m": (x, list(range(9)))}, tmp_path / folder / "m.csv")
            place = tmp_path / folder / output
            how: Any = {"compression": "zstd"} if output.startswith("zstd") else {}
            mmfuse.fuse("concat", [tmp_path / folder / "m.csv"], place, **how)
            seen.add(place.read_bytes())
        assert len(seen) == 1
