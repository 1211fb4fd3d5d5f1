"""Tables of text: header, kinds of columns, and columns parsed without guessing.

Ids are never parsed as numbers. Which columns are numbers is told by the first rows; a cell that
breaks the rule later is an error with its line and column.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmfuse.errors import InputError
from mmfuse.files.cells import MISSING, NO_NUMBER, column_type, fault_of, is_number, list_of
from mmfuse.files.chunks import Chunks
from mmfuse.files.columns import refuse_too_many
from mmfuse.files.inputs import InputFile, looks_like, open_arrow
from mmfuse.files.plain_rows import column_of_plain_rows
from mmfuse.files.text_rows import lines_of, long_cells, open_text, sample_of

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = 4 << 20
_LARGEST_BLOCK = 256 << 20
_MANY_COLUMNS = 64  # where a search in every row costs less than a parser's look at every cell
_MOST_WORKERS = 4  # one thread cannot read for more
_UNWANTED = "if this column is no feature, name those that are with --column NAME=COLUMN"
_TEXT = ("plain text", "something else", "gzip data", "zstd data")


@dataclass(frozen=True)
class Sheet:
    """A text file with its header and what its first rows say of the columns.

    longest: bytes that a row may well have. header: bytes before the first row.
    """

    file: InputFile
    delimiter: str
    compression: str | None
    names: list[str]
    schema: pa.Schema
    longest: int
    header: int

    def text(self) -> io.TextIOBase:
        """The file as text from its beginning; bytes that are no UTF-8 become surrogates."""
        return open_text(self.file, self.compression, "utf-8-sig")

    def batches(self, types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """The columns of `types`, parsed as those types."""
        # the reader wants a line to end within the block after the one where it begins
        size = max(_BLOCK_BYTES, 4 * self.longest)
        with open_arrow(self.file, self.compression) as stream:
            stream.read(self.header)
            chunks = Chunks(stream, self.delimiter, size)
            done = 0
            for batch in self._parsed(chunks, types):
                yield batch
                done += batch.num_rows
        if not chunks.complete:
            yield from self._streamed(types, size, done)
        elif chunks.nul:
            self._locate(dict.fromkeys(types))

    def _parsed(self, chunks: Chunks, types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """At most a batch a chunk, in order; a few are parsed at the same time."""
        from concurrent.futures import Future, ThreadPoolExecutor

        import pyarrow as pa

        workers = min(pa.cpu_count(), _MOST_WORKERS)
        parse = self._parser(types)
        running: deque[Future[pa.Table]] = deque()
        pool = ThreadPoolExecutor(workers)
        try:
            with self._naming(types):
                for chunk in chunks:
                    running.append(pool.submit(parse, chunk))
                    if len(running) > workers:
                        yield from running.popleft().result().to_batches()
                while running:
                    yield from running.popleft().result().to_batches()
        finally:
            # without waiting: this may run wherever garbage is collected, in a thread that is
            # just being started too, which would wait for itself
            pool.shutdown(wait=False, cancel_futures=True)

    def _parser(self, types: Mapping[str, pa.DataType]) -> Callable[[bytearray], pa.Table]:
        """What parses whole rows, in one thread and most of the time without Python's lock."""
        import pyarrow as pa
        import pyarrow.csv as pa_csv

        parsing, converting = self._parse_options(), self._convert_options(types)
        searched = len(self.names) >= _MANY_COLUMNS and list(types.values()) == [pa.string()]

        def parse(rows: bytearray) -> pa.Table:
            if searched and (cells := self._cells(rows, *types)) is not None:
                return pa.table([pa.array(cells, pa.binary()).cast(pa.string())], [*types])
            reading = pa_csv.ReadOptions(
                use_threads=False, block_size=len(rows) + 1, column_names=self.names
            )
            return pa_csv.read_csv(pa.BufferReader(rows), reading, parsing, converting)

        return parse

    def _cells(self, rows: bytearray, name: str) -> list[bytes] | None:
        column = self.names.index(name)
        return column_of_plain_rows(rows, self.delimiter, len(self.names), column)

    def _streamed(
        self, types: Mapping[str, pa.DataType], block: int, skip: int
    ) -> Iterator[pa.RecordBatch]:
        """Batches without their first `skip` rows, read in blocks of `block` bytes.

        Takes text as the reader takes it, wherever its quotes and newlines stand.
        """
        import pyarrow as pa
        import pyarrow.csv as pa_csv

        source = _Watched(open_arrow(self.file, self.compression))
        reading = pa_csv.ReadOptions(block_size=block, use_threads=True)
        parsing, converting = self._parse_options(), self._convert_options(types)
        done = 0
        with self._naming(types):
            try:
                with pa_csv.open_csv(source, reading, parsing, converting) as reader:
                    for batch in reader:
                        yield batch.slice(max(0, skip - done))
                        done += batch.num_rows
            except pa.ArrowInvalid as error:
                if "straddling" not in str(error) or block >= _LARGEST_BLOCK:
                    raise
                larger = min(16 * block, _LARGEST_BLOCK)  # a longer line than before
                yield from self._streamed(types, larger, max(skip, done))
                return
        if source.suspicious:
            self._locate(dict.fromkeys(types))

    def _parse_options(self) -> pa.csv.ParseOptions:
        import pyarrow.csv as pa_csv

        return pa_csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True)

    def _convert_options(self, types: Mapping[str, pa.DataType]) -> pa.csv.ConvertOptions:
        import pyarrow.csv as pa_csv

        return pa_csv.ConvertOptions(
            include_columns=list(types),
            column_types=dict(types),
            null_values=MISSING,
            strings_can_be_null=False,
        )

    def lists(self, name: str) -> Iterator[pa.RecordBatch]:
        """A column of cells like `[0.1, 0.2]`, as lists of numbers."""
        import pyarrow as pa

        kind = pa.list_(pa.float64())
        for batch in self.batches({name: pa.string()}):
            with self._naming({name: kind}):
                values = [list_of(cell) for cell in batch.column(0).to_pylist()]
            yield pa.record_batch([pa.array(values, kind)], names=[name])

    @contextmanager
    def _naming(self, types: Mapping[str, pa.DataType]) -> Iterator[None]:
        """Where a parser refuses a cell, say which: it knows no names, and not always the line."""
        try:
            yield
        except ValueError:  # as pyarrow's errors are
            self._locate(types)
            raise

    def _locate(self, types: Mapping[str, pa.DataType | None]) -> None:
        """Raise an InputError that names line, column and cell, if there is one to refuse."""
        with long_cells(), self.text() as text:
            rows = csv.reader(lines_of(text), delimiter=self.delimiter, strict=True)
            line = 1
            try:
                for row in rows:
                    if row and line > 1:
                        self._check_row(row, line, types)
                    line = rows.line_num + 1
            except csv.Error as error:
                told = "a quote is never closed" if "unexpected end" in str(error) else error
                raise InputError(f"line {line:,}: {told}") from error

    def _check_row(
        self, row: list[str], line: int, types: Mapping[str, pa.DataType | None]
    ) -> None:
        if len(row) != len(self.names):
            raise InputError(
                f"line {line:,} has {len(row):,} cells where the header has {len(self.names):,}"
            )
        for name, cell in zip(self.names, row, strict=True):
            if name in types and (fault := fault_of(cell, types[name])):
                shown = repr(cell[:60]) + ("…" if len(cell) > 60 else "")
                hint = _UNWANTED if fault == NO_NUMBER else None
                raise InputError(f"line {line:,}, column {name!r}: {shown} {fault}", hint=hint)


