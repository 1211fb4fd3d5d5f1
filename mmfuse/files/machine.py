"""What the machine has to offer."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import suppress

from mmfuse.errors import ResourceError, told_bytes

_CGROUPS = "/sys/fs/cgroup"
_LIMITS = {"": "memory.max", "memory": "memory.limit_in_bytes"}
"""By controller: version 2 of control groups names none."""


def available_memory() -> int:
    """Bytes of memory that this process may fill with pages of files: the system's, or its
    control group's where that is less; 0 where neither is told."""
    found = [*_system("MemAvailable"), *_control_group()]
    return min(found, default=0)


def hold_to_memory() -> None:
    """Let no more be allocated for data than the memory that is to be had.

    A file of a kilobyte can claim that its decoder needs a hundred gigabytes. The system would
    grant them and end a process, perhaps another one, once they are filled; a limit makes it a
    MemoryError. One that is set already stays, if it is lower.
    """
    most = min([sum(_system("MemAvailable", "SwapFree")), *_control_group()])
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    lower = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    if most:
        resource.setrlimit(resource.RLIMIT_DATA, (min([most, *lower]), hard))


def refuse_beyond_memory(size: int) -> None:
    """Raise ResourceError where twice so many bytes are not to be had.

    For what a small file can say is large: it is asked for before any is taken.
    """
    available = available_memory()
    if 2 * size > available > 0:
        raise ResourceError(
            f"needs about {told_bytes(2 * size)} of memory, and {told_bytes(available)} are there"
        )


def _system(*names: str) -> Iterator[int]:
    with suppress(OSError), open("/proc/meminfo", encoding="ascii") as lines:
        for line in lines:
            name, told = line.split(":", 1)
            if name in names:
                yield int(told.split()[0]) * 1024


def _control_group() -> Iterator[int]:
    """The limits of the group and of all above it."""
    with suppress(OSError), open("/proc/self/cgroup", encoding="utf-8") as groups:
        for line in groups:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if controllers in _LIMITS:
                yield from _limits(controllers, path)


def _limits(controller: str, path: str) -> Iterator[int]:
    root = os.path.join(_CGROUPS, controller)
    folder = os.path.join(root, path.strip("/"))
    while folder.startswith(root):
        with suppress(OSError), open(os.path.join(folder, _LIMITS[controller])) as limit:
            told = limit.read().strip()
            if told.isdigit():  # version 2 says `max` where there is none
                yield int(told)
        folder = os.path.dirname(folder)
