"""The header of safetensors files: read without trust, and written.

Eight bytes with the length of the header, little-endian; the header, a JSON object of tensors by
name, and of texts under `__metadata__`; then the values, one tensor behind the other.

Spec: https://github.com/huggingface/safetensors, "Format".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfuse.errors import InputError
from mmfuse.files.inputs import InputFile, looks_like
from mmfuse.files.npy_header import NpyHeader
from mmfuse.files.plain_json import distinct, fault

_LENGTH_BYTES = 8
HEADER_BYTES = 100_000_000  # the format's own limit
_METADATA = "__metadata__"
_DTYPES = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "U32": "<u4",
    "I32": "<i4", "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
_CODES = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
_BITS = {"BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8}  # known, but NumPy has no such numbers


@dataclass(frozen=True)
class Tensors:
    """What a safetensors file says of itself.

    headers: where every tensor lies in the file; in place of one of numbers that NumPy does not
    have, why it cannot be read. metadata: texts.
    """

    headers: Mapping[str, NpyHeader | InputError]
    metadata: Mapping[str, str]


def read_tensors(file: InputFile) -> Tensors:
    """The header of a file. Raises InputError: another kind of file, or damaged in any way."""
    length = int.from_bytes(file.head[:_LENGTH_BYTES], "little")
    if len(file.head) <= _LENGTH_BYTES or file.head[_LENGTH_BYTES : _LENGTH_BYTES + 1] != b"{":
        raise InputError(f"not a safetensors file: it looks like {looks_like(file.head)}")
    if length > HEADER_BYTES:
        raise InputError(f"the header is said to have {length:,} bytes; 100,000,000 is the most")
    if length > file.size - _LENGTH_BYTES:
        raise InputError("the file is cut short: its header does not end")
    with open(file.path, "rb") as stream:
        stream.seek(_LENGTH_BYTES)
        text = stream.read(length)
    try:
        entries = json.loads(text.decode(), object_pairs_hook=distinct)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the header is damaged: {fault(error)}") from error
    assert isinstance(entries, dict)  # for it begins with a brace
    metadata = entries.pop(_METADATA, {})
    texts = isinstance(metadata, dict) and all(isinstance(t, str) for t in metadata.values())
    if not texts:
        raise InputError(f"the header is damaged: {_METADATA} is to hold texts only")
    return Tensors(_placed(entries, _LENGTH_BYTES + length, file.size), metadata)


def _placed(entries: Mapping[str, Any], start: int, size: int) -> dict[str, NpyHeader | InputError]:
    """Every tensor with its place; they are to lie one behind the other, and to fill the file."""
    spans = {name: _span(name, entry) for name, entry in entries.items()}
    end = 0
    for name in sorted(spans, key=spans.__getitem__):
        if spans[name][0] != end:
            raise InputError(f"the header is damaged: tensor {name!r} does not follow the others")
        end = spans[name][1]
    if start + end != size:
        raise InputError(
            f"the header tells of {start + end:,} bytes, and the file has {size:,}: "
            "it is cut short or damaged"
        )
    return {name: _header(name, entry, start) for name, entry in entries.items()}


def _span(name: str, entry: Any) -> tuple[int, int]:
    """First and last byte of a tensor, which are as far apart as its shape says."""
    damaged = InputError(f"the header is damaged: tensor {name!r}")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise damaged
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    naturals = _naturals(shape) and _naturals(offsets) and len(offsets) == 2
    if not (isinstance(code, str) and naturals):
        raise damaged
    bits = 8 * np.dtype(_DTYPES[code]).itemsize if code in _DTYPES else _BITS.get(code)
    if bits is None:
        raise InputError(f"tensor {name!r} is of an unknown dtype {code!r}")
    if 8 * (offsets[1] - offsets[0]) != math.prod(shape) * bits:
        raise damaged
    return offsets[0], offsets[1]


def _naturals(value: Any) -> bool:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _header(name: str, entry: Mapping[str, Any], start: int) -> NpyHeader | InputError:
    code, shape = entry["dtype"], tuple(entry["shape"])
    if code not in _DTYPES:
        return InputError(
            f"tensor {name!r} is of dtype {code}, which NumPy does not have",
            hint="convert it where it was made: tensor.to(torch.float32)",
        )
    return NpyHeader(shape, False, np.dtype(_DTYPES[code]), start + entry["data_offsets"][0])


def tensors_head(
    forms: Mapping[str, tuple[tuple[int, ...], np.dtype[Any]]], metadata: Mapping[str, str]
) -> tuple[bytes, dict[str, int]]:
    """The bytes before the values, a multiple of 8, and where each tensor is to lie."""
    entries: dict[str, Any] = {_METADATA: dict(metadata)}
    end = 0
    begins = {}
    for name, (shape, dtype) in forms.items():
        begins[name] = end
        end += math.prod(shape) * dtype.itemsize
        entries[name] = {
            "dtype": _CODES[dtype],
            "shape": list(shape),
            "data_offsets": [begins[name], end],
        }
    text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)
    head = len(text).to_bytes(_LENGTH_BYTES, "little") + text
    return head, {name: len(head) + begin for name, begin in begins.items()}
