"""`npz`: NumPy's archive of arrays; a matrix, and beside it ids."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, IntegerIds
from mmfuse.core.source import Matrix, Source
from mmfuse.errors import InputError, OutputError
from mmfuse.files.arrays import Form, choose_arrays, id_array
from mmfuse.files.checks import check_features
from mmfuse.files.columns import BESIDE, classes_or_numbers
from mmfuse.files.deflated import DeflatedSource
from mmfuse.files.formats import Layout, Reading, Table
from mmfuse.files.ids import ids_of_array
from mmfuse.files.inputs import InputFile, as_bytes
from mmfuse.files.npy_header import header_bytes
from mmfuse.files.sequences import sequence_source
from mmfuse.files.zip_members import Member, members
from mmfuse.files.zip_writer import ZipWriter
from mmfuse.formats.npy import NpySource

suffixes: Sequence[str] = (".npz",)
layouts: Sequence[Layout] = ("vector",)
column_layouts: Sequence[Layout] = ()
keeps_flags = True
is_text = False

_RECORD = "metadata"
_ID_ROWS = 1 << 16
_UNREADABLE = Form((0,), np.dtype(object))


def open(file: InputFile, name: str, how: Reading) -> Source:
    """One modality in an npz file; see `formats.Format`."""
    found = members(file)
    forms = _forms(found)
    try:
        choice = choose_arrays(forms, how, own=_own(found))
    except InputError:
        for member in found.values():
            _readable(member)  # why an array is none of numbers
        raise
    matrix = _readable(found[choice.features])
    header = matrix.header
    check_features(header.dtype, header.shape, pool=how.pool is not None)
    if how.time_column is not None:
        raise InputError(
            "an npz file has no named columns", hint="--times NAME=FILE names its times"
        )
    ids = None
    if choice.ids is not None and not how.outside_ids:
        ids = ids_of_array(_readable(found[choice.ids]).whole())
    shared: dict[str, Any] = {
        "name": name,
        "label": file.label,
        "columns": classes_or_numbers(_classes(found), math.prod(header.shape[1:])),
        "rows": header.shape[0],
        "dtype": header.dtype,
        "ids": ids,
        "id_source": f"array {choice.ids}" if ids is not None else "",
        "notes": choice.notes,
    }
    source: Source = (
        DeflatedSource(**shared, member=matrix)
        if (plain := matrix.plain) is None
        else NpySource(**shared, file=file, header=plain)
    )
    return sequence_source(source, header.shape, how) if len(header.shape) == 3 else source


def read_ids(file: InputFile, column: str | None) -> Ids:
    """An array of ids: the one named, else by its name."""
    found = members(file)
    chosen = id_array(_forms(found), column, required=True)
    assert chosen is not None
    return ids_of_array(_readable(found[chosen]).whole())


def _forms(found: Mapping[str, Member | InputError]) -> dict[str, Form]:
    return {
        key: Form(member.header.shape, member.header.dtype)
        if isinstance(member, Member)
        else _UNREADABLE
        for key, member in found.items()
    }


def _readable(member: Member | InputError) -> Member:
    if isinstance(member, InputError):
        raise member
    return member


def _own(found: Mapping[str, Member | InputError]) -> list[str]:
    """The arrays that mmfuse writes beside the matrix, in a file that it wrote."""
    record = found.get(_RECORD)
    if not isinstance(record, Member) or record.header.shape != ():
        return []
    beside = (_RECORD, "columns", *BESIDE)
    return [key for key in found if key in beside or key.startswith("present_")]


def _classes(found: Mapping[str, Member | InputError]) -> Any:
    """The names of the columns of predictions that mmfuse fused, if the file holds such."""
    names = found.get("columns")
    if not {"n_models", "columns"} <= {*_own(found)} or not isinstance(names, Member):
        return None
    text = names.header.dtype.kind == "U" and len(names.header.shape) == 1
    return names.whole().tolist() if text else None


class NpzSink:
    """Writes rows in order into one member; the flags come behind it."""

    positional = False

    def __init__(self, fd: int, table: Table) -> None:
        self._zip, self._table = ZipWriter(fd), table
        self._write_ids(table.ids)
        self._write_array("columns", _texts(table.columns))
        self._write_array(_RECORD, np.array(table.metadata))
        self._begin("embeddings", (len(table.ids), len(table.columns)), table.dtype)

    def _begin(self, key: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        header = header_bytes(shape, dtype)
        self._zip.begin(f"{key}.npy", len(header) + math.prod(shape) * dtype.itemsize)
        self._zip.write(header)

    def _write_array(self, key: str, array: NDArray[Any]) -> None:
        self._begin(key, array.shape, array.dtype)
        self._zip.write(as_bytes(array))
        self._zip.end()

    def _write_ids(self, ids: Ids) -> None:
        """Ids as integers, or as text of a fixed width, some at a time: text is wide."""
        dtype = np.dtype(np.int64) if isinstance(ids, IntegerIds) else _text_dtype(ids)
        self._begin("ids", (len(ids),), dtype)
        for start in range(0, len(ids), _ID_ROWS):
            part = ids.take(slice(start, start + _ID_ROWS))
            values = part.values if isinstance(part, IntegerIds) else list(part)
            self._zip.write(as_bytes(np.array(values, dtype)))
        self._zip.end()

    def write(self, start: int, block: Matrix) -> None:
        """The next rows."""
        self._zip.write(as_bytes(block))

    def close(self) -> None:
        """The flags and the directory."""
        self._zip.end()
        for name, flag in self._table.numbers.items():
            self._write_array(name, flag)
        for name, named in self._table.names.items():
            self._write_array(name, _texts(named.names)[named.numbers])
        self._zip.close()


def _text_dtype(ids: Ids) -> np.dtype[Any]:
    """Wide enough for the longest id. Raises OutputError for one that NumPy would cut."""
    text = ids.as_text()
    if (text.data[text.offsets[1:] - 1] == 0).any():
        raise OutputError(
            "an id ends with NUL, which NumPy's text cannot", hint="write parquet instead"
        )
    begins = np.concatenate([[0], np.cumsum((text.data & 0xC0) != 0x80)])  # UTF-8 characters
    return np.dtype(f"<U{np.diff(begins[text.offsets]).max()}")


def _texts(texts: Sequence[str]) -> NDArray[Any]:
    if any(text.endswith("\0") for text in texts):
        raise OutputError("the name of a column ends with NUL", hint="write parquet instead")
    return np.array(texts, np.dtype(f"<U{max(map(len, texts))}"))


def sink(fd: int, table: Table) -> NpzSink:
    """A writer of npz, without compression so that readers can map it."""
    return NpzSink(fd, table)


def companions(table: Table) -> Mapping[str, bytes]:
    """An npz file holds everything itself."""
    return {}


def metadata(file: InputFile) -> str | None:
    """The record in the array `metadata`, a single text."""
    record = members(file).get(_RECORD)
    if not isinstance(record, Member) or record.header.shape or record.header.dtype.kind != "U":
        return None
    return str(record.whole())
