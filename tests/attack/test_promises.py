"""The promises of the README: each names the test that fails when it is broken."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_names import NAMES, arguments, with_models

import mmfuse

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[(test_\w+)\]\(([\w/]+\.py)\)")
MARK = "smuggled_text"
"""In every name and id of the data."""


def promises() -> dict[str, list[tuple[str, str]]]:
    """The test and file that the README names for each of its promises."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## What you can rely on", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| **")]
    return {row.split("**")[1]: LINK.findall(row) for row in rows}


def functions_of(text: str) -> set[str]:
    """The functions of a file's source that are tests."""
    return {
        node.name
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_each_promise_names_a_test_that_is_there() -> None:
    found = promises()
    assert len(found) == 12
    for promise, links in found.items():
        assert links, promise
        for test, file in links:
            assert test in functions_of((ROOT / file).read_text(encoding="utf-8")), (promise, test)


def test_the_security_page_names_tests_that_are_there() -> None:
    links = LINK.findall((ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(links) > 5
    for test, file in links:
        assert test in functions_of((ROOT / file).read_text(encoding="utf-8")), test


def test_a_test_that_is_not_there_is_seen() -> None:
    assert functions_of("def test_a(): ...\ndef other(): ...") == {"test_a"}
    assert LINK.findall("x [test_a](tests/b.py), [c](d.md)") == [("test_a", "tests/b.py")]


# --- what a run does beside its work ----------------------------------------------------------

WATCHED = """
import json, os, sys
seen = []
writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
unnamed = os.O_TMPFILE & ~os.O_DIRECTORY
changes = {"os.remove", "os.rename", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.chmod",
           "os.chown", "os.truncate", "os.utime", "os.setxattr", "os.removexattr"}
runs = ("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
        "os.forkpty", "pty.", "pickle.", "urllib.", "http.", "ftplib.", "smtplib.", "webbrowser.")

def watch(event, given):
    if event == "open" and isinstance(given[0], (str, bytes)):
        if given[2] & writes and not given[2] & unnamed:
            seen.append([event, os.path.abspath(os.fsdecode(given[0]))])
    elif event in changes:
        for path in given[1:2] if event in ("os.link", "os.symlink") else given[:2]:
            if isinstance(path, (str, bytes)):
                seen.append([event, os.path.abspath(os.fsdecode(path))])
    elif event.startswith(runs):
        seen.append([event, repr(given)])
    elif event in ("exec", "compile", "import"):
        code = given[0]
        told = repr((code.co_consts, code.co_names)) if hasattr(code, "co_consts") else repr(code)
        if MARK in told:
            seen.append([event, told])

MARK, lines = sys.argv[1], json.loads(sys.argv[2])
from mmfuse.cli.main import main
sys.addaudithook(watch)
for line in lines:
    seen.clear()
    sys.argv = ["mmfuse", *line]
    before, code = os.dup(1), 0
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    sys.stdout.flush()
    os.dup2(before, 1)
    os.close(before)
    told = json.dumps([line, code, seen])
    os.write(3, told.encode() + b"\\n")
"""


def state(folder: Path) -> dict[str, tuple[Any, ...]]:
    """All that is in a folder, with what would change if it were written to."""
    return {
        str(path.relative_to(folder)): (
            (status := path.lstat()).st_mode,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in [folder, *sorted(folder.rglob("*"))]
    }


def watched(lines: list[list[str]], folder: Path) -> list[tuple[list[str], int, list[list[str]]]]:
    """Every run's exit code, and what it opened for writing, changed, ran or connected to."""
    places = {name: str(folder / name) for name in ("home", "temporary")}
    for place in places.values():
        os.mkdir(place)
    env = {**os.environ, "HOME": places["home"], "TMPDIR": places["temporary"]}
    env |= {"PYTHONDONTWRITEBYTECODE": "1", "XDG_CACHE_HOME": places["home"]}
    reading, writing = os.pipe()
    before = state(folder)
    process = subprocess.Popen(
        ["bash", "-c", f'exec 3>&{writing} "$@"', "bash", sys.executable, "-c", WATCHED, MARK,
         json.dumps(lines)],
        env=env, pass_fds=[writing], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(writing)
    with open(reading, encoding="utf-8") as told:
        found = [tuple(json.loads(line)) for line in told]
    assert process.wait(timeout=60) == 0
    assert state(folder) == before
    return found  # type: ignore[return-value]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Every command that there is, its output in a folder of its own."""
    (tmp_path / "work").mkdir()
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    one, two = with_models(MARK)
    lines = [line for name in NAMES for line in arguments(name, one, two)]
    return [
        [f"../out/{part}" if re.fullmatch(r"out(\..*)?", part) else part for part in line]
        for line in lines
    ]


def test_a_run_reads_its_inputs_and_writes_its_output_and_nothing_else(
    runs: list[list[str]], tmp_path: Path
) -> None:
    output = str(tmp_path / "out")
    done = watched(runs, tmp_path / "work")
    assert len(done) == len(runs)
    assert {line[0] for line, code, _ in done if code == 0} == set(NAMES)
    for line, _, seen in done:
        for event, path in seen:
            within = os.path.commonpath([path, output]) == output if path[0] == "/" else False
            assert within or (event, path) == ("open", os.devnull), (line, event, path)


def test_what_a_run_does_is_seen(tmp_path: Path) -> None:
    tries = (
        "import os, socket, subprocess, pickle, builtins\n"
        "def main():\n"
        "    open('a', 'w').close(); os.remove('a')\n"
        "    socket.socket().close()\n"
        "    subprocess.run(['true'])\n"
        "    exec(compile('smuggled_text = 1', 'x', 'exec'))\n"
        "    raise SystemExit(0)\n"
    )
    (tmp_path / "mmfuse" / "cli").mkdir(parents=True)
    (tmp_path / "mmfuse" / "__init__.py").touch()
    (tmp_path / "mmfuse" / "cli" / "main.py").write_text(tries)
    command = [sys.executable, "-c", WATCHED, MARK, '[["x"]]']
    done = subprocess.run(
        ["bash", "-c", 'exec 3>&1 "$@"', "bash", *command],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True,
    )  # fmt: skip
    events = {event for event, _ in json.loads(done.stdout.splitlines()[-1])[2]}
    assert {"open", "os.remove", "socket.__new__", "subprocess.Popen", "compile", "exec"} <= events


def test_no_run_asks_anything(runs: list[list[str]], mmfuse: Any) -> None:
    """A question would be answered by what stands on standard input, and the run would differ."""
    reading, writing = os.pipe()
    os.write(writing, b"no\nn\n" * 9)
    for line in ([*runs[0][:1], "x"], ["concat", runs[0][1], "-o", "o.npy"]):
        for _ in range(2):
            assert mmfuse(*line, stdin=reading).code in (0, 2, 3)
    os.set_blocking(reading, False)
    assert len(os.read(reading, 99)) == 45
    os.close(reading)
    os.close(writing)


def test_pictures_are_drawn_whatever_lies_in_the_folder(here: Path, mmfuse: Any) -> None:
    np.save("a.npy", np.random.default_rng(0).normal(size=(30, 4)))
    line = ["pca", "a.npy", "-o", "o.npy", "-q", "-k", "2", "--plot"]
    assert mmfuse(*line, "before.svg").code == 0
    Path("matplotlibrc").write_text("text.usetex: True\nsavefig.dpi: 3\naxes.facecolor: red\n")
    done = mmfuse(*line, "after.svg")
    assert (done.code, done.err) == (0, "")
    assert Path("after.svg").read_bytes() == Path("before.svg").read_bytes()


# --- memory -----------------------------------------------------------------------------------

FEW, MANY, WIDTH = 150_000, 450_000, 64
GROWTH = (MANY - FEW) * 2 * WIDTH * 4  # of what is read, in bytes
LINES = {
    "npy": ["concat", "a.npy", "b.npy", "-o", "o.npy"],
    "both": ["concat", "a.npy", "b.parquet", "-o", "o.parquet", "--normalize", "zscore"],
    "Parquet": ["mean", "a.parquet", "b.parquet", "--normalize", "l2", "-o", "o.safetensors"],
}


def pair(folder: Path, rows: int) -> None:
    """Two modalities in two orders, in files that have to be decoded and in others."""
    for k, name in enumerate("ab"):
        x = np.random.default_rng(k).random((rows, WIDTH), np.float32)
        order = np.random.default_rng(k).permutation(rows)
        np.save(folder / f"{name}.npy", x)
        np.save(folder / f"{name}.ids.npy", order)
        mmfuse.convert({name: (x, order)}, folder / f"{name}.parquet", compression="zstd")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    found = {rows: tmp_path_factory.mktemp("rows") for rows in (FEW, MANY)}
    for rows, folder in found.items():
        pair(folder, rows)
    return found


def most(line: list[str], folder: Path) -> int:
    """The most bytes of its own that a command had whenever one looked."""
    command = [sys.executable, "-m", "mmfuse", *line, "-q", "--threads", "1"]
    process = subprocess.Popen(command, cwd=folder)
    seen = 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        if found := re.search(r"RssAnon:\s+(\d+)", status):
            seen = max(seen, int(found[1]) << 10)
    assert process.returncode == 0
    return seen


@pytest.mark.parametrize("name", LINES)
def test_memory_does_not_grow_with_the_files(name: str, pairs: dict[int, Path]) -> None:
    line = [*LINES[name], "--memory", "32MB"]
    few, many = (most(line, pairs[rows]) for rows in (FEW, MANY))
    assert many - few < GROWTH / 4


def test_memory_that_grows_is_seen(pairs: dict[int, Path]) -> None:
    line = [*LINES["Parquet"], "--memory", "2GB"]  # what is decoded fits
    few, many = (most(line, pairs[rows]) for rows in (FEW, MANY))
    assert many - few > GROWTH / 4
