"""What passes over the rows found: refused, or told as notes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mmfuse.core.fusion import Fusion
from mmfuse.core.ids import Ids
from mmfuse.core.source import Source
from mmfuse.core.tally import Tally
from mmfuse.errors import InputError, count
from mmfuse.nonfinite import NanPolicy


def refuse_nonfinite(
    tally: Tally, sources: Sequence[Source], ids: Ids, dtype: np.dtype[Any], nan: NanPolicy
) -> None:
    """Raise InputError for values that are not finite, unless the policy mends them.

    An output value that is not finite, of inputs that are, left the range of `dtype`.
    """
    mended = nan in ("zero", "mean")
    for source, values, rows in zip(sources, tally.nonfinite, tally.nonfinite_rows, strict=True):
        if values and not mended:
            told = ", ".join(repr(ids[row]) for row in rows)
            raise InputError(
                f"{count(values, 'value')} NaN or infinite; the first ids: {told}",
                where=source.label,
                hint="--nan zero, mean or drop mends them; --nan keep lets them pass",
            )
    if tally.overflow:
        raise InputError(
            f"{count(tally.overflow, 'output value')} too large for {dtype}",
            hint="normalise the inputs, or widen the output with --dtype float64",
        )


def notes(tally: Tally, sources: Sequence[Source], fusion: Fusion, nan: NanPolicy) -> list[str]:
    """What was found on the way and mended, as people should know it."""
    told = []
    means = "0" if nan == "zero" else "the mean of their column"
    for m, source in enumerate(sources):
        if values := tally.nonfinite[m]:
            told.append(
                f"{source.name}: {values:,} values were NaN or infinite, and are now {means}"
            )
        for k, stage in enumerate(fusion.chains[m]):
            if tally.degenerate[m] and (rows := tally.degenerate[m][k]):
                told.append(f"{source.name}: {rows:,} zero rows stay zero under {stage.name}")
            if columns := stage.degenerate_columns:
                kind = "all-NaN" if stage.name == "nan-mean" else "constant"
                told.append(f"{source.name}: {columns:,} {kind} columns are 0 under {stage.name}")
    return told
