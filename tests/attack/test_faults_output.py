"""Places that cannot be written, and ends that come too early: every command that writes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import disks
import numpy as np
import pytest
from faults import FOLDERS, WRITERS, is_one_message, tree

import mmfuse

ROOT = os.geteuid() == 0
OLD = b"what was there before"
LATE = {"lock"}  # is looked at once it is known which files it is of


def without_inputs(line: str) -> str:
    """A command whose first input, or model to merge, is missing."""
    for name in ("inspect m.st", "merge m.st m2.st"):
        line = line.replace(name, name.rsplit(" ", 1)[0] + " gone.st")
    return line.replace(" a.npz", " a=gone.npz", 1).replace(" p.csv", " p=gone.csv", 1)


def target(name: str, place: str) -> str:
    """The path that a command writes if OUT is this place."""
    return f"{place}.svg" if WRITERS[name].endswith(".svg") else place


def missing_folder(path: str) -> None:
    """`no/` is not there."""


def a_folder(path: str) -> None:
    os.makedirs(path)


def a_fifo(path: str) -> None:
    os.mkfifo(path)


def a_device(path: str) -> None:
    os.symlink("/dev/full", path)


def in_a_file(path: str) -> None:
    Path(os.path.dirname(path)).write_bytes(OLD)


PLACES: dict[str, Any] = {
    "no/out": (missing_folder, "No such file or directory"),
    "folder": (a_folder, "is a folder"),
    "fifo": (a_fifo, "is not a "),
    "device": (a_device, "is not a "),
    "file/out": (in_a_file, "Not a directory"),
    "n" * 256: (missing_folder, "File name too long"),
}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place[:8])
@pytest.mark.parametrize("name", WRITERS)
def test_a_place_that_cannot_be_written_is_told_before_inputs_are_read(name, place, work, call):
    if place == "folder" and name in FOLDERS:
        pytest.skip("a folder is where it goes")
    make, told = PLACES[place]
    make(target(name, place))
    before = tree()
    line = (
        WRITERS[name]
        if name in LATE or "inspect" in WRITERS[name]
        else without_inputs(WRITERS[name])
    )
    done = call(*line.format(place).split())
    kind = 3 if name in LATE and place in ("folder", "fifo", "device") else 5
    told = "not a lock file of mmfuse" if kind == 3 else told
    assert (done.code, done.out) == (kind, ""), done.err
    assert is_one_message(done.err), done.err
    assert told in done.err
    assert target(name, place) in done.err
    assert tree() == before


AS_NOBODY = """
import os, sys
from contextlib import suppress
from mmfuse.cli.main import main
line = sys.argv[1]
sys.argv = ["mmfuse", *line.format("tried").split()]
with suppress(SystemExit):
    main()
os.setgid(65534)
os.setuid(65534)
sys.argv = ["mmfuse", *line.format("out").split()]
main()
"""


@pytest.mark.skipif(not ROOT, reason="only root may become somebody else")
@pytest.mark.parametrize("name", ["concat", "fit", "align", "shards", "train a folder"])
def test_a_read_only_folder(name, work, unmeasured):
    """The command of somebody who may read the folder and not write, after one who may."""
    for folder in (work, *work.parents[:-2]):
        os.chmod(folder, 0o755)
    before = tree()
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, WRITERS[name]], capture_output=True, text=True
    )
    assert done.returncode == 5, done.stderr
    told = done.stderr[done.stderr.index("error:") :]
    assert "Permission denied" in told
    assert is_one_message(told)
    assert {path: data for path, data in tree().items() if "tried" not in path} == before


# --- disks that are full ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small file system of its own."""
    with disks.small_disk(tmp_path_factory.mktemp("disk"), "256k") as folder:
        yield folder


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_leaves_what_was_there(name, work, call, disk):
    for path in list(disk.iterdir()):
        subprocess.run(["rm", "-r", str(path)], check=True)
    out = disk / "out"
    old = Path(target(name, str(out)))
    if name in FOLDERS:
        out.mkdir()
        old = out / {"train a folder": "model.safetensors", "align": "a.npz"}.get(
            name, "part-00000.npy"
        )
    if name != "lock":  # which is read where it is there
        old.write_bytes(OLD)
    fill(disk / "filler")
    with Within(disk):
        before = tree()
    done = call(*WRITERS[name].format(out).split())
    assert done.code == 5, done.err
    assert is_one_message(done.err), done.err
    assert "No space left on device" in done.err
    with Within(disk):
        assert tree() == before
    assert not [path for path in tree() if ".part" in path]


