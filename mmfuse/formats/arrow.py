"""`arrow`: Arrow's IPC files, Feather among them, and its streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mmfuse.core.ids import Ids
from mmfuse.errors import InputError
from mmfuse.files.arrow import ArrowSource, arrow_source, ids_of
from mmfuse.files.columns import choose_ids
from mmfuse.files.formats import FileSink, Layout, Reading, Table
from mmfuse.files.inputs import InputFile, looks_like, open_arrow

if TYPE_CHECKING:
    import pyarrow as pa

suffixes: Sequence[str] = (".arrow", ".feather", ".ipc", ".arrows")
layouts: Sequence[Layout] = ("vector", "wide")
column_layouts: Sequence[Layout] = ()
keeps_flags = True
is_text = False

_FILE, _FEATHER_1, _CONTINUED = b"ARROW1", b"FEA1", b"\xff\xff\xff\xff"
_BATCH_BYTES = 16 << 20  # what a reader has to hold at a time
_STDOUT = "-"


def open(file: InputFile, name: str, how: Reading) -> ArrowSource:
    """One modality in an Arrow file or stream; see `formats.Format`."""
    schema = _schema(file)
    return arrow_source(
        name,
        schema,
        lambda columns: _batches(file, schema, columns),
        how,
        label=file.label,
        rows=None,
        file=file,
        may_lack={field.name: field.nullable and _flat(field.type) for field in schema},
    )


def read_ids(file: InputFile, column: str | None) -> Ids:
    """The id column alone: the one named, else by the rules."""
    schema = _schema(file)
    chosen = choose_ids(schema.names, column)
    return ids_of((batch.column(0) for batch in _batches(file, schema, [chosen])), chosen)


def _flat(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_primitive(kind))


def _schema(file: InputFile) -> pa.Schema:
    """The schema. Raises InputError for another kind of file."""
    import pyarrow as pa

    if file.head.startswith(_FEATHER_1):
        raise InputError(
            "a Feather file of version 1, which Arrow has given up",
            hint="convert it once: import pyarrow.feather as f; "
            "f.write_feather(f.read_table(FILE), 'new.feather')",
        )
    if not file.head.startswith((_FILE, _CONTINUED)):
        raise InputError(
            f"neither an Arrow file nor a stream: it looks like {looks_like(file.head)}"
        )
    with open_arrow(file) as stream:
        if file.head.startswith(_FILE):
            return pa.ipc.open_file(stream).schema
        return pa.ipc.open_stream(stream).schema


def _batches(
    file: InputFile, schema: pa.Schema, columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The batches of some columns, read one by one.

    Not through a memory map, which dies with the process when somebody cuts the file short.
    """
    import pyarrow as pa

    wanted = sorted(schema.get_field_index(column) for column in columns)
    options = pa.ipc.IpcReadOptions(included_fields=wanted)
    with open_arrow(file) as stream:
        if file.head.startswith(_FILE):
            reader = pa.ipc.open_file(stream, options=options)
            found = map(reader.get_batch, range(reader.num_record_batches))
        else:
            found = iter(pa.ipc.open_stream(stream, options=options))
        for batch in found:
            batch.validate(full=True)  # offsets that lie would lead outside of memory
            yield batch.select(columns)


def sink(fd: int, table: Table) -> FileSink:
    """A writer of an IPC file, or to standard output of a stream."""
    import pyarrow as pa

    from mmfuse.files.table_sink import TableSink

    writer = pa.ipc.new_stream if table.path == _STDOUT else pa.ipc.new_file
    return TableSink(fd, table, writer, _BATCH_BYTES)


def companions(table: Table) -> Mapping[str, bytes]:
    """An Arrow file holds everything itself."""
    return {}


def metadata(file: InputFile) -> str | None:
    """The record under the key `mmfuse` of the schema."""
    record = (_schema(file).metadata or {}).get(b"mmfuse")
    return None if record is None else record.decode()
