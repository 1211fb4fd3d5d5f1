"""Tables of text: header, kinds of columns, and columns parsed without guessing.

Ids are never parsed as numbers. Which columns are numbers is told by the first rows; a cell that
breaks the rule later is an error with its line and column.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmfuse.errors import InputError
from mmfuse.files.inputs import InputFile, looks_like

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLE_ROWS = 50
_BLOCK_BYTES = 4 << 20
_MISSING = ("", "NA", "N/A", "NULL", "null", "None", "NaN", "nan")
_NUMBER = re.compile(
    r"\s*[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf|nan|infinity)\s*", re.I
)
_TRUTH = frozenset(("true", "false", "True", "False", "TRUE", "FALSE"))
_MAGICS = (b"\x93NUMPY", b"PAR1", b"ARROW1", b"PK\x03\x04", b"\x89HDF", b"\x80\x04", b"\x80\x05")


@dataclass(frozen=True)
class Sheet:
    """A text file with its header and what its first rows say of the columns."""

    file: InputFile
    delimiter: str
    compression: str | None
    names: list[str]
    schema: pa.Schema
    longest: int

    def text(self) -> io.TextIOBase:
        """The file as text from its beginning."""
        import pyarrow as pa

        stream = pa.input_stream(self.file.path, compression=self.compression)
        return io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")

    def batches(self, types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """The columns of `types`, parsed as those types."""
        import pyarrow as pa
        import pyarrow.csv as pa_csv

        # the reader wants a line to end within the block after the one where it begins
        block = max(_BLOCK_BYTES, 4 * self.longest)
        try:
            with pa_csv.open_csv(
                pa.input_stream(self.file.path, compression=self.compression),
                read_options=pa_csv.ReadOptions(block_size=block, use_threads=True),
                parse_options=pa_csv.ParseOptions(
                    delimiter=self.delimiter, newlines_in_values=True
                ),
                convert_options=pa_csv.ConvertOptions(
                    include_columns=list(types),
                    column_types=dict(types),
                    null_values=_MISSING,
                    strings_can_be_null=False,
                ),
            ) as reader:
                yield from reader
        except pa.ArrowInvalid as error:
            self._locate(error, types)
            raise

    def _locate(self, error: Exception, types: Mapping[str, pa.DataType]) -> None:
        """Raise an InputError that names line, column and cell of what the reader refused."""
        with self.text() as text:
            rows = csv.reader(text, delimiter=self.delimiter, strict=True)
            try:
                next(rows)
                line = rows.line_num + 1
                for row in rows:
                    if row:
                        self._check_row(row, line, types)
                    line = rows.line_num + 1
            except csv.Error as bad:
                raise InputError(f"line {rows.line_num:,}: {bad}") from error

    def _check_row(self, row: list[str], line: int, types: Mapping[str, pa.DataType]) -> None:
        if len(row) != len(self.names):
            raise InputError(
                f"line {line:,} has {len(row):,} cells where the header has {len(self.names):,}"
            )
        for name, cell in zip(self.names, row, strict=True):
            if str(types.get(name)) == "double" and not _is_number(cell):
                raise InputError(f"line {line:,}, column {name!r}: {cell!r} is not a number")


def open_sheet(file: InputFile, delimiter: str) -> Sheet:
    """Read the header and the first rows.

    Raises InputError: not text, no header, a column name twice, no rows.
    """
    import pyarrow as pa

    compression = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}.get(file.head[:2])
    if file.head.startswith(_MAGICS):
        raise InputError(f"not text: it looks like {looks_like(file.head)}")
    bare = Sheet(file, delimiter, compression, [], pa.schema([]), 0)
    with bare.text() as text:
        rows = csv.reader(text, delimiter=delimiter)
        try:
            names = next(rows, [])
            sample = list(itertools.islice((row for row in rows if row), _SAMPLE_ROWS))
        except csv.Error as error:
            raise InputError(f"line {rows.line_num + 1:,}: {error}") from error
    _check_header(names, delimiter)
    longest = max(sum(len(cell.encode()) + 3 for cell in row) for row in [names, *sample])
    columns = [[row[j] for row in sample if j < len(row)] for j in range(len(names))]
    schema = pa.schema(list(zip(names, map(_column_type, columns), strict=True)))
    return Sheet(file, delimiter, compression, names, schema, longest)


def _check_header(names: list[str], delimiter: str) -> None:
    repeated = next((name for k, name in enumerate(names) if name in names[:k]), None)
    if repeated is not None:
        raise InputError(f"line 1: two columns are named {repeated!r}")
    if any("\0" in name for name in names):
        raise InputError("line 1: NUL bytes; this is not UTF-8 text")
    if all(map(_is_number, names)):
        raise InputError(
            "line 1 holds numbers where the names of the columns should stand",
            hint="add a header line",
        )
    other = next((mark for mark in ",;\t" if mark != delimiter and mark in names[0]), None)
    if len(names) == 1 and other is not None:
        raise InputError(
            f"line 1 has one column; the cells seem to be separated by {other!r}, "
            f"not by {delimiter!r}"
        )


def _column_type(cells: list[str]) -> pa.DataType:
    """What a column holds, by its first cells; one number among them makes it numeric."""
    import pyarrow as pa

    told = [cell for cell in cells if cell not in _MISSING]
    if told and all(cell in _TRUTH for cell in told):
        return pa.bool_()
    if told and all(cell.lstrip().startswith("[") for cell in told):
        return pa.list_(pa.float64())
    return pa.float64() if not told or any(map(_is_number, told)) else pa.string()


def _is_number(cell: str) -> bool:
    return cell in _MISSING or _NUMBER.fullmatch(cell) is not None


def parse_lists(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch of one column of cells like `[0.1, 0.2]`, as lists of numbers."""
    import pyarrow as pa

    lists = []
    for cell in batch.column(0).to_pylist():
        try:
            lists.append([float(value) for value in json.loads(cell)])
        except (ValueError, TypeError) as error:
            raise InputError(
                f"column {batch.schema.names[0]!r}: {cell[:60]!r} is not a list of numbers"
            ) from error
    values = pa.array(lists, pa.list_(pa.float64()))
    return pa.record_batch([values], names=batch.schema.names)
