"""The Arrow schema that a Parquet file carries under the key ``ARROW:schema``.

Parquet has no fixed-size list: without this note readers see an embedding as a list whose
length may vary.  The value is the base64 of an encapsulated Arrow IPC message, which is a
flatbuffer, built here by hand so that writing needs no pyarrow.

Specs: Arrow Columnar Format, "Encapsulated message format", with ``Message.fbs`` and
``Schema.fbs``; FlatBuffers, "Internals".
"""

import struct
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

# A flatbuffer as plain Python: bytes are a scalar, a str is a string, a list is a vector of
# references, and a tuple is a table whose slots are in the schema's order, None where absent.
Referred: TypeAlias = str | list["Node"] | tuple["Node | None", ...]
Node: TypeAlias = bytes | Referred

_WORD = 4
_V5, _SCHEMA = struct.pack("<h", 4), b"\1"
_INT, _FLOAT, _UTF8, _BOOL, _FIXED_SIZE_LIST = (bytes([code]) for code in (2, 3, 5, 6, 16))
_NOT_NULL = b"\0"


def boolean(name: str) -> Node:
    """Describe a column of booleans."""
    return _field(name, _BOOL, ())


def int64(name: str) -> Node:
    """Describe a column of signed 64-bit integers."""
    return _field(name, _INT, (struct.pack("<i", 64), b"\1"))


def utf8(name: str) -> Node:
    """Describe a column of texts."""
    return _field(name, _UTF8, ())


def number(name: str, dtype: np.dtype) -> Node:
    """Describe a column of integers or floats of any width."""
    if dtype.kind in "iu":
        unsigned = None
        signed = b"\1" if dtype.kind == "i" else unsigned
        return _field(name, _INT, (struct.pack("<i", 8 * dtype.itemsize), signed))
    precision = {2: 0, 4: 1, 8: 2}[dtype.itemsize]
    return _field(name, _FLOAT, (struct.pack("<h", precision),))


def fixed_size_list(name: str, element: Node, size: int) -> Node:
    """Describe a column of lists that all have ``size`` elements."""
    return _field(name, _FIXED_SIZE_LIST, (struct.pack("<i", size),), [element])


def schema_value(columns: Sequence[Node], metadata: Mapping[str, str]) -> str:
    """Encode a schema as the text that goes under ``ARROW:schema``.

    The file's own metadata is to be given again: pyarrow takes a table's from here.
    """
    little_endian = None
    pairs: list[Node] = list(metadata.items())
    message = _flatbuffer((_V5, _SCHEMA, (little_endian, list(columns), pairs)))
    encapsulated = struct.pack("<Ii", 0xFFFFFFFF, len(message)) + message
    return b2a_base64(encapsulated, newline=False).decode()


def _field(name: str, code: bytes, kind: Node, children: list[Node] | None = None) -> Node:
    """Give the table of a field; its vector of children is there even when it is empty."""
    dictionary = None
    return (name, _NOT_NULL, code, kind, dictionary, children or [])


def _flatbuffer(root: Referred) -> bytes:
    """Serialise a table and all it refers to, padded to the 8 bytes Arrow's messages ask for."""
    buffer = bytearray(_WORD)
    _refer(buffer, 0, root)
    _align(buffer, 8)
    return bytes(buffer)


def _refer(buffer: bytearray, slot: int, node: Referred) -> None:
    """Append a node, and make ``slot`` refer to it: references are distances, always forward."""
    struct.pack_into("<I", buffer, slot, _append(buffer, node) - slot)


def _append(buffer: bytearray, node: Referred) -> int:
    """Append a node that is referred to, then what it refers to; return where it begins."""
    _align(buffer, _WORD)
    if isinstance(node, tuple):
        return _append_table(buffer, node)
    start = len(buffer)
    buffer += struct.pack("<I", len(node.encode() if isinstance(node, str) else node))
    if isinstance(node, str):
        buffer += node.encode() + b"\0"
    else:
        _append_slots(buffer, node)
    return start


def _append_table(buffer: bytearray, table: tuple[Node | None, ...]) -> int:
    """Append a table after its vtable, which says where in the table each slot is.

    Every slot takes one word: Arrow's schemas have no wider scalar that is not its default.
    """
    present = [node for node in table if node is not None]
    places = iter(range(_WORD, _WORD * (len(present) + 1), _WORD))
    slots = [0 if node is None else next(places) for node in table]
    vtable = len(buffer)
    sizes = (_WORD + 2 * len(slots), _WORD * (len(present) + 1))
    buffer += struct.pack(f"<{2 + len(slots)}H", *sizes, *slots)
    _align(buffer, _WORD)
    start = len(buffer)
    buffer += struct.pack("<i", start - vtable)
    _append_slots(buffer, present)
    return start


def _append_slots(buffer: bytearray, nodes: Sequence[Node]) -> None:
    """Append a word for each node, a scalar or a reference, and then the nodes referred to."""
    first = len(buffer)
    for node in nodes:
        buffer += (node if isinstance(node, bytes) else b"").ljust(_WORD, b"\0")
    for slot, node in enumerate(nodes):
        if not isinstance(node, bytes):
            _refer(buffer, first + slot * _WORD, node)


def _align(buffer: bytearray, size: int) -> None:
    """Pad to a multiple of ``size``."""
    buffer += bytes(-len(buffer) % size)
