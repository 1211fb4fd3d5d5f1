"""Inputs that others change while they are read: one content or the other, or it is told.

Every value tells its row and the generation of its file, so that no mixture passes for either.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfuse
from mmfuse.errors import AlignmentError, InputError, MmfuseError, ModelError
from mmfuse.files import mapped

ROWS, DIM = 6_000, 8
WRITER = """
import os, sys, time
for line in sys.stdin:
    kind, wait, path, other, part = line.split()
    with open(other, "rb") as file:
        content = file.read()
    size = os.stat(path).st_size
    step = len(content) // 7 + 1
    print("ready", flush=True)
    time.sleep(float(wait))
    if kind == "cut":
        os.truncate(path, int(size * float(part)))
    elif kind == "append":
        with open(path, "ab") as file:
            file.write(content[-step:])
    elif kind == "replace":
        os.rename(other, path)
    else:
        with open(path, "r+b" if kind == "overwrite" else "wb", buffering=0) as file:
            for start in range(0, len(content), step):
                file.write(content[start : start + step])
    print("done", flush=True)
"""
KINDS = ("cut", "append", "replace", "overwrite", "rewrite")


def numbers(generation: int) -> tuple[np.ndarray, list[str]]:
    """Values and ids of a generation; both generations take as many bytes in most formats."""
    order = np.arange(ROWS)
    values = order[:, None] + np.arange(DIM) / 64 + 1e6 * generation
    return values, [f"r{i:05d}" for i in order]


def through_mmfuse(name: str, **how: Any) -> Callable[[str, int], None]:
    def write(path: str, generation: int) -> None:
        mmfuse.fuse("concat", {"m": numbers(generation)}, output=path, dtype="float64", **how)

    write.__name__ = name
    return write


def npy(path: str, generation: int) -> None:
    values, ids = numbers(generation)
    with open(path, "wb") as file:
        np.save(file, values)
    Path("m.ids.txt").write_text("\n".join(ids) + "\n")


def fortran(path: str, generation: int) -> None:
    values, ids = numbers(generation)
    with open(path, "wb") as file:
        np.save(file, np.asfortranarray(values))
    Path("m.ids.txt").write_text("\n".join(ids) + "\n")


def deflated(path: str, generation: int) -> None:
    values, ids = numbers(generation)
    with open(path, "wb") as file:
        np.savez_compressed(file, ids=np.array(ids), embeddings=values)


def zipped(path: str, generation: int) -> None:
    through_mmfuse("csv", format="csv")("plain.csv", generation)
    Path(path).write_bytes(gzip.compress(Path("plain.csv").read_bytes(), 1, mtime=0))


def sheet(path: str, generation: int) -> None:
    """Lists in cells, in quotes."""
    values, ids = numbers(generation)
    rows = zip(ids, values.tolist(), strict=True)
    lines = [f'{i},"{json.dumps(row)}"\n' for i, row in rows]
    Path(path).write_text("id,embedding\n" + "".join(lines))


FORMATS: dict[str, tuple[str, Callable[[str, int], None]]] = {
    "npy": ("m.npy", npy),
    "columns one behind the other": ("m.npy", fortran),
    "npz": ("m.npz", through_mmfuse("npz", format="npz")),
    "deflated": ("m.npz", deflated),
    "csv": ("m.csv", through_mmfuse("csv", format="csv")),
    "lists in csv": ("m.csv", sheet),
    "gzip": ("m.csv.gz", zipped),
    "parquet": ("m.parquet", through_mmfuse("parquet", format="parquet")),
    "zstd": ("m.parquet", through_mmfuse("parquet", format="parquet", compression="zstd")),
    "wide": ("m.parquet", through_mmfuse("parquet", format="parquet", layout="wide")),
    "arrow": ("m.arrow", through_mmfuse("arrow", format="arrow")),
    "jsonl": ("m.jsonl", through_mmfuse("jsonl", format="jsonl")),
    "safetensors": ("m.safetensors", through_mmfuse("safetensors", format="safetensors")),
}


@pytest.fixture(scope="module")
def writer() -> Iterator[subprocess.Popen[str]]:
    """A process that changes files when it is told to."""
    how: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen([sys.executable, "-c", WRITER], **how) as process:
        yield process
        process.stdin.close()  # type: ignore[union-attr]


def outcome(read: Callable[[], Any]) -> Any:
    """The rows as they are read, or the error."""
    try:
        return read()
    except (InputError, AlignmentError, ModelError) as error:
        return error


def read(source: Any, **how: Any) -> tuple[bytes, bytes]:
    got = mmfuse.fuse("concat", {"m": source}, dtype="float64", threads=2, **how)
    return "\n".join(map(str, got.ids)).encode(), got.matrix.tobytes()


class Trials:
    """Change one file a little after reading of it began, again and again."""

    def __init__(self, writer: Any, path: str, other: str, read: Callable[[], Any]) -> None:
        self.writer, self.read = writer, read
        self.path, self.other = os.path.abspath(path), os.path.abspath(other)
        self.contents = Path(path).read_bytes(), Path(other).read_bytes()
        self.outcomes: Counter[str] = Counter()
        read()
        started = time.monotonic()
        self.old = read()
        self.seconds = time.monotonic() - started

    def once(self, kind: str, part: float, wait: float) -> None:
        Path(self.path).unlink()
        Path(self.path).write_bytes(self.contents[0])
        Path(self.other).write_bytes(self.contents[1])
        os.utime(self.path, (0, 0))  # an old file: the clocks of file systems tick slowly
        place = f"{kind} to {part:.3f} after {wait * self.seconds:.5f} s"
        self.writer.stdin.write(f"{kind} {wait * self.seconds} {self.path} {self.other} {part}\n")
        assert self.writer.stdout.readline() == "ready\n"
        found = outcome(self.read)
        assert self.writer.stdout.readline() == "done\n"
        if isinstance(found, MmfuseError):
            told = "changed" if "changed while it was read" in str(found) else "other error"
            if told != "changed":
                self.outcomes[f"  {kind}: {str(found)[:90]}"] += 1
        elif found == self.old:
            told = "old"
        else:
            assert found == outcome(self.read), f"neither the old rows nor the new: {place}"
            told = "new"
        self.outcomes[f"{kind} {told}"] += 1

    def run(self, count: int, name: str) -> None:
        chance = random.Random(name)
        for k in range(count):
            wait = -0.1 + 1.2 * chance.random()
            self.once(KINDS[k % len(KINDS)], chance.random(), max(0, wait))
        print(name, self.seconds, *(f"\n  {k}: {v}" for k, v in sorted(self.outcomes.items())))


def numbers_of(count: int, long: bool) -> int:
    """How many trials; every kind of change comes as often."""
    return count * len(KINDS) if long else len(KINDS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file(here, writer, long, name):
    path, write = FORMATS[name]
    write(path, 2)
    os.rename(path, "other")
    write(path, 1)
    Trials(writer, path, "other", lambda: read(path)).run(numbers_of(20, long), name)


def test_rows_read_by_calls(here, writer, long, monkeypatch):
    """Where no lease is to be had, nobody is held back."""
    monkeypatch.setattr(mapped, "_lease", lambda fd: False)
    npy("m.npy", 2)
    os.rename("m.npy", "other")
    npy("m.npy", 1)
    backwards = numbers(1)[1][::-1]
    rows = {"first": (np.zeros((ROWS, 1)), backwards), "m": "m.npy"}

    def gathered() -> Any:
        got = mmfuse.fuse("concat", rows, dtype="float64", threads=2)
        return got.matrix.tobytes()

    Trials(writer, "m.npy", "other", gathered).run(numbers_of(20, long), "by calls")


@pytest.mark.parametrize("format", ["npy", "parquet", "csv"])
def test_one_of_many_files(here, writer, long, format):
    for generation in (2, 1):
        mmfuse.fuse(
            "concat", {"m": numbers(generation)}, output=f"d{generation}/", format=format,
            dtype="float64", shard_rows=ROWS // 3,
        )  # fmt: skip
    part = f"part-00001.{format}"
    os.rename(f"d2/{part}", "other")
    Trials(writer, f"d1/{part}", "other", lambda: read("d1/")).run(numbers_of(10, long), format)


def test_ids_beside_a_file(here, writer, long):
    """Either those of one moment or those of another, never some of both."""
    npy("m.npy", 1)
    Path("other").write_text("".join(f"s{i}\n" for i in range(10_000, 10_000 + ROWS)))
    Trials(writer, "m.ids.txt", "other", lambda: read("m.npy")).run(numbers_of(20, long), "ids")


def test_a_model(here, writer, long):
    for generation in (2, 1):
        values = np.random.default_rng(generation).normal(size=(50, 4 * DIM))
        mmfuse.fit("pca", {"m": values}, f"{generation}", options={"n_components": 3})
    os.rename("2", "other")
    rows = {"m": np.eye(4 * DIM)}

    def applied() -> Any:
        return mmfuse.apply("1", rows).matrix.tobytes()

    Trials(writer, "1", "other", applied).run(numbers_of(20, long), "model")
