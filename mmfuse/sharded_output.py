"""The result in several files of a folder: `part-00000.parquet`, `part-00001.parquet`, …"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from mmfuse.core.source import Matrix, Sink
from mmfuse.errors import OutputError, UsageError
from mmfuse.files.formats import FileSink, Format, Table, by_name
from mmfuse.files.output import OutputFile, commit_all, write_stream, writing
from mmfuse.files.output_folder import OutputFolder
from mmfuse.job import Job
from mmfuse.output import STDOUT, OutputOptions, OutputTarget
from mmfuse.summary import Summary

_PART = re.compile(r"part-[0-9]{5,}\.[a-z0-9.]+")


def output_target(path: str, options: OutputOptions, *, dry_run: bool = False) -> OutputTarget:
    """A file, or a folder of files where they are to have so many rows each."""
    kind = OutputTarget if options.shard_rows is None else ShardedTarget
    return kind(path, options, dry_run=dry_run)


class ShardedTarget(OutputTarget):
    """A folder whose files are to be written; none appears before `commit`, and then all do.

    The parts of an earlier result are replaced, and those that are more than the new ones
    removed. Raises UsageError or OutputError at once where that cannot be.
    """

    def _refuse_place(self) -> None:
        path, rows = self.path, self._options.shard_rows
        if rows is not None and rows < 1:
            raise UsageError(f"--shard-rows is {rows}; it must be at least 1")
        if path == STDOUT or not (path.endswith(os.sep) or os.path.isdir(path)):
            hint = "-o FOLDER/" if path == STDOUT else f"-o {path}/"
            raise UsageError("--shard-rows writes into a folder", hint=hint)
        there = self._visible()
        others = [
            name
            for name in there
            if not _PART.fullmatch(name) or os.path.isdir(os.path.join(path, name))
        ]
        if others:
            raise OutputError(
                f"{path} holds what is no part of a result: {', '.join(sorted(others)[:3])}",
                hint="write into a folder of its own",
            )
        if there and not self._options.clobber:
            raise OutputError(f"{path} holds {min(there)}, and --no-clobber keeps it")

    def _visible(self) -> list[str]:
        """The names in the folder, if it is there, but for hidden ones."""
        if not os.path.lexists(self.path):
            return []
        with writing(self.path):
            return [name for name in os.listdir(self.path) if not name.startswith(".")]

    def _format(self) -> Format:
        return by_name(self._options.format or "parquet")

    @property
    def columnar(self) -> bool:
        return False  # all parts would have to be open at the same time

    def _open(self) -> int:
        self._opened.enter_context(OutputFolder(self.path))
        return -1

    def protect(self, inputs: Sequence[str]) -> None:
        super().protect(inputs)
        for name in self._visible():
            self._refuse_input(os.path.join(self.path, name))

    def sink(self, job: Job, summary: Summary) -> Sink:
        rows = self._options.shard_rows
        assert rows is not None
        self._shards = ShardedSink(
            self.path, self.table(job, summary), rows, self.format, self._create
        )
        return self._shards

    def commit(self, others: Sequence[OutputFile] = ()) -> int:
        files = sorted(self._files, key=lambda file: file.path)  # ids before their features
        files[0].key = True  # a folder of old and new parts cannot be read
        new = {os.path.basename(file.path) for file in files}

        def obsolete() -> list[str]:
            gone = sorted(set(self._visible()) - new)
            return [os.path.join(self.path, name) for name in gone]

        commit_all([*others, *files], obsolete)
        return self._shards.bytes


@dataclass
class _Part:
    """A file that is being written; `left` of its rows are still to come."""

    file: OutputFile
    sink: FileSink
    left: int


class ShardedSink(Sink):
    """Cuts the rows into files; one is open from its first row to its last."""

    def __init__(
        self,
        folder: str,
        table: Table,
        rows: int,
        format: Format,
        create: Callable[..., OutputFile],
    ) -> None:
        self._folder, self._table, self._rows = folder, table, rows
        self._format, self._create = format, create
        self._lock = Lock()
        self._open: dict[int, _Part] = {}
        self.bytes = 0
        self.positional = self._part(0).sink.positional

    def write(self, start: int, block: Matrix) -> None:
        while len(block):
            number, first = divmod(start, self._rows)
            piece = block[: self._rows - first]
            with self._lock:
                part = self._part(number)
            with writing(part.file.path):
                part.sink.write(first, piece)
                self._wrote(number, part, len(piece))
            start, block = start + len(piece), block[len(piece) :]

    def _part(self, number: int) -> _Part:
        """The file that is open under this number, or a new one."""
        if number not in self._open:
            start, stop = number * self._rows, (number + 1) * self._rows
            name = f"part-{number:05d}{self._format.suffixes[0]}"
            table = replace(
                self._table,
                path=os.path.join(self._folder, name),
                ids=self._table.ids.take(slice(start, stop)),
                flags={name: flag[start:stop] for name, flag in self._table.flags.items()},
            )
            with writing(table.path):
                for path, content in self._format.companions(table).items():
                    companion = self._create(path, key=True)
                    write_stream(companion.fd, content)
                    self.bytes += companion.seal()
                file = self._create(table.path)
                sink = self._format.sink(file.fd, table)
            self._open[number] = _Part(file, sink, len(table.ids))
        return self._open[number]

    def _wrote(self, number: int, part: _Part, rows: int) -> None:
        """Let go of a file that has all its rows: there may be thousands."""
        with self._lock:
            part.left -= rows
            if part.left:
                return
            del self._open[number]
        part.sink.close()
        size = part.file.seal()
        with self._lock:
            self.bytes += size
