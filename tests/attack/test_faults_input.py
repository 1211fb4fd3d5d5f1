"""Files that are not what they should be, at every place where a command reads one."""

from __future__ import annotations

import gzip
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults import FORMATS, N, is_one_message, tree, unpicklable, write_formats, write_parquet

import mmfuse

# arguments with {} for the file, and its suffix
READERS = {
    **{f"features of {name}": ("concat x={} -o z.npy", f".{name}") for name in FORMATS},
    "second input": ("concat a.npz x={} -o z.npy", ".csv"),
    "predictions": ("soft-vote p.csv q={} -o z.npy", ".csv"),
    "ids in lines": ("concat plain.npy --ids {} -o z.npy", ".txt"),
    "ids in json": ("concat plain.npy --ids {} -o z.npy", ".json"),
    "ids in a column": ("concat plain.npy --ids {}:id -o z.npy", ".csv"),
    "ids in an array": ("concat plain.npy --ids {} -o z.npy", ".npy"),
    "times": ("concat plain.npy --times {} --align time --tolerance 1s -o z.npy", ".txt"),
    "list": ("concat --inputs-from {} -o z.npy", ".txt"),
    "labels": ("lda a.npz b.npz --labels {} -o z.npy", ".csv"),
    "labels in an array": ("fit lda a.npz b.npz --labels {} -o z.st", ".npy"),
    "labels in parquet": ("train a.npz b.npz --labels {} --folds 0 -o z.st", ".parquet"),
    "labels of a sum": ("train a.npz b.npz --labels {} --fuse sum -o z.st", ".csv"),
    "groups": ("train a.npz b.npz --labels labels.csv --groups {}:g -o z.st", ".csv"),
    "lock": ("concat a.npz b.npz --lock {} -o z.npy", ".json"),
    "apply": ("apply {} a.npz b.npz -o z.npy", ".st"),
    "predict": ("predict {} a.npz b.npz -o z.npy", ".st"),
    "merge": ("merge m.st {} -o z.st", ".st"),
    "fit on": ("fit --continue {} a.npz b.npz -o z.st", ".st"),
    "train on": ("train --continue {} a.npz b.npz --labels labels.csv -o z.st", ".st"),
    "applied": ("apply m.st a={} b.npz -o z.npy", ".npz"),
    "predicted": ("predict t.st a={} b.npz -o z.npy", ".npz"),
    "learned from": ("fit pca a={} b.npz -o z.st", ".parquet"),
    "trained on": ("train a={} b.npz --labels labels.csv --folds 0 -o z.st", ".jsonl"),
    "convert": ("convert {} -o z.npy", ".arrow"),
    "align": ("align a.npz {} -o zz", ".safetensors"),
    "inspect": ("inspect {}", ".csv"),
    "check": ("check a.npz {}", ".tsv"),
}
MODELS = {"apply", "predict", "merge", "fit on", "train on"}
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
HTML = b"<!DOCTYPE html>\n<html><title>Sign in</title></html>\n"
BAD: dict[str, Any] = {
    "missing": (lambda path: None, "no such file"),
    "empty": (b"", "empty"),
    "folder": (os.mkdir, "folder"),
    "device": (lambda path: os.symlink("/dev/zero", path), "regular file"),
    "socket": (lambda path: os.mknod(path, 0o140644), "regular file"),
    "loop": (lambda path: os.symlink(path, path), "symbolic link"),
    "pointer": (LFS, "git-lfs pointer"),
    "page": (HTML, "an HTML page"),
    "pickle": (pickle.dumps({"x": [1] * 9}), ""),
    "another format": (b"PK\x03\x04" + bytes(60), ""),
    "compressed": (gzip.compress(b"\x93NUMPY"), ""),
    "UTF-16": ("id,label\nr1,a\n".encode("utf-16"), ""),
    "half": (None, ""),
}


