"""`parquet`: a column of vectors, or a column a feature; ids in a column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mmfuse.core.ids import Ids, IntegerIds
from mmfuse.core.source import Matrix
from mmfuse.errors import InputError
from mmfuse.files.arrow import ArrowSource, arrow_source, ids_of
from mmfuse.files.columns import choose_ids
from mmfuse.files.formats import FileSink, Layout, Reading, Table
from mmfuse.files.inputs import InputFile, looks_like, open_arrow
from mmfuse.files.parquet_pages import PageWriter

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

suffixes: Sequence[str] = (".parquet", ".pq")
layouts: Sequence[Layout] = ("vector", "wide")

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
    )


def read_ids(file: InputFile, column: str | None) -> Ids:
    """The id column alone: the one named, else by the rules."""
    table = _open(file)
    chosen = choose_ids(table.schema_arrow.names, column)
    return ids_of((batch.column(0) for batch in _batches(table, [chosen])), chosen)


def _open(file: InputFile) -> pq.ParquetFile:
    import pyarrow.parquet as pq

    if not file.head.startswith(b"PAR1"):
        raise InputError(f"not a Parquet file: it looks like {looks_like(file.head)}")
    return pq.ParquetFile(
        open_arrow(file),
        page_checksum_verification=True,
        # page by page: by default a whole row group comes into memory first, and no faster
        pre_buffer=False,
        buffer_size=_READ_BYTES,
    )


def _batches(table: pq.ParquetFile, columns: list[str]) -> Iterator[pa.RecordBatch]:
    footer = table.metadata
    row_bytes = 8 * max(1, len(columns))
    if footer.num_rows:
        # of all columns: asking for one column's size ends the process if the footer is damaged
        stored = sum(footer.row_group(g).total_byte_size for g in range(footer.num_row_groups))
        row_bytes = max(row_bytes, stored // footer.num_rows)
    rows = max(1, min(65_536, _BATCH_BYTES // row_bytes))
    for batch in table.iter_batches(rows, columns=columns, use_threads=True):
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
