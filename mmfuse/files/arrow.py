"""Arrow columns as ids and as matrices; what Parquet, CSV and tables in memory share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, TextIds, integer_ids
from mmfuse.core.source import Matrix, Source
from mmfuse.core.transpose import transposed
from mmfuse.errors import AlignmentError, InputError, count
from mmfuse.files.checks import checked_text, ids_of_text, refuse_long_texts, told_rows
from mmfuse.files.columns import Choice, Kind, beside, choose, numbers
from mmfuse.files.feature_types import common, of_arrow
from mmfuse.files.formats import Reading
from mmfuse.files.inputs import InputFile, reading
from mmfuse.files.record import classes_of
from mmfuse.files.times import times_of_column

if TYPE_CHECKING:
    import pyarrow as pa

Scan = Callable[[list[str]], "Iterable[pa.RecordBatch]"]
"""Gives the batches of the columns asked for, in the order asked for."""


@dataclass(kw_only=True)
class ArrowSource(Source):
    """A modality in a table that gives record batches of the columns asked for."""

    choice: Choice
    scan: Scan
    file: InputFile | None = None

    def blocks(self) -> Iterator[Matrix]:
        with reading(self.label):
            yield from self.matrices(self.scan(self.taken), 0)
            self.verify()

    @property
    def taken(self) -> list[str]:
        """The columns of the table that hold the features."""
        return list(self.choice.features or [self.choice.vector or ""])

    def matrices(self, batches: Iterable[pa.RecordBatch], start: int) -> Iterator[Matrix]:
        """Batches of those columns as blocks; the first row is row `start` of the source."""
        for batch in batches:
            if not batch.num_rows:
                continue
            if self.choice.vector is None:
                block = transposed(columns_of(batch, self.dtype))
            else:
                block = vectors(batch.column(0), start, len(self.columns))
                if block.dtype != self.dtype:
                    raise InputError("vectors of integers hold nulls")
            yield block
            start += batch.num_rows

    def verify(self) -> None:
        if self.file is not None:
            self.file.verify()


def arrow_source(
    name: str,
    schema: pa.Schema,
    scan: Scan,
    how: Reading,
    *,
    label: str,
    rows: int | None,
    file: InputFile | None = None,
    may_lack: Mapping[str, bool] = MappingProxyType({}),
    scan_text: Scan | None = None,
    make: Callable[..., ArrowSource] = ArrowSource,
) -> ArrowSource:
    """The source that a table is: its ids read, its feature columns chosen.

    rows: how many there are, None where only reading tells. may_lack: columns that may hold
    nulls. scan_text: like `scan`, but as text; given by formats that have nothing but text.
    make: the source's class.

    Raises InputError: no rows, or no features to choose. Raises AlignmentError: ids unusable.
    """
    choice = choose(
        kinds(schema),
        id_column=how.id_column,
        wanted=how.columns,
        time=how.time_column,
        present=_presence_columns(schema),
        flags=() if scan_text is None else _flags(schema),  # text has no room for a record
        index=_index_columns(schema),
    )
    ids, id_source, times = None, "", None
    if choice.ids is not None and not how.outside_ids:
        ids = ids_of((b.column(0) for b in (scan_text or scan)([choice.ids])), choice.ids)
        if scan_text is not None and isinstance(ids, TextIds):
            ids = ids_of_text(ids, f"column {choice.ids!r}")
        id_source, rows = f"column {choice.ids}", len(ids)
    if how.time_column is not None:
        column = (batch.column(0) for batch in (scan_text or scan)([how.time_column]))
        times = times_of_column(column, how.time_unit, f"column {how.time_column!r}")
    if rows is None:
        rows = sum(batch.num_rows for batch in (scan_text or scan)(schema.names[:1]))
    if not rows:
        raise InputError("the table has no rows")
    dtype, rounds = common(_dtypes(schema, choice, may_lack))
    return make(
        name=name,
        label=label,
        columns=choice.features or _dimensions(scan, choice.vector or "", schema),
        rows=rows,
        dtype=dtype,
        rounds=rounds or scan_text is not None,
        ids=ids,
        id_source=id_source,
        times=times,
        time_source=f"column {how.time_column}",
        notes=choice.notes,
        doubtful=choice.doubtful,
        choice=choice,
        scan=scan,
        file=file,
    )


def _dimensions(scan: Scan, column: str, schema: pa.Schema) -> tuple[str, ...]:
    """The names of a vector column's dimensions: those of classes, if mmfuse wrote them into the
    schema, else numbers; how many there are its first row tells."""
    first = next(batch for batch in scan([column]) if batch.num_rows)
    dim = vectors(first.column(0).slice(0, 1), 0, None).shape[1]
    if not dim:
        raise InputError(f"the vectors of column {column!r} are empty")
    classes = classes_of(schema.metadata)
    return classes if len(classes) == dim else numbers(dim)


def _presence_columns(schema: pa.Schema) -> list[str]:
    """The columns of a fused file beside its features, such as which modalities a row had."""
    if b"mmfuse" not in (schema.metadata or {}):
        return []
    present = [name for name in schema.names if name.startswith("present_")]
    return [*present, *beside(schema.names)]


def _flags(schema: pa.Schema) -> list[str]:
    """Columns that may well be such."""
    import pyarrow as pa

    truth = (field.name for field in schema if pa.types.is_boolean(field.type))
    present = [name for name in truth if name.startswith("present_")]
    known = beside(schema.names)
    return [
        *present,
        *(known if {"n_models", "label"} <= set(known) else {"n_models"} & set(known)),
    ]


def _index_columns(schema: pa.Schema) -> list[str]:
    """The columns that were the index of a pandas DataFrame."""
    pandas = schema.pandas_metadata or {}
    return [name for name in pandas.get("index_columns", ()) if name in schema.names]


def kinds(schema: pa.Schema) -> dict[str, Kind]:
    """Every column's kind. Raises InputError for two columns of one name, or names not UTF-8."""
    found: dict[str, Kind] = {}
    for field in schema:
        if field.name in found:
            raise InputError(f"two columns are named {field.name!r}")
        found[field.name] = _kind(field.type)
    return found


