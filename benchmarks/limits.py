"""What this machine can do at best, as JSON of GB/s: `python benchmarks/limits.py FOLDER`."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

_ROWS, _WIDTH = 1 << 18, 512  # 512 MB of float32
_TIMES = 5


def limits(folder: Path) -> dict[str, float]:
    """Copy, gather and write, each the median of some runs."""
    random = np.random.default_rng(0)
    source = random.standard_normal((_ROWS, _WIDTH), dtype=np.float32)
    target = np.empty_like(source)
    target[:] = 0
    rows = random.permutation(_ROWS)
    halves = [slice(0, _ROWS // 2), slice(_ROWS // 2, _ROWS)]

    def take(part: slice) -> None:
        np.take(source, rows[part], axis=0, out=target[part], mode="clip")

    def write() -> None:
        place = folder / "limit"
        file = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(file, 0, source.nbytes)
            view = memoryview(source).cast("B")
            done = 0
            while done < len(view):
                done += os.pwrite(file, view[done : done + (8 << 20)], done)
        finally:
            os.close(file)
            place.unlink()

    with ThreadPoolExecutor(2) as threads:
        return {
            "copy of an array": _speed(source.nbytes, lambda: np.copyto(target, source)),
            "np.take of random rows, 1 thread": _speed(
                source.nbytes, lambda: take(slice(0, _ROWS))
            ),
            "np.take of random rows, 2 threads": _speed(
                source.nbytes, lambda: list(threads.map(take, halves))
            ),
            "pwrite to a new file": _speed(source.nbytes, write),
        }


def _speed(size: int, work: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(_TIMES):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return size / statistics.median(seconds) / 1e9


if __name__ == "__main__":
    print(json.dumps(limits(Path(sys.argv[1]))))
