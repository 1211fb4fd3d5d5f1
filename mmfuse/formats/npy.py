"""`npy`: NumPy arrays `(n, d)`; ids in a sidecar, or in the field `id` of a structured array."""

from __future__ import annotations

import builtins
import math
import os
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, Rows
from mmfuse.core.plan import Storage, Way
from mmfuse.core.source import Matrix, Scratch, Source, Taken
from mmfuse.core.words import move
from mmfuse.errors import InputError, OutputError
from mmfuse.files.checks import check_features
from mmfuse.files.columns import Kind, choose, numbers
from mmfuse.files.feature_types import common
from mmfuse.files.formats import Layout, Reading, Table
from mmfuse.files.ids import ids_of_array
from mmfuse.files.inputs import InputFile, as_bytes, read_all
from mmfuse.files.mapped import MappedReader, Pages
from mmfuse.files.npy_header import NpyHeader, header_bytes, read_header, whole_array
from mmfuse.files.output import write_all
from mmfuse.files.sequences import sequence_source
from mmfuse.files.times import times_of_array

suffixes: Sequence[str] = (".npy",)
layouts: Sequence[Layout] = ("vector",)
column_layouts: Sequence[Layout] = ()
keeps_flags = False
is_text = False

_SCAN_BYTES = 8 << 20


