"""Pipes in the place of files: read once, and never waited for twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
from faults import FORMATS, N, is_one_message, tree, write_formats


def fed(path: str, data: bytes) -> Thread:
    """A pipe of this name, into which data are written once."""
    os.mkfifo(path)
    writer = Thread(target=Path(path).write_bytes, args=(data,), daemon=True)
    writer.start()
    return writer


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "line", ["convert x={} -f csv -o {out}", "concat x={} -f csv -o {out} --lock {out}.lock"]
)
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
}


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


STDIN = {
    "concat plain.npy --ids {} -f csv -o": "ids.txt",
    "concat plain.npy --ids {}:id -f csv -o": "labels.csv",
    "lda a.npz b.npz --labels {} -f csv -o": "labels.csv",
    "train a.npz b.npz --folds 2 --labels {}:label --groups {}:g -o": "both.csv",
}


@pytest.mark.parametrize("place", ["-", "/dev/stdin"])
@pytest.mark.parametrize("line", STDIN)
def test_labels_and_ids_from_standard_input(line, place, more, call, mmfuse):
    """What has no suffix is lines of ids, and CSV where it has columns or labels."""
    name = STDIN[line]
    assert call(*line.replace("{}", name).split(), "file").code == 0
    done = mmfuse(*line.replace("{}", place).split(), "piped", input=Path(name).read_bytes())
    assert done.code == 0, done.err
    assert Path("piped").read_bytes() == Path("file").read_bytes()


def test_labels_of_a_substituted_process(more, call):
    line = "train a.npz b.npz --fuse sum --labels <(cat labels.csv) -o z.st"
    script = f"{sys.executable} -m mmfuse {line}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "no scores: an input is a stream" in done.stderr
    line = "train a.npz b.npz --fuse sum --labels labels.csv -o file.st"
    assert call(*line.split()).code == 0
    assert Path("z.st").read_bytes() == Path("file.st").read_bytes()


@pytest.mark.parametrize(
    "line", [BESIDE_LINE for BESIDE_LINE in BESIDE if "inputs-from" not in BESIDE_LINE]
)
def test_a_pipe_that_gives_nothing(line, more, call):
    name = f"pipe{Path(BESIDE[line]).suffix}"
    writer = fed(name, b"")
    before = tree()
    done = call(*line.format(name, out="z").split())
    writer.join(10)
    assert (done.code, writer.is_alive()) == (3, False), done.err
    assert is_one_message(done.err), done.err
    assert tree() == before
