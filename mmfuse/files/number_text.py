"""Rows of numbers as text, every number in its shortest exact form."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray


def number_lines(columns: Sequence[NDArray[Any]], delimiter: str) -> list[bytes]:
    """A line a row of columns `(n,)` of numbers or booleans, without its line break."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv

    names = list(map(str, range(len(columns))))
    buffer = io.BytesIO()
    options = pa_csv.WriteOptions(include_header=False, delimiter=delimiter)
    pa_csv.write_csv(pa.record_batch(list(map(pa.array, columns)), names=names), buffer, options)
    return buffer.getvalue().splitlines()
