"""What is imported, and what is not: the start of a command is most of its time."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

HEAVY = {"pandas", "pyarrow", "sklearn", "scipy", "polars", "rich", "duckdb", "torch"}

PROBE = """
import atexit, sys
atexit.register(lambda: print("\\n".join(sorted({m.split(".")[0] for m in sys.modules}))))
from mmfuse.cli.main import main
main()
"""


def imported(*arguments: str) -> set[str]:
    """The packages that a command has imported when it ends."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("command", [["--help"], ["--version"]])
def test_help_imports_no_library(command):
    found = imported(*command)
    assert "typer" in found  # the probe works
    assert not found & (HEAVY | {"numpy"})


@pytest.mark.parametrize("normalize", ["none", "center,l2"])
def test_npy_to_parquet_needs_numpy_only(normalize, npy):
    npy("a.npy", np.ones((2, 2)))
    npy("b.npy", np.ones((2, 2)))
    options = ("--normalize", normalize, "-o", "z.parquet")
    found = imported("concat", "a.npy", "b.npy", *options)
    assert "numpy" in found
    assert not found & HEAVY


def test_mmfuse_loads_its_parts_on_first_use():
    code = "import sys, mmfuse; assert 'numpy' not in sys.modules; mmfuse.fuse; import numpy"
    subprocess.run([sys.executable, "-c", code], check=True)
