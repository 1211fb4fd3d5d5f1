"""`parquet`: a column of vectors, or a column a feature; ids in a column."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mmfuse.core.ids import Ids, IntegerIds
from mmfuse.core.source import Matrix
from mmfuse.files.arrow import ArrowSource, arrow_source, ids_of
from mmfuse.files.columns import choose_ids
from mmfuse.files.formats import FileSink, Layout, Reading, Table
from mmfuse.files.inputs import InputFile
from mmfuse.files.parquet_pages import PageWriter
from mmfuse.files.parquet_source import ParquetSource, batches_of, open_table
from mmfuse.files.parquet_values import Irregular, read_footer

if TYPE_CHECKING:
    import pyarrow.parquet as pq

suffixes: Sequence[str] = (".parquet", ".pq")
layouts: Sequence[Layout] = ("vector", "wide")
column_layouts: Sequence[Layout] = ("wide",)
keeps_flags = True
is_text = False

_GROUP_BYTES = 128 << 20


def open(file: InputFile, name: str, how: Reading) -> ArrowSource:
    """One modality in a Parquet file; see `formats.Format`."""
    table = open_table(file)
    return arrow_source(
        name,
        table.schema_arrow,
        lambda columns: batches_of(table, columns),
        how,
        label=file.label,
        rows=table.metadata.num_rows,
        file=file,
        may_lack=_may_lack(file, table.metadata),
        make=partial(ParquetSource, footer=table.metadata),
    )


def read_ids(file: InputFile, column: str | None) -> Ids:
    """The id column alone: the one named, else by the rules."""
    table = open_table(file)
    chosen = choose_ids(table.schema_arrow.names, column)
    return ids_of((batch.column(0) for batch in batches_of(table, [chosen])), chosen)


def _may_lack(file: InputFile, footer: pq.FileMetaData) -> dict[str, bool]:
    """For every flat column whether it may hold nulls.

    Where its schema allows them, its writer's count of them tells, as far as a dtype without NaN
    depends on it. That is read without pyarrow, which a damaged count would end the process in.
    """
    columns = list(map(footer.schema.column, range(footer.num_columns)))
    may_lack = {column.path: column.max_definition_level > 0 for column in columns}
    whole = ("INT32", "INT64", "BOOLEAN")
    if any(may_lack[column.path] and column.physical_type in whole for column in columns):
        may_lack.update(dict.fromkeys(_without_nulls(file) & may_lack.keys(), False))
    return may_lack


def _without_nulls(file: InputFile) -> set[str]:
    fd = os.open(file.path, os.O_RDONLY)
    try:
        return read_footer(fd, file.size).without_nulls()
    except Irregular:
        return set()
    finally:
        os.close(fd)


def sink(fd: int, table: Table) -> FileSink:
    """A writer of Parquet: plain pages by mmfuse itself, compressed ones and names by pyarrow."""
    if table.names or table.compression not in (None, "none"):
        return _by_pyarrow(fd, table)
    return PagesSink(fd, table)


def _by_pyarrow(fd: int, table: Table) -> FileSink:
    import pyarrow.parquet as pq

    from mmfuse.files.table_sink import TableSink

    writer = partial(
        pq.ParquetWriter,
        compression=table.compression or "none",
        use_dictionary=list(table.names),
        write_statistics=False,
        write_page_checksum=True,
    )
    return TableSink(fd, table, writer, _GROUP_BYTES)


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
            flags=table.numbers,
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
    record = (open_table(file).metadata.metadata or {}).get(b"mmfuse")
    return None if record is None else record.decode()