def sound(name: str) -> bytes:
    """A sound file of a reader's kind, to be cut."""
    suffix = READERS[name][1]
    return Path("m.st" if name in MODELS else f"x{suffix}").read_bytes()


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", READERS)
def test_what_cannot_be_read_is_told_in_one_message(name, bad, work, call):
    line, suffix = READERS[name]
    if (name, bad) == ("lock", "missing"):
        pytest.skip("it is written then")
    if (
        bad == "half" and suffix in (".txt", ".json", ".csv", ".tsv", ".jsonl")
    ) or name == "labels in an array":
        pytest.skip("half of it is sound, or is tested apart")
    write_formats()
    Path("z.npy").write_bytes(b"old")
    path, (make, told) = f"bad{suffix}", BAD[bad]
    if bad == "half":
        make = sound(name)[: len(sound(name)) // 2]
    if callable(make):
        make(path)
    else:
        Path(path).write_bytes(make)
    before = tree()
    done = call(*line.format(path).split())
    content = name in MODELS and bad not in (
        "missing",
        "empty",
        "folder",
        "device",
        "socket",
        "loop",
    )
    kinds = (7,) if content else {("lock", "loop"): (5,)}.get((name, bad), (3,))
    kinds = (4,) if name == "times" and bad == "another format" else kinds  # text, but no times
    assert done.code in kinds, done.err
    assert is_one_message(done.err), done.err
    assert path in done.err
    assert tree() == before
    exact = content or name in ("lock", "list") or name == "ids in json"
    if told and not exact:
        assert told in done.err


def test_a_list_without_a_file(work, call):
    Path("none.txt").write_text("# nothing\n\n")
    done = call("concat", "--inputs-from", "none.txt", "-o", "z.npy")
    assert (done.code, done.err) == (3, "error: the list names no file\n  in: none.txt\n")


@pytest.mark.parametrize(
    "line",
    [
        "concat x={} -o z.npy",
        "soft-vote p.csv q={} -o z.npy",
        "convert x={} -o z.npy",
        "lda a.npz b.npz --labels {} -o z.npy",
        "train a.npz b.npz --labels {} --folds 0 -o z.st",
        "train a.npz b.npz --labels labels.csv --groups {} -o z.st",
        "concat plain.npy --ids {} -o z.npy",
        "concat plain.npy --times {} --align time --tolerance 1s -o z.npy",
        "inspect x={}",
        "check a.npz x={}",
        "apply {} a.npz b.npz -o z.npy",
        "predict {} a.npz b.npz -o z.npy",
    ],
)
@pytest.mark.parametrize("kind", ["object array", "pickle", "member", "archive of torch"])
def test_nothing_of_a_pickle_runs(line, kind, work, call):
    trap = unpicklable("sprung")
    if kind == "object array":
        np.save("bad.npy", np.array([trap] * N, object))
    elif kind == "pickle":
        Path("bad.npy").write_bytes(pickle.dumps(trap))
    else:
        name = (
            {"ids": np.array([trap] * N, object)}
            if kind == "member"
            else {"data.pkl": pickle.dumps(trap)}
        )
        np.savez("bad.npz", x=np.ones((N, 2)), **name)
        os.rename("bad.npz", "bad.npy" if kind != "member" else "bad.npz")
    path = "bad.npz" if kind == "member" else "bad.npy"
    done = call(*line.format(path).split())
    assert done.code in (3, 4, 7), done.err
    assert is_one_message(done.err), done.err
    assert not os.path.exists("sprung")
    assert not os.path.exists("z.npy")


def test_nor_where_ids_stand_beside_a_file(work, call):
    np.save("plain.ids.npy", np.array([unpicklable("sprung")] * N, object))
    done = call("concat", "plain.npy", "-o", "z.npy")
    assert done.code == 3
    assert "(ids plain.ids.npy)" in done.err
    assert not os.path.exists("sprung")


# --- shapes and kinds of arrays that are no features -------------------------------------------

ODD: dict[str, tuple[Any, int, str]] = {
    "0-D": (np.float32(1), 3, "()"),
    "3-D": (np.ones((2, 3, 4)), 3, "(2, 3, 4)"),
    "no rows": (np.ones((0, 3)), 3, "(0, 3)"),
    "no columns": (np.ones((3, 0)), 3, "(3, 0)"),
    "complex": (np.ones((2, 2), complex), 3, "complex128"),
    "object": (np.array([[None]]), 3, "object"),
    "text": (np.array([["a", "b"]]), 3, "<U1"),
    "bytes": (np.array([[b"a", b"b"]]), 3, "|S1"),
    "dates": (np.array([["2024-01-01"]], "M8[D]"), 3, "datetime64[D]"),
    "durations": (np.array([[1]], "m8[s]"), 3, "timedelta64[s]"),
    "structured": (np.zeros(2, [("name", "U3"), ("day", "M8[D]")]), 3, "no numeric"),
    "void": (np.zeros((2, 2), "V3"), 3, "V3"),
}
NPY_READERS = [
    "concat x={} -o z.csv",
    "pca a.npz x={} -o z.csv",
    "fit pca a.npz x={} -o z.st",
    "convert x={} -o z.csv",
    "align a.npz x={} -o zz",
    "inspect x={}",
    "check a.npz x={}",
    "soft-vote p.csv q={} -o z.csv",
    "apply m.st a={} b.npz -o z.csv",
    "predict t.st a={} b.npz -o z.csv",
    "train a={} b.npz --labels labels.csv -o z.st",
]


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("line", NPY_READERS)
def test_arrays_that_are_no_features(line, kind, work, call):
    array, code, told = ODD[kind]
    np.save("odd.npy", array, allow_pickle=True)
    done = call(*line.format("odd.npy").split())
    if done.code == 4 and kind in ("no columns",):
        pytest.skip("its rows are refused first")
    assert done.code == code, done.err
    assert is_one_message(done.err), done.err
    assert "odd.npy" in done.err
    assert told in done.err
    assert not os.path.exists("z.csv")


# --- memory -----------------------------------------------------------------------------------

HUNGRY = [
    "concat a=big.npz b=other.npz -o z.npy --memory 4GB",
    "mean a=big.npz b=other.npz -o z.npy -q",
    "align a=big.npz b=other.npz -o z",
]


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("big")
    ids = np.arange(100_000)
    ones = np.ones((len(ids), 100), np.float32)
    np.savez(folder / "big.npz", ids=ids, x=ones)
    np.savez_compressed(folder / "other.npz", ids=ids[::-1], x=ones)
    (folder / "big.csv").write_text("id,label\n" + "".join(f"{i},{i % 2}\n" for i in ids))
    return folder


@pytest.mark.parametrize("line", HUNGRY)
def test_memory_that_is_not_there(line, big, monkeypatch, long):
    """Under limits from too little to read a file to enough for all."""
    monkeypatch.chdir(big)
    codes = []
    for limit in range(150, 350, 10) if long else (150, 190):
        Path("z.npy").write_bytes(b"old")
        script = (
            f"ulimit -v $(({limit} * 1024)); exec {sys.executable} -m mmfuse {line} --threads 1"
        )
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=100)
        codes.append(done.returncode)
        if done.returncode:
            assert done.returncode == 6, done.stderr
            assert is_one_message(done.stderr), done.stderr
            assert "not enough memory" in done.stderr
            assert Path("z.npy").read_bytes() == b"old"
            left = {"z.npy", "big.csv", "big.npz", "other.npz", *(["z"] if 0 in codes else [])}
            assert set(os.listdir()) - {"z.ids.txt"} == left
    assert 6 in codes