@dataclass(kw_only=True)
class NpySource(Source):
    """A modality in an npy file; of an array of records, `fields` are the features."""

    file: InputFile
    header: NpyHeader
    fields: tuple[str, ...] = ()

    @property
    def storage(self) -> Storage:
        # records and columns one behind the other: a row lies scattered over the file
        scattered = self.header.fortran_order or self.header.dtype.names is not None
        return "stream" if scattered else "file"

    @property
    def offset(self) -> int | None:
        return self.header.offset if self.storage == "file" else None

    def blocks(self) -> Iterator[Matrix]:
        row_bytes = max(1, self.header.dtype.itemsize * len(self.columns))
        step = max(1, _SCAN_BYTES // row_bytes)
        with builtins.open(self.file.path, "rb", buffering=0) as stream:
            for start in range(0, self.rows, step):
                count = min(step, self.rows - start)
                if self.header.fortran_order:
                    yield self._columns_part(stream.fileno(), start, count)
                else:
                    yield self._features(self._rows_part(stream.fileno(), start, count))
        self.verify()

    def verify(self) -> None:
        self.file.verify()

    def _rows_part(self, fd: int, start: int, count: int) -> NDArray[Any]:
        part = np.empty((count, *self.header.shape[1:]), self.header.dtype)
        place = self.header.offset + start * (part.nbytes // count)
        read_all(fd, as_bytes(part), place, self.label)
        return part

    def _features(self, part: NDArray[Any]) -> Matrix:
        if not self.fields:
            return part.reshape(len(part), -1)
        return np.hstack([part[field].reshape(len(part), -1) for field in self.fields])

    def _columns_part(self, fd: int, start: int, count: int) -> Matrix:
        """Rows of an array whose columns stand one behind the other, a read call a column."""
        part = np.empty((len(self.columns), count), self.header.dtype)
        for j, values in enumerate(part):
            place = self.header.offset + (j * self.rows + start) * part.itemsize
            read_all(fd, as_bytes(values), place, self.label)
        # the axes of a row stand in reverse too
        return part.reshape(*self.header.shape[:0:-1], count).T.reshape(count, -1)

    def reader(self, rows: Rows | None, way: Way, scratch: Scratch) -> Taken:
        if way != "gather":
            return super().reader(rows, way, scratch)
        shape = (self.rows, len(self.columns))
        pages = Pages.one(self.header.offset)
        return Taken(MappedReader(self.file, shape, self.header.dtype, pages), rows)


def open(file: InputFile, name: str, how: Reading) -> Source:
    """One modality in an npy file; see `formats.Format`."""
    header = read_header(file)
    if header.dtype.names is not None:
        return _records(file, name, header, how)
    check_features(header.dtype, header.shape, pool=how.pool is not None)
    if how.columns or how.id_column is not None or how.time_column is not None:
        raise InputError(
            "this npy file has no named columns",
            hint="--times NAME=FILE names its times" if how.time_column is not None else None,
        )
    dim = math.prod(header.shape[1:])
    source = NpySource(
        name=name,
        label=file.label,
        columns=numbers(dim),
        rows=header.shape[0],
        dtype=header.dtype,
        ids=None,
        id_source="",
        file=file,
        header=header,
    )
    return sequence_source(source, header.shape, how) if len(header.shape) == 3 else source


def read_ids(file: InputFile, column: str | None) -> Ids:
    """Ids in a one-dimensional npy file."""
    header = read_header(file)
    if column is not None:
        raise InputError(f"a one-dimensional npy file has no columns, so no {column!r}")
    if len(header.shape) != 1 or header.dtype.names is not None:
        raise InputError(
            f"ids of shape {header.shape} and dtype {header.dtype}; one a row is needed"
        )
    return ids_of_array(whole_array(file, header))


def _records(file: InputFile, name: str, header: NpyHeader, how: Reading) -> NpySource:
    """A modality in an array of records, which is a table: the same rules choose its columns."""
    dtype, (rows, *inner) = header.dtype, header.shape
    if inner or not rows:
        raise InputError(f"records of shape {header.shape}; one record a row is needed")
    kinds = {field: _kind(dtype[field]) for field in dtype.names or ()}
    choice = choose(kinds, id_column=how.id_column, wanted=how.columns, time=how.time_column)
    ids = None
    if choice.ids is not None and not how.outside_ids:
        ids = ids_of_array(np.ascontiguousarray(whole_array(file, header)[choice.ids]))
    times = None
    if how.time_column is not None:
        field = whole_array(file, header)[how.time_column]
        times = times_of_array(field, how.time_unit, f"field {how.time_column!r}")
    columns = choice.features
    if choice.vector is not None:
        columns = numbers(dtype[choice.vector].shape[0])
    fields = choice.features or (choice.vector or "",)
    common_dtype, rounds = common(dtype[field].base for field in fields)
    return NpySource(
        name=name,
        label=file.label,
        columns=columns,
        rows=rows,
        dtype=common_dtype,
        rounds=rounds,
        ids=ids,
        id_source=f"field {choice.ids}" if ids is not None else "",
        times=times,
        time_source=f"field {how.time_column}",
        notes=choice.notes,
        doubtful=choice.doubtful,
        file=file,
        header=header,
        fields=fields,
    )


def _kind(dtype: np.dtype[Any]) -> Kind:
    """Whether a field of records is a number, a vector of numbers, or something else."""
    numeric = dtype.base.kind in "fiub" and dtype.base.itemsize <= 8
    if not numeric or len(dtype.shape) > 1 or 0 in dtype.shape:
        return "other"
    return "vector" if dtype.shape else "number"


class NpySink:
    """Writes a matrix as npy; every row has its place, so any thread may write it."""

    positional = True

    def __init__(self, fd: int, table: Table) -> None:
        shape = (len(table.ids), len(table.columns))
        self._fd = fd
        self._row_bytes = shape[1] * table.dtype.itemsize
        header = header_bytes(shape, table.dtype)
        self._start = len(header)
        os.posix_fallocate(fd, 0, self._start + shape[0] * self._row_bytes)
        write_all(fd, header, 0)

    def write(self, start: int, block: Matrix) -> None:
        """Rows from `start` on."""
        write_all(self._fd, as_bytes(block), self._start + start * self._row_bytes)

    def close(self) -> None:
        """Nothing comes after the rows."""


def sink(fd: int, table: Table) -> NpySink:
    """A writer of npy."""
    return NpySink(fd, table)


def companions(table: Table) -> Mapping[str, bytes]:
    """The ids, one a line, in `STEM.ids.txt`."""
    text = table.ids.as_text()
    if any((text.data == byte).any() for byte in b"\n\r\0"):
        raise OutputError(
            "an id holds a line break or NUL, and an npy file's ids are one a line of text",
            hint="write parquet instead",
        )
    # line i is moved on by the i line breaks before it
    lines = np.full(len(text.data) + len(text), ord("\n"), np.uint8)
    starts, lengths = text.spans(slice(None))
    move(text.data, starts, lengths, lines, starts + np.arange(len(text)))
    content = lines.tobytes()
    if content.startswith(BOM_UTF8):  # of the first id, not of the file
        content = BOM_UTF8 + content
    return {os.path.splitext(table.path)[0] + ".ids.txt": content}


def metadata(file: InputFile) -> str | None:
    """An npy file has no room for a record."""
    return None
