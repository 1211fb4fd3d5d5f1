"""Every call to the operating system fails once: each output is the old one or the whole new one.

A sweep fails the first call of a run, then the second, and so on, until a run meets no failure.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import conftest
import numpy as np
import pytest

import mmfuse
from mmfuse.cli import errors
from mmfuse.errors import MmfuseError

Files = dict[str, bytes]

CALLS = (
    "open", "close", "write", "pwrite", "pwritev", "fsync", "fdatasync", "rename", "replace",
    "link", "unlink", "ftruncate", "fchmod", "mkdir", "rmdir", "posix_fallocate",
)  # fmt: skip
FIXTURE = conftest.__file__  # gives stdout back
PAIR = ("z/z.ids.txt", "z/z.npy")
TWO = ("text.csv", "image.npy")
BESIDE = ("--depfile", "z/d", "--summary", "z/s")
LEARN = ("train", *TWO, "--labels", "labels.csv", "--fuse", "sum", "--folds", "0")


@dataclass(frozen=True)
class Job:
    """A command, and its outputs: those of a group appear together."""

    arguments: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    makes: tuple[str, ...] = ()  # folders
    old: tuple[str, ...] = field(default=())  # arguments of an earlier run, if it had others

    @property
    def earlier(self) -> tuple[str, ...]:
        """The same with other values."""
        return self.old or tuple(a.replace("image.npy", "other.npy") for a in self.arguments)


def one(name: str, *more: str) -> Job:
    return Job(("concat", *TWO, "-o", name, *more), ((name,),))


def parts(count: int, *endings: str) -> tuple[str, ...]:
    return tuple(f"z/d/part-{k:05d}{ending}" for k in range(count) for ending in endings)


JOBS = {
    "npy": Job(
        ("concat", *TWO, "-o", "z/z.npy"),
        (PAIR,),
        (),
        ("convert", "third.npy", "-o", "z/z.npy"),
    ),
    "csv": one("z/z.csv"),
    "parquet": one("z/z.parquet"),
    "wide": one("z/z.parquet", "--layout", "wide"),
    "compressed": one("z/z.parquet", "--compression", "zstd"),
    "npz": one("z/z.npz"),
    "arrow": one("z/z.arrow"),
    "jsonl": one("z/z.jsonl"),
    "safetensors": one("z/z.safetensors"),
    "shards": Job(
        ("concat", *TWO, "-o", "z/d/", "--shard-rows", "2"),
        (parts(3, ".parquet"),),
        ("z/d",),
        ("concat", "text.csv", "other.npy", "-o", "z/d/", "--shard-rows", "1"),
    ),
    "shards of npy": Job(
        ("concat", *TWO, "-o", "z/d/", "--shard-rows", "2", "-f", "npy"),
        (parts(2, ".npy", ".ids.txt"),),
        ("z/d",),
    ),
    "saved": Job(
        ("pca", *TWO, "--n-components", "1", "-o", "z/z.npy", "--save", "z/m.safetensors"),
        ((*PAIR, "z/m.safetensors"),),
    ),
    "fit": Job(
        ("fit", "pca", *TWO, "--n-components", "1", "-o", "z/model/"),
        (("z/model/model.safetensors",),),
        ("z/model",),
    ),
    "trained": Job((*LEARN, "-o", "z/model/"), (("z/model/model.safetensors",),), ("z/model",)),
    "merged": Job(
        ("merge", "a.safetensors", "b.safetensors", "-o", "z/m.safetensors"),
        (("z/m.safetensors",),),
        (),
        ("merge", "b.safetensors", "c.safetensors", "-o", "z/m.safetensors"),
    ),
    "aligned": Job(
        ("align", "text=text.csv", "image=image.npy", "-o", "z/d"),
        (("z/d/text.csv", "z/d/image.npy", "z/d/image.ids.txt"),),
        ("z/d",),
    ),
    "converted": Job(("convert", "image.npy", "-o", "z/z.parquet"), (("z/z.parquet",),)),
    "beside": Job(
        ("concat", *TWO, "-o", "z/z.npy", "--lock", "z/l", *BESIDE),
        ((*PAIR, "z/l"), ("z/d",), ("z/s",)),
        (),
        ("mean", "image.npy", "-o", "z/z.npy", *BESIDE),
    ),
    "drawn": Job(
        ("pca", *TWO, "--n-components", "1", "-o", "z/z.npy", "--plot", "z/p.svg"),
        ((*PAIR, "z/p.svg"),),
    ),
}  # fmt: skip


@pytest.fixture
def inputs(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two modalities of the ids b, c, d, and another two; labels; models."""
    os.mkdir("tmp")
    monkeypatch.setattr("tempfile.tempdir", str(here / "tmp"))
    Path("text.csv").write_text("id,f\nb,1\nc,2\nd,3\n")
    np.save("third.npy", np.ones((3, 3), np.float32))
    Path("third.ids.txt").write_text("x\ny\nz\n")  # as many, and none of the others
    Path("labels.csv").write_text("id,label\nb,x\nc,y\nd,x\n")
    for name, values in {
        "image": [[4, 5], [6, 7], [8, 1]],
        "other": [[1, 9], [2, 6], [5, 3]],
    }.items():
        np.save(f"{name}.npy", np.array(values, np.float32))
        Path(f"{name}.ids.txt").write_text("d\nb\nc\n")
        mmfuse.fit(
            "pca", {"i": f"{name}.npy"}, f"{name[0]}.safetensors", options={"n_components": 1}
        )
    os.rename("i.safetensors", "a.safetensors")
    os.rename("o.safetensors", "b.safetensors")
    shutil.copy("b.safetensors", "c.safetensors")
    return here


