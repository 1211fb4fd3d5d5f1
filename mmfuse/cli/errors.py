"""From exceptions to messages and exit codes."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

import typer

from mmfuse.cli.streams import emit, prepare_streams, say
from mmfuse.errors import MmfuseError, OutputError, ResourceError, UsageError

_INTERRUPTED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)
_BROKEN_PIPE = 128 + signal.SIGPIPE
_AGAIN_SECONDS = 1.0
_ended_by: list[tuple[int, float]] = []
"""The signals that end this process, and when they came."""


@contextmanager
def reporting() -> Iterator[None]:
    """Tell every error in a few lines on stderr, and exit with its code; no traceback."""
    prepare_streams()
    heard = [n for n in _INTERRUPTED if signal.getsignal(n) is not signal.SIG_IGN]
    for number in heard:
        signal.signal(number, _unwind)
    try:
        yield
        emit("", end="")
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # Typer makes it exit code 1
            _quiet_exit(_BROKEN_PIPE)
        if _ended_by:
            _leave(128 + _ended_by[-1][0])
        raise
    except BrokenPipeError:
        _quiet_exit(_BROKEN_PIPE)
    except Exception as error:
        if _ended_by:  # what went wrong on the way out is not why it ends
            _leave(128 + _ended_by[-1][0])
        if os.environ.get("MMFUSE_DEBUG") == "1":
            say("| " + line for line in traceback.format_exc().splitlines())
        told = _as_mmfuse_error(error)
        say(_lines(told))
        _quiet_exit(told.exit_code)
    finally:  # nothing is left to give back, and Python would tell what it interrupts
        for number in heard:
            signal.signal(number, _leave_by)


def _unwind(number: int, frame: FrameType | None) -> None:
    """Leave through every `finally`, so that nothing half written stays behind.

    Another signal would interrupt that. `timeout` sends two at once: to the process and its group.
    """
    now = time.monotonic()
    if _ended_by and now - _ended_by[-1][1] < _AGAIN_SECONDS:
        return
    _ended_by.append((number, now))
    sys.exit(128 + number)


def _leave_by(number: int, frame: FrameType | None) -> NoReturn:
    _leave(128 + number)


def _leave(code: int) -> NoReturn:
    """Exit at once: all is given back, and a library may be at work that does not listen."""
    os._exit(code)


def _as_mmfuse_error(error: Exception) -> MmfuseError:
    if isinstance(error, MmfuseError):
        return error
    if isinstance(error, typer.TyperException):
        return UsageError(_sentence(error.format_message()), hint=_usage(error))
    if isinstance(error, MemoryError):
        return ResourceError("not enough memory", hint="allow less with --memory")
    if isinstance(error, ImportError) and "failed to map" in str(error):
        return ResourceError("not enough memory to load a library that is needed")
    if isinstance(error, OSError) and error.errno in _UNWRITABLE:
        return OutputError(f"cannot write: {error.strerror}")
    return MmfuseError(
        f"internal error: {type(error).__name__}: {error}",
        hint="MMFUSE_DEBUG=1 shows the traceback; please report it",
    )


def _sentence(message: str) -> str:
    text = " ".join(message.split()).rstrip(".")
    return text[:1].lower() + text[1:]


def _usage(error: typer.TyperException) -> str | None:
    context = getattr(error, "ctx", None)
    return f"{context.command_path} --help" if context is not None else None


def _lines(error: MmfuseError) -> list[str]:
    lines = [f"error: {error.message}"]
    if error.where is not None:
        lines.append(f"  in: {error.where}")
    if error.hint is not None:
        lines.append(f"hint: {error.hint}")
    return lines


def _quiet_exit(code: int) -> NoReturn:
    """Exit without Python's own words about what it could not flush."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
    sys.exit(code)
