"""Parquet files in which every byte has its place before any value is written.

Values are stored PLAIN and uncompressed and nothing is optional, so the sizes of pages, and
with them all offsets, follow from the number of rows and the lengths of the ids.  Threads then
write blocks of rows straight to their places, in any order, and the file is the same however
the rows were cut.  Only numpy is needed: importing pyarrow takes longer than many a job.

Spec: Apache Parquet format: data pages v1 of PLAIN values, with levels in the RLE/bit-packing
hybrid (``README.md``, ``Encodings.md``).
"""

import os
import struct
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate, chain, pairwise
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmfuse.files import arrow_schema, thrift

Bytes: TypeAlias = NDArray[np.uint8]
Ids: TypeAlias = NDArray[np.int64] | tuple[Bytes, NDArray[np.int64]]

PAGE_BYTES = 1 << 20
GROUP_ROWS = 1 << 17
VECTOR_GROUP_BYTES = 128 << 20
WIDE_GROUP_BYTES = 512 << 20
WIDE_GROUP_MIN_ROWS = 1 << 12

# A whole transpose would miss the cache at every value: it goes by tiles, TILE rows of TILE
# columns, into strips long enough for a column's part of one to be worth a call to write it.
TILE = 64
STRIP = 1 << 13

_MAGIC = b"PAR1"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class PageWriter:
    """Writes a table of ids, features and flags into a file, the features from any thread.

    The ids are integers, or the bytes of all texts and the offsets that cut them.  The features
    are one column of vectors, or with ``vector=None`` a column each.  Every row is to be
    written exactly once before ``close``; opening and closing the file are the caller's.
    """

    def __init__(
        self,
        fd: int,
        *,
        ids: Ids,
        columns: Sequence[str],
        dtype: np.dtype[Any],
        vector: str | None = "embedding",
        flags: Mapping[str, NDArray[np.bool_]] = _NOTHING,
        metadata: Mapping[str, str] = _NOTHING,
    ) -> None:
        self._fd = fd
        self._dtype = np.dtype(dtype)
        self._metadata = dict(metadata)
        self._ids = _Texts(*ids) if isinstance(ids, tuple) else _Integers(ids)
        self._flags = {name: _Booleans(values) for name, values in flags.items()}
        self._rows = self._ids.rows
        if vector is None:
            self._features = _wide(columns, self._dtype)
        else:
            self._features = _vectors(vector, len(columns), self._dtype)
            self._metadata["ARROW:schema"] = self._arrow_schema(vector)
        page = self._features.page_rows
        self._prefixes = {rows: self._features.prefix(rows) for rows in (page, self._rows % page)}
        self._groups = self._lay_out()

    def write(self, start: int, block: NDArray[Any]) -> None:
        """Write the rows of a block, the first of them being row ``start`` of the file."""
        if self._features.nested:
            self._write(0, start, block)
            return
        for top in range(0, len(block), STRIP):
            rows = block[top : top + STRIP]
            for left in range(0, rows.shape[1], TILE):
                for j, values in enumerate(_transpose(rows[:, left : left + TILE]), left):
                    self._write(j, start + top, values)

    def write_column(self, j: int, start: int, values: NDArray[Any]) -> None:
        """Write values of feature ``j`` from row ``start`` on, in the wide layout."""
        self._write(j, start, values)

    def close(self) -> int:
        """Write the ids, the flags and the footer, and return the size of the file."""
        for group in self._groups:
            for place, column in self._known():
                offset = group.offsets[place]
                for first, stop, header in column.pages(group.first, group.stop):
                    offset += _pwrite(self._fd, offset, header, column.encode(first, stop))
        end = self._groups[-1].offsets[-1] if self._groups else len(_MAGIC)
        footer = self._footer()
        _pwrite(self._fd, 0, _MAGIC)
        return end + _pwrite(self._fd, end, footer, struct.pack("<I", len(footer)), _MAGIC)

    def _write(self, chunk: int, start: int, values: NDArray[Any]) -> None:
        """Write rows of one column of features, cut at its pages.

        A page's header and levels go with its first row, so that one block writes them.
        """
        stop = start + len(values)
        self._check(start, stop, values)
        while start < stop:
            first, rows, offset = self._page(chunk, start)
            cut = min(stop - start, first + rows - start)
            prefix, data = self._prefixes[rows], values[:cut].reshape(-1).view(np.uint8)
            if start == first:
                _pwrite(self._fd, offset, prefix, data)
            else:
                skipped = len(prefix) + (start - first) * self._features.row_bytes
                _pwrite(self._fd, offset + skipped, data)
            start, values = start + cut, values[cut:]

    def _check(self, start: int, stop: int, values: NDArray[Any]) -> None:
        shape = (stop - start, self._features.width)[: 1 + self._features.nested]
        if values.dtype != self._dtype or values.shape != shape:
            raise ValueError(f"{values.dtype} {values.shape} is not {self._dtype} {shape}")
        if not 0 <= start <= stop <= self._rows:
            raise ValueError(f"rows {start} to {stop} are not among {self._rows}")

    def _page(self, chunk: int, row: int) -> tuple[int, int, int]:
        """Find a row's page in a column of features: its first row, its rows, its offset."""
        features = self._features
        group = self._groups[row // features.group_rows]
        number = (row - group.first) // features.page_rows
        first = group.first + number * features.page_rows
        offset = group.offsets[1 + chunk] + number * self._page_bytes(features.page_rows)
        return first, min(features.page_rows, self._rows - first), offset

    def _page_bytes(self, rows: int) -> int:
        return len(self._prefixes[rows]) + rows * self._features.row_bytes

    def _known(self) -> Iterator[tuple[int, "_Column"]]:
        """Give the ids and the flags, each with its place among a row group's chunks."""
        flags = enumerate(self._flags.values(), 1 + len(self._features.heads))
        return chain([(0, self._ids)], flags)

    def _lay_out(self) -> list["_Group"]:
        """Give each column chunk its place, row group after row group."""
        groups: list[_Group] = []
        end = len(_MAGIC)
        for first in range(0, self._rows, self._features.group_rows):
            stop = min(first + self._features.group_rows, self._rows)
            sizes = self._chunk_sizes(first, stop)
            groups.append(_Group(first, stop, list(accumulate(sizes, initial=end))))
            end = groups[-1].offsets[-1]
        return groups

    def _chunk_sizes(self, first: int, stop: int) -> list[int]:
        pages, rest = divmod(stop - first, self._features.page_rows)
        feature = pages * self._page_bytes(self._features.page_rows)
        feature += self._page_bytes(rest) if rest else 0
        flags = [flag.chunk_size(first, stop) for flag in self._flags.values()]
        return [
            self._ids.chunk_size(first, stop), *[feature] * len(self._features.heads), *flags
        ]
