"""`safetensors`: tensors by name; a matrix, ids as a tensor of integers or a list of text."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmfuse.core.ids import Ids, IntegerIds
from mmfuse.core.source import Matrix, Source
from mmfuse.errors import InputError, OutputError
from mmfuse.files.arrays import Form, choose_arrays, id_array
from mmfuse.files.checks import check_features
from mmfuse.files.columns import BESIDE, classes_or_numbers
from mmfuse.files.formats import Layout, Reading, Table
from mmfuse.files.ids import ids_of_array
from mmfuse.files.inputs import InputFile, as_bytes
from mmfuse.files.npy_header import NpyHeader, whole_array
from mmfuse.files.output import write_all
from mmfuse.files.safetensors_header import HEADER_BYTES, Tensors, read_tensors, tensors_head
from mmfuse.files.sequences import sequence_source
from mmfuse.formats.npy import NpySource

suffixes: Sequence[str] = (".safetensors",)
layouts: Sequence[Layout] = ("vector",)
column_layouts: Sequence[Layout] = ()
keeps_flags = True
is_text = False

_RECORD, _TEXT_IDS = "mmfuse", "ids"
_UNREADABLE = Form((0,), np.dtype(object))


def open(file: InputFile, name: str, how: Reading) -> Source:
    """One modality in a safetensors file; see `formats.Format`."""
    found = read_tensors(file)
    try:
        choice = choose_arrays(_forms(found), how, own=_own(found))
    except InputError:
        for header in found.headers.values():
            _readable(header)  # why a tensor is none of numbers
        raise
    header = _readable(found.headers[choice.features])
    check_features(header.dtype, header.shape, pool=how.pool is not None)
    if how.time_column is not None:
        raise InputError(
            "a safetensors file has no named columns", hint="--times NAME=FILE names its times"
        )
    ids, id_source = (None, "") if how.outside_ids else _ids(file, found, choice.ids)
    source = NpySource(
        name=name,
        label=file.label,
        columns=classes_or_numbers(_classes(found), math.prod(header.shape[1:])),
        rows=header.shape[0],
        dtype=header.dtype,
        ids=ids,
        id_source=id_source,
        notes=choice.notes,
        file=file,
        header=header,
    )
    return sequence_source(source, header.shape, how) if len(header.shape) == 3 else source


def read_ids(file: InputFile, column: str | None) -> Ids:
    """A tensor of ids, or the list of them in the metadata."""
    found = read_tensors(file)
    listed = column is None and _TEXT_IDS in found.metadata
    chosen = None if listed else id_array(_forms(found), column, required=True)
    ids = _ids(file, found, chosen)[0]
    assert ids is not None
    return ids


def _ids(file: InputFile, found: Tensors, tensor: str | None) -> tuple[Ids | None, str]:
    """The ids that a file holds, and where."""
    if tensor is not None:
        return ids_of_array(whole_array(file, _readable(found.headers[tensor]))), f"tensor {tensor}"
    if _TEXT_IDS not in found.metadata:
        return None, ""
    try:
        values = json.loads(found.metadata[_TEXT_IDS])
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list):
        raise InputError("the metadata hold `ids` that are no JSON list")
    objects = np.empty(len(values), object)
    objects[:] = values
    return ids_of_array(objects), "metadata ids"


def _forms(found: Tensors) -> dict[str, Form]:
    return {
        name: Form(header.shape, header.dtype) if isinstance(header, NpyHeader) else _UNREADABLE
        for name, header in found.headers.items()
    }


def _readable(header: NpyHeader | InputError) -> NpyHeader:
    if isinstance(header, InputError):
        raise header
    return header


def _own(found: Tensors) -> list[str]:
    """The tensors that mmfuse writes beside the matrix, in a file that it wrote."""
    if _RECORD not in found.metadata:
        return []
    return [name for name in found.headers if name in BESIDE or name.startswith("present_")]


def _classes(found: Tensors) -> Any:
    """The names of the columns of predictions that mmfuse fused, if the file holds such."""
    if not {"n_models", "label"} <= {*_own(found)}:
        return None
    try:
        return json.loads(found.metadata.get("label", ""))
    except (ValueError, RecursionError):
        return None


class SafetensorsSink:
    """Writes a matrix as a tensor; every row has its place, so any thread may write it."""

    positional = True

    def __init__(self, fd: int, table: Table) -> None:
        self._fd = fd
        width = len(table.columns)
        self._row_bytes = width * table.dtype.itemsize
        known: dict[str, Any] = {}
        metadata = {_RECORD: table.metadata}
        if isinstance(table.ids, IntegerIds):
            known["ids"] = table.ids.values
        else:
            metadata[_TEXT_IDS] = json.dumps(list(table.ids), ensure_ascii=False)
        flags = dict(table.numbers)
        for name, named in table.names.items():
            flags[name] = named.numbers
            metadata[name] = json.dumps(named.names, ensure_ascii=False)
        known |= flags
        forms = {"embeddings": ((len(table.ids), width), table.dtype)}
        forms |= {name: (array.shape, array.dtype) for name, array in known.items()}
        # the widest values first, so that all of them lie aligned, as the format's own writer does
        ordered = dict(sorted(forms.items(), key=lambda item: -item[1][1].itemsize))
        head, begins = tensors_head(ordered, metadata)
        if len(head) > HEADER_BYTES:
            raise OutputError(
                f"ids of text take {len(head):,} bytes of header; safetensors has "
                f"{HEADER_BYTES:,} at most",
                hint="write parquet instead",
            )
        self._start = begins["embeddings"]
        write_all(fd, head, 0)
        os.posix_fallocate(fd, 0, self._start + len(table.ids) * self._row_bytes)
        self._known = [(begins[name], array) for name, array in known.items()]

    def write(self, start: int, block: Matrix) -> None:
        """Rows from `start` on."""
        write_all(self._fd, as_bytes(block), self._start + start * self._row_bytes)

    def close(self) -> None:
        """Ids and flags."""
        for begin, array in self._known:
            write_all(self._fd, as_bytes(array), begin)


def sink(fd: int, table: Table) -> SafetensorsSink:
    """A writer of safetensors."""
    return SafetensorsSink(fd, table)


def companions(table: Table) -> Mapping[str, bytes]:
    """A safetensors file holds everything itself."""
    return {}


def metadata(file: InputFile) -> str | None:
    """The record under the key `mmfuse` of the metadata."""
    return read_tensors(file).metadata.get(_RECORD)
