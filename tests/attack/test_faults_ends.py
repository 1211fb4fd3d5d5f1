"""Ends that come too early: signals, and nobody who takes what is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from faults import WRITERS, is_one_message, tree

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
WAITING = ["npy", "shards", "save", "fit", "apply", "train a folder", "predict", "convert", "align"]


@pytest.mark.parametrize("name", WAITING)
def test_a_signal_while_it_waits_for_an_input(name, work, long):
    """The output has been opened, and an input is a pipe into which nothing is written."""
    numbers = list(SIGNALS)
    for number in numbers if long else numbers[WAITING.index(name) % 3 :][:1]:
        interrupted(name, number)


def interrupted(name: str, number: signal.Signals) -> None:
    before = tree()
    os.mkfifo("pipe")
    line = (
        WRITERS[name]
        .replace(" a.npz", " a=pipe --from a=npz", 1)
        .replace(" p.csv", " p=pipe --from p=csv", 1)
    )
    command = [sys.executable, "-m", "mmfuse", *line.format("out").split()]
    job = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    with open("pipe", "wb"):  # which waits until it is read
        time.sleep(0.02)
        job.send_signal(number)
        out, err = job.communicate(timeout=10)
    assert (job.returncode, out, err) == (SIGNALS[number], b"", b"")
    os.unlink("pipe")
    assert tree() == before


TELLERS = {
    "convert a.npz -o -": None,
    "apply m.st a.npz b.npz -q -o - -f arrow": None,
    "predict t.st a.npz b.npz -q -o -": None,
    "soft-vote p.csv q.csv -q -o -": None,
    "pca a.npz b.npz --json -o z.npy": ["z.ids.txt", "z.npy"],
    "inspect a.npz": None,
    "inspect m.st --json": None,
    "check a.npz b.npz": None,
    "check a.npz b.npz --json": None,
    "align a.npz b.npz --json -o z": ["z"],
    "merge m.st m2.st --json -o z.st": ["z.st"],
    "fit --continue m.st a.npz b.npz --json -o z.st": ["z.st"],
    "train a.npz b.npz --labels labels.csv --fuse sum --json -o z/": ["z"],
}
ENDS = {"> /dev/full": 5, ">&-": 5, "| true": 141}


@pytest.mark.parametrize("line", TELLERS)
def test_nobody_takes_what_is_told(line, work, long):
    """What was to be written is there all the same; the files are whole."""
    ends = list(ENDS)
    for end in ends if long else ends[list(TELLERS).index(line) % 3 :][:1]:
        unheard(line, end)


def unheard(line: str, end: str) -> None:
    before = set(os.listdir())
    script = f"{sys.executable} -m mmfuse {line} {end}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (ENDS[end], "")
    if ENDS[end] == 5:
        assert "error: cannot write standard output" in done.stderr
        assert is_one_message(done.stderr[done.stderr.index("error:") :])
    else:
        assert "error" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert set(os.listdir()) >= before.union(TELLERS[line] or [])
    if TELLERS[line] is None:
        assert set(os.listdir()) == before
