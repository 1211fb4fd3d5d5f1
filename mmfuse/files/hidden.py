"""Hidden names beside outputs, and what is done with them when nothing more can be told."""

from __future__ import annotations

import os
from contextlib import suppress


def hidden_name(path: str) -> str:
    """A new name beside a file, which is not taken for an output."""
    folder, name = os.path.split(path)
    name = os.fsdecode(os.fsencode(name)[:100])
    return os.path.join(folder, f".{name}.{os.urandom(6).hex()}.part")


def remove(name: str) -> None:
    """Remove a hidden name, if it is still there."""
    with suppress(OSError):
        os.unlink(name)


def let_go(fd: int) -> None:
    """Close a file of which nothing more is wanted."""
    with suppress(OSError):
        os.close(fd)
