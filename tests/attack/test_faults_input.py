"""Files that are not what they should be, at every place where a command reads one."""

from __future__ import annotations

import gzip
import os
import pickle
import subprocess
import sys
from pathlib import Path
from threading import Thread
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
}  # fmt: skip
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
    if bad == "half" and suffix in (".txt", ".json", ".csv", ".tsv", ".jsonl") or name == "labels in an array":
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
    content = name in MODELS and bad not in ("missing", "empty", "folder", "device", "socket", "loop")
    kinds = (7,) if content else (3, 5) if (name, bad) == ("lock", "loop") else (3,)
    assert done.code in kinds, done.err
    assert is_one_message(done.err), done.err
    assert path in done.err
    assert tree() == before
    exact = content or name in ("lock", "list") or (name, bad) == ("ids in json", "pointer")
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
        name = {"ids": np.array([trap] * N, object)} if kind == "member" else {"data.pkl": pickle.dumps(trap)}
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
    "no rows": (np.ones((0, 3)), 3, "0 rows"),
    "no columns": (np.ones((3, 0)), 3, "0 columns"),
    "complex": (np.ones((2, 2), complex), 3, "complex128"),
    "object": (np.array([[None]]), 3, "object"),
    "text": (np.array([["a", "b"]]), 3, "<U1"),
    "bytes": (np.array([[b"a", b"b"]]), 3, "|S1"),
    "dates": (np.array([["2024-01-01"]], "M8[D]"), 3, "M8[D]"),
    "durations": (np.array([[1]], "m8[s]"), 3, "m8[s]"),
    "structured": (np.zeros(2, [("x", "f4"), ("y", "U3")]), 3, "y"),
    "void": (np.zeros((2, 2), "V3"), 3, "V3"),
}
NPY_READERS = ["concat x={} -o z.csv", "pca a.npz x={} -o z.csv", "fit pca a.npz x={} -o z.st", "convert x={} -o z.csv",
               "align a.npz x={} -o zz", "inspect x={}", "check a.npz x={}", "soft-vote p.csv q={} -o z.csv",
               "apply m.st a={} b.npz -o z.csv", "predict t.st a={} b.npz -o z.csv",
               "train a={} b.npz --labels labels.csv -o z.st"]  # fmt: skip


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
    assert not os.path.exists("z.csv")


# --- streams ----------------------------------------------------------------------------------


def fed(path: str, data: bytes) -> Thread:
    """A pipe of this name, into which data are written once."""
    os.mkfifo(path)
    writer = Thread(target=Path(path).write_bytes, args=(data,), daemon=True)
    writer.start()
    return writer


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("line", ["convert x={} -f csv -o {out}", "concat x={} -f csv -o {out} --lock {out}.lock"])
def test_every_format_is_read_once_from_a_pipe(name, line, here, call):
    write_formats()
    assert call(*line.format(f"x.{name}", out="file").split()).code == 0
    writer = fed(f"pipe.{name}", Path(f"x.{name}").read_bytes())
    done = call(*line.format(f"pipe.{name}", out="piped").split())
    writer.join(10)
    assert (done.code, writer.is_alive()) == (0, False), done.err
    assert Path("piped").read_bytes() == Path("file").read_bytes()


BESIDE = {
    "concat plain.npy --ids {} -f csv -o {out} --lock {out}.lock": "ids.txt",
    "concat plain.npy --times {} --align time --tolerance 1s -f csv -o {out}": "times.txt",
    "concat --inputs-from {} -f csv -o {out}": "list.txt",
    "lda a.npz b.npz --labels {} -f csv -o {out}": "labels.csv",
    "lda a.npz b.npz --labels {}:label -f csv -o {out} --lock {out}.lock": "labels.csv",
    "train a.npz b.npz --labels {} --folds 2 -o {out}": "labels.csv",
    "train a.npz b.npz --labels {} --task regression --folds 2 -o {out}": "numbers.csv",
    "train a.npz b.npz --labels {} --fuse sum --folds 0 -o {out}": "labels.csv",
    "train a.npz b.npz --labels labels.csv --groups {}:g --folds 2 -o {out}": "groups.csv",
    "train a.npz b.npz --labels both.csv:label --groups {}:g --folds 2 -o {out}": "both.csv",
    "apply {} a.npz b.npz -f csv -o {out}": "m.st",
    "predict {} a.npz b.npz -f csv -o {out}": "t.st",
    "fit --continue {} a.npz b.npz -o {out}": "m.st",
    "train --continue {} a.npz b.npz --labels labels.csv -o {out}": "t.st",
    "merge m2.st {} -o {out}": "m.st",
}  # fmt: skip


@pytest.fixture
def more(work: Path) -> Path:
    """Numbers to be predicted, and labels with groups in one table."""
    rows = range(N)
    Path("numbers.csv").write_text("id,y\n" + "".join(f"r{k},{k + 0.5}\n" for k in rows))
    both = "".join(f"r{k},{'no' if k % 2 else 'yes'},{k % 4}\n" for k in rows)
    Path("both.csv").write_text("id,label,g\n" + both)
    return work


