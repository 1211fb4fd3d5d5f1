"""A reader of plain Parquet columns: the values of pages as NumPy arrays, without a copy.

Only what most feature files are is read: columns of numbers, or of lists of one length, stored
PLAIN and without a null.  Everything else, and everything that is damaged or odd, is `Irregular`
and left to pyarrow, so nothing has to be believed: each claim of a header is held against the
file, and the levels of each page against what they should be.  The Arrow schema that a footer
may hold, and with it what pyarrow makes of a column's type, is not looked at.

Spec: Apache Parquet format, ``README.md``, ``parquet.thrift`` and ``Encodings.md``.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.errors import InputError
from mmfuse.files.inputs import read_all
from mmfuse.files.parquet_codecs import CODECS, UNCOMPRESSED, decompress
from mmfuse.files.parquet_footer import Chunk, Metadata, parse_footer
from mmfuse.files.parquet_levels import all_as_long, all_defined
from mmfuse.files.parquet_page_header import PageHeader, page_header
from mmfuse.files.thrift_decode import MalformedError, Reader

_MAGIC = b"PAR1"
_FOOTER_BYTES = 16 << 20
_RATIO = 1 << 12  # what is compressed better is hostile, or of no interest
_WHOLE_BYTES = 4 << 20  # chunks up to this size are read at once
_HEADER_BYTES = 512  # most headers are of 20 to 60 bytes
_LONG_HEADER_BYTES = 16 << 10


class Irregular(Exception):  # noqa: N818 - no error, a reason to read in another way
    """The file holds something that is left to pyarrow."""


def read_footer(fd: int, size: int) -> "Footer":
    """Read the footer of an open file of `size` bytes.

    Raises Irregular, and nothing else, for what is not an intact and unencrypted Parquet file.
    """
    if size < 2 * len(_MAGIC) + 4 or _read(fd, 0, len(_MAGIC)) != _MAGIC:
        raise Irregular("not a Parquet file")
    tail = bytes(_read(fd, size - 8, 8))
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != _MAGIC or not 0 < length <= min(size - 12, _FOOTER_BYTES):
        raise Irregular("no footer of a usual size")
    end = size - 8 - length
    try:
        return Footer(parse_footer(bytes(_read(fd, end, length))), end)
    except MalformedError as error:
        raise Irregular(str(error)) from error


class Footer:
    """The rows of a file, and its columns by name."""

    def __init__(self, metadata: Metadata, end: int) -> None:
        self._metadata, self._end = metadata, end
        self.rows = sum(metadata.rows)
        self.starts: NDArray[np.int64] = np.cumsum([0, *metadata.rows], dtype=np.int64)
        """The first row of each row group, and the end."""
        self.without_nulls = metadata.without_nulls

    def column(self, name: str) -> "ValueColumn":
        """The column of that name, at the top of the schema.

        Raises Irregular if it does not hold numbers or lists of them, is stored in another way
        than this module reads, or has row groups of unequal width.
        """
        leaf = self._metadata.find(name)
        if leaf is None:
            raise Irregular(f"{name} is not one column of numbers or lists of numbers")
        rows = self._metadata.rows
        chunks = [Chunk(*map(int, row)) for row in self._metadata.chunks[:, leaf.number]]
        for chunk in chunks:
            known = chunk.physical == leaf.physical and chunk.codec in CODECS
            if not known or not self._is_credible(chunk, leaf.dtype.itemsize):
                raise Irregular(f"{name} has a chunk that is not plain")
        width = 1
        if leaf.in_list:
            filled = [(c.values, n) for c, n in zip(chunks, rows, strict=True) if n]
            width = filled[0][0] // filled[0][1] if filled else 0
            if not width:
                raise Irregular(f"{name} has no row or no value in a row")
        if any(c.values != n * width for c, n in zip(chunks, rows, strict=True)):
            raise Irregular(f"{name} has rows of different lengths")
        in_row = width if leaf.in_list else None
        return ValueColumn(leaf.dtype, in_row, leaf.highest, tuple(chunks))

    def _is_credible(self, chunk: Chunk, itemsize: int) -> bool:
        """Whether a chunk is in the file, and its values may be in it."""
        placed = len(_MAGIC) <= chunk.start <= chunk.stop <= self._end
        most = (chunk.stop - chunk.start) * (_RATIO if chunk.codec != UNCOMPRESSED else 1)
        return chunk.values == 0 or (placed and chunk.values * itemsize <= most)


@dataclass(frozen=True)
class ValueColumn:
    """A column of which no value is null, and every row has as many values."""

    dtype: np.dtype[Any]
    width: int | None
    """Values in a row; None if they are not in lists."""
    _highest: int
    """The definition level of a value that is not null."""
    _chunks: Sequence[Chunk]

    @property
    def uncompressed(self) -> bool:
        """Whether no chunk says that its pages are compressed."""
        return all(chunk.codec == UNCOMPRESSED for chunk in self._chunks)

    def pages(self, fd: int, group: int) -> Iterator[NDArray[Any]]:
        """The values of a row group, page after page, each array of shape (values,).

        A page may begin or end within a row.  An array may not be aligned, and keeps in memory
        the bytes that were read with it: its page, or all of a chunk of at most 4 MB.
        Raises Irregular, maybe after some pages, where the file is not what was said of it.
        """
        chunk = self._chunks[group]
        window = _Window(fd, chunk, whole=chunk.stop - chunk.start <= _WHOLE_BYTES)
        for header, at, done in self._walk(window, chunk):
            body = window.read(at, header.stored)
            if header.crc is not None and zlib.crc32(body) != header.crc & 0xFFFFFFFF:
                raise Irregular("a page's checksum is wrong")
            yield self._values(header, chunk.codec, body, done)

    def places(self, fd: int, group: int) -> list[tuple[int, int]] | None:
        """How many rows each page of a row group has, and where in the file its first value is.

        None if pages are compressed, do not hold whole rows or have checksums, which can only be
        held against all of a page.  Raises Irregular as `pages` does.
        """
        chunk = self._chunks[group]
        width = self.width or 1
        found = []
        window = _Window(fd, chunk, whole=False)
        for header, at, done in self._walk(window, chunk):
            packed = chunk.codec != UNCOMPRESSED and header.packed
            if packed or header.crc is not None or done % width or header.values % width:
                return None
            first = self._first(header)
            if header.stored != header.size:
                raise Irregular("a page is not as long as it says")
            self._check_levels(header, window.read(at, first), done)
            found.append((header.values // width, at + first))
        return found

    def _walk(self, window: "_Window", chunk: Chunk) -> Iterator[tuple[PageHeader, int, int]]:
        """The pages of a chunk: header, place of the body, and how many values come before."""
        done, at = 0, chunk.start
        while done < chunk.values:
            header, at = window.header(at)
            if header.values > chunk.values - done:
                raise Irregular("pages have more values than their chunk")
            yield header, at, done
            done += header.values
            at += header.stored
        if done and at != chunk.stop:
            raise Irregular("a chunk goes on after its last value")

    def _values(self, header: PageHeader, codec: int, body: memoryview, done: int) -> NDArray[Any]:
        """The values of a page, `done` values after the chunk's first."""
        first = self._first(header)
        apart = 0 if header.levels is None else first
        try:
            plain = decompress(
                codec if header.packed else UNCOMPRESSED, body[apart:], header.size - apart
            )
        except MalformedError as error:
            raise Irregular(str(error)) from error
        self._check_levels(header, body[:apart] if apart else plain[:first], done)
        return np.frombuffer(plain, self.dtype, header.values, first - apart)

    def _first(self, header: PageHeader) -> int:
        """Where in a page's body, once decompressed, the first value is: after the levels."""
        first = header.size - header.values * self.dtype.itemsize
        # a level takes at most 2 bytes, and before each kind of them may be 4 of their length
        if not 0 <= first <= 2 * (4 + 2 * header.values):
            raise Irregular("a page is not as long as its values")
        return first

    def _check_levels(self, header: PageHeader, data: memoryview, done: int) -> None:
        """Raise Irregular if a page's levels are not those of full rows, `done` values on."""
        width = self.width or 1
        place = done % width
        try:
            levels = _split(Reader(bytes(data)), header, self.width is not None, self._highest > 0)
            regular = self.width is None or all_as_long(levels[0], header.values, width, place)
            regular &= not self._highest or all_defined(levels[1], header.values, self._highest)
        except MalformedError as error:
            raise Irregular(str(error)) from error
        if header.rows is not None:
            regular &= place == 0 and header.rows * width == header.values
        if not regular:
            raise Irregular("a value is null, or a row is of another length")


