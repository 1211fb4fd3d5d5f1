"""A modality in a Parquet file: its plain pages read by ourselves, all others by pyarrow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

from mmfuse.core.ids import Rows
from mmfuse.core.plan import Storage, Way
from mmfuse.core.source import Matrix, Part, Scratch, SideBySide, Taken
from mmfuse.errors import InputError
from mmfuse.files.arrow import ArrowSource, columns_of
from mmfuse.files.inputs import InputFile, looks_like, open_arrow, reading
from mmfuse.files.mapped import MappedReader, Pages
from mmfuse.files.parquet_values import Footer, Irregular, ValueColumn, read_footer

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH_BYTES = 16 << 20
_BLOCK_BYTES = 8 << 20
_READ_BYTES = 64 << 10
_PAGE_BYTES = 1 << 20  # what writers put into a page, and into a dictionary, of a column
_SLAB_BYTES = 128 << 20  # pages, one of every column, that may be in memory at a time


@dataclass(kw_only=True)
class ParquetSource(ArrowSource):
    """A modality in a Parquet file; its row groups are read on their own, or its columns."""

    file: InputFile
    footer: pq.FileMetaData

    @property
    def storage(self) -> Storage:
        vector = self._vector
        in_place = vector and vector.uncompressed and vector.dtype == self.dtype
        return "file" if in_place else "stream"

    @property
    def columnar(self) -> bool:
        return self.choice.vector is None

    @property
    def streams(self) -> bool:
        return len(self._slabs()) == 1

    @cached_property
    def _schema(self) -> pa.Schema:
        return self.footer.schema.to_arrow_schema()

    @cached_property
    def _plain(self) -> Footer | None:
        try:
            with self.opened() as fd:
                return read_footer(fd, self.file.size)
        except Irregular:
            return None

    def plain(self, name: str) -> ValueColumn | None:
        """A column that can be read without pyarrow, which must agree on what it holds."""
        try:
            column = self._plain.column(name) if self._plain is not None else None
        except Irregular:
            return None
        kind = self._schema.field(name).type
        if hasattr(kind, "value_type"):
            kind = kind.value_type
        if column is None or column.dtype != kind.to_pandas_dtype():
            return None
        return column if column.width in (None, len(self.columns)) else None

    @contextmanager
    def opened(self) -> Iterator[int]:
        """The file, for reading."""
        fd = os.open(self.file.path, os.O_RDONLY)
        try:
            yield fd
        finally:
            os.close(fd)

    @cached_property
    def _vector(self) -> ValueColumn | None:
        """The column of vectors, if there is one and it is plain."""
        return self.plain(self.choice.vector) if self.choice.vector else None

    @cached_property
    def groups(self) -> list[tuple[int, int]]:
        """The first row of every row group, and how many it has."""
        rows = [self.footer.row_group(g).num_rows for g in range(self.footer.num_row_groups)]
        return list(zip(accumulate(rows, initial=0), rows, strict=False))

    def parts(self) -> Sequence[Part]:
        if self.columnar:  # one group at a time, whose columns pyarrow decodes on threads
            return super().parts()
        return [
            Part(start, rows, partial(self._group, group, start))
            for group, (start, rows) in enumerate(self.groups)
        ]

    def blocks(self) -> Iterator[Matrix]:
        for group, (start, _) in enumerate(self.groups):
            yield from self._group(group, start)
        self.verify()

    def _group(self, group: int, start: int) -> Iterator[Matrix]:
        """The rows of a row group, the first being row `start` of the file."""
        done = 0
        with reading(self.label):
            if self._vector is not None:
                try:
                    for block in self._vectors(self._vector, group):
                        yield block
                        done += len(block)
                except Irregular:
                    """Pyarrow reads the rest, or says what is wrong with it."""
                else:
                    return
            batches = batches_of(open_table(self.file, self.footer), self.taken, [group])
            for block in self.matrices(batches, start):
                yield block[done:]
                done = max(0, done - len(block))

    def _vectors(self, column: ValueColumn, group: int) -> Iterator[Matrix]:
        """The vectors of a row group in blocks; a page may end within one."""
        dim = len(self.columns)
        shape = max(1, _BLOCK_BYTES // (dim * self.dtype.itemsize)), dim
        flat, filled = np.empty(shape, self.dtype).reshape(-1), 0
        with self.opened() as fd:
            for page in column.pages(fd, group):
                while len(page):
                    part = page[: len(flat) - filled]
                    flat[filled : filled + len(part)] = part
                    filled, page = filled + len(part), page[len(part) :]
                    if filled == len(flat):
                        yield flat.reshape(shape)
                        flat, filled = np.empty(shape, self.dtype).reshape(-1), 0
        yield flat[:filled].reshape(-1, dim)

    def reader(self, rows: Rows | None, way: Way, scratch: Scratch) -> Taken:
        if way != "gather":
            slabs = self._slabs()
            if len(slabs) == 1:
                return super().reader(rows, way, scratch)
            taken = [scratch.store(slab, rows, way) for slab in slabs]
            return Taken(SideBySide([t.reader for t in taken], slabs), taken[0].rows)
        pages = self._pages()
        if pages is None:  # which only its pages could tell
            return super().reader(rows, "partitioned", scratch)
        shape = (self.rows, len(self.columns))
        return Taken(MappedReader(self.file, shape, self.dtype, pages), rows)

    def _slabs(self) -> list[ParquetSource]:
        """The source cut into some of its columns each, so that their pages fit into memory."""
        groups = map(self.footer.row_group, range(self.footer.num_row_groups))
        largest = max(group.total_byte_size for group in groups)
        held = min(largest, 2 * _PAGE_BYTES * self.footer.num_columns)
        count = -(-held * len(self.columns) // (self.footer.num_columns * _SLAB_BYTES))
        if not self.columnar or count <= 1:
            return [self]
        cuts = np.linspace(0, len(self.columns), min(count, len(self.columns)) + 1).astype(int)
        return [
            replace(
                self,
                columns=self.columns[first:last],
                choice=replace(self.choice, features=self.choice.features[first:last]),
            )
            for first, last in pairwise(cuts.tolist())
        ]

    def _pages(self) -> Pages | None:
        """Where the pages of vectors are in the file, if each holds whole rows, as they are."""
        column = self._vector
        assert column is not None
        found: list[tuple[int, int]] = []
        try:
            with self.opened() as fd:
                for group in range(len(self.groups)):
                    pages = column.places(fd, group)
                    if pages is None:
                        return None
                    found += pages
        except Irregular:
            return None
        rows, offsets = np.array(found, np.int64).T
        return Pages(np.cumsum(rows) - rows, offsets)

    def column_reader(self) -> ParquetColumns:
        return ParquetColumns(self)


class ParquetColumns:
    """Columns of a wide Parquet file, a row group's part of each at a time."""

    def __init__(self, source: ParquetSource) -> None:
        self._source = source

    def read(self, first: int, last: int, out: Matrix) -> None:
        """Fill `out`, shape `(last - first, n)`, with features first…last."""
        source = self._source
        with reading(source.label), source.opened() as fd:
            plain = [source.plain(name) for name in source.taken[first:last]]
            table = None
            for group, (start, rows) in enumerate(source.groups):
                part = out[:, start : start + rows]
                left = [
                    k
                    for k, column in enumerate(plain)
                    if column is None or not _filled(column, fd, group, part[k])
                ]
                if left:
                    table = table or open_table(source.file, source.footer)
                    names = [source.taken[first + k] for k in left]
                    columns = table.read_row_group(group, columns=names, use_threads=False)
                    for batch in columns.select(names).combine_chunks().to_batches():
                        batch.validate(full=True)
                        part[left] = columns_of(batch, out.dtype)

    def close(self) -> None:
        """Raise InputError if the file changed meanwhile."""
        self._source.verify()


