"""`jsonl`: a JSON object a line, with an id and a vector; also what OpenAI's batch API answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, IntegerIds
from mmfuse.core.named import Named
from mmfuse.core.source import Matrix, Source
from mmfuse.errors import AlignmentError, InputError, OutputError
from mmfuse.files.columns import Choice, choose, choose_ids
from mmfuse.files.formats import Layout, Reading, Table
from mmfuse.files.ids import ids_of_array
from mmfuse.files.inputs import InputFile, reading
from mmfuse.files.json_lines import Line, kind_of, lines
from mmfuse.files.number_text import number_lines
from mmfuse.files.output import write_stream

suffixes: Sequence[str] = (".jsonl", ".ndjson")
layouts: Sequence[Layout] = ("vector",)
column_layouts: Sequence[Layout] = ()
keeps_flags = True
is_text = True

_BLOCK_BYTES = 4 << 20
_ZERO = re.compile(rb"(?:(?<=,)|^)-0(?=,|$)")


@dataclass(kw_only=True)
class JsonlSource(Source):
    """A modality in lines of JSON."""

    file: InputFile
    choice: Choice

    def blocks(self) -> Iterator[Matrix]:
        step = max(1, _BLOCK_BYTES // (8 * len(self.columns)))
        with reading(self.label):
            rows: list[NDArray[np.float64]] = []
            for line in lines(self.file):
                rows.append(self._row(line))
                if len(rows) == step:
                    yield np.stack(rows)
                    rows = []
            if rows:
                yield np.stack(rows)
            self.verify()

    def _row(self, line: Line) -> NDArray[np.float64]:
        if self.choice.vector is None:
            values = [line.value(name) for name in self.choice.features]
        else:
            values = line.value(self.choice.vector)
            if not isinstance(values, list):
                raise line.error(f"{self.choice.vector!r} is no list of numbers")
        if len(values) != len(self.columns):
            raise line.error(
                f"{len(values):,} values where the first line has {len(self.columns):,}"
            )
        if not set(map(type, values)) <= {int, float, bool, type(None)}:  # text would be parsed
            raise line.error(f"{_odd(values)!r} is not a number")
        try:
            return np.array(values, np.float64)
        except OverflowError:
            raise line.error("a number is too large") from None

    def verify(self) -> None:
        self.file.verify()


def _odd(values: list[Any]) -> str:
    odd = next(v for v in values if type(v) not in (int, float, bool, type(None)))
    return str(odd)[:40]


def open(file: InputFile, name: str, how: Reading) -> JsonlSource:
    """One modality in lines of JSON; see `formats.Format`."""
    first = _first(file)
    kinds = {key: kind_of(value) for key, value in first.values.items()}
    choice = choose(kinds, id_column=how.id_column, wanted=how.columns)
    columns = choice.features
    if choice.vector is not None:
        columns = tuple(map(str, range(len(first.values[choice.vector]))))
    ids = None
    if choice.ids is not None and not how.outside_ids:
        ids = _ids(file, choice.ids)
    return JsonlSource(
        name=name,
        label=file.label,
        columns=columns,
        rows=len(ids) if ids is not None else sum(1 for _ in lines(file)),
        dtype=np.dtype(np.float64),
        rounds=True,
        ids=ids,
        id_source=f"key {choice.ids}" if ids is not None else "",
        notes=choice.notes,
        doubtful=choice.doubtful,
        file=file,
        choice=choice,
    )


def read_ids(file: InputFile, column: str | None) -> Ids:
    """The ids alone: under the key named, else by the rules."""
    return _ids(file, choose_ids(list(_first(file).values), column))


def _first(file: InputFile) -> Line:
    first = next(lines(file), None)
    if first is None:
        raise InputError("the file has no lines but empty ones")
    return first


def _ids(file: InputFile, key: str) -> Ids:
    """What every line has under a key; JSON's integers stay exact, whatever their size."""
    values = []
    for line in lines(file):
        value = line.value(key)
        if type(value) not in (int, str) or value == "":
            shown = "null" if value is None else repr(value)[:40]
            raise AlignmentError(
                f"line {line.number:,}: the id under {key!r} is {shown}; ids are text or integers"
            )
        values.append(value)
    found = np.empty(len(values), object)
    found[:] = values
    return ids_of_array(found)


class JsonlSink:
    """Writes rows in order, an object each; every number in its shortest exact form."""

    positional = False

    def __init__(self, fd: int, table: Table) -> None:
        self._fd, self._table = fd, table
        self._flags = [f", {_json(name)}: " for name in table.flags]

    def write(self, start: int, block: Matrix) -> None:
        """The next rows. Raises OutputError for NaN and infinity."""
        if not np.isfinite(block).all():
            raise OutputError(
                "JSON has no NaN and no infinity, and a row holds such a value",
                hint="write parquet instead, or replace them with --nan",
            )
        part = slice(start, start + len(block))
        ids = self._table.ids.take(part)
        keys = map(str, ids.values.tolist()) if isinstance(ids, IntegerIds) else map(_json, ids)
        rows = zip(keys, _vectors(block), self._ends(part, len(block)), strict=True)
        text = [
            f'{{"id": {key}, "embedding": [{vector.decode()}]{end}' for key, vector, end in rows
        ]
        write_stream(self._fd, "".join(text).encode())

    def _ends(self, part: slice, rows: int) -> list[str]:
        """What stands in a line behind its vector."""
        ends = [""] * rows
        for head, flag in zip(self._flags, self._table.flags.values(), strict=True):
            own = flag[part]
            if isinstance(own, Named):
                told = own.each(list(map(_json, own.names)))
            else:
                told = list(map(json.dumps, own.tolist()))
            ends = [end + head + value for end, value in zip(ends, told, strict=True)]
        return [end + "}\n" for end in ends]

    def close(self) -> None:
        """Nothing comes after the rows."""


def _vectors(block: Matrix) -> list[bytes]:
    """The numbers of every row, between commas."""
    found = number_lines(list(np.ascontiguousarray(block.T)), ",")
    if (np.signbit(block) & (block == 0)).any():  # -0 is an integer, and 0 has no sign there
        found = [_ZERO.sub(b"-0.0", vector) for vector in found]
    return found


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def sink(fd: int, table: Table) -> JsonlSink:
    """A writer of lines of JSON."""
    return JsonlSink(fd, table)


def companions(table: Table) -> Mapping[str, bytes]:
    """Lines of JSON hold everything themselves."""
    return {}


def metadata(file: InputFile) -> str | None:
    """Lines of JSON have no room for a record."""
    return None
