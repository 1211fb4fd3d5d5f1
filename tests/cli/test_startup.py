"""What is imported, and what is not: the start of a command is most of its time."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

HEAVY = {
    "pandas", "pyarrow", "sklearn", "scipy", "polars", "rich", "duckdb", "torch",
    "pydantic", "pydantic_core",
}  # fmt: skip
LATER = {"concurrent", "csv", "email", "tempfile", "mmfuse.files.sheet", "mmfuse.profile"}

PROBE = """
import atexit, os, sys
atexit.register(lambda: print("\\n".join(["", *sys.modules])))
from mmfuse.cli.main import main
main()
"""


def imported(*arguments: str) -> set[str]:
    """The modules and packages that a command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True
    )
    modules = done.stdout.split()
    return {*modules, *(module.split(".")[0] for module in modules)}


@pytest.mark.parametrize("command", ["--help", "--version"])
def test_help_imports_no_library(command):
    found = imported(command)
    assert "typer" in found  # the probe works
    assert not found & (HEAVY | {"numpy"})


@pytest.mark.parametrize("command", ["concat", "random-lowrank", "inspect", "strategies"])
def test_the_help_of_a_command_imports_no_library_but_numpy(command):
    assert not imported(command, "--help") & HEAVY


@pytest.mark.parametrize("line", ["mmfuse conc", "mmfuse concat --no"])
def test_completion_imports_no_library_but_numpy(line, monkeypatch):
    words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    for name, value in {"_MMFUSE_COMPLETE": "complete_bash", **words}.items():
        monkeypatch.setenv(name, value)
    found = imported()
    assert {"concat", "--normalize"} & found  # the probe works
    assert not found & HEAVY


@pytest.mark.parametrize("line", ["mmfuse nothing --no", "mmfuse fit nothing --no"])
def test_completion_of_no_command_offers_none_and_is_no_error(line, monkeypatch, call):
    monkeypatch.setenv("_MMFUSE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
    done = call()
    assert (done.code, done.err) == (0, "")
    assert "--normalize" not in done.out


@pytest.mark.parametrize(
    "command",
    [
        ("concat",),
        ("concat", "--normalize", "center,l2", "--weight", "a=2", "--weight", "b=3", "--nan=keep"),
        ("random-lowrank", "--n-components", "3", "--seed=1", "--threads", "2"),
        ("sketch", "--no-sidecar", "--by-position", "-q", "--memory", "64MB", "--json"),
    ],
)
@pytest.mark.parametrize("output", ["z.parquet", "z.npy"])
def test_npy_to_npy_or_parquet_needs_numpy_only(command, output, npy, here):
    for name in "ab":
        npy(f"{name}.npy", np.ones((2, 2)))
        (here / f"{name}.ids.txt").write_text("x\ny\n")
    found = imported(*command, "a.npy", "b.npy", "-o", output)
    assert "numpy" in found
    assert not found & (HEAVY | LATER)


@pytest.mark.parametrize(("given", "expected"), [(None, "1"), ("3", "3")])
def test_numpy_gets_one_thread_unless_the_user_says_otherwise(given, expected):
    code = "import os, sys\nfrom mmfuse.cli.main import main\nsys.argv[1:] = ['strategies']\n"
    code += "try: main()\nfinally: print(os.environ['OPENBLAS_NUM_THREADS'])"
    env = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    env |= {"OPENBLAS_NUM_THREADS": given} if given else {}
    done = subprocess.run([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True)
    assert done.stdout.split()[-1] == expected


def test_mmfuse_loads_its_parts_on_first_use():
    code = "import sys, mmfuse; assert 'numpy' not in sys.modules; mmfuse.fuse; import numpy"
    subprocess.run([sys.executable, "-c", code], check=True)
