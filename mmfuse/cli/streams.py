"""The standard streams: safe to use whatever the caller made of them."""

from __future__ import annotations

import io
import json
import math
import os
import sys
import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from mmfuse.errors import OutputError
from mmfuse.files.paths import short

_LONGEST = 5_000  # characters of a line for people; more than a path has
_IF_CLOSED = (
    ("stdin", os.O_RDONLY, "r"),
    ("stdout", os.O_RDONLY, "w"),
    ("stderr", os.O_WRONLY, "w"),
)


def prepare_streams() -> None:
    """Take the place of closed streams, and let no character be one that cannot be printed.

    Without it the next file opened gets a closed stream's number, and others write into it.
    Writing to a closed stdout fails; a closed stderr swallows what it is told.
    """
    for fd, (name, flags, mode) in enumerate(_IF_CLOSED):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, flags)
            setattr(sys, name, open(fd, mode, closefd=False))  # noqa: SIM115 (it stays open)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _say_warning


def _say_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """What a library warns of, as one line; by default Python prints it as it is."""
    say([f"warning: {message}"])


def emit_lines(lines: Iterable[str]) -> None:
    """Print lines for people on stdout; raises as `emit` does."""
    emit("\n".join(map(_line, lines)))


def emit_json(told: Any) -> None:
    """Print one JSON object on stdout; raises as `emit` does."""
    emit(json_text(told))


def json_text(told: Any) -> str:
    """JSON in printable ASCII; a number that is not finite, which JSON lacks, is null."""
    try:
        return json.dumps(told, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(told), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def emit(text: str, end: str = "\n") -> None:
    """Print on stdout, now. Raises OutputError, or BrokenPipeError where nobody reads on."""
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write standard output: {error.strerror}") from error


def say(lines: Iterable[str]) -> None:
    """Tell people on stderr; that nobody can hear it is no reason to fail."""
    with suppress(OSError):
        print("\n".join(map(_line, lines)), file=sys.stderr, flush=True)


def _line(text: str) -> str:
    """A line that stays one, whatever names are in it, and does not fill the screen."""
    return short(text, _LONGEST)