def test_what_a_job_needs_is_told(work, call, monkeypatch):
    def run(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("mmfuse.work.run", run)
    Path("z.npy").write_bytes(b"old")
    before = tree()
    done = call("concat", "a.npz", "b.npz", "-o", "z.npy")
    assert done.code == 6
    assert done.err.startswith("error: not enough memory: this needs about ")
    assert is_one_message(done.err)
    assert tree() == before


def test_training_that_does_not_fit_is_told_with_what_it_needs(big, monkeypatch, call):
    monkeypatch.chdir(big)
    line = "train a=big.npz b=other.npz --labels big.csv --memory 16MB -o new.st"
    done = call(*line.split())
    assert done.code == 6
    assert "needs about" in done.err
    assert not os.path.exists("new.st")


def test_many_columns(here, long):
    """100,000 of them in every layout, with --long."""
    columns = 100_000 if long else 5_000
    values = np.arange(2 * columns, dtype=np.float32).reshape(2, columns)
    mmfuse.fuse("concat", {"a": (values, ["p", "q"])}, output="z.parquet")
    mmfuse.fuse("concat", {"a": "z.parquet"}, output="z.csv")
    mmfuse.fuse("concat", {"a": "z.csv"}, output="y.parquet", layout="wide")
    found = mmfuse.fuse("concat", {"a": "y.parquet"})
    assert np.array_equal(found.matrix, values)


def test_equal_columns_of_two_inputs(here, call):
    for name, value in (("one", 1), ("two", 2)):
        write_parquet(f"{name}.parquet", id=["p", "q"], x=[value, value + 0.5], v=[0.0, value])
    assert call("concat", "one.parquet", "two.parquet", "-o", "z.csv").code == 0
    head, first, _ = Path("z.csv").read_text().splitlines()
    assert head == "id,one_x,one_v,two_x,two_v"
    assert first == "p,1,0,2,0"
