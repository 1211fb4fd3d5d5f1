"""The standard streams: safe to use whatever the caller made of them."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress

from mmfuse.errors import OutputError

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


def emit(text: str, end: str = "\n") -> None:
    """Print data on stdout, now. Raises OutputError, or BrokenPipeError where nobody reads on."""
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write standard output: {error.strerror}") from error


def say(text: str) -> None:
    """Tell people on stderr; that nobody can hear it is no reason to fail."""
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)
