"""Parquet's metadata, in a minimal encoder of Thrift's compact protocol.

A value is its type's nibble and its encoded bytes, so structures nest as plain expressions:
``struct({1: i32(2), 4: binary("id")})``.  There are only the types, and below them only the
structures and fields, that a Parquet file without compression or statistics needs.

Specs: Apache Thrift, ``thrift-compact-protocol.md``; Apache Parquet format, ``parquet.thrift``
and ``Encodings.md``.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
STOP = b"\0"


class Value(NamedTuple):
    """An encoded value and the nibble that names its type in a field's or a list's header."""

    kind: int
    body: bytes


def varint(number: int) -> bytes:
    """Encode a natural number, seven bits a byte, the least significant first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def i32(number: int) -> Value:
    """Encode a 32-bit integer; the sizes of Parquet's pages are such, hence the check."""
    if not -(1 << 31) <= number < 1 << 31:
        raise OverflowError(f"{number} does not fit in 32 bits")
    return Value(I32, i64(number).body)


def i64(number: int) -> Value:
    """Encode a 64-bit integer, zigzag: numbers near zero are short whatever their sign."""
    return Value(I64, varint((number << 1) ^ (number >> 63)))


def binary(text: str) -> Value:
    """Encode a text as UTF-8."""
    data = text.encode()
    return Value(BINARY, varint(len(data)) + data)


def array(items: Sequence[Value]) -> Value:
    """Encode a list of values of one kind; an empty list is said to be of structures."""
    kind = items[0].kind if items else STRUCT
    count = len(items)
    head = bytes([count << 4 | kind]) if count < 15 else bytes([0xF0 | kind]) + varint(count)
    return Value(LIST, head + b"".join(item.body for item in items))


def fields(members: Mapping[int, Value], after: int = 0) -> bytes:
    """Encode fields of a structure, by ascending id, that follow the field ``after``.

    A field's header holds its distance from the field before, at most 15: enough for Parquet,
    and ``bytearray.append`` refuses more.
    """
    encoded = bytearray()
    for key in sorted(members):
        kind, body = members[key]
        encoded.append((key - after) << 4 | kind)
        encoded += body
        after = key
    return bytes(encoded)


def struct(members: Mapping[int, Value]) -> Value:
    """Encode a structure, or a union, of fields by id."""
    return Value(STRUCT, fields(members) + STOP)


# What a SchemaElement says of a kind of column: 1 the physical type and 2 its length, 5 the
# number of children, 6 the converted type, 10 the logical type, a union of empty structures.
Kind: TypeAlias = Mapping[int, Value]

BOOLEAN: Kind = {1: i32(0)}
INT64: Kind = {1: i32(2)}
TEXT: Kind = {1: i32(6), 6: i32(0), 10: struct({1: struct({})})}
FLOATS: Mapping[int, Kind] = {  # by their bytes; float16 has no physical type of its own
    2: {1: i32(7), 2: i32(2), 10: struct({15: struct({})})},
    4: {1: i32(4)},
    8: {1: i32(5)},
}
INTEGERS: Mapping[str, Kind] = {  # those below 32 bits take 32 all the same
    "i1": {1: i32(1), 6: i32(15)},
    "i2": {1: i32(1), 6: i32(16)},
    "i4": {1: i32(1), 6: i32(17)},
    "i8": {1: i32(2), 6: i32(18)},
    "u1": {1: i32(1), 6: i32(11)},
    "u2": {1: i32(1), 6: i32(12)},
    "u4": {1: i32(1), 6: i32(13)},
    "u8": {1: i32(2), 6: i32(14)},
}
_LIST: Kind = {5: i32(1), 6: i32(3), 10: struct({3: struct({})})}

_DATA_PAGE = _UNCOMPRESSED = _PLAIN = _REQUIRED = i32(0)
_REPEATED = i32(2)
_RLE = i32(3)


def column(name: str, kind: Kind, repetition: Value = _REQUIRED) -> Value:
    """Describe a column, or a group of them, in the schema."""
    return struct({**kind, 3: repetition, 4: binary(name)})


def list_column(name: str, kind: Kind) -> list[Value]:
    """Describe a column of lists of required elements, the levels of nesting in order."""
    return [column(name, _LIST), column("list", {5: i32(1)}, _REPEATED), column("element", kind)]


@lru_cache
def page_prefix(rows: int, width: int | None, size: int) -> bytes:
    """Encode what comes before the ``size`` bytes of a page's values: its header and levels.

    The levels are there if each row is a list, of ``width`` values.
    """
    levels = b"" if width is None else _levels(rows, width)
    data = struct({1: i32(rows * (width or 1)), 2: _PLAIN, 3: _RLE, 4: _RLE})
    length = i32(len(levels) + size)
    return struct({1: _DATA_PAGE, 2: length, 3: length, 5: data}).body + levels


def _levels(rows: int, width: int) -> bytes:
    """Encode the levels of full lists: a list's first value is at 0, and all is defined."""
    repetition = _run(1, 0) + (_run(width - 1, 1) if width > 1 else b"")
    runs = repetition * rows, _run(rows * width, 1)
    return b"".join(len(levels).to_bytes(4, "little") + levels for levels in runs)


def _run(length: int, level: int) -> bytes:
    """Encode equal levels, in the RLE form of Parquet's RLE/bit-packing hybrid."""
    return varint(length << 1) + bytes([level])


def chunk_head(kind: Kind, path: Sequence[str]) -> bytes:
    """Encode the part of a ColumnChunk that is the same in every row group.

    A wide file can have ten thousand chunks: what can be encoded once for a column is.
    """
    names = array([binary(name) for name in path])
    meta = fields({1: kind[1], 2: array([_PLAIN, _RLE]), 3: names, 4: _UNCOMPRESSED})
    return fields({2: i64(0), 3: Value(STRUCT, meta)})


def chunk(head: bytes, values: int, offset: int, end: int) -> Value:
    """Encode a ColumnChunk: its head, the rest of its ColumnMetaData, and the end of both."""
    size = i64(end - offset)
    rest = fields({5: i64(values), 6: size, 7: size, 9: i64(offset)}, after=4)
    return Value(STRUCT, head + rest + 2 * STOP)


def row_group(rows: int, size: int, chunks: Sequence[Value]) -> Value:
    """Encode a RowGroup."""
    return struct({1: array(chunks), 2: i64(size), 3: i64(rows)})


def file_metadata(
    columns: int,
    schema: Sequence[Value],
    rows: int,
    groups: Sequence[Value],
    notes: Mapping[str, str],
) -> bytes:
    """Encode the FileMetaData; ``schema`` describes the columns, nested ones in depth."""
    root = struct({4: binary("schema"), 5: i32(columns)})
    pairs = [struct({1: binary(key), 2: binary(text)}) for key, text in notes.items()]
    members = {1: i32(2), 2: array([root, *schema]), 3: i64(rows), 4: array(groups)}
    return struct({**members, 5: array(pairs), 6: binary("mmfuse")}).body
