"""Folders in which files come to stand: one run after the other, and for good."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from mmfuse.files.hidden import let_go
from mmfuse.files.interrupts import undisturbed

_PATIENCE = 5.0  # seconds; whoever holds a folder for longer does not rename files
_PAUSE = 0.01


@contextmanager
def in_turn(folders: Iterable[str]) -> Iterator[None]:
    """Let no other run's files appear in these folders meanwhile: some would be of each.

    Where a folder cannot be locked, or is held for long, the turn is taken all the same.
    """
    with ExitStack() as opened:
        for folder in sorted(set(folders)):  # in one order, so that no two wait for each other
            with suppress(OSError):
                with undisturbed():
                    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
                    opened.callback(_release, fd)
                _wait(fd)
        yield


def _release(fd: int) -> None:
    with undisturbed():
        let_go(fd)


def _wait(fd: int) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_PAUSE)
        else:
            return


def sync_folder(folder: str) -> None:
    """Let the names in a folder outlast a power cut."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # a folder may be one to write into and not to list
        return
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # there are file systems that cannot
            raise
    finally:
        let_go(fd)