class _Watched(io.RawIOBase):
    """A stream that counts the quotes that pass, and looks for bytes that no text has.

    The reader takes a quote that is never closed for one that closes at the end of the file, and
    all the rows within for one cell.
    """

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream = stream
        self._quotes = 0
        self._nul = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:  # pragma: no cover (in pyarrow's threads)
        data: bytes = self._stream.read(size)
        self._quotes += data.count(b'"')
        self._nul = self._nul or b"\0" in data
        return data

    @property
    def suspicious(self) -> bool:
        """Whether a second look is needed: a quote without a partner, or NUL."""
        return self._quotes % 2 == 1 or self._nul


def open_sheet(file: InputFile, delimiter: str) -> Sheet:
    """Read the header and the first rows.

    Raises InputError: not text, no header, a column name twice, no rows.
    """
    import pyarrow as pa

    compression = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}.get(file.head[:2])
    if (looks := looks_like(file.head)) not in _TEXT:
        raise InputError(f"not a table of text: it looks like {looks}")
    with long_cells(), open_text(file, compression, "utf-8-sig") as text:
        rows = csv.reader(lines_of(text), delimiter=delimiter)
        try:
            names = next(rows, [])
            lines = rows.line_num
            sample = sample_of(rows)
        except csv.Error as error:
            raise InputError(f"line {rows.line_num:,}: {error}") from error
    _check_header(names, delimiter)
    if not sample:
        raise InputError("the table has no rows")
    longest = max(sum(4 * len(cell) + 3 for cell in row) for row in [names, *sample])
    columns = [[row[j] for row in sample if j < len(row)] for j in range(len(names))]
    types = map(column_type, names, columns)
    schema = pa.schema(list(zip(names, types, strict=True)))
    with open_text(file, compression, "utf-8") as text:
        header = "".join(itertools.islice(text, lines)).encode(errors="surrogateescape")
    return Sheet(file, delimiter, compression, names, schema, longest, len(header))


def _check_header(names: list[str], delimiter: str) -> None:
    if not names:
        raise InputError("line 1 is empty; the names of the columns should stand there")
    refuse_too_many(len(names))
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(f"line 1: {count:,} columns are named {name!r}")
    for name in names:
        if fault := fault_of(name, None):
            raise InputError(f"line 1: {name[:60]!r} {fault}; this is not UTF-8 text")
    if all(map(is_number, names)):
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
