"""`npy`: NumPy arrays `(n, d)`; ids in a sidecar, or in the field `id` of a structured array."""

from __future__ import annotations

import builtins
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids
from mmfuse.core.source import Matrix, RowReader, Scratch, Source
from mmfuse.core.strategy import numbered
from mmfuse.errors import InputError, OutputError
from mmfuse.files.checks import check_features
from mmfuse.files.formats import Layout, Reading, Table
from mmfuse.files.ids import ids_of_array
from mmfuse.files.inputs import InputFile, as_bytes, looks_like, read_all
from mmfuse.files.mapped import MappedReader
from mmfuse.files.output import write_all

suffixes: Sequence[str] = (".npy",)
layouts: Sequence[Layout] = ("vector",)

_MAGIC = b"\x93NUMPY"
_SCAN_BYTES = 8 << 20
_CONVERT = (
    "convert it once, where it was made: "
    "import numpy as np; x = np.load(FILE, allow_pickle=True); "
    "np.save('new.npy', np.stack(x).astype('float32'))"
)


@dataclass(frozen=True)
class _Header:
    """What an npy file says of itself; `offset` is where the values begin."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    offset: int


@dataclass(kw_only=True)
class NpySource(Source):
    """A modality in an npy file."""

    file: InputFile
    header: _Header

    def blocks(self) -> Iterator[Matrix]:
        row_bytes = max(1, self.header.dtype.itemsize * len(self.columns))
        step = max(1, _SCAN_BYTES // row_bytes)
        with builtins.open(self.file.path, "rb", buffering=0) as stream:
            for start in range(0, self.rows, step):
                count = min(step, self.rows - start)
                if self.header.fortran_order:
                    yield self._columns_part(stream.fileno(), start, count)
                else:
                    yield _features(self._rows_part(stream.fileno(), start, count))
        self.file.verify()

    def _rows_part(self, fd: int, start: int, count: int) -> NDArray[Any]:
        part = np.empty((count, *self.header.shape[1:]), self.header.dtype)
        place = self.header.offset + start * (part.nbytes // count)
        read_all(fd, as_bytes(part), place, self.label)
        return part

    def _columns_part(self, fd: int, start: int, count: int) -> Matrix:
        """Rows of an array whose columns stand one behind the other, a read call a column."""
        part = np.empty((len(self.columns), count), self.header.dtype)
        for j, values in enumerate(part):
            place = self.header.offset + (j * self.rows + start) * part.itemsize
            read_all(fd, as_bytes(values), place, self.label)
        return part.T

    def reader(self, scratch: Scratch) -> RowReader:
        if self.header.fortran_order or self.header.dtype.names is not None:
            return super().reader(scratch)  # a row lies scattered over the file
        shape = (self.rows, len(self.columns))
        return MappedReader(self.file, shape, self.header.dtype, self.header.offset)


def open(file: InputFile, name: str, how: Reading) -> NpySource:
    """One modality in an npy file; see `formats.Format`."""
    header = _read_header(file)
    if header.dtype.names is not None:
        ids, columns, dtype = _structured(file, header, how)
    else:
        check_features(header.dtype, header.shape)
        dim = header.shape[1] if len(header.shape) == 2 else 1
        ids, columns, dtype = None, tuple(str(j) for j in range(dim)), header.dtype
    if how.columns or (how.id_column is not None and ids is None):
        raise InputError("an npy file has no named columns")
    return NpySource(
        name=name,
        label=file.label,
        columns=columns,
        rows=header.shape[0],
        dtype=dtype,
        ids=ids,
        id_source="field id" if ids is not None else "",
        file=file,
        header=header,
    )


def read_ids(file: InputFile, column: str | None) -> Ids:
    """Ids in a one-dimensional npy file."""
    header = _read_header(file)
    if len(header.shape) != 1 or header.dtype.names is not None:
        raise InputError(
            f"ids of shape {header.shape} and dtype {header.dtype}; one a row is needed"
        )
    return ids_of_array(_whole(file, header))


def _read_header(file: InputFile) -> _Header:
    if not file.head.startswith(_MAGIC):
        raise InputError(f"not an npy file: it looks like {looks_like(file.head)}")
    with builtins.open(file.path, "rb") as stream:
        try:
            version = np.lib.format.read_magic(stream)
            # version 3 is version 2 with field names in UTF-8 instead of Latin-1
            first = version == (1, 0)
            read = (
                np.lib.format.read_array_header_1_0
                if first
                else np.lib.format.read_array_header_2_0
            )
            shape, fortran_order, dtype = read(stream)
        except Exception as error:
            raise InputError("the npy header is damaged") from error
        offset = stream.tell()
    if dtype.hasobject:
        raise InputError(
            f"an array of Python objects, shape {shape}, would run code", hint=_CONVERT
        )
    if any(side < 0 for side in shape):
        raise InputError(f"the npy header is damaged: shape {shape}")
    claimed = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if claimed > file.size - offset:
        raise InputError(
            f"the file is cut short: shape {shape} of {dtype} needs {claimed:,} bytes, "
            f"and {file.size - offset:,} are there"
        )
    return _Header(shape, fortran_order, dtype, offset)


def _structured(
    file: InputFile, header: _Header, how: Reading
) -> tuple[Ids | None, tuple[str, ...], np.dtype[Any]]:
    """The id field, the feature columns and their dtype of an array of records."""
    assert header.dtype.names is not None
    if len(header.shape) != 1:
        raise InputError(f"records of shape {header.shape}; one record a row is needed")
    id_field = how.id_column or "id"
    fields = [field for field in header.dtype.names if field != id_field]
    ids = None
    if not how.outside_ids and id_field in header.dtype.names:
        ids = ids_of_array(np.array(_whole(file, header)[id_field]))
    columns: list[str] = []
    for field in fields:
        kind = header.dtype[field]
        base, inner = kind.subdtype or (kind, ())
        check_features(base, (header.shape[0], *inner))
        columns += numbered(field, inner[0]) if inner else [field]
    if not columns or not header.shape[0]:
        raise InputError("the records hold no features")
    return ids, tuple(columns), np.result_type(*(header.dtype[field].base for field in fields))


def _features(records: NDArray[Any]) -> Matrix:
    """Rows of a table, or of records without their id, as a matrix."""
    if records.dtype.names is None:
        return records.reshape(len(records), -1)
    fields = [field for field in records.dtype.names if field != "id"]
    return np.hstack([records[field].reshape(len(records), -1) for field in fields])


def _whole(file: InputFile, header: _Header) -> NDArray[Any]:
    with builtins.open(file.path, "rb", buffering=0) as stream:
        whole = np.empty(header.shape, header.dtype)
        read_all(stream.fileno(), as_bytes(whole), header.offset, file.label)
    return whole


class NpySink:
    """Writes a matrix as npy; every row has its place, so any thread may write it."""

    positional = True

    def __init__(self, fd: int, table: Table) -> None:
        shape = (len(table.ids), len(table.columns))
        self._fd = fd
        self._row_bytes = shape[1] * table.dtype.itemsize
        header = _header_bytes(shape, table.dtype)
        self._start = len(header)
        os.posix_fallocate(fd, 0, self._start + shape[0] * self._row_bytes)
        write_all(fd, header, 0)

    def write(self, start: int, block: Matrix) -> None:
        """Rows from `start` on."""
        write_all(self._fd, as_bytes(block), self._start + start * self._row_bytes)

    def close(self) -> None:
        """Nothing comes after the rows."""


def _header_bytes(shape: tuple[int, int], dtype: np.dtype[Any]) -> bytes:
    """The header of format version 1.0, padded so that the values begin at a multiple of 64."""
    text = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(_MAGIC) + 4 + len(text) + 1) % 64) + b"\n"
    return _MAGIC + b"\x01\x00" + struct.pack("<H", len(text)) + text


def sink(fd: int, table: Table) -> NpySink:
    """A writer of npy."""
    return NpySink(fd, table)


def companions(table: Table) -> Mapping[str, bytes]:
    """The ids, one a line, in `STEM.ids.txt`."""
    text = table.ids.as_text()
    if (text.data == ord("\n")).any() or (text.data == ord("\r")).any():
        raise OutputError(
            "an id holds a line break, and an npy file's ids are one a line",
            hint="write parquet instead",
        )
    # line i is moved on by the i line breaks before it
    lines = np.full(len(text.data) + len(text), ord("\n"), np.uint8)
    rows = np.repeat(np.arange(len(text)), text.lengths)
    lines[np.arange(len(text.data)) + rows] = text.data
    return {os.path.splitext(table.path)[0] + ".ids.txt": lines.tobytes()}


def metadata(file: InputFile) -> str | None:
    """An npy file has no room for a record."""
    return None
