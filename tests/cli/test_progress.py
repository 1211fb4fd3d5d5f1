"""Bars of progress: where they are drawn, when, and what they show."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import pytest

from mmfuse.cli import progress
from mmfuse.core.source import unseen


class Terminal(io.StringIO):
    """What looks like one."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Terminal]:
    """A wide terminal that becomes stderr when asked for, as pytest sets its own before a test."""

    def opened() -> Terminal:
        found = Terminal()
        monkeypatch.setattr(sys, "stderr", found)
        return found

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return opened


def test_every_step_has_one_bar_that_a_second_pass_begins_anew(
    terminal: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_PATIENCE", -1)
    drawn = terminal()
    with progress.showing() as told:
        for step, rows in (("learning", 4), ("learning", 3), ("fusing", 2), ("learning", 5)):
            told(step, rows, 7)
        bars: Any = told
        tasks = [(task.description, task.completed, task.total) for task in bars._bars.tasks]
    assert tasks == [("learning", 5, 7), ("fusing", 2, 7)]
    assert "learning" in drawn.getvalue()
    assert "2/7" in drawn.getvalue()


def test_quick_work_draws_nothing(
    terminal: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_PATIENCE", 1e9)
    drawn = terminal()
    with progress.showing() as told:
        told("learning", 7, 7)
    assert drawn.getvalue() == ""


@pytest.mark.parametrize("why", ["quiet", "CI", "no terminal"])
def test_nobody_looks(
    why: str, terminal: Callable[[], Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal()
    if why == "CI":
        monkeypatch.setenv("CI", "true")
    if why == "no terminal":
        monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress.showing(quiet=why == "quiet") as told:
        assert told is unseen