def files(folder: str = ".") -> Files:
    """All files below a folder, and all folders as such."""
    found: Files = {}
    for path in sorted(Path(folder).rglob("*")):
        found[str(path)] = b"(folder)" if path.is_dir() else path.read_bytes()
    return found


def restore(there: Files) -> None:
    """Let the folder z hold these files, and no others."""
    for path in sorted(Path("z").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    os.makedirs("z", exist_ok=True)
    for name, content in there.items():
        if content == b"(folder)":
            os.mkdir(name)
        else:
            Path(name).write_bytes(content)


class Killed(BaseException):
    """The process is no more: whatever it still does has no effect."""


class Calls:
    """Calls of `os` in the order in which they come; at the k-th of them something happens.

    named: without files that have no name, as on some file systems.
    """

    def __init__(self, k: int, named: bool = False) -> None:
        self.k, self.named = k, named
        self.calls, self.met = 0, ""

    def happens(self, name: str, plain: Any, args: Any, how: Any) -> Any:
        raise NotImplementedError

    def wrap(self, name: str) -> Any:
        plain = getattr(os, name)

        def call(*args: Any, **how: Any) -> Any:
            if sys._getframe(1).f_code.co_filename == FIXTURE:
                return plain(*args, **how)
            if name == "open" and self.named and args[1] & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
            self.calls += 1
            if self.calls == self.k:
                self.met = name
            if self.calls >= self.k:
                return self.happens(name, plain, args, how)
            return plain(*args, **how)

        return call

    def during(self, monkeypatch: pytest.MonkeyPatch, act: Any) -> Any:
        with monkeypatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self.wrap(name))
            return act()

    def __str__(self) -> str:
        return f"{self.met}, call {self.k}"


class Failing(Calls):
    def __init__(self, k: int, named: bool, number: int) -> None:
        super().__init__(k, named)
        self.number = number

    def happens(self, name: str, plain: Any, args: Any, how: Any) -> Any:
        if self.calls > self.k:
            return plain(*args, **how)
        if name == "close":  # the number is free again even so
            plain(*args, **how)
        raise OSError(self.number, os.strerror(self.number))


class Dying(Calls):
    def happens(self, name: str, plain: Any, args: Any, how: Any) -> Any:
        if name == "close":
            return plain(*args, **how)
        raise Killed


class Signalled(Calls):
    """A signal comes before a call, and once more before the next."""

    def __init__(self, k: int, named: bool, number: int) -> None:
        super().__init__(k, named)
        self.number = number

    def happens(self, name: str, plain: Any, args: Any, how: Any) -> Any:
        if self.calls <= self.k + 1:
            signal.raise_signal(self.number)
        return plain(*args, **how)


def mixtures(job: Job, old: Files, new: Files) -> Iterator[str]:
    """What is wrong with what there is now; nothing is, where each group is all old or all new."""
    now = files("z")
    for group in job.groups:
        # of a folder all that there is: the earlier run may have had more parts
        names = {*old, *new} if job.makes == ("z/d",) else group
        own, was, wanted = ({n: x[n] for n in names if n in x} for x in (now, old, new))
        if own not in (was, wanted):
            yield f"a mixture in {group}"
    if debris := set(now) - set(old) - set(new) - set(job.makes):
        yield f"left behind: {debris}"


@pytest.fixture(params=JOBS)
def job(request: pytest.FixtureRequest, inputs: Path) -> Job:
    return JOBS[request.param]