def _filled(column: ValueColumn, fd: int, group: int, out: Matrix) -> bool:
    """Fill `out`, shape `(n,)`, with a column's values in a row group; False if it is odd."""
    at = 0
    try:
        for page in column.pages(fd, group):
            out[at : at + len(page)] = page
            at += len(page)
    except Irregular:
        return False
    return at == len(out)


def open_table(file: InputFile, footer: pq.FileMetaData | None = None) -> pq.ParquetFile:
    """A Parquet file for pyarrow. Raises InputError if it is none."""
    import pyarrow.parquet as pq

    if not file.head.startswith(b"PAR1"):
        raise InputError(f"not a Parquet file: it looks like {looks_like(file.head)}")
    table = pq.ParquetFile(
        open_arrow(file),
        metadata=footer,
        page_checksum_verification=True,
        # page by page: by default a whole row group comes into memory first, and no faster
        pre_buffer=False,
        buffer_size=_READ_BYTES,
    )
    if footer is None:
        _refuse_odd(table.metadata)
    return table


def _refuse_odd(footer: pq.FileMetaData) -> None:
    """Raise InputError for numbers of rows that cannot be."""
    rows = [footer.row_group(g).num_rows for g in range(footer.num_row_groups)]
    if min(rows, default=0) < 0 or sum(rows) != footer.num_rows:
        raise InputError("the footer is damaged: it contradicts itself about the rows")


def batches_of(
    table: pq.ParquetFile, columns: list[str], groups: Sequence[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """Batches of columns, of all row groups or some, each small beside the memory."""
    footer = table.metadata
    row_bytes = 8 * max(1, len(columns))
    if footer.num_rows:
        # of all columns: asking for one column's size ends the process if the footer is damaged
        stored = sum(footer.row_group(g).total_byte_size for g in range(footer.num_row_groups))
        row_bytes = max(row_bytes, stored // footer.num_rows)
    rows = max(1, min(65_536, _BATCH_BYTES // row_bytes))
    for batch in table.iter_batches(rows, groups, columns=columns, use_threads=True):
        batch.validate(full=True)
        yield batch.select(columns)
