"""`csv`: comma or tab separated text with a header line; a column a feature, or a list a cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING

import numpy as np

from mmfuse.core.ids import Ids, TextIds
from mmfuse.core.source import Matrix
from mmfuse.errors import OutputError
from mmfuse.files.arrow import ArrowSource, arrow_source, ids_of
from mmfuse.files.checks import ids_of_text
from mmfuse.files.columns import choose_ids
from mmfuse.files.formats import Layout, Reading, Table
from mmfuse.files.inputs import InputFile
from mmfuse.files.number_text import number_lines
from mmfuse.files.output import write_stream
from mmfuse.files.paths import suffix

if TYPE_CHECKING:
    import pyarrow as pa

    from mmfuse.files.sheet import Sheet

suffixes: Sequence[str] = (".csv", ".tsv")
layouts: Sequence[Layout] = ("wide",)
column_layouts: Sequence[Layout] = ()
keeps_flags = True
is_text = True


def open(file: InputFile, name: str, how: Reading) -> ArrowSource:
    """One modality in a CSV or TSV file; see `formats.Format`."""
    import pyarrow as pa

    sheet = _sheet(file)

    def scan(columns: list[str]) -> Iterator[pa.RecordBatch]:
        types = {column: sheet.schema.field(column).type for column in columns}
        if any(map(pa.types.is_list, types.values())):
            return sheet.lists(*columns)
        return sheet.batches(types)

    return arrow_source(
        name,
        sheet.schema,
        scan,
        how,
        label=file.label,
        rows=None,
        file=file,
        may_lack=dict.fromkeys(sheet.names, True),
        scan_text=lambda columns: sheet.batches(dict.fromkeys(columns, pa.string())),
    )


def read_ids(file: InputFile, column: str | None) -> Ids:
    """The id column alone: the one named, else by the rules."""
    import pyarrow as pa

    sheet = _sheet(file)
    chosen = choose_ids(sheet.names, column)
    ids = ids_of((batch.column(0) for batch in sheet.batches({chosen: pa.string()})), chosen)
    assert isinstance(ids, TextIds)
    return ids_of_text(ids, f"column {chosen!r}")


def _sheet(file: InputFile) -> Sheet:
    from mmfuse.files.sheet import open_sheet

    return open_sheet(file, "\t" if suffix(file.name) == ".tsv" else ",")


class CsvSink:
    """Writes rows in order, a column a feature; every float in its shortest exact form."""

    positional = False

    def __init__(self, fd: int, table: Table, delimiter: str) -> None:
        self._fd, self._table, self._delimiter = fd, table, delimiter
        names = map(self._cell, ["id", *table.columns, *table.flags])
        write_stream(fd, (delimiter.join(names) + "\n").encode())

    def write(self, start: int, block: Matrix) -> None:
        """The next rows."""
        ids = self._table.ids.take(slice(start, start + len(block)))
        part = slice(start, start + len(block))
        flags = [flag[part] for flag in self._table.numbers.values()]
        lines = number_lines([*np.ascontiguousarray(block.T), *flags], self._delimiter)
        cells = ((self._cell(text) + self._delimiter).encode() for text in ids)
        ends = zip(*self._names(part), repeat(b"\n", len(block)), strict=True)
        rows = zip(cells, lines, map(b"".join, ends), strict=True)
        write_stream(self._fd, b"".join(chain.from_iterable(rows)))

    def _names(self, part: slice) -> list[list[bytes]]:
        """The cells of every column of names, with the delimiter before."""
        return [
            flag[part].each([(self._delimiter + self._cell(name)).encode() for name in flag.names])
            for flag in self._table.names.values()
        ]

    def _cell(self, text: str) -> str:
        """Text as a cell, in quotes where it must be; pyarrow would quote all text."""
        if any(mark in text for mark in (self._delimiter, '"', "\n", "\r")):
            return '"' + text.replace('"', '""') + '"'
        return text

    def close(self) -> None:
        """Nothing comes after the rows."""


def sink(fd: int, table: Table) -> CsvSink:
    """A writer of CSV, or of TSV where the output is named so."""
    if isinstance(table.ids, TextIds) and not table.ids.data.all():
        raise OutputError("an id holds NUL, which a text file cannot", hint="write parquet instead")
    return CsvSink(fd, table, "\t" if suffix(table.path) == ".tsv" else ",")


def companions(table: Table) -> Mapping[str, bytes]:
    """A CSV file holds everything itself."""
    return {}


def metadata(file: InputFile) -> str | None:
    """A CSV file has no room for a record."""
    return None
