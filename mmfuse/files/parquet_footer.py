"""What a Parquet file's footer says of its columns of numbers, and where their bytes are.

Specs: Apache Parquet format, ``parquet.thrift`` and ``LogicalTypes.md``.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmfuse.files.thrift_decode import (
    STRUCT,
    MalformedError,
    Parser,
    Reader,
    binary,
    each,
    flag,
    integer,
    present,
    struct,
)

_ELEMENTS = 1 << 18
_GROUPS = 1 << 16

_REQUIRED, _OPTIONAL, _REPEATED = range(3)
_LIST = 3  # as a converted type, and as the field of the union of logical types

# The physical types that are read, with the converted and the logical type that change nothing.
_NUMBERS: dict[int, tuple[str, int | None, Any]] = {
    1: ("<i4", 17, {10: {1: 32, 2: True}}),
    2: ("<i8", 18, {10: {1: 64, 2: True}}),
    4: ("<f4", None, None),
    5: ("<f8", None, None),
}


class Leaf(NamedTuple):
    """A column of numbers or of lists of numbers: which chunk of a row group, and what is in it."""

    number: int
    physical: int
    dtype: np.dtype[Any]
    in_list: bool
    highest: int
    """The definition level of a value that is not null."""


class Chunk(NamedTuple):
    """A column's part of a row group; `nulls` is what its writer says, -1 if nothing."""

    physical: int
    codec: int
    values: int
    start: int
    stop: int
    nulls: int = -1


class Element(NamedTuple):
    """A node of the schema, which is a list of them in depth-first order."""

    name: str
    physical: int | None
    repetition: int | None
    children: int
    converted: int | None
    logical: dict[int, Any] | None

    def is_group(self, *repetitions: int) -> bool:
        """Whether it is of one child, and repeated so."""
        return self.physical is None and self.children == 1 and self.repetition in repetitions

    def dtype(self) -> np.dtype[Any] | None:
        """The type of a number that is there at most once; None if it is none."""
        dtype, converted, logical = _NUMBERS.get(self.physical or 0, ("", None, None))
        plain = self.converted in (None, converted) and self.logical in (None, logical)
        single = self.children == 0 and self.repetition in (_REQUIRED, _OPTIONAL)
        return np.dtype(dtype) if dtype and plain and single else None


class Metadata(NamedTuple):
    """The footer, of which nothing is believed yet about where chunks are."""

    rows: Sequence[int]
    """Of each row group."""
    schema: Sequence[Element]
    chunks: NDArray[np.int64]
    """(row groups, leaves of the schema, fields of a Chunk); all 0 where it cannot be read."""

    columns: Mapping[str, "Position | None"]
    """Where in the schema a column begins, by its name; None for a name that two have."""

    def find(self, name: str) -> Leaf | None:
        """The column of a name; None if it is not one, or not of numbers or lists of them."""
        found = self.columns.get(name)
        if found is None:
            return None
        return _leaf(self.schema[found.start : found.stop], found.number)

    def without_nulls(self) -> set[str]:
        """The columns of one leaf each that their writer says hold no null."""
        none = (self.chunks[:, :, Chunk._fields.index("nulls")] == 0).all(axis=0)
        return {
            name
            for name, at in self.columns.items()
            if at is not None and at.stop - at.start == 1 and none[at.number]
        }


class Position(NamedTuple):
    """A column's nodes in the schema, and how many leaves come before them."""

    start: int
    stop: int
    number: int


def _leaf(nodes: Sequence[Element], number: int) -> Leaf | None:
    """The leaf of a column that is a number, or a list in three levels of numbers."""
    *groups, element = nodes
    dtype = element.dtype()
    if dtype is None or (groups and not _is_list(groups)):
        return None
    highest = sum(node.repetition != _REQUIRED for node in nodes)
    return Leaf(number, element.physical or 0, dtype, bool(groups), highest)


