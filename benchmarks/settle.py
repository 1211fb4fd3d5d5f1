"""Bring the machine to the same state before a run: `settle.py MEGABYTES FILE...`.

Nothing waits to be written, the inputs are in the page cache, and memory has been touched:
virtual machines back memory lazily, and the first touch of a page costs many times a later one.
"""

from __future__ import annotations

import mmap
import os
import sys
from contextlib import suppress

from measure import memory

_CHUNK = 8 << 20


def settle(megabytes: float, files: list[str]) -> None:
    """Write out, read `files`, touch memory: at most half of what is free."""
    os.sync()
    if memory("MemFree") < 2 * megabytes:
        with suppress(OSError), open("/proc/sys/vm/drop_caches", "w") as caches:
            caches.write("1")  # what other jobs left; only root may
    buffer = bytearray(_CHUNK)
    for file in files:
        with open(file, "rb", buffering=0) as stream:
            while stream.readinto(buffer):
                pass
    size = int(min(megabytes, memory("MemFree") / 2)) << 20
    if size:
        private = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        mmap.mmap(-1, size, flags=private | mmap.MAP_POPULATE).close()


if __name__ == "__main__":
    settle(float(sys.argv[1]), sys.argv[2:])