class Within:
    """Work in another folder for a while."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        self.before = os.getcwd()
        os.chdir(self.folder)

    def __exit__(self, *_: object) -> None:
        os.chdir(self.before)


# --- outputs that are links, inputs, or those of another job ----------------------------------


@pytest.mark.parametrize("name", sorted(set(WRITERS) - FOLDERS))
def test_a_link_is_written_through(name, work, call):
    os.mkdir("far")
    link = target(name, "link")
    os.symlink(os.path.join("far", "out"), link)
    done = call(*WRITERS[name].format("link").split())
    assert done.code == 0, done.err
    linked = Path("far/out").read_bytes()
    assert os.readlink(link) == os.path.join("far", "out")
    assert os.listdir("far") == ["out"]
    os.unlink(link)
    assert call(*WRITERS[name].format("link").split()).code == 0
    if name != "depfile":
        assert Path(link).read_bytes() == linked


TIMED = "concat plain.npy --times times.txt --align time --tolerance 1s"
GROUPED = "train a.npz b.npz --labels labels.csv --groups groups.csv:g"
# arguments by which an input would be replaced, as {}; what it is
SELF = {
    "concat a.npz b.npz -f npz -o {}": "a.npz",
    "soft-vote p.csv q.csv -o {}": "q.csv",
    "convert p.csv -f csv -o {}": "p.csv",
    "concat plain.npy --ids ids.txt -f csv -o {}": "ids.txt",
    "concat plain.npy --ids ids.txt -o z.npy --depfile {}": "ids.txt",
    f"{TIMED} -f csv -o {{}}": "times.txt",
    f"{TIMED} -o z.npy --summary {{}}": "times.txt",
    f"{TIMED} -o z.npy --lock {{}}": "times.txt",
    "concat --inputs-from list.txt -f csv -o {}": "list.txt",
    "concat --inputs-from list.txt -o z.npy --summary {}": "list.txt",
    "concat --inputs-from list.txt -o z.npy --lock {}": "list.txt",
    "pca --inputs-from list.txt -o z.npy --save {}": "list.txt",
    "fit pca --inputs-from list.txt -o {}": "list.txt",
    "lda a.npz b.npz --labels labels.csv -f csv -o {}": "labels.csv",
    "lda a.npz b.npz --labels labels.csv -o z.npy --save {}": "labels.csv",
    "lda a.npz b.npz --labels labels.csv -o z.npy --lock {}": "labels.csv",
    "lda a.npz b.npz --labels labels.csv -o z.npy --summary {}": "labels.csv",
    "fit lda a.npz b.npz --labels labels.csv -o {}": "labels.csv",
    "train a.npz b.npz --labels labels.csv --folds 0 -o {}": "labels.csv",
    f"{GROUPED} --folds 2 -o {{}}": "groups.csv",
    f"{GROUPED} -o z.st --summary {{}}": "groups.csv",
    f"{GROUPED} -o z.st --depfile {{}}": "groups.csv",
    "train --continue t.st a.npz b.npz --labels labels.csv -o {}": "labels.csv",
    "fit --continue m.st a.npz b.npz -o {}": "a.npz",
    "fit --continue m.st a.npz b.npz -o z.st --lock {}": "m.st",
    "fit --continue m.st a.npz b.npz -o z.st --summary {}": "m.st",
    "apply m.st a.npz b.npz -f csv -o {}": "m.st",
    "apply m.st a.npz b.npz -o z.npy --lock {}": "m.st",
    "apply m.st a.npz b.npz -o z.npy --depfile {}": "m.st",
    "predict t.st a.npz b.npz -f csv -o {}": "t.st",
    "predict t.st a.npz b.npz -o z.npy --lock {}": "t.st",
}
ALIASES = ["{}", "./sub/../{}", "symbolic", "hard"]


@pytest.mark.parametrize("line", SELF)
def test_no_input_is_replaced(line, work, call):
    own = SELF[line]
    os.mkdir("sub")
    os.symlink(own, "symbolic")
    os.link(own, "hard")
    before = tree()
    for alias in ALIASES:
        done = call(*line.format(alias.format(own)).split())
        assert (done.code, done.out) == (2, ""), done.err
        assert is_one_message(done.err), done.err
        assert tree() == before


def test_a_picture_does_not_replace_its_model(work, call):
    os.symlink("m.st", "m.svg")
    before = tree()
    assert call("inspect", "m.st", "--plot", "m.svg").code == 2
    assert tree() == before


@pytest.mark.parametrize(
    "line", ["merge m.st m2.st -o m.st", "fit --continue m.st a.npz b.npz -o m.st"]
)
def test_a_model_that_is_written_back_is_what_it_would_be_elsewhere(line, work, call):
    assert call(*line.removesuffix("m.st").split(), "else.st").code == 0
    assert call(*line.split()).code == 0
    assert Path("m.st").read_bytes() == Path("else.st").read_bytes()


# Two jobs at once; renames take long, so that those of both would go between each other.
JOB = """
import os, random, sys, time
import numpy as np, mmfuse
plain = os.replace
def slow(*args, **how):
    plain(*args, **how)
    time.sleep(0.03 * random.random())
