"""`npy`: NumPy arrays `(n, d)`; ids in a sidecar, or in the field `id` of a structured array."""

from __future__ import annotations

import builtins
import os
import struct
import warnings
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids
from mmfuse.core.source import Matrix, RowReader, Scratch, Source
from mmfuse.errors import InputError, OutputError
from mmfuse.files.checks import check_features
from mmfuse.files.columns import Kind, choose
from mmfuse.files.formats import Layout, Reading, Table
from mmfuse.files.ids import ids_of_array
from mmfuse.files.inputs import InputFile, as_bytes, looks_like, read_all
from mmfuse.files.mapped import MappedReader
from mmfuse.files.output import write_all

suffixes: Sequence[str] = (".npy",)
layouts: Sequence[Layout] = ("vector",)

_MAGIC = b"\x93NUMPY"
_SCAN_BYTES = 8 << 20
_HEADER_CHARACTERS = 1 << 20  # NumPy's own limit is too low for records of a few hundred fields
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
    """A modality in an npy file; of an array of records, `fields` are the features."""

    file: InputFile
    header: _Header
    fields: tuple[str, ...] = ()

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
        return _records(file, name, header, how)
    check_features(header.dtype, header.shape)
    if how.columns or how.id_column is not None:
        raise InputError("this npy file has no named columns")
    dim = header.shape[1] if len(header.shape) == 2 else 1
    return NpySource(
        name=name,
        label=file.label,
        columns=tuple(map(str, range(dim))),
        rows=header.shape[0],
        dtype=header.dtype,
        ids=None,
        id_source="",
        file=file,
        header=header,
    )


def read_ids(file: InputFile, column: str | None) -> Ids:
    """Ids in a one-dimensional npy file."""
    header = _read_header(file)
    if column is not None:
        raise InputError(f"a one-dimensional npy file has no columns, so no {column!r}")
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
            shape, fortran_order, dtype = _parse_header(stream)
        except Exception as error:
            raise InputError("the npy header is damaged") from error
        offset = stream.tell()
    if dtype.hasobject:
        raise InputError(
            f"an array of Python objects, shape {shape}, would run code", hint=_CONVERT
        )
    if any(side < 0 for side in shape):
        raise InputError(f"the npy header is damaged: shape {shape}")
    if not dtype.itemsize:  # any number of such values would be within the file
        raise InputError(f"values of dtype {dtype} hold nothing")
    claimed = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if claimed > file.size - offset:
        raise InputError(
            f"the file is cut short: shape {shape} of {dtype} needs {claimed:,} bytes, "
            f"and {file.size - offset:,} are there"
        )
    return _Header(shape, fortran_order and len(shape) > 1, dtype, offset)


def _parse_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError("an unknown version")
    short = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if short else np.lib.format.read_array_header_2_0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 2 wrote headers that are read a little slower
        shape, fortran_order, dtype = read(stream, _HEADER_CHARACTERS)
    if version == (3, 0) and dtype.names is not None:
        # version 3 is version 2 with names in UTF-8, which that reader takes for Latin-1
        dtype.names = tuple(name.encode("latin1").decode() for name in dtype.names)
    return shape, fortran_order, dtype


def _records(file: InputFile, name: str, header: _Header, how: Reading) -> NpySource:
    """A modality in an array of records, which is a table: the same rules choose its columns."""
    dtype, (rows, *inner) = header.dtype, header.shape
    if inner or not rows:
        raise InputError(f"records of shape {header.shape}; one record a row is needed")
    kinds = {field: _kind(dtype[field]) for field in dtype.names or ()}
    choice = choose(kinds, id_column=how.id_column, wanted=how.columns)
    ids = None
    if choice.ids is not None and not how.outside_ids:
        ids = ids_of_array(np.ascontiguousarray(_whole(file, header)[choice.ids]))
    columns = choice.features
    if choice.vector is not None:
        columns = tuple(map(str, range(dtype[choice.vector].shape[0])))
    fields = choice.features or (choice.vector or "",)
    return NpySource(
        name=name,
        label=file.label,
        columns=columns,
        rows=rows,
        dtype=np.result_type(*(dtype[field].base for field in fields)),
        ids=ids,
        id_source=f"field {choice.ids}" if ids is not None else "",
        notes=choice.notes,
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
    if np.isin(text.data, list(b"\n\r\0")).any():
        raise OutputError(
            "an id holds a line break or NUL, and an npy file's ids are one a line of text",
            hint="write parquet instead",
        )
    # line i is moved on by the i line breaks before it
    lines = np.full(len(text.data) + len(text), ord("\n"), np.uint8)
    rows = np.repeat(np.arange(len(text)), text.lengths)
    lines[np.arange(len(text.data)) + rows] = text.data
    content = lines.tobytes()
    if content.startswith(BOM_UTF8):  # of the first id, not of the file
        content = BOM_UTF8 + content
    return {os.path.splitext(table.path)[0] + ".ids.txt": content}


def metadata(file: InputFile) -> str | None:
    """An npy file has no room for a record."""
    return None