def before_and_after(call: Any, job: Job, there: bool) -> tuple[Files, Files]:
    """What is in the folder z before a run, if anything is, and after it."""
    restore({})
    assert call(*job.earlier).code == 0
    old = files("z") if there else {}
    restore(old)
    assert call(*job.arguments).code == 0
    new = files("z")
    assert old != new
    restore({})
    return old, new


def wrong(job: Job, old: Files, new: Files, met: str) -> list[str]:
    """What is wrong with what there is now."""
    told = mixtures(job, old, new)
    # what cannot be removed stays
    return [one for one in told if met != "unlink" or ".part'" not in one]


def few(long: bool, job: Job, *names: str) -> None:
    """Leave all but a few jobs to the long form."""
    if not long and job not in [JOBS[name] for name in names]:
        pytest.skip("the long form tries every job")


@pytest.mark.parametrize("there", [True, False], ids=["replaced", "new"])
def test_the_kth_call_fails(monkeypatch, call, long, job, there):
    few(long, job, *({*JOBS} - {"drawn"} if there else ("npy", "shards", "fit", "beside")))
    old, new = before_and_after(call, job, there)
    around = files()
    ways = [(h, n) for n in (errno.ENOSPC, errno.EIO) for h in (False, True)]
    for named, number in ways if long else [ways[0 if there else 3]]:
        for k in count(1):
            restore(old)
            calls = Failing(k, named, number)
            done = calls.during(monkeypatch, partial(call, *job.arguments))
            place = f"{calls}: {done}"
            assert not (told := wrong(job, old, new, calls.met)), f"{told}: {place}"
            assert "Traceback" not in done.err, place
            if done.code:
                assert done.code in (3, 5, 7), place
                assert done.err.count("error: ") == 1, place
                assert os.strerror(number) in done.err, place
                assert any(n in done.err for n in (*old, *new, *around, "z/model", "z/d")), place
            if not calls.met:
                assert (done.code, files("z")) == (0, new), place
                break
            restore({})
            assert files() == around, place


SEVERAL = ("npy", "shards", "shards of npy", "saved", "aligned")


def read(job: Job) -> Any:
    """What a reader gets: the rows, by their ids; of aligned files as they lie side by side."""
    try:
        if job is JOBS["aligned"]:
            both = {"text": "z/d/text.csv", "image": "z/d/image.npy"}
            got = mmfuse.fuse("concat", both, by="position")
            alone = mmfuse.fuse("concat", {"image": "z/d/image.npy"})
            return got.matrix.tolist(), alone.ids.tolist(), alone.matrix.tolist()
        place = "z/d/" if job.makes else "z/z.npy"
        got = mmfuse.fuse("concat", {"z": place})
        return got.ids.tolist(), got.matrix.tolist()
    except MmfuseError:
        return None


@pytest.mark.parametrize("there", [True, False], ids=["replaced", "new"])
@pytest.mark.parametrize("job", SEVERAL, indirect=True)
def test_killed_at_the_kth_call(monkeypatch, call, long, job, there):
    """Files that belong together are read as they were, as they are now, or not at all."""
    few(long, job, *(("npy", "shards", "aligned") if there else ()))
    old, new = before_and_after(call, job, there)
    seen = []
    for then in (old, new):
        restore(then)
        seen.append(read(job))
    assert seen[0] != seen[1]
    for named in (False, True) if long else (False,):
        for k in count(1):
            restore(old)
            calls = Dying(k, named)
            with suppress(Killed):
                calls.during(monkeypatch, partial(call, *job.arguments))
            if not calls.met:
                break
            assert read(job) in (*seen, None), str(calls)
            assert call(*job.arguments).code == 0  # which mends all
            assert read(job) == seen[1], str(calls)


@pytest.mark.parametrize("there", [True, False], ids=["replaced", "new"])
def test_a_signal_at_the_kth_call(monkeypatch, call, long, job, there):
    """Twice, as `timeout` sends it: to the process, and to its group."""
    few(long, job, *(("npy", "shards") if there else ("npy", "fit", "beside")))
    monkeypatch.setattr(errors, "_leave", sys.exit)  # not of the tests
    old, new = before_and_after(call, job, there)
    around = files()
    for named in (False, True) if long else (not there,):
        for k in count(1):
            restore(old)
            errors._ended_by.clear()
            calls = Signalled(k, named, signal.SIGTERM)
            done = calls.during(monkeypatch, partial(call, *job.arguments))
            place = f"{calls}: {done}"
            errors._ended_by.clear()
            if not calls.met:
                assert (done.code, files("z")) == (0, new), place
                break
            assert done.code == 143, place
            assert not (told := wrong(job, old, new, "")), f"{told}: {place}"
            restore({})
            assert files() == around, place
