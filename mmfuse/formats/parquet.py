"""`parquet`: a column of vectors, or a column a feature; ids in a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from mmfuse.core.ids import Ids, IntegerIds
from mmfuse.core.source import Matrix, Part
from mmfuse.errors import InputError
from mmfuse.files.arrow import ArrowSource, arrow_source, columns_of, ids_of
from mmfuse.files.columns import choose_ids
from mmfuse.files.formats import FileSink, Layout, Reading, Table
from mmfuse.files.inputs import InputFile, looks_like, open_arrow, reading
from mmfuse.files.parquet_pages import PageWriter

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

suffixes: Sequence[str] = (".parquet", ".pq")
layouts: Sequence[Layout] = ("vector", "wide")
column_layouts: Sequence[Layout] = ("wide",)

_BATCH_BYTES = 16 << 20
_READ_BYTES = 64 << 10


def open(file: InputFile, name: str, how: Reading) -> ArrowSource:
    """One modality in a Parquet file; see `formats.Format`."""
    table = _open(file)
    return arrow_source(
        name,
        table.schema_arrow,
        lambda columns: _batches(table, columns),
        how,
        label=file.label,
        rows=table.metadata.num_rows,
        file=file,
        may_lack=_may_lack(table.metadata),
        make=partial(ParquetSource, footer=table.metadata),
    )


@dataclass(kw_only=True)
class ParquetSource(ArrowSource):
    """A modality in a Parquet file: row groups are read on their own, or columns."""

    footer: pq.FileMetaData

    @property
    def columnar(self) -> bool:
        return self.choice.vector is None

    def parts(self) -> Sequence[Part]:
        return [
            Part(start, rows, partial(self._group, group, start))
            for group, (start, rows) in enumerate(_groups(self.footer))
        ]

    def _group(self, group: int, start: int) -> Iterator[Matrix]:
        with reading(self.label):
            assert self.file is not None
            yield from self.matrices(
                _batches(_open(self.file, self.footer), self.taken, [group]), start
            )

    def column_reader(self) -> ParquetColumns:
        return ParquetColumns(self)


class ParquetColumns:
    """Columns of a wide Parquet file, a row group's part of each at a time."""

    def __init__(self, source: ParquetSource) -> None:
        self._source = source

    def read(self, first: int, last: int, out: Matrix) -> None:
        """Fill `out`, shape `(last - first, n)`, with features first…last."""
        source = self._source
        with reading(source.label):
            assert source.file is not None
            table = _open(source.file, source.footer)
            names = source.taken[first:last]
            for group, (start, rows) in enumerate(_groups(source.footer)):
                columns = table.read_row_group(group, columns=names, use_threads=False)
                for batch in columns.select(names).combine_chunks().to_batches():
                    out[:, start : start + rows] = columns_of(batch, out.dtype)

    def close(self) -> None:
        """Raise InputError if the file changed meanwhile."""
        self._source.verify()


def _groups(footer: pq.FileMetaData) -> list[tuple[int, int]]:
    """The first row of every row group, and how many it has."""
    rows = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
    return list(zip(accumulate(rows, initial=0), rows, strict=False))


def read_ids(file: InputFile, column: str | None) -> Ids:
    """The id column alone: the one named, else by the rules."""
    table = _open(file)
    chosen = choose_ids(table.schema_arrow.names, column)
    return ids_of((batch.column(0) for batch in _batches(table, [chosen])), chosen)


def _open(file: InputFile, footer: pq.FileMetaData | None = None) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    if not file.head.startswith(b"PAR1"):
        raise InputError(f"not a Parquet file: it looks like {looks_like(file.head)}")
    return pq.ParquetFile(
        open_arrow(file),
        metadata=footer,
        page_checksum_verification=True,
        # page by page: by default a whole row group comes into memory first, and no faster
        pre_buffer=False,
        buffer_size=_READ_BYTES,
    )


def _batches(
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


def _may_lack(footer: pq.FileMetaData) -> dict[str, bool]:
    """For every flat column whether it may hold nulls.

    The statistics could tell more, but reading those of a damaged footer ends the process.
    """
    columns = map(footer.schema.column, range(footer.num_columns))
    return {column.path: column.max_definition_level > 0 for column in columns}


def sink(fd: int, table: Table) -> FileSink:
    """A writer of Parquet: plain pages by mmfuse itself, compressed ones by pyarrow."""
    if table.compression not in (None, "none"):
        from mmfuse.files.parquet_compressed import CompressedSink

        return CompressedSink(fd, table)
    return PagesSink(fd, table)


class PagesSink:
    """Plain, uncompressed pages: every byte has its place, so any thread may write it."""

    positional = True

    def __init__(self, fd: int, table: Table) -> None:
        ids = table.ids
        self._writer = PageWriter(
            fd,
            ids=ids.values
            if isinstance(ids, IntegerIds)
            else (ids.as_text().data, ids.as_text().offsets),
            columns=table.columns,
            dtype=table.dtype,
            vector="embedding" if table.layout == "vector" else None,
            metadata={"mmfuse": table.metadata},
        )

    def write(self, start: int, block: Matrix) -> None:
        """Rows from `start` on."""
        self._writer.write(start, block)

    def write_column(self, j: int, values: Matrix) -> None:
        """One feature of all rows."""
        self._writer.write_column(j, 0, values)

    def close(self) -> None:
        """Ids and footer."""
        self._writer.close()


def companions(table: Table) -> Mapping[str, bytes]:
    """A Parquet file holds everything itself."""
    return {}


def metadata(file: InputFile) -> str | None:
    """The record under the key `mmfuse` of the footer."""
    record = (_open(file).metadata.metadata or {}).get(b"mmfuse")
    return None if record is None else record.decode()
