"""Jobs ended at any moment: what was there is there, or the whole new result is.

Killed outright between two renames of files that belong together, something is left that cannot
be read; nothing is left that is read wrongly.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfuse
from mmfuse.errors import MmfuseError

Files = dict[str, bytes]

pytestmark = pytest.mark.usefixtures("unmeasured")

ROWS, DIM = 60_000, 32
CODES = {"KILL": -9, "TERM": 143, "INT": 130, "HUP": 129}


@dataclass(frozen=True)
class Job:
    """A command, what it writes, and how that is read; `whole` if it appears by one rename."""

    arguments: tuple[str, ...]
    reads: tuple[str, ...] = ()
    whole: bool = False


TWO = ("a=a.npy", "b=b.parquet")
JOBS = {
    "csv": Job(("concat", *TWO, "-o", "z/z.csv"), ("z/z.csv",), True),
    "parquet": Job(
        ("concat", *TWO, "-o", "z/z.parquet", "--compression", "zstd"), ("z/z.parquet",), True
    ),
    "npy": Job(("concat", *TWO, "-o", "z/z.npy"), ("z/z.npy",)),
    "shards": Job(("concat", *TWO, "-o", "z/d/", "--shard-rows", "997"), ("z/d/",)),
    "shards of npy": Job(
        ("concat", *TWO, "-o", "z/d/", "--shard-rows", "997", "-f", "npy"), ("z/d/",)
    ),
    "model": Job(("fit", "pca", *TWO, "--n-components", "1", "-o", "z/model/"), (), True),
    "aligned": Job(("align", *TWO, "-o", "z/d", "-f", "npy"), ("z/d/a.npy", "z/d/b.npy")),
}  # fmt: skip


def generation(number: int, rows: int = ROWS, seed: int = 0) -> None:
    """Inputs in which every value tells its id and the generation."""
    order = np.random.default_rng(seed).permutation(rows)
    ids = [f"r{i}" for i in order]
    values = order[:, None] + np.linspace(0, 0.5, DIM) + 1e6 * number
    np.save("a.npy", values)
    Path("a.ids.txt").write_text("\n".join(ids) + "\n")
    mmfuse.fuse("concat", {"b": (values[::-1], ids[::-1])}, output="b.parquet", dtype="float64")


def files(folder: str) -> Files:
    return {str(p): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def restore(there: Files) -> None:
    subprocess.run(["rm", "-rf", "z"], check=True)
    os.mkdir("z")
    for name, content in there.items():
        os.makedirs(os.path.dirname(name), exist_ok=True)
        Path(name).write_bytes(content)


def command(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mmfuse", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def misread(path: str) -> str | None:
    """What is wrong with the rows that a result is read as; one that cannot be read is not."""
    try:
        read = mmfuse.fuse("concat", {"z": path}, dtype="float64", by="id")
    except MmfuseError:
        return None
    number = np.array([int(i[1:]) for i in read.ids])
    age = (read.matrix[0, 0] - number[0]) // 1e6
    if not (read.matrix[:, 0] == number + 1e6 * age).all():
        return f"{path}: rows of other ids"
    return None


class Attack:
    """Ends a job after a part of the time it takes, and looks at what is left."""

    def __init__(self, job: Job) -> None:
        self.job, self.outcomes = job, Counter[str]()
        generation(1, seed=1)
        restore({})
        self.run()
        self.old = files("z")
        generation(2, ROWS - 3000)  # there are fewer shards than before
        restore(self.old)
        started = time.monotonic()
        self.run()
        self.seconds = time.monotonic() - started
        self.new = files("z")
        assert self.old != self.new
        self.around = os.listdir()

    def run(self) -> None:
        job = command(*self.job.arguments)
        assert job.communicate()[1].count(b"error") == 0
        assert job.returncode == 0

    def once(self, name: str, part: float, again: bool = False) -> None:
        restore(self.old)
        job = command(*self.job.arguments)
        time.sleep(part * self.seconds)
        number = getattr(signal, f"SIG{name}")
        job.send_signal(number)
        if again:  # as `timeout` does: to the process, and to its group
            job.send_signal(number)
        _, told = job.communicate(timeout=60)
        place = f"{name} after {part:.3f}: {job.returncode} {told.decode()}"
        now = files("z")
        assert b"Traceback" not in told or b"mmfuse/" not in told, place
        assert os.listdir() == self.around, place
        hidden = {name for name in now if "/." in name}
        state = "old" if now == self.old else "new" if now == self.new else "neither"
        self.outcomes[f"{name} {job.returncode} {state}"] += 1
        if name == "KILL":
            seen = {name: now[name] for name in now if name not in hidden}
            assert not self.job.whole or seen in (self.old, self.new), place
            for path in self.job.reads:
                assert misread(path) is None, place
        else:
            assert state != "neither", f"{place}: {sorted(set(now) ^ set(self.old))[:9]}"
            early = -number  # Python itself has not begun, or is no more
            assert job.returncode in (CODES[name], early, 0), place
            assert job.returncode != 0 or state == "new", place


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An attack on a job, in a folder of its own."""
    made: dict[str, tuple[Path, Attack]] = {}

    def of(name: str) -> Attack:
        if name not in made:
            folder = tmp_path_factory.mktemp("kills")
            os.chdir(folder)
            made[name] = folder, Attack(JOBS[name])
        os.chdir(made[name][0])
        return made[name][1]

    before = os.getcwd()
    yield of
    os.chdir(before)


@pytest.mark.parametrize("name", JOBS)
def test_ended_at_any_moment(attack, long, name):
    if not long and name not in ("npy", "shards"):
        pytest.skip("the long form ends every kind of job")
    chance = random.Random(f"moments of {name}")
    tried = attack(name)
    for k in range(40 if long else 4):
        part = chance.random() if k % 2 else 0.5 + 0.4 * chance.random()
        tried.once(list(CODES)[k % 4], part, again=k % 3 == 0)
    print(name, dict(tried.outcomes))
