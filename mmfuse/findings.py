"""What passes over the rows found: refused, or told as notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from mmfuse.core.fusion import Fusion
from mmfuse.core.ids import Ids
from mmfuse.core.source import Source
from mmfuse.core.tally import Tally
from mmfuse.core.unfit import UnfitRowsError
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
    if tally.overflow and nan != "keep":
        raise InputError(
            f"{count(tally.overflow, 'output value')} too large for {dtype}",
            hint="normalise the inputs, or widen the output with --dtype float64",
        )


@contextmanager
def fitting_rows(sources: Sequence[Source], ids: Ids) -> Iterator[None]:
    """Rows that a strategy cannot fuse, as an InputError that names their ids and the input."""
    try:
        yield
    except UnfitRowsError as error:
        told = ", ".join(repr(ids[row]) for row in error.rows)
        source = None if error.modality is None else sources[error.modality]
        hint = error.hint
        if hint is not None and source is not None:
            hint = hint.replace("NAME", source.name)
        odd = "".join(f" ({note})" for note in source.notes) if source is not None else ""
        raise InputError(
            f"{error.message}{odd}; the first ids: {told}",
            where=None if source is None else source.label,
            hint=hint,
        ) from None


def notes(
    tally: Tally,
    sources: Sequence[Source],
    fusion: Fusion,
    dtype: np.dtype[Any],
    nan: NanPolicy,
) -> list[str]:
    """What was found on the way and mended, as people should know it."""
    told = []
    if tally.overflow:
        told.append(f"{count(tally.overflow, 'output value')} too large for {dtype}: infinite now")
    means = "0" if nan == "zero" else "the mean of their column"
    for m, source in enumerate(sources):
        if values := tally.large[m]:
            large = f"{count(values, 'value')} as large as 2^53"
            told.append(f"{source.name}: {large}, from where on float64 rounds integers")
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
