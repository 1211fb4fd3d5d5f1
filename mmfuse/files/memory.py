"""Modalities that are already in memory: NumPy arrays, pandas DataFrames, Arrow tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, Rows
from mmfuse.core.plan import Storage, Way
from mmfuse.core.source import ArrayReader, Matrix, Scratch, Source, Taken
from mmfuse.errors import AlignmentError, InputError, UsageError
from mmfuse.files.arrow import arrow_source
from mmfuse.files.checks import check_features
from mmfuse.files.formats import Reading
from mmfuse.files.ids import ids_of_array
from mmfuse.files.sequences import sequence_source


@dataclass(kw_only=True)
class ArraySource(Source):
    """A modality in an array `(n, d)`."""

    array: Matrix

    @property
    def storage(self) -> Storage:
        return "memory"

    def blocks(self) -> Iterator[Matrix]:
        yield self.array

    def reader(self, rows: Rows | None, way: Way, scratch: Scratch) -> Taken:
        return Taken(ArrayReader(np.ascontiguousarray(self.array)), rows)


def memory_source(value: object, name: str, how: Reading) -> Source:
    """A modality given as an array, a pair (array, ids), a DataFrame or a Table.

    Raises UsageError for anything else, InputError or AlignmentError for unusable content.
    """
    if isinstance(value, tuple) and len(value) == 2:
        array, ids = value
        return _array_source(np.asarray(array), ids_of_values(ids), name, how)
    if isinstance(value, np.ndarray):
        return _array_source(value, None, name, how)
    library = type(value).__module__.split(".")[0]
    if library == "pandas":
        return _frame_source(value, name, how)
    if library == "pyarrow":
        return _table_source(value, name, how)
    raise UsageError(
        f"{name} is a {type(value).__name__}; a modality is a path, an array, a pair (array, ids), "
        "a pandas DataFrame or a pyarrow Table"
    )


def ids_of_values(values: Any) -> Ids:
    """Ids given as an array, a Series or a sequence."""
    if isinstance(values, Sequence) and not isinstance(values, str):
        values = np.fromiter(values, dtype=object, count=len(values))
    return ids_of_array(np.asarray(values))


def _array_source(array: NDArray[Any], ids: Ids | None, name: str, how: Reading) -> Source:
    check_features(array.dtype, array.shape, pool=how.pool is not None)
    if ids is not None and len(ids) != len(array):
        raise AlignmentError(f"{len(ids):,} ids for {len(array):,} rows", where=name)
    matrix = array.reshape(len(array), -1)
    source = ArraySource(
        name=name,
        label=name,
        columns=tuple(map(str, range(matrix.shape[1]))),
        rows=len(matrix),
        dtype=matrix.dtype,
        ids=ids,
        id_source="given" if ids is not None else "",
        array=matrix,
    )
    return sequence_source(source, array.shape, how) if array.ndim == 3 else source


def _frame_source(frame: Any, name: str, how: Reading) -> Source:
    """A DataFrame; a named index becomes a column, a plain one nothing."""
    import pandas as pd
    import pyarrow as pa

    if not isinstance(frame, pd.DataFrame):
        raise UsageError(f"{name} is a pandas {type(frame).__name__}; give a DataFrame")
    index = frame.index
    if isinstance(index, pd.MultiIndex):
        raise AlignmentError("the index has several levels; row ids have one")
    table = pa.Table.from_pandas(frame, preserve_index=index.name is not None)
    source = _table_source(table, name, how)
    plain = index.name is not None or isinstance(index, pd.RangeIndex)
    if source.ids is None and not how.outside_ids and not plain:
        raise AlignmentError(
            "the index has no name, so it is not clear whether it holds row ids",
            hint="name it (df.index.name = 'id'), or drop it (df.reset_index(drop=True))",
        )
    return source


def _table_source(table: Any, name: str, how: Reading) -> Source:
    if not table.num_columns:
        raise InputError("the table has no columns")
    lacking = {n: bool(table[n].null_count) for n in table.column_names}
    return arrow_source(
        name,
        table.schema,
        lambda columns: table.select(columns).to_batches(),
        how,
        label=name,
        rows=table.num_rows,
        may_lack=lacking,
    )
