"""Tables that pyarrow writes: compressed Parquet, and Arrow's own files and streams."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from mmfuse.core.ids import Ids, IntegerIds
from mmfuse.core.source import Matrix
from mmfuse.files.formats import Table
from mmfuse.files.output import write_stream


class TableSink:
    """Groups of rows through a writer of pyarrow, in order; as large whatever blocks come.

    open_writer: makes the writer of a file, of tables of a schema. group_bytes: of features.
    """

    positional = False

    def __init__(
        self,
        fd: int,
        table: Table,
        open_writer: Callable[[pa.PythonFile, pa.Schema], Any],
        group_bytes: int,
    ) -> None:
        self._table = table
        width = len(table.columns)
        self._kind = pa.from_numpy_dtype(table.dtype)
        fields = [pa.field("id", _arrow_ids(table.ids.take(slice(0, 0))).type, nullable=False)]
        if table.layout == "vector":
            element = pa.field("element", self._kind, nullable=False)
            fields.append(pa.field("embedding", pa.list_(element, width), nullable=False))
        else:
            fields += [pa.field(name, self._kind, nullable=False) for name in table.columns]
        fields += [
            pa.field(name, pa.from_numpy_dtype(flag.dtype), nullable=False)
            for name, flag in table.numbers.items()
        ]
        fields += [pa.field(name, pa.string(), nullable=False) for name in table.names]
        self._schema = pa.schema(fields, {"mmfuse": table.metadata})
        self._rows = max(1, min(131_072, group_bytes // (width * table.dtype.itemsize)))
        self._group = np.empty((min(self._rows, len(table.ids)), width), table.dtype)
        self._filled = self._done = 0
        self._file = pa.PythonFile(_Unbuffered(fd), "w")
        self._writer = open_writer(self._file, self._schema)

    def write(self, start: int, block: Matrix) -> None:
        """The next rows."""
        while len(block):
            part = block[: self._rows - self._filled]
            self._group[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            block = block[len(part) :]
            if self._filled == self._rows:
                self._flush()

    def _flush(self) -> None:
        if not self._filled:
            return
        rows = self._group[: self._filled]
        part = slice(self._done, self._done + self._filled)
        ids = self._table.ids.take(part)
        if self._table.layout == "vector":
            values = pa.array(rows.reshape(-1), self._kind)
            arrays = [pa.FixedSizeListArray.from_arrays(values, type=self._schema.field(1).type)]
        else:
            arrays = [pa.array(column) for column in np.ascontiguousarray(rows.T)]
        arrays += [pa.array(flag[part]) for flag in self._table.numbers.values()]
        arrays += [
            pa.array(flag.names, pa.string()).take(pa.array(flag[part].numbers))
            for flag in self._table.names.values()
        ]
        self._writer.write_table(pa.table([_arrow_ids(ids), *arrays], schema=self._schema))
        self._done += self._filled
        self._filled = 0

    def close(self) -> None:
        """The last group, and what the writer puts behind it."""
        self._flush()
        self._writer.close()
        self._file.close()


class _Unbuffered(io.RawIOBase):
    """An open file as pyarrow wants one; it is whole after every write, and not ours to close."""

    def __init__(self, fd: int) -> None:
        self._fd = os.dup(fd)  # a writer that was given up writes its end when it is collected

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        write_stream(self._fd, data)
        return len(data)


def _arrow_ids(ids: Ids) -> pa.Array:
    if isinstance(ids, IntegerIds):
        return pa.array(ids.values)
    return pa.array(list(ids), pa.string())