@pytest.mark.parametrize("line", BESIDE)
def test_what_stands_beside_is_read_once_from_a_pipe(line, more, call):
    name = BESIDE[line]
    assert call(*line.format(name, out="file").split()).code == 0
    writer = fed(f"pipe{Path(name).suffix}", Path(name).read_bytes())
    done = call(*line.format(f"pipe{Path(name).suffix}", out="piped").split())
    writer.join(10)
    assert (done.code, writer.is_alive()) == (0, False), done.err
    assert Path("piped").read_bytes() == Path("file").read_bytes()


STDIN = [
    ("concat plain.npy --ids - -f csv -o {out}", "concat plain.npy --ids ids.txt -f csv -o {out}", "ids.txt"),
    ("concat plain.npy --ids -:id -f csv -o {out}", "concat plain.npy --ids labels.csv:id -f csv -o {out}", "labels.csv"),
    ("lda a.npz b.npz --labels - -f csv -o {out}", "lda a.npz b.npz --labels labels.csv -f csv -o {out}", "labels.csv"),
    ("train a.npz b.npz --labels -:label --groups -:g --folds 2 -o {out}",
     "train a.npz b.npz --labels both.csv:label --groups both.csv:g --folds 2 -o {out}", "both.csv"),
    ("train a.npz b.npz --labels /dev/stdin --folds 2 -o {out}",
     "train a.npz b.npz --labels labels.csv --folds 2 -o {out}", "labels.csv"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "plain", "name"), STDIN)
def test_labels_and_ids_from_standard_input(line, plain, name, more, call, mmfuse):
    assert call(*plain.format(out="file").split()).code == 0
    done = mmfuse(*line.format(out="piped").split(), input=Path(name).read_bytes())
    assert done.code == 0, done.err
    assert Path("piped").read_bytes() == Path("file").read_bytes()


def test_labels_of_a_substituted_process(more, call):
    script = f"{sys.executable} -m mmfuse train a.npz b.npz --fuse sum --labels <(cat labels.csv) -o z.st"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "no scores: an input is a stream" in done.stderr
    line = "train a.npz b.npz --fuse sum --labels labels.csv -o file.st"
    assert call(*line.split()).code == 0
    assert Path("z.st").read_bytes() == Path("file.st").read_bytes()


@pytest.mark.parametrize("line", [BESIDE_LINE for BESIDE_LINE in BESIDE if "inputs-from" not in BESIDE_LINE])
def test_a_pipe_that_gives_nothing(line, more, call):
    name = f"pipe{Path(BESIDE[line]).suffix}"
    writer = fed(name, b"")
    before = tree()
    done = call(*line.format(name, out="z").split())
    writer.join(10)
    assert (done.code, writer.is_alive()) == (3, False), done.err
    assert is_one_message(done.err), done.err
    assert tree() == before


# --- memory -----------------------------------------------------------------------------------

HUNGRY = {
    "concat a=big.npz b=other.npz -o z.npy --memory 4GB": "this needs about",
    "mean a=big.npz b=other.npz -o z.npy": "not enough memory",
    "train a=big.npz b=other.npz --labels big.csv --folds 0 --memory 4GB -o z.npy": "not enough memory",
    "train a=big.npz b=other.npz --labels big.csv --folds 0 --memory 16MB -o z.npy": "needs about",
}


@pytest.mark.parametrize("line", HUNGRY)
def test_memory_that_is_not_there(line, here):
    rows = 150_000
    ids = np.arange(rows)
    np.savez("big.npz", ids=ids, x=np.ones((rows, 100), np.float32))
    np.savez("other.npz", ids=ids[::-1], x=np.ones((rows, 100), np.float32))
    Path("big.csv").write_text("id,label\n" + "".join(f"{i},{i % 2}\n" for i in range(rows)))
    Path("z.npy").write_bytes(b"old")
    limit = "300" if "16MB" not in line else "4000"
    script = f"ulimit -v $(({limit} * 1024)); exec {sys.executable} -m mmfuse {line} --threads 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=100)
    assert done.returncode == 6, done.stderr
    assert is_one_message(done.stderr)
    assert HUNGRY[line] in done.stderr
    assert Path("z.npy").read_bytes() == b"old"
    assert sorted(os.listdir()) == ["big.csv", "big.npz", "other.npz", "z.npy"]


def test_many_columns(here, long):
    """100,000 columns; more cells than 2³¹ and longer strings than 2 GiB are in `test_large`."""
    values = np.arange(200_000, dtype=np.float32).reshape(2, 100_000)
    mmfuse.fuse("concat", {"a": (values, ["p", "q"])}, output="z.parquet")
    mmfuse.fuse("concat", {"a": "z.parquet"}, output="z.csv")
    if long:
        mmfuse.fuse("concat", {"a": "z.csv"}, output="y.parquet", layout="wide")
        mmfuse.fuse("concat", {"a": "y.parquet"}, output="z.csv")
    found = mmfuse.fuse("concat", {"a": "z.csv"})
    assert np.array_equal(found.matrix, values)


def test_equal_columns_of_two_inputs(here, call):
    for name, value in (("one", 1), ("two", 2)):
        write_parquet(f"{name}.parquet", id=["p", "q"], x=[value, value + 0.5], y=[0.0, value])
    assert call("concat", "one.parquet", "two.parquet", "-o", "z.csv").code == 0
    head, first, _ = Path("z.csv").read_text().splitlines()
    assert head == "id,one_x,one_y,two_x,two_y"
    assert first == "p,1,0,2,0"
