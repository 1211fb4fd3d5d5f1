"""A number a column taken off and divided by, in place: what standardising methods share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Block

Column = NDArray[np.float64]


def subtract(x: Block, shift: Column) -> None:
    """x − shift in place, `x` of shape `(k, d)` and `shift` of `(d,)`.

    It is as good as taken in float64 and rounded at the end, also where `x` is float32 and the
    shift is large.
    """
    # shift = high + low: where x is near the shift, x − high is exact; where it is not, its
    # rounding is beneath that of the result
    high = shift.astype(x.dtype)
    x -= high
    low = (shift - high).astype(x.dtype)
    if low.any():
        x -= low


def standardize(x: Block, shift: Column, scale: Column) -> None:
    """(x − shift) / scale in place, as `subtract` does it; an infinite scale makes a column 0."""
    if x.dtype == np.float32 and not _within_float32(shift, scale):
        wide = x.astype(np.float64)
        standardize(wide, shift, scale)
        x[:] = wide
    else:
        subtract(x, shift)
        x /= scale.astype(x.dtype)


def _within_float32(shift: Column, scale: Column) -> bool:
    """Whether no float32 less the shift overflows, and no scale is rounded coarsely."""
    return bool(np.abs(shift).max(initial=0) < 1e30 and scale.min(initial=1) > 1e-30)
