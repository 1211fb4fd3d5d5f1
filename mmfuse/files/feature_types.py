"""The dtype of features that are stored in several, and what it does to them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def common(stored: Iterable[np.dtype[Any]]) -> tuple[np.dtype[Any], bool]:
    """The dtype that holds values of all of these, and whether it rounds integers beyond 2^53."""
    known = set(stored)
    dtype = known.pop() if len(known) == 1 else np.result_type(*known)
    return dtype, dtype.kind == "f" and any(x.kind in "iu" and x.itemsize == 8 for x in known)


def of_arrow(kind: pa.DataType, may_lack: bool) -> set[np.dtype[Any]]:
    """The dtypes of numbers, or of lists of them: a lacking integer is NaN. Booleans are uint8."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if hasattr(kind, "value_type"):
        kind = kind.value_type
    if pa.types.is_boolean(kind):
        return {np.dtype(np.float64) if may_lack else np.dtype(np.uint8)}
    dtype = np.dtype(kind.to_pandas_dtype())
    return {dtype, np.dtype(np.float32)} if may_lack and dtype.kind in "iu" else {dtype}
