"""The columns of a plain Parquet file: what rows of each take, and how they are cut into pages.

A column knows the size of any of its rows before it has a value, so that every page has its
place in the file from the start.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.words import every, move
from mmfuse.files import arrow_schema, thrift

Encoder: TypeAlias = Callable[[int, int], NDArray[np.uint8]]
"""The bytes of rows first…stop."""

PAGE_BYTES = 1 << 20


class Page(NamedTuple):
    """A page: its rows, and the header and levels that come before its values."""

    first: int
    stop: int
    prefix: bytes


class Column(NamedTuple):
    """A column: what it is, how many bytes rows of it take, and how many values if vectors."""

    name: str
    kind: thrift.Kind
    arrow: arrow_schema.Node
    size: Callable[[int, int], int]
    width: int | None = None

    def schema(self) -> list[thrift.Value]:
        if self.width is None:
            return [thrift.column(self.name, self.kind)]
        return thrift.list_column(self.name, self.kind)

    def head(self) -> bytes:
        inside = () if self.width is None else ("list", "element")
        return thrift.chunk_head(self.kind, (self.name, *inside))

    def page(self, first: int, stop: int) -> Page:
        prefix = thrift.page_prefix(stop - first, self.width, self.size(first, stop))
        return Page(first, stop, prefix)

    def pages(self, first: int, stop: int) -> Iterator[Page]:
        """Cut rows into pages of at most PAGE_BYTES of values, or of one row."""
        while first < stop:
            sizes = partial(self.size, first)
            end = first + 1 + bisect_right(range(first + 2, stop + 1), PAGE_BYTES, key=sizes)
            yield self.page(first, end)
            first = end

    def chunk_size(self, first: int, stop: int) -> int:
        pages = self.pages(first, stop)
        return sum(len(page.prefix) + self.size(page.first, page.stop) for page in pages)

    def find(self, first: int, stop: int, row: int) -> tuple[Page, int]:
        """Find a row's page in the chunk of rows first…stop, and its offset there.

        Only for columns whose rows all take the same bytes.
        """
        rows = page_rows(self.size(0, 1))
        number, place = divmod(row - first, rows)
        full = self.page(0, rows).prefix
        page = self.page(row - place, min(row - place + rows, stop))
        return page, number * (len(full) + self.size(0, rows))


def features(name: str, dtype: np.dtype[Any], width: int | None = None) -> Column:
    """A column of numbers, or of vectors of `width` numbers."""
    row_bytes = stored_dtype(dtype).itemsize * (width or 1)
    arrow = arrow_schema.number("element" if width else name, dtype)
    if width is not None:
        arrow = arrow_schema.fixed_size_list(name, arrow, width)
    floating = dtype.kind == "f"
    kind = thrift.FLOATS[dtype.itemsize] if floating else thrift.INTEGERS[dtype.str[1:]]
    return Column(name, kind, arrow, lambda first, stop: (stop - first) * row_bytes, width)


def stored_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """What numbers of a dtype are in a page: small integers take 32 bits."""
    return np.dtype(f"{dtype.kind}4") if dtype.kind in "iu" and dtype.itemsize < 4 else dtype


def integers(name: str, values: NDArray[np.int64]) -> tuple[Column, Encoder]:
    """A column of 64-bit integers."""

    def encode(first: int, stop: int) -> NDArray[np.uint8]:
        return np.ascontiguousarray(values[first:stop]).view(np.uint8)

    arrow = arrow_schema.int64(name)
    return Column(name, thrift.INT64, arrow, lambda first, stop: 8 * (stop - first)), encode


def booleans(name: str, values: NDArray[np.bool_]) -> tuple[Column, Encoder]:
    """A column of truth values, eight a byte."""

    def encode(first: int, stop: int) -> NDArray[np.uint8]:
        return np.packbits(values[first:stop], bitorder="little")

    arrow = arrow_schema.boolean(name)
    return Column(name, thrift.BOOLEAN, arrow, lambda first, stop: (stop - first + 7) // 8), encode


def texts(name: str, data: NDArray[np.uint8], cuts: NDArray[np.int64]) -> tuple[Column, Encoder]:
    """A column of UTF-8 texts, `data[cuts[i]:cuts[i + 1]]` each."""

    def size(first: int, stop: int) -> int:
        return 4 * (stop - first) + int(cuts[stop] - cuts[first])

    def encode(first: int, stop: int) -> NDArray[np.uint8]:
        """Put before each text its length, of 4 bytes."""
        starts = cuts[first:stop]
        lengths = np.diff(cuts[first : stop + 1])
        places = starts - cuts[first] + 4 * np.arange(stop - first)
        encoded = np.empty(size(first, stop), np.uint8)
        every(encoded, 4)[places] = lengths.astype("<u4").view("V4")
        move(data, starts, lengths, encoded, places + 4)
        return encoded

    return Column(name, thrift.TEXT, arrow_schema.utf8(name), size), encode


def page_rows(row_bytes: int) -> int:
    """Rows of a full page, of `row_bytes` each."""
    return max(PAGE_BYTES // row_bytes, 1)
