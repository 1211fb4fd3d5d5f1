"""What the steps of a sequence become: one row."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

StepPool = Literal["mean", "max", "std", "last", "flatten"]
STEP_POOLS: tuple[StepPool, ...] = get_args(StepPool)


def padding(x: NDArray[Any]) -> NDArray[np.bool_]:
    """Which steps of `(n, t, d)` are zeros alone, shape `(n, t)`."""
    return np.logical_not(x.any(axis=2))


def pooled_dtype(dtype: np.dtype[Any], pool: StepPool) -> np.dtype[Any]:
    """Means and deviations are float32 where it holds all values, else float64."""
    if pool not in ("mean", "std"):
        return dtype
    return np.dtype(np.float32 if np.can_cast(dtype, np.float32, "safe") else np.float64)


def pool_steps(
    x: NDArray[Any], pool: StepPool, padded: NDArray[np.bool_] | None = None
) -> NDArray[Any]:
    """Sequences `(n, t, d)` as rows `(n, d)`, or `(n, t * d)` for flatten.

    padded: steps that do not count, shape `(n, t)`; a row of no others is zeros.
    std: with ddof=0. Sums are taken in float64.
    """
    rows, steps, dim = x.shape
    if pool == "flatten":
        return x.reshape(rows, steps * dim)
    counted = np.ones((rows, steps), np.bool_) if padded is None else np.logical_not(padded)
    some = counted.any(axis=1)
    if pool == "last":
        last = steps - 1 - counted[:, ::-1].argmax(axis=1)
        found: NDArray[Any] = x[np.arange(rows), last]
    elif pool == "max":
        found = np.max(x, axis=1, where=counted[..., None], initial=_lowest(x.dtype))
    else:
        counts = np.maximum(counted.sum(axis=1), 1)[:, None]
        found = np.sum(x, axis=1, where=counted[..., None], dtype=np.float64) / counts
        if pool == "std":
            away = np.square(x - found[:, None])
            found = np.sqrt(np.sum(away, axis=1, where=counted[..., None]) / counts)
    found[~some] = 0
    return found


def _lowest(dtype: np.dtype[Any]) -> Any:
    if dtype.kind == "f":
        return -np.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min
