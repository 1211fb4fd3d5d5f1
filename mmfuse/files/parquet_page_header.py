"""The headers of Parquet's data pages.

Spec: Apache Parquet format, ``parquet.thrift``.
"""

from typing import Any, NamedTuple

from mmfuse.files.thrift_decode import STRUCT, MalformedError, Reader, flag, integer, struct

_PLAIN, _RLE = 0, 3
_DATA_PAGE, _DATA_PAGE_V2 = 0, 3
_PAGE_BYTES = 1 << 30


class Levels(NamedTuple):
    """One thing for the levels of repetition and of definition each."""

    repetition: int
    definition: int


class PageHeader(NamedTuple):
    """What a page of PLAIN values says of itself."""

    stored: int
    """Bytes of the body in the file."""
    size: int
    """Bytes of the body once decompressed."""
    crc: int | None
    """The checksum of the bytes in the file, if there is one."""
    values: int
    in_runs: Levels
    """Which levels, if there are any, are in the hybrid of runs and bit-packed groups."""
    levels: Levels | None
    """In version 2, the bytes of the levels, which stand uncompressed before the values."""
    rows: int | None
    """In version 2, which begins a page with a row."""
    packed: bool
    """Whether the body is compressed, if the column is."""


def page_header(reader: Reader) -> PageHeader:
    """Decode a header.  Raises MalformedError if it is not of a data page of PLAIN values."""
    found = _HEADER(reader, STRUCT)
    kind = found.get(1)
    if kind == _DATA_PAGE:
        header = _version_1(found, found.get(5, {}))
    elif kind == _DATA_PAGE_V2:
        header = _version_2(found, found.get(8, {}))
    else:
        raise MalformedError(f"a page of kind {kind}")
    sane = header.values > 0 and 0 < header.stored <= _PAGE_BYTES and header.size <= _PAGE_BYTES
    if not sane:
        raise MalformedError("a page of impossible size")
    return header


def _version_1(found: dict[int, Any], data: dict[int, Any]) -> PageHeader:
    if not found.keys() >= {2, 3} or not data.keys() >= {1, 2, 3, 4} or data[2] != _PLAIN:
        raise MalformedError("not a page of plain values")
    in_runs = Levels(data[4] == _RLE, data[3] == _RLE)
    return PageHeader(found[3], found[2], found.get(4), data[1], in_runs, None, None, True)


def _version_2(found: dict[int, Any], data: dict[int, Any]) -> PageHeader:
    if not found.keys() >= {2, 3} or not data.keys() >= set(range(1, 7)) or data[4] != _PLAIN:
        raise MalformedError("not a page of plain values")
    levels = Levels(data[6], data[5])
    if min(levels) < 0 or data[2]:
        raise MalformedError("levels of negative length, or nulls")
    in_runs = Levels(True, True)
    packed = data.get(7, True)
    return PageHeader(found[3], found[2], found.get(4), data[1], in_runs, levels, data[3], packed)


_DATA = struct(dict.fromkeys((1, 2, 3, 4), integer))
_DATA_V2 = struct({**dict.fromkeys((1, 2, 3, 4, 5, 6), integer), 7: flag})
_HEADER = struct({**dict.fromkeys((1, 2, 3, 4), integer), 5: _DATA, 8: _DATA_V2})
