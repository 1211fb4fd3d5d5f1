"""What a run asks of the operating system, seen from outside, native code included."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("unmeasured")

TRACE = "openat,write,pwrite64,pwritev,fsync,fdatasync,linkat,rename,renameat,renameat2"
OUTPUTS = {
    "npy": ("concat", "a.npy", "-o", "z/z.npy"),
    "parquet": ("concat", "a.npy", "-o", "z/z.parquet", "--compression", "zstd"),
    "model": ("fit", "pca", "a.npy", "--n-components", "1", "-o", "z/z.safetensors"),
    "arrow": ("concat", "a.npy", "-o", "z/z.arrow"),
    "csv": ("concat", "a.npy", "-o", "z/z.csv"),
    "shards": ("concat", "a.npy", "-o", "z/", "--shard-rows", "9", "-f", "npy"),
}


@pytest.fixture
def traced(here: Path) -> Any:
    """Run a command under strace; returns the process and the lines of the trace."""

    def run(*arguments: str, options: tuple[str, ...] = ()) -> Any:
        strace = ("strace", "-f", "-y", "-s", "0", "-o", "trace", "-e", f"trace={TRACE},{MORE}")
        command = [*strace, *options, sys.executable, "-m", "mmfuse", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return done, Path("trace").read_text(errors="replace").splitlines()

    if shutil.which("strace") is None:
        pytest.skip("there is no strace here")
    if subprocess.run(["strace", "-o", "trace", "true"], capture_output=True).returncode:
        pytest.skip("strace may not trace here")
    np.save("a.npy", np.random.default_rng(0).normal(size=(20, 3)))
    Path("a.ids.txt").write_text("".join(f"r{i}\n" for i in range(20)))
    os.mkdir("z")
    return run


MORE = "fallocate,link,unlink"


def events(lines: list[str]) -> list[tuple[str, str, str]]:
    """What happens to which file, in order; a file without a name is known by its number."""
    found: list[tuple[str, str, str]] = []
    for line in lines:
        if "-1 E" in line:
            continue
        if made := re.search(r"O_TMPFILE.* = (\d+)<([^>]+)>", line):
            found.append(("open", made[1], made[2]))
        elif done := re.search(r"\b(p?write|fsync|fdatasync)\w*\(\d+<([^>]+)>", line):
            found.append(("flush" if "sync" in done[1] else "write", done[2], ""))
        elif named := re.search(r'linkat\(.*"(\d+)", .*"([^"]+)"', line):
            found.append(("link", named[1], named[2]))
        elif moved := re.search(r'rename\w*\(.*?"([^"]+)", .*?"([^"]+)"', line):
            found.append(("rename", moved[1], moved[2]))
    return found


@pytest.mark.parametrize("name", ["npy", "parquet", "model"])
def test_a_file_is_on_the_disk_before_it_has_its_name(traced, name):
    done, lines = traced(*OUTPUTS[name])
    assert done.returncode == 0, done.stderr
    seen = events(lines)
    known: dict[str, str] = {}  # files by their number, then by their hidden name
    written: dict[str, int] = {}
    flushed: dict[str, int] = {}
    renamed = {}
    folder = os.path.realpath("z")
    for at, (what, file, other) in enumerate(seen):
        if what == "open":
            known[file] = other
        elif what == "link":
            known[other] = known[file]
        elif what == "write":
            written[file] = at
        elif what == "flush":
            flushed[file] = at
        elif what == "rename" and (content := known.get(file, file)) in written:
            assert written[content] < flushed[content] < at, lines
            renamed[other] = at
    outputs = {os.path.realpath(f"z/{output}") for output in os.listdir("z")}
    assert set(renamed) == outputs
    assert flushed[folder] > max(renamed.values())


@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EINTR"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_the_kth_call_fails_in_whatever_code(traced, long, name, error):
    if not long:
        pytest.skip("the long form fails every call of a process")

    def state() -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in Path("z").iterdir()}

    assert traced(*OUTPUTS[name])[0].returncode == 0
    new = state()
    old = {name: b"old" + content for name, content in new.items()}
    tried = 0
    for call in ("write", "pwrite64", "pwritev", "fsync", "fallocate", "linkat", "rename"):
        for k in count(1):
            for file in Path("z").iterdir():
                file.unlink()
            for file_name, content in old.items():
                Path("z", file_name).write_bytes(content)
            inject = ("-e", f"inject={call}:error={error}:when={k}")
            done, lines = traced(*OUTPUTS[name], options=inject)
            if not any("(INJECTED)" in line for line in lines):
                break
            tried += 1
            place = f"{call} {k}: {done}"
            assert "Traceback" not in done.stderr, place
            assert done.returncode in (0, 5), place
            assert state() in ((new,) if done.returncode == 0 else (old, new)), place
            assert not done.returncode or done.stderr.count("error: ") == 1, place
    print(f"{name} {error}: {tried} calls failed")
