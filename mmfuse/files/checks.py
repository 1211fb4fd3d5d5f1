"""Checks that every format makes, of ids and of features."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, TextIds, plain_integers
from mmfuse.errors import AlignmentError, InputError, count
from mmfuse.files.machine import refuse_beyond_memory

_POOL = "sequences become a row each with --pool NAME=mean, max, std, last or flatten"
_INTEGER_AS_FLOAT = re.compile(r"-?\d+\.0*")


def checked_text(ids: TextIds, place: str) -> TextIds:
    """The ids themselves. Raises AlignmentError if one is empty."""
    empty = ids.lengths == 0
    if empty.any():
        raise AlignmentError(
            f"{count(int(empty.sum()), 'id')} empty in {place}; rows {told_rows(empty)}"
        )
    return ids


def ids_of_text(ids: TextIds, place: str) -> Ids:
    """Ids of a format that has nothing but text; see `core.ids.plain_integers`.

    Raises AlignmentError if one is empty, or if all are integers that became floats (`12.0`).
    """
    found = plain_integers(checked_text(ids, place))
    if found is ids and all(map(_INTEGER_AS_FLOAT.fullmatch, ids)):
        raise AlignmentError(
            f"the ids of {place} are written as floats; the first is {ids[0]!r}",
            hint="they come of integers beside a missing value: write them as integers or text",
        )
    return found


def told_rows(mask: NDArray[np.bool_]) -> str:
    """The first row numbers, from 1, where `mask` holds, for people."""
    rows = np.flatnonzero(mask)
    return ", ".join(f"{row + 1:,}" for row in rows[:3]) + (", …" if len(rows) > 3 else "")


def refuse_long_texts(column: Any) -> None:
    """Raise ResourceError for an Arrow column whose dictionary is small and whose texts are not."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not (pa.types.is_string(kind := column.type.value_type) or pa.types.is_large_string(kind)):
        return
    lengths = (pc.binary_length(part.dictionary).take(part.indices) for part in column.chunks)
    refuse_beyond_memory(sum(pc.sum(length).as_py() or 0 for length in lengths))


def check_features(dtype: np.dtype[Any], shape: tuple[int, ...], *, pool: bool = False) -> None:
    """Raise InputError unless the array is a table of numbers, or of sequences if they `pool`."""
    if dtype.kind not in "fiub":
        raise InputError(f"values of dtype {dtype}, shape {shape}; features are real numbers")
    if dtype.kind == "f" and dtype.itemsize > 8:
        raise InputError(f"values of dtype {dtype}; features have at most 64 bits")
    if len(shape) not in ((1, 2, 3) if pool else (1, 2)) or 0 in shape:
        raise InputError(
            f"an array of shape {shape}; features are (rows, columns), at least one of each",
            hint=_POOL if len(shape) == 3 and not pool and 0 not in shape else None,
        )