os.replace = slow
number, rounds = int(sys.argv[1]), int(sys.argv[2])
for k in range(rounds):
    sys.stdin.readline()
    ids = np.random.default_rng(number + 2 * k).permutation(20)
    rows = ids[:10 if number else 20].reshape(-1, 1)
    mmfuse.fuse("concat", {"a": (rows, [f"r{i}" for i in rows[:, 0]])}, output=sys.argv[3],
                shard_rows=int(sys.argv[4]) or None, format="npy")
    print("done", flush=True)
"""  # fmt: skip


@pytest.mark.parametrize(("out", "rows"), [("z.npy", 0), ("z/", 3)])
def test_two_jobs_on_one_output_leave_one_whole_result(out, rows, here, long):
    rounds = 100 if long else 8
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", JOB, str(k), str(rounds), out, str(rows)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for k in range(2)
    ]  # fmt: skip
    for _ in range(rounds):
        for job in jobs:
            job.stdin.write("go\n")
            job.stdin.flush()
        assert [job.stdout.readline() for job in jobs] == ["done\n"] * 2
        whole = mmfuse.fuse("concat", {"a": out}, dtype="float64")
        assert list(whole.ids) == [f"r{v:.0f}" for v in whole.matrix[:, 0]]
        assert len(whole.ids) in (10, 20)
        assert len(set(whole.ids)) == len(whole.ids)
        assert not [name for name in os.listdir(out if rows else ".") if ".part" in name]
    for job in jobs:
        job.communicate(timeout=30)


def test_who_holds_the_folder_does_not_stop_a_job(work, call, monkeypatch):
    """`flock FOLDER mmfuse …`, as some run their jobs one after the other."""
    import fcntl

    monkeypatch.setattr("mmfuse.files.folders._PATIENCE", 0.05)
    held = os.open(".", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    try:
        assert call(*WRITERS["npy"].format("z.npy").split()).code == 0
    finally:
        os.close(held)
    assert np.load("z.npy").shape == (12, 6)
