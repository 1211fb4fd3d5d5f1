"""A progress bar on a terminal, for work that takes long enough to be worth one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from mmfuse.core.source import Progress, unseen
from mmfuse.files.paths import short

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

_PATIENCE = 0.5  # seconds before a bar appears


@contextmanager
def showing(output: str | None = None, *, quiet: bool = False) -> Iterator[Progress]:
    """Progress drawn on stderr; nothing where nobody looks (no terminal, or CI), if `quiet`, or
    where the output goes to the terminal."""
    seen = sys.stderr is not None and sys.stderr.isatty() and not os.environ.get("CI")
    if quiet or not seen or (output == "-" and sys.stdout.isatty()):
        yield unseen
        return
    with ExitStack() as drawn:
        yield _Bars(drawn)


class _Bars:
    """One bar a step, drawn once the work has taken a moment."""

    def __init__(self, drawn: ExitStack) -> None:
        self._drawn, self._since = drawn, time.monotonic()
        self._done: dict[str, int] = {}
        self._tasks: dict[str, TaskID] = {}
        self._bars: Bars | None = None

    def __call__(self, step: str, rows: int, total: int) -> None:
        done = self._done.get(step, 0) + rows
        self._done[step] = done if done <= total else rows  # a step may come again
        if self._bars is None and time.monotonic() - self._since > _PATIENCE:
            self._bars = self._drawn.enter_context(_bars())
        if self._bars is not None:
            if step not in self._tasks:
                self._tasks[step] = self._bars.add_task(short(step), total=total)
            self._bars.update(self._tasks[step], completed=self._done[step])


def _bars() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # to where? it is the data's
        redirect_stderr=False,
    )
