"""Checks of ids that every format makes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import TextIds
from mmfuse.errors import AlignmentError


def checked_text(ids: TextIds, place: str) -> TextIds:
    """The ids themselves. Raises AlignmentError if one is empty."""
    empty = ids.lengths == 0
    if empty.any():
        raise AlignmentError(
            f"{int(empty.sum()):,} ids of {place} are empty; rows {told_rows(empty)}"
        )
    return ids


def told_rows(mask: NDArray[np.bool_]) -> str:
    """The first row numbers, from 1, where `mask` holds, for people."""
    rows = np.flatnonzero(mask)
    return ", ".join(f"{row + 1:,}" for row in rows[:3]) + (", …" if len(rows) > 3 else "")
