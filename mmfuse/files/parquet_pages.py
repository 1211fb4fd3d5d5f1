"""Parquet files in which every byte has its place before any value is written.

Values are stored PLAIN and uncompressed and nothing is optional, so the sizes of pages, and
with them all offsets, follow from the number of rows and the lengths of the ids.  Threads then
write blocks of rows straight to their places, in any order, and the file is the same however
the rows were cut.  Only numpy is needed: importing pyarrow takes longer than many a job.

Spec: Apache Parquet format, data pages v1 of PLAIN values (``README.md``, ``Encodings.md``).
"""

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.transpose import transposed
from mmfuse.files import arrow_schema, thrift
from mmfuse.files.parquet_columns import (
    Column,
    Encoder,
    booleans,
    features,
    integers,
    page_rows,
    stored_dtype,
    texts,
)

Texts: TypeAlias = tuple[NDArray[np.uint8], NDArray[np.int64]]

GROUP_ROWS = 1 << 17
VECTOR_GROUP_BYTES = 128 << 20
WIDE_GROUP_BYTES = 512 << 20
WIDE_GROUP_MIN_ROWS = 1 << 12

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
        ids: NDArray[np.int64] | Texts,
        columns: Sequence[str],
        dtype: np.dtype[Any],
        vector: str | None = "embedding",
        flags: Mapping[str, NDArray[Any]] = _NOTHING,
        metadata: Mapping[str, str] = _NOTHING,
    ) -> None:
        if not columns:
            raise ValueError("a file needs at least one feature")
        self._fd, self._dtype, self._width = fd, np.dtype(dtype), len(columns)
        self._rows = len(ids[1]) - 1 if isinstance(ids, tuple) else len(ids)
        first = texts("id", *ids) if isinstance(ids, tuple) else integers("id", ids)
        self._known = [first, *(_known(name, values) for name, values in flags.items())]
        if vector is None:
            self._features = [features(name, self._dtype) for name in columns]
        else:
            self._features = [features(vector, self._dtype, self._width)]
        self._columns = [first[0], *self._features, *(flag for flag, _ in self._known[1:])]
        self._notes = dict(metadata)
        if vector is not None:
            fields = [column.arrow for column in self._columns]
            self._notes["ARROW:schema"] = arrow_schema.schema_value(fields, metadata)
        self._groups = self._lay_out(_group_rows(self._features))
        self._pieces = lru_cache(8)(self._cut)  # a block has the same for each of its columns
        if self._groups:  # a file that has its blocks is written several times as fast
            os.posix_fallocate(fd, 0, self._groups[-1].offsets[-1])

    def write(self, start: int, block: NDArray[Any]) -> None:
        """Write the rows of a block, the first of them being row ``start`` of the file."""
        if block.shape[1:] != (self._width,):
            raise ValueError(f"rows of shape {block.shape[1:]}, not of {self._width} features")
        if self._features[0].width is not None:
            self._write(0, start, block)
            return
        contiguous = block.strides[0] == block.itemsize
        for j, values in enumerate(block.T if contiguous else transposed(block)):
            self._write(j, start, values)

    def write_column(self, j: int, start: int, values: NDArray[Any]) -> None:
        """Write values of feature ``j`` from row ``start`` on, in the wide layout."""
        if self._features[j].width is not None or j < 0 or values.ndim != 1:
            raise ValueError(f"values of shape {values.shape} for column {j} of a wide file")
        self._write(j, start, values)

    def close(self) -> int:
        """Write the ids, the flags and the footer, and return the size of the file."""
        for group in self._groups:
            offsets = [group.offsets[0], *group.offsets[1 + len(self._features) : -1]]
            for (column, encode), offset in zip(self._known, offsets, strict=True):
                for page in column.pages(group.first, group.stop):
                    values = encode(page.first, page.stop)
                    offset += _pwrite(self._fd, offset, page.prefix, values.data)
        end = self._groups[-1].offsets[-1] if self._groups else len(_MAGIC)
        footer = self._footer()
        _pwrite(self._fd, 0, _MAGIC)
        return end + _pwrite(self._fd, end, footer, len(footer).to_bytes(4, "little"), _MAGIC)

    def _write(self, j: int, start: int, values: NDArray[Any]) -> None:
        """Write rows of one column of features, cut at its pages.

        What precedes a page's values goes with the first of them, so that one block writes it.
        """
        stop = start + len(values)
        if values.dtype != self._dtype or not 0 <= start <= stop <= self._rows:
            raise ValueError(f"{values.dtype} rows {start} to {stop}, of {self._rows}")
        stored = np.ascontiguousarray(values, stored_dtype(self._dtype))
        data = stored.reshape(-1).view(np.uint8).data
        for group, offset, prefix, size in self._pieces(start, stop):
            _pwrite(self._fd, group.offsets[1 + j] + offset, prefix, data[:size])
            data = data[size:]

    def _cut(self, start: int, stop: int) -> list["_Piece"]:
        """Cut rows at the pages of a column of features, all of which have the same."""
        column, pieces = self._features[0], []
        row_bytes = column.size(0, 1)
        while start < stop:
            group = self._groups[start // self._groups[0].rows]
            page, offset = column.find(group.first, group.stop, start)
            end = min(stop, page.stop)
            prefix = page.prefix if start == page.first else b""
            if not prefix:
                offset += len(page.prefix) + (start - page.first) * row_bytes
            pieces.append(_Piece(group, offset, prefix, (end - start) * row_bytes))
            start = end
        return pieces

    def _lay_out(self, group_rows: int) -> list["_Group"]:
        """Give each column chunk its place, row group after row group."""
        groups: list[_Group] = []
        end = len(_MAGIC)
        for first in range(0, self._rows, group_rows):
            stop = min(first + group_rows, self._rows)
            features = [self._features[0].chunk_size(first, stop)] * len(self._features)
            ids, *flags = (column.chunk_size(first, stop) for column, _ in self._known)
            offsets = list(accumulate([ids, *features, *flags], initial=end))
            groups.append(_Group(first, stop, offsets))
            end = offsets[-1]
        return groups

    def _footer(self) -> bytes:
        heads = [(column.head(), column.width or 1) for column in self._columns]
        groups = []
        for group in self._groups:
            spans = zip(heads, pairwise(group.offsets), strict=True)
            chunks = [
                thrift.chunk(head, group.rows * width, *span) for (head, width), span in spans
            ]
            size = group.offsets[-1] - group.offsets[0]
            groups.append(thrift.row_group(group.rows, size, chunks))
        schema = [element for column in self._columns for element in column.schema()]
        return thrift.file_metadata(len(self._columns), schema, self._rows, groups, self._notes)


class _Piece(NamedTuple):
    """Consecutive rows of one page: its group, the offset in the group's chunk, what comes before
    the values, and how many bytes the values take."""

    group: "_Group"
    offset: int
    prefix: bytes
    size: int


class _Group(NamedTuple):
    """A row group: its rows, and where its column chunks begin and the last one ends."""

    first: int
    stop: int
    offsets: list[int]

    @property
    def rows(self) -> int:
        return self.stop - self.first


def _known(name: str, values: NDArray[Any]) -> tuple[Column, Encoder]:
    return integers(name, values) if values.dtype == np.int64 else booleans(name, values)


def _group_rows(features: Sequence[Column]) -> int:
    """Count a row group's rows: whole pages of vectors, or one page of each wide column."""
    row_bytes = features[0].size(0, 1) * len(features)
    if features[0].width is None:
        return min(max(WIDE_GROUP_BYTES // row_bytes, WIDE_GROUP_MIN_ROWS), GROUP_ROWS)
    page = min(page_rows(row_bytes), GROUP_ROWS)
    return max(min(VECTOR_GROUP_BYTES // row_bytes, GROUP_ROWS) // page, 1) * page


def _pwrite(fd: int, offset: int, *parts: bytes | memoryview) -> int:
    """Write all the parts at an offset, however little the system writes at once."""
    left = [memoryview(part) for part in parts if len(part)]
    total = sum(map(len, left))
    while left:
        done = os.pwritev(fd, left, offset)
        offset += done
        while left and done >= len(left[0]):
            done -= len(left.pop(0))
        if left:
            left[0] = left[0][done:]
    return total
