"""Attacks are short by default; `--long` makes many of the few."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import faults
import pytest


@pytest.fixture(scope="session")
def long(request: pytest.FixtureRequest) -> bool:
    """Whether the long form is asked for."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(scope="session")
def inputs_of_commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of what all commands of `faults` read, made once."""
    folder = tmp_path_factory.mktemp("inputs")
    with contextlib.chdir(folder):
        faults.write_inputs()
    return folder


@pytest.fixture(scope="module")
def unmeasured() -> Iterator[None]:
    """Processes as users start them: those whose coverage is measured write files of their own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
            patch.delenv(name)
        yield


@pytest.fixture
def work(inputs_of_commands: Path, here: Path) -> Path:
    """The working folder, with those files."""
    shutil.copytree(inputs_of_commands, here, dirs_exist_ok=True)
    return here