def _is_list(groups: Sequence[Element]) -> bool:
    if len(groups) != 2:
        return False
    outer, inner = groups
    return (
        outer.is_group(_REQUIRED, _OPTIONAL)
        and inner.is_group(_REPEATED)
        and (outer.converted, inner.converted) in ((_LIST, None), (None, None))
        and (outer.logical == {_LIST: True} or (outer.logical is None and outer.converted == _LIST))
        and inner.logical is None
        # by these names the inner group would be a structure, the list's element
        and inner.name not in ("array", f"{outer.name}_tuple")
    )


def _element(reader: Reader, kind: int) -> Element:
    found = _ELEMENT(reader, kind)
    name: bytes = found.get(4, b"")
    physical, repetition, children = found.get(1), found.get(3), found.get(5, 0)
    if children < 0 or (children == 0) != (physical is not None):
        raise MalformedError(f"a node of type {physical} and {children} children")
    text = name.decode(errors="surrogateescape")
    return Element(text, physical, repetition, children, found.get(6), found.get(10))


def _chunk(reader: Reader, kind: int) -> tuple[int, ...]:
    found = _CHUNK(reader, kind)
    data = found.get(3, {})
    elsewhere = 1 in found or 8 in found or 9 in found  # another file, or encrypted
    nulls = data.get(12, {}).get(3, -1)
    if elsewhere or data.get(11, 0) or not data.keys() >= {1, 4, 5, 7, 9}:
        return Chunk(0, 0, 0, 0, 0, nulls)
    start = data[9]
    stop = min(start + data[7], (1 << 63) - 1)
    return Chunk(data[1], data[4], data[5], start, stop, nulls)


# The structures by the ids of their fields in parquet.thrift.
_LOGICAL = struct({_LIST: present, 10: struct({1: integer, 2: flag})})
_ELEMENT = struct({1: integer, 3: integer, 4: binary, 5: integer, 6: integer, 10: _LOGICAL})
_STATISTICS = struct({3: integer})
_CHUNK_DATA = struct({**dict.fromkeys((1, 4, 5, 7, 9, 11), integer), 12: _STATISTICS})
_CHUNK = struct({1: present, 3: _CHUNK_DATA, 8: present, 9: present})


def _row_group(reader: Reader, kind: int) -> tuple[int, NDArray[np.int64]]:
    found = _ROW_GROUP(reader, kind)
    if not found.keys() >= {1, 3} or found[3] < 0:
        raise MalformedError("a row group without columns or rows")
    return found[3], np.array(found[1], np.int64).reshape(-1, len(Chunk._fields))


_ROW_GROUP = struct({1: each(_chunk, _ELEMENTS), 3: integer})
_FILE: Parser = struct(
    {2: each(_element, _ELEMENTS), 3: integer, 4: each(_row_group, _GROUPS), 8: present}
)


def parse_footer(data: bytes) -> Metadata:
    """Decode a FileMetaData.  Raises MalformedError where it contradicts itself or is encrypted."""
    reader = Reader(data)
    found = _FILE(reader, STRUCT)
    if not found.keys() >= {2, 3, 4} or 8 in found or reader.at != len(data):
        raise MalformedError("not the footer of a plain file")
    schema, groups = found[2], found[4]
    rows = [count for count, _ in groups]
    columns, leaves = _columns(schema)
    if sum(rows) != found[3] or any(len(chunks) != leaves for _, chunks in groups):
        raise MalformedError("the footer contradicts itself")
    chunks = np.array([chunks for _, chunks in groups], np.int64)
    return Metadata(rows, schema, chunks.reshape(len(rows), leaves, len(Chunk._fields)), columns)


def _columns(schema: Sequence[Element]) -> tuple[dict[str, Position | None], int]:
    """The columns, which are the root's children, and the number of leaves."""
    columns: dict[str, Position | None] = {}
    at, leaves = 1, 0
    for _ in range(schema[0].children if schema else 0):
        start, number = at, leaves
        open_nodes = 1
        while open_nodes and at < len(schema):
            children = schema[at].children
            open_nodes += children - 1
            leaves += not children
            at += 1
        if open_nodes:
            raise MalformedError("the schema ends too early")
        name = schema[start].name
        columns[name] = None if name in columns else Position(start, at, number)
    if at != len(schema):
        raise MalformedError("the schema goes on after its last column")
    return columns, leaves