def _split(
    reader: Reader, header: PageHeader, repeated: bool, optional: bool
) -> tuple[bytes, bytes]:
    """Cut the bytes before a page's values into the levels of repetition and of definition.

    Raises MalformedError if there are not just these, or if they are not stored in runs.
    """
    parts = []
    for kind, there in enumerate((repeated, optional)):
        if header.levels is not None:
            length = header.levels[kind]
        else:
            length = int.from_bytes(reader.take(4), "little") if there else 0
        if (length and not there) or (there and not header.in_runs[kind]):
            raise MalformedError("levels that the schema does not have, or in another encoding")
        parts.append(reader.take(length))
    if reader.at != len(reader.data):
        raise MalformedError("there is more before the values than levels")
    return parts[0], parts[1]


class _Window:
    """The bytes of a chunk, of which those last read are kept."""

    def __init__(self, fd: int, chunk: Chunk, *, whole: bool) -> None:
        self._fd, self._stop, self._whole = fd, chunk.stop, whole
        self._start, self._data = 0, memoryview(b"")

    def read(self, at: int, size: int) -> memoryview:
        """Some bytes; with them those of a header that may follow are read.

        Raises Irregular if they are not in the chunk.
        """
        left = self._stop - at
        if size > left:
            raise Irregular("a page is larger than its chunk")
        if not self._start <= at <= at + size <= self._start + len(self._data):
            ahead = left if self._whole else min(left, size + _HEADER_BYTES)
            self._start, self._data = at, _read(self._fd, at, ahead)
        return self._data[at - self._start :][:size]

    def header(self, at: int) -> tuple[PageHeader, int]:
        """The header at a place, and where it ends.  Raises Irregular."""
        left = self._stop - at
        for size in (_HEADER_BYTES, _LONG_HEADER_BYTES):
            reader = Reader(bytes(self.read(at, min(left, size))))
            try:
                return page_header(reader), at + reader.at
            except MalformedError as error:
                reason = error
        raise Irregular(str(reason))


def _read(fd: int, at: int, size: int) -> memoryview:
    """Read bytes at a place in a file.  Raises Irregular if they are not to be had."""
    data = np.empty(size, np.uint8).data
    try:
        read_all(fd, data, at, "")
    except InputError as error:
        raise Irregular("the file ends too early, or cannot be read") from error
    return data
