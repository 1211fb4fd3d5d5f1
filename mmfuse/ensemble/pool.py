"""Threads on which models are made side by side."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def side_by_side(threads: int) -> Iterator[ThreadPoolExecutor]:
    """A pool, on which libraries have one thread each, and warnings of theirs are not told.

    Every model that is made sets both for itself and then puts back what it found; but they are of
    the whole process, so without this what is put back would be another's, and would stay.
    """
    with (
        warnings.catch_warnings(record=True),
        threadpool_limits(1),
        ThreadPoolExecutor(threads) as pool,
    ):
        warnings.simplefilter("ignore")
        yield pool
