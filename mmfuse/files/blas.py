"""The threads of the library that multiplies matrices."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let BLAS work on the thread that calls it.

    With several it cuts a product otherwise, and so rounds otherwise; and the engine has threads
    of its own. The command line sets the variable before NumPy is loaded, so nothing is left to do.
    """
    if os.environ.get("OPENBLAS_NUM_THREADS") == "1":
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        yield
