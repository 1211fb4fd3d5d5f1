"""Where the result goes: a file with its companions, standard output, or memory."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence, Set
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from mmfuse.core.source import Matrix, Sink
from mmfuse.errors import OutputError, UsageError
from mmfuse.files.flush import Flusher
from mmfuse.files.formats import ColumnSink, FileSink, Format, Layout, Table, by_name, known_format
from mmfuse.files.output import OutputFile, commit_all, write_stream, writing
from mmfuse.files.paths import identity, show
from mmfuse.files.unnamed import unnamed_file
from mmfuse.job import Job
from mmfuse.summary import Summary

STDOUT = "-"
_CODECS = ("none", "zstd", "snappy", "gzip", "lz4")


@dataclass(frozen=True)
class OutputOptions:
    """How the output is written.

    format: by name; None: by the suffix. layout: `vector` or `wide`; None: the format's own.
    compression: of Parquet; None or `none`: plain pages. clobber: whether a file that is there
    is replaced. shard_rows: rows of each of several files in a folder; None: one file.
    named: whether columns are known by their names, so that the layout is `wide` by default.
    """

    format: str | None = None
    layout: Layout | None = None
    compression: str | None = None
    clobber: bool = True
    shard_rows: int | None = None
    named: bool = False


class MemorySink(Sink):
    """Keeps the rows as one array."""

    def __init__(self, rows: int, width: int, dtype: np.dtype[Any]) -> None:
        self.matrix: Matrix = np.empty((rows, width), dtype)

    def write(self, start: int, block: Matrix) -> None:
        self.matrix[start : start + len(block)] = block


class OutputTarget:
    """A file that is to be written, with those beside it; nothing appears before `commit`.

    Raises UsageError or OutputError at once for a place that cannot be written.
    """

    def __init__(self, path: str, options: OutputOptions, *, dry_run: bool = False) -> None:
        self.path, self._options = path, options
        self._place = "standard output" if path == STDOUT else path
        self._inputs: Set[tuple[int, int] | None] = frozenset()
        self._refuse_place()
        self.format = self._format()
        self.format_name = self.format.__name__.rpartition(".")[2]
        self.layout = self._layout()
        if options.compression not in (None, "none") and self.format is not by_name("parquet"):
            raise UsageError("--compression is for Parquet")
        if options.compression not in (None, *_CODECS):
            told = ", ".join(_CODECS)
            raise UsageError(f"--compression is {options.compression!r}; it must be one of {told}")
        self._opened = ExitStack()
        self._files: list[OutputFile] = []
        self._sink: FileSink | None = None
        self.fd = -1 if dry_run else self._open()

    def _refuse_place(self) -> None:
        if self.path.endswith(os.sep) or os.path.isdir(self.path):
            raise OutputError(
                f"{self.path} is a folder",
                hint="name a file in it, or have files of N rows in it with --shard-rows N",
            )

        if os.path.exists(self.path) and not os.path.isfile(self.path):
            raise OutputError(
                f"{self.path} is not a regular file", hint="-o - writes to standard output"
            )

    def _format(self) -> Format:
        if self.path == STDOUT:
            return by_name(self._options.format or "csv")
        return known_format(self.path, self._options.format, "--format")

    def _layout(self) -> Layout:
        own: Layout = "wide" if self._options.named else self.format.layouts[0]
        own = own if own in self.format.layouts else self.format.layouts[0]
        layout = self._options.layout or own
        if layout not in self.format.layouts:
            raise UsageError(
                f"this format cannot be written in the layout {layout!r}",
                hint=f"it is always {' or '.join(self.format.layouts)}",
            )
        return layout

    def lay_out(self, options: OutputOptions) -> None:
        """Write with these options of layout, which follow from the input."""
        self._options = options
        self.layout = self._layout()

    @property
    def columnar(self) -> bool:
        """Whether columns can be written one at a time."""
        plain = self._options.compression in (None, "none")
        return plain and self.layout in self.format.column_layouts

    def _open(self) -> int:
        if self.path != STDOUT:
            return self._create(self.path).fd
        sys.stdout.flush()
        seen = sys.stdout.isatty()
        if self.format.is_text and not seen:
            return sys.stdout.fileno()
        if seen and not self.format.is_text:
            raise UsageError("binary data would go to the terminal", hint="name a file with -o")
        return self._opened.enter_context(unnamed_file()).fileno()

    def _create(self, path: str, key: bool = False) -> OutputFile:
        self._refuse_input(path)
        file = OutputFile(path, clobber=self._options.clobber, key=key)
        self._opened.enter_context(file)
        self._files.append(file)
        return file

    def protect(self, inputs: Sequence[str]) -> None:
        """Never replace one of these files, nor add to a folder. Raises UsageError if OUT would."""
        self._inputs = set(map(identity, inputs)) - {None}
        self._refuse_input(self.path)

    def _refuse_input(self, path: str) -> None:
        if identity(path) in self._inputs:
            raise UsageError(f"{path} is one of the inputs", hint="name another file with -o")
        if identity(os.path.dirname(os.path.realpath(path))) in self._inputs:
            raise UsageError(
                f"{path} would be in a folder that is an input", hint="write into another folder"
            )

    def table(self, job: Job, summary: Summary) -> Table:
        """What is known of the output of a job before its rows."""
        table = Table(
            path=self.path,
            ids=job.alignment.ids,
            columns=job.columns,
            dtype=job.dtype,
            layout=self.layout,
            metadata=json.dumps(summary.record(), ensure_ascii=False, sort_keys=True),
            compression=self._options.compression,
            flags=job.flags,
        )
        if table.flags and not self.format.keeps_flags:
            summary.notes.append(
                f"{self.format_name} does not keep {_kept_elsewhere(table)}; other formats do"
            )
        return table

    def sink(self, job: Job, summary: Summary) -> Sink:
        """The sink of the rows of a job."""
        table = self.table(job, summary)
        if self.path != STDOUT:
            for path, content in self.format.companions(table).items():
                with writing(path):
                    write_stream(self._create(path, key=True).fd, content)
        with writing(self._place):
            self._sink = self.format.sink(self.fd, table)
        self._flusher = Flusher(self.fd)
        self._opened.callback(self._flusher.close)
        return _Guarded(self._sink, self._place, self._flusher)

    def commit(self, others: Sequence[OutputFile] = ()) -> int:
        """Let everything appear, `others` and what belongs to the file before the file.

        Returns the bytes of the file.
        """
        size = self.finish()
        commit_all([*others, *self.files])
        return size

    @property
    def files(self) -> list[OutputFile]:
        """Those that are to appear, what belongs to the file before the file."""
        return self._files[::-1]

    def finish(self) -> int:
        """Write what comes after the rows; returns the bytes of the file."""
        assert self._sink is not None
        with writing(self._place):
            self._sink.close()
            self._flusher.finish()
            if self.path == STDOUT:
                return self._to_stdout()
            return os.fstat(self.fd).st_size

    def _to_stdout(self) -> int:
        if self.fd == sys.stdout.fileno():
            return 0
        with open(self.fd, "rb", closefd=False) as spooled:
            spooled.seek(0)
            if sys.stdout.isatty():
                for line in spooled:
                    sys.stdout.write(_seen(line.decode()))
            else:
                shutil.copyfileobj(spooled, sys.stdout.buffer, 1 << 20)
            sys.stdout.flush()
            return spooled.tell()

    def close(self) -> None:
        """Give up whatever was not committed."""
        self._opened.close()


def _seen(line: str) -> str:
    """A line of data as a terminal gets it, which would obey what is in an id or a name."""
    return "\t".join(map(show, line.removesuffix("\n").split("\t"))) + "\n"


def _kept_elsewhere(table: Table) -> str:
    """What the further columns tell, for people."""
    told = {
        "the times": "time_ns" in table.flags,
        "the predicted label": "label" in table.flags,
        "how many models a row has": "n_models" in table.flags,
        "which rows lack a modality": any(name.startswith("present_") for name in table.flags),
    }
    *first, last = [what for what, there in told.items() if there]
    return f"{', '.join(first)} and {last}" if first else last


class _Guarded(Sink):
    """A sink whose operating system errors name the output, and whose bytes reach the disk soon."""

    def __init__(self, sink: FileSink, path: str, flusher: Flusher) -> None:
        self._sink, self._path, self._flusher = sink, path, flusher
        self.positional = sink.positional

    def write(self, start: int, block: Matrix) -> None:
        with writing(self._path):
            self._sink.write(start, block)
            self._flusher.wrote(block.nbytes)

    def write_column(self, j: int, values: Matrix) -> None:
        with writing(self._path):
            cast(ColumnSink, self._sink).write_column(j, values)
            self._flusher.wrote(values.nbytes)
