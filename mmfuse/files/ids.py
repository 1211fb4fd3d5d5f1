"""Row ids that stand in a file of their own: a sidecar, or a file named by the user."""

from __future__ import annotations

import json
import os
import re
from codecs import BOM_UTF8
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, TextIds, integer_ids, plain_integers
from mmfuse.errors import AlignmentError, InputError
from mmfuse.files import formats
from mmfuse.files.checks import checked_text, ids_of_text
from mmfuse.files.columns import NoColumnError
from mmfuse.files.inputs import InputFile, reading, refuse_no_lines
from mmfuse.files.paths import stem, suffix
from mmfuse.files.plain_json import fault

_SIDECARS = (
    "{}.ids.txt", "{}.ids.npy", "{}.ids.json", "{}.ids.csv",
    "{}_ids.txt", "{}_ids.npy", "{}_ids.json", "{}_ids.csv",
    "{}_inds.npy", "{}_index.parquet",
)  # fmt: skip


# clip-retrieval: img_emb/img_emb_0.npy has the rows of metadata/metadata_0.parquet
_CLIP_RETRIEVAL = re.compile(r".+_emb_([0-9]+)")


def sidecar(path: str) -> str | None:
    """The file of ids that belongs to a file without ids, or None."""
    names = sidecars(path)
    if numbered := _CLIP_RETRIEVAL.fullmatch(stem(path)):
        metadata = os.path.join(os.path.dirname(path), os.pardir, "metadata")
        names.append(os.path.join(metadata, f"metadata_{numbered[1]}.parquet"))
    return next((name for name in names if os.path.isfile(name)), None)


def sidecars(path: str) -> list[str]:
    """What a file of ids beside this one would be called."""
    folder, own = os.path.dirname(path), stem(path)
    return [os.path.join(folder, form.format(own)) for form in _SIDECARS]


def label_of(path: str, label: str) -> str:
    """How messages name a file of ids that belongs to what `label` names."""
    return f"{label} (ids {os.path.basename(path)})"


def read_ids(file: InputFile, column: str | None, *, in_table: bool = False) -> Ids:
    """The ids in a file: text one a line, npy, a JSON list, or a column of a table.

    in_table: they stand beside something else, so that a table's only column is not taken for ids
    whatever its name. What has no suffix, such as a stream, is CSV then, and where a column is
    named.
    Raises InputError or AlignmentError, naming the file.
    """
    told = suffix(file.name)
    with reading(file.label):
        table = formats.by_suffix(file.name)
        if table is None and not told and (in_table or column is not None):
            table = formats.by_name("csv")
        if table is not None:
            try:
                return table.read_ids(file, column)
            except NoColumnError as error:
                if error.only is None or in_table:
                    raise
                return table.read_ids(file, error.only)
        if column is not None:
            raise InputError(f"this file has no columns, so no {column!r}")
        return _from_json(file) if told == ".json" else _from_lines(file)


def split_column(spec: str) -> tuple[str, str | None]:
    """`FILE:COLUMN` as (FILE, COLUMN); a file whose own name has a colon is taken as it is."""
    path, colon, column = spec.rpartition(":")
    if not colon or os.path.exists(spec):
        return spec, None
    return path, column


def _from_lines(file: InputFile) -> Ids:
    refuse_no_lines(file.head)
    with open(file.path, "rb") as stream:
        data = stream.read().removeprefix(BOM_UTF8)
    if b"\r\n" in data:
        data = data.replace(b"\r\n", b"\n")
    if not data.isascii():
        data.decode()  # whoever reads an id later may rely on UTF-8
    if b"\0" in data:
        raise InputError("NUL bytes; this is not UTF-8 text")
    body = np.frombuffer(data if data.endswith(b"\n") else data + b"\n", np.uint8)
    ends = np.flatnonzero(body == ord("\n"))
    starts = np.concatenate([[0], ends[:-1] + 1])
    return ids_of_text(TextIds.packed(body, starts, ends - starts), "the file")


def ids_of_array(array: NDArray[Any]) -> Ids:
    """Ids in a one-dimensional array. Raises AlignmentError unless they are integers or text."""
    if array.ndim != 1:
        raise AlignmentError(f"ids of shape {array.shape}; one a row is needed")
    if array.dtype.kind in "iu":
        return integer_ids(array)
    if array.dtype.kind in "UST":
        return checked_text(_of_texts(array), "the array")
    if array.dtype.kind == "O":
        return _of_objects(array.tolist())
    raise AlignmentError(f"ids are {array.dtype}; ids are text or integers")


def _of_texts(array: NDArray[Any]) -> TextIds:
    """Text of a fixed width; NumPy takes NULs at its end for the rest of the width."""
    kind, width = array.dtype.kind, array.dtype.itemsize // (4 if array.dtype.kind == "U" else 1)
    if kind != "T" and width:
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        codes = array.view(np.uint32 if kind == "U" else np.uint8)
        if not len(codes) or codes.max() < 128:
            starts = np.arange(0, len(array) * width, width)
            lengths = np.strings.str_len(array).astype(np.int64)
            return TextIds.packed(codes.astype(np.uint8, copy=False), starts, lengths)
    listed = array.tolist()
    return TextIds.of(listed if kind != "S" else (text.decode() for text in listed))


def _from_json(file: InputFile) -> Ids:
    with open(file.path, encoding="utf-8-sig") as stream:
        text = stream.read()
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {fault(error)}") from error
    if not isinstance(values, list):
        raise InputError("not a JSON list of ids")
    return _of_objects(values)


def _of_objects(values: list[object]) -> Ids:
    kinds = [_id_kind(value) for value in values]
    if set(kinds) <= {str}:
        return checked_text(TextIds.of(map(str, values)), "the list")
    if set(kinds) == {int}:
        return plain_integers(TextIds.of(map(str, values)))
    odd = kinds.index(None) if None in kinds else kinds.index(str)
    raise AlignmentError(
        f"ids must be all text or all integers; number {odd + 1:,} is {values[odd]!r}"
    )


def _id_kind(value: object) -> type | None:
    """What an id is, text or an integer (NumPy's too); None for anything else."""
    if isinstance(value, str):
        return str
    integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    return int if integer else None
