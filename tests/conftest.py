"""Fixtures of several test folders: the command line, as a process and in this one."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from suited import suited_labels

from mmfuse.core.batch import Batch
from mmfuse.core.schema import Schema
from mmfuse.core.strategy import Learned, Strategy


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="attack long and thoroughly")


@dataclass
class Result:
    code: int
    out: str
    err: str


Call = Callable[..., Result]


def _environment(more: dict[str, str] | None) -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if k not in ("MMFUSE_DEBUG", "PYTHONWARNINGS")}
    return {**plain, **(more or {})}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mmfuse() -> Call:
    """`mmfuse ARGUMENTS` as a process, the way users run it."""

    def run(*arguments: Any, env: dict[str, str] | None = None, **how: Any) -> Result:
        command = [sys.executable, "-m", "mmfuse", *map(os.fspath, map(_text, arguments))]
        how = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "timeout": 60, **how}
        done = subprocess.run(command, env=_environment(env), **how)
        out, err = done.stdout or b"", done.stderr or b""
        return Result(done.returncode, out.decode("utf-8", "surrogateescape"), err.decode())

    return run


def _text(argument: Any) -> Any:
    return argument if isinstance(argument, str | bytes | os.PathLike) else str(argument)


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same without a new process: for what does not depend on being one."""
    from mmfuse.cli.main import main

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: signal.getsignal(number) for number in numbers}

    def run(*arguments: Any) -> Result:
        monkeypatch.setattr(sys, "argv", ["mmfuse", *map(str, arguments)])
        held = os.dup(1)  # an error leaves stdout on the null device
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            os.dup2(held, 1)
            os.close(held)
            gc.unfreeze()
        out, err = capfd.readouterr()
        return Result(int(ended.value.code or 0), out, err)

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def npy(here: Path) -> Callable[[str, Any], np.ndarray]:
    """Write values as an npy file of float32 in the working folder, and return them."""

    def write(name: str, values: Any) -> np.ndarray:
        array = np.asarray(values, np.float32)
        np.save(here / name, array)
        return array

    return write


def solved(
    strategy: Strategy,
    known: Schema,
    blocks: Sequence[Any],
    present: Any = None,
    labels: Any = None,
) -> Learned:
    """What a strategy learns of these blocks; of no labels, of those that suit it."""
    if not strategy.learns:
        return strategy.solve(known)
    if labels is None:
        name = type(strategy).__module__.rpartition(".")[2].replace("_", "-")
        labels = suited_labels(name, np.arange(len(blocks[0])))
    batch = Batch(blocks, np.ones(len(blocks)), present, labels)
    return strategy.solve(known, strategy.statistics(known).gather([batch]))


@pytest.fixture
def solve() -> Callable[..., Learned]:
    """What a strategy learns of blocks."""
    return solved