def _kind(kind: pa.DataType) -> Kind:
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    types = pa.types
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return "vector" if _kind(kind.value_type) == "number" else "other"
    numeric = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    return "number" if numeric else "other"


def _dtypes(
    schema: pa.Schema, choice: Choice, may_lack: Mapping[str, bool]
) -> Iterator[np.dtype[Any]]:
    """The dtypes that the chosen columns need."""
    for name in choice.features or (choice.vector or "",):
        yield from of_arrow(schema.field(name).type, may_lack.get(name, False))


def columns_of(batch: pa.RecordBatch, dtype: np.dtype[Any]) -> Matrix:
    """Columns of numbers as the rows of a matrix `(d, n)`, nulls as NaN.

    Raises InputError for nulls where `dtype` has no NaN.
    """
    import pyarrow as pa

    if dtype.kind == "f" and set(batch.schema.types) == {pa.from_numpy_dtype(dtype)}:
        return np.asarray(batch.to_tensor(null_to_nan=True, row_major=False).to_numpy().T)
    columns = np.empty((batch.num_columns, batch.num_rows), dtype)
    for j, column in enumerate(batch.columns):
        if column.null_count and dtype.kind != "f":
            raise InputError(f"column {batch.schema.names[j]!r} holds nulls that its file denies")
        columns[j] = _numbers(column)
    return columns


def _numbers(column: pa.Array) -> NDArray[Any]:
    """A numeric column as NumPy, nulls as NaN."""
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    return np.asarray(column.to_numpy(zero_copy_only=False))


def vectors(column: pa.Array, start: int, dim: int | None) -> Matrix:
    """A column of vectors as a matrix `(n, d)`; its first row is row `start` of the source.

    Raises InputError: a vector is null, or its length is not `dim` (that of the first, if None).
    """
    import pyarrow as pa

    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise InputError(
            f"{column.null_count:,} vectors are null; the first in row {start + row + 1:,}"
        )
    if pa.types.is_fixed_size_list(column.type):
        dim = column.type.list_size
    else:
        lengths = np.diff(column.offsets.to_numpy())
        dim = int(lengths[0]) if dim is None else dim
        if (lengths != dim).any():
            row = int(np.flatnonzero(lengths != dim)[0])
            raise InputError(
                f"row {start + row + 1:,} has {lengths[row]:,} values where the first has {dim:,}"
            )
    return _numbers(column.flatten()).reshape(len(column), dim)


def ids_of(chunks: Iterable[pa.Array], name: str) -> Ids:
    """A column of ids.

    Raises InputError where there is none, AlignmentError for nulls, floats, empty text and other
    types.
    """
    import pyarrow as pa

    parts = list(chunks)
    if not any(map(len, parts)):
        raise InputError("the table has no rows")
    column = pa.chunked_array(parts)
    if pa.types.is_dictionary(column.type):
        refuse_long_texts(column)
        column = column.cast(column.type.value_type)
    if column.null_count:
        raise AlignmentError(
            f"{count(column.null_count, 'id')} null in column {name!r}; "
            f"rows {told_rows(column.is_null().to_numpy())}"
        )
    if pa.types.is_integer(column.type):
        return integer_ids(column.to_numpy())
    if str(column.type) not in ("string", "large_string", "string_view"):
        floats = "floats come of integers beside a missing value: write them as text or int64"
        raise AlignmentError(
            f"ids of column {name!r} are {column.type}; ids are text or integers",
            hint=floats if pa.types.is_floating(column.type) else None,
        )
    return checked_text(_text(column), f"column {name!r}")


def _text(column: pa.ChunkedArray) -> TextIds:
    import pyarrow as pa

    array = column.cast(pa.large_string()).combine_chunks()
    array.validate(full=True)
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    text = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    return TextIds(text[ends[0] : ends[-1]], ends - ends[0])
