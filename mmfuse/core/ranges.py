"""Numbers that follow each other, many runs of them at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def pick_runs(
    ends: NDArray[np.int64], kept: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of runs that end at `ends`, those numbered `kept`: what is in them, and where they end."""
    counts = np.diff(ends, prepend=0)
    starts, counts = (ends - counts)[kept], counts[kept]
    return ranges(starts, counts), np.cumsum(counts)


def ranges(starts: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.int64]:
    """`starts[i]`, `starts[i] + 1`, … for `counts[i]` numbers, for every i, one after the other."""
    ends = np.cumsum(counts)
    return np.repeat(starts - (ends - counts), counts) + np.arange(ends[-1] if len(ends) else 0)
