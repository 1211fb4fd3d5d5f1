"""What a run was made on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from measure import memory

_LIBRARIES = ("numpy", "pandas", "pyarrow", "polars", "duckdb", "scikit-learn", "cca-zoo")


def machine(folder: Path) -> dict[str, str]:
    """Processor, memory, kernel, and the file system of `folder`."""
    return {
        "processor": f"{len(os.sched_getaffinity(0))} x {_processor()}",
        "memory": f"{memory('MemTotal') / 1024:.1f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": _file_system(folder),
    }


def versions() -> dict[str, str]:
    """Of mmfuse, with its commit, Python and the peers."""
    found = {"mmfuse": version("mmfuse"), "python": platform.python_version()}
    commit = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    if commit:
        found["mmfuse"] += f" ({commit})"
    return found | {library: version(library) for library in _LIBRARIES}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(folder: Path) -> str:
    """The type of the mount that holds `folder`: the longest one that is a parent of it."""
    found = {}
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, kind, *_ = line.split()
        if folder.resolve().is_relative_to(point):
            found[len(point)] = kind
    return found[max(found)]
