"""A modality in several files, its shards: one source that opens them one at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, groupby
from operator import itemgetter

import numpy as np

from mmfuse.core.ids import Ids, Rows, concatenated
from mmfuse.core.plan import Storage, Way
from mmfuse.core.source import Matrix, Part, Scratch, Source, Taken
from mmfuse.errors import AlignmentError, InputError
from mmfuse.files.feature_types import common
from mmfuse.files.formats import Format, Reading
from mmfuse.files.inputs import InputFile, as_bytes, read_all, reading


@dataclass(frozen=True)
class Shard:
    """What it takes to read one of the files again. It holds nothing open: there are thousands."""

    file: InputFile
    format: Format
    how: Reading
    rows: int
    offset: int | None

    def blocks(self, name: str) -> Iterator[Matrix]:
        """Its rows. Raises InputError if the file is not what it was."""
        with reading(self.file.label):
            self.file.verify()
            yield from self.format.open(self.file, name, self.how).blocks()


@dataclass(kw_only=True)
class ShardedSource(Source):
    """A modality whose rows are those of its shards, one after the other."""

    shards: Sequence[Shard]
    in_place: bool

    @property
    def storage(self) -> Storage:
        return "file" if self.in_place else "stream"

    def blocks(self) -> Iterator[Matrix]:
        for part in self.parts():
            yield from part.blocks()

    def parts(self) -> Sequence[Part]:
        starts = accumulate((shard.rows for shard in self.shards), initial=0)
        return [
            Part(start, shard.rows, partial(self._blocks, shard))
            for start, shard in zip(starts, self.shards, strict=False)
        ]

    def _blocks(self, shard: Shard) -> Iterator[Matrix]:
        for block in shard.blocks(self.name):
            yield block.astype(self.dtype, copy=False)

    def verify(self) -> None:
        for shard in self.shards:
            shard.file.verify()

    def reader(self, rows: Rows | None, way: Way, scratch: Scratch) -> Taken:
        if way != "gather":
            return super().reader(rows, way, scratch)
        return Taken(ShardReader(self.shards, len(self.columns) * self.dtype.itemsize), rows)


class ShardReader:
    """Rows of shards in which they stand one behind the other; one is open while it is read."""

    def __init__(self, shards: Sequence[Shard], row_bytes: int) -> None:
        self._shards, self._row_bytes = shards, row_bytes
        self._ends = np.cumsum([shard.rows for shard in shards])
        self._starts = self._ends - [shard.rows for shard in shards]

    def read(self, rows: slice | Rows, out: Matrix) -> None:
        """Fill `out` with the rows, by a call for those that stand together in shard and `out`."""
        if isinstance(rows, slice):
            rows = np.arange(rows.start, rows.stop)
        owners = np.searchsorted(self._ends, rows, "right")
        places = np.argsort(owners, kind="stable")
        rows, owners = rows[places].astype(np.int64), owners[places]
        together = (np.diff(rows) == 1) & (np.diff(places) == 1) & (np.diff(owners) == 0)
        firsts = np.flatnonzero(np.concatenate([[True], ~together])[: len(rows)])
        counts = np.diff(firsts, append=len(rows))
        runs = np.column_stack([owners[firsts], rows[firsts], places[firsts], counts]).tolist()
        for owner, pieces in groupby(runs, itemgetter(0)):
            self._read(self._shards[owner], int(self._starts[owner]), pieces, as_bytes(out))

    def _read(
        self, shard: Shard, start: int, runs: Iterable[Sequence[int]], target: memoryview
    ) -> None:
        """Runs of rows of one shard, whose first is row `start`, to their places in `target`."""
        shard.file.verify()
        size, before = self._row_bytes, (shard.offset or 0) - start * self._row_bytes
        with open(shard.file.path, "rb", buffering=0) as stream:
            for _, row, place, count in runs:
                part = target[place * size : (place + count) * size]
                read_all(stream.fileno(), part, before + row * size, shard.file.label)

    def close(self) -> None:
        """Raise InputError if a shard changed meanwhile."""
        for shard in self._shards:
            shard.file.verify()


def sharded_source(
    name: str,
    label: str,
    opened: Iterable[tuple[InputFile, Format, Reading, Source]],
    notes: Sequence[str],
) -> ShardedSource:
    """The source that several files are; each is let go once it has been looked at.

    opened: in the order of the rows; how they were opened, and what they are.
    Raises InputError: columns differ. AlignmentError: only some have row ids.
    """
    shards: list[Shard] = []
    ids: list[Ids | None] = []
    id_sources: dict[str, None] = {}
    dtypes, rounding = [], False
    told = dict.fromkeys(notes)
    columns: tuple[str, ...] = ()
    for file, format, how, source in opened:
        columns = columns or source.columns
        _refuse_other_columns(file, shards, source.columns, columns)
        again = replace(how, outside_ids=True)
        shards.append(Shard(file, format, again, source.rows, source.offset))
        ids.append(source.ids)
        id_sources[source.id_source] = None
        dtypes.append(source.dtype)
        rounding |= source.rounds
        told.update(dict.fromkeys(source.notes))
    dtype, rounds = common(dtypes)
    return ShardedSource(
        name=name,
        label=label,
        columns=columns,
        rows=sum(shard.rows for shard in shards),
        dtype=dtype,
        rounds=rounds or rounding,
        ids=_ids(ids, shards),
        id_source=_id_source(list(id_sources)),
        notes=tuple(told),
        shards=shards,
        in_place=set(dtypes) == {dtype} and all(shard.offset is not None for shard in shards),
    )


def _refuse_other_columns(
    file: InputFile, before: Sequence[Shard], own: Sequence[str], columns: Sequence[str]
) -> None:
    if own == columns:
        return
    first = os.path.basename(before[0].file.name)
    told = f"{len(own):,} columns, and {first} has {len(columns):,}"
    if len(own) == len(columns):
        mine, other = next((a, b) for a, b in zip(own, columns, strict=True) if a != b)
        told = f"a column {mine!r} where {first} has {other!r}"
    raise InputError(f"it has {told}", where=file.label)


def _ids(ids: Sequence[Ids | None], shards: Sequence[Shard]) -> Ids | None:
    """The ids of all shards. Raises AlignmentError if only some have any."""
    found = [own for own in ids if own is not None]
    if not found:
        return None
    if len(found) < len(ids):
        without, having = (
            next(shard.file for own, shard in zip(ids, shards, strict=True) if (own is None) == no)
            for no in (True, False)
        )
        raise AlignmentError(
            f"this file has no row ids, but {os.path.basename(having.name)} has",
            where=without.label,
        )
    return concatenated(*found)


def _id_source(sources: Sequence[str]) -> str:
    """Where the ids were found, for people."""
    more = f" and {len(sources) - 1:,} more" if len(sources) > 1 else ""
    return sources[0] + more
