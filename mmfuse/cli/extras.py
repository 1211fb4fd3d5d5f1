"""What a run writes beside its output when asked to: a rule for Make, the summary as JSON."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from mmfuse.cli.streams import json_text
from mmfuse.errors import UsageError
from mmfuse.files.output import OutputFile, write_stream, writing
from mmfuse.files.paths import same_file

if TYPE_CHECKING:
    from mmfuse.summary import Summary


class Extras:
    """Files opened before the work, so that a place that cannot be written fails at once.

    taken: the files they must not replace. Raises UsageError or OutputError.
    """

    def __init__(self, depfile: str | None, summary: str | None, taken: Iterable[str]) -> None:
        self._opened = ExitStack()
        self._taken = list(taken)
        try:
            self._depfile = self._open("--depfile", depfile)
            self._summary = self._open("--summary", summary)
        except BaseException:
            self.close()
            raise

    def _open(self, option: str, path: str | None) -> OutputFile | None:
        if path is None:
            return None
        if any(same_file(path, other) or _same_place(path, other) for other in self._taken):
            raise UsageError(f"{option} {path} is an input or another output")
        self._taken.append(path)
        return self._opened.enter_context(OutputFile(path))

    def write(self, summary: Summary) -> None:
        """Write those that were asked for."""
        if self._summary is not None:
            _write(self._summary, json_text(summary.as_dict()) + "\n")
        if self._depfile is not None:
            _write(self._depfile, _rule(summary.output or "-", summary.reads))

    def close(self) -> None:
        """Give up what was not written."""
        self._opened.close()


def _same_place(a: str, b: str) -> bool:
    return os.path.realpath(a) == os.path.realpath(b)


def _write(file: OutputFile, text: str) -> None:
    with writing(file.path):
        write_stream(file.fd, os.fsencode(text))
    file.commit()


def _rule(target: str, sources: list[str]) -> str:
    """`OUT: IN…` as Make reads it. Raises UsageError for a name that it cannot hold."""
    escaped = [
        path.replace("\\", "\\\\").replace(" ", "\\ ").replace("#", "\\#").replace("$", "$$")
        for path in (target, *sources)
    ]
    if any("\n" in path for path in escaped):
        raise UsageError("--depfile cannot hold the name of a file with a line break")
    return f"{escaped[0]}: {' '.join(escaped[1:])}\n"
