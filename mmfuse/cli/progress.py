"""A progress bar on a terminal, for work that takes long enough to be worth one."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mmfuse.core.source import Progress, unseen

_PATIENCE = 0.5  # seconds before a bar appears


@contextmanager
def showing() -> Iterator[Progress]:
    """Progress drawn on stderr; where nobody looks (no terminal, or CI), nothing."""
    if sys.stderr is None or not sys.stderr.isatty() or os.environ.get("CI"):
        yield unseen
        return
    with ExitStack() as drawn:
        yield _Bars(drawn)


class _Bars:
    """One bar a step, drawn once the work has taken a moment."""

    def __init__(self, drawn: ExitStack) -> None:
        self._drawn, self._since = drawn, time.monotonic()
        self._steps: dict[str, int] = {}
        self._done: dict[str, tuple[int, int]] = {}
        self._bars: object = None

    def __call__(self, step: str, rows: int, total: int) -> None:
        done = self._done.get(step, (0, total))[0] + rows
        self._done[step] = (done if done <= total else rows, total)  # a step may come again
        if self._bars is None and time.monotonic() - self._since < _PATIENCE:
            return
        self._draw(step)

    def _draw(self, step: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        if self._bars is None:
            self._bars = self._drawn.enter_context(
                Progress(
                    TextColumn("{task.description}", markup=False),
                    BarColumn(),
                    MofNCompleteColumn(),
                    TimeRemainingColumn(),
                    console=Console(stderr=True),
                    transient=True,
                )
            )
        assert isinstance(self._bars, Progress)
        done, total = self._done[step]
        if step not in self._steps:
            self._steps[step] = self._bars.add_task(step, total=total)
        self._bars.update(self._steps[step], completed=done)
