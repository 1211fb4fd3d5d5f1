"""How the work is done: pure data, decided before a feature is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from mmfuse.errors import ResourceError, told_bytes

Storage = Literal["memory", "file", "stream"]
"""Where rows are: in memory, in a file that gives rows in any order, or in one that is decoded
from its beginning to its end."""

Way = Literal["gather", "sequential", "memory", "partitioned", "columns"]
"""How a modality is read.

gather: every row where it is, in the output's order.
sequential: once from the beginning to the end, because the output has its rows in its own order.
memory: decoded once into memory, and gathered there.
partitioned: from the beginning to the end into a temporary file, where rows of the output that
are near each other lie near each other; gathered there.
columns: a few columns at a time.
"""

# Threads wait for one another around every call of NumPy, so that calls are to be long: with tiles
# of 4 MiB two threads learn no faster than one, with these 1.7 times as fast.
_TILE_BYTES = 16 << 20
_BLOCK_BYTES = 16 << 20  # a block is written at once
_WIDE_BLOCK_BYTES = 64 << 20  # in pieces, one a column, which are to be worth a call
_STATISTIC_TILES = 32
_BUCKET_BYTES = 128 << 20
_COLUMN_BYTES = 12 << 20


class Access(NamedTuple):
    """What is known of a modality before a feature is read.

    ordered: whether the output has its rows in its own order. columnar: whether its columns can
    be read one at a time. taken: rows that are read for the output, where that is not its number
    of rows. patchy: whether output rows lack it, or have several of its rows.
    """

    rows: int
    dim: int
    dtype: np.dtype[Any]
    storage: Storage = "file"
    ordered: bool = False
    columnar: bool = False
    taken: int | None = None
    patchy: bool = False


@dataclass(frozen=True)
class Plan:
    """The ways of the inputs, and the cut of the output's rows.

    ways: one a modality. tile_rows: rows that are read, normalised and fused together. It depends
        on the widths alone, never on memory or threads, so that the same rows always stand in the
        same tile and every result is the same to the bit.
    block_rows: rows that are written together; whole tiles. bucket_rows: rows of the output whose
        partitioned rows lie together; whole blocks. columnar: whether a block's columns are
        contiguous, as the output has them.
    columns: columns that are read together, where columns are read.
    threads: blocks in work at a time. workspace: bytes that one thread needs.
    stored, spilled: bytes decoded into memory, and into temporary files. read: bytes of features
        that are read of the inputs. held: bytes of what is gathered to learn from.
    """

    rows: int
    ways: tuple[Way, ...]
    tile_rows: int
    block_rows: int
    threads: int
    workspace: int
    bucket_rows: int = 0
    columnar: bool = False
    columns: int = 0
    stored: int = 0
    spilled: int = 0
    read: int = 0
    held: int = 0

    @property
    def statistic_rows(self) -> int:
        """Rows whose statistics are gathered together; like tiles, the same for any memory."""
        return self.tile_rows * _STATISTIC_TILES

    @property
    def memory(self) -> int:
        """Bytes of working memory."""
        return self.workspace * self.threads + self.stored + self.held


def plan(
    rows: int,
    inputs: Sequence[Access],
    width: int,
    dtype: np.dtype[Any],
    *,
    threads: int,
    memory: int,
    cache: int,
    passes: int = 1,
    columnar: bool = False,
    columnwise: bool = False,
    statistic: int = 0,
    waiting: int = 0,
    whole: int | None = None,
) -> Plan:
    """Decide how to make `rows` rows of `width` columns of the inputs.

    memory: bytes of working memory. cache: bytes of files that the system can keep in memory.
    passes: how often every row is read. columnar: whether the output is stored by columns.
    columnwise: whether each of them is a column of an input. statistic: bytes of what is gathered
    of all rows; waiting: of the rows that a thread collects for it. whole: if all rows are fused
    at once, the bytes that takes beside them.

    Raises ResourceError where not even one tile fits into `memory` bytes.
    """
    if columnar and columnwise and all(a.columnar and not a.patchy for a in inputs):
        by_columns = _by_columns(rows, inputs, width, dtype, threads, memory)
        if by_columns is not None:
            return by_columns
    threads = _learning_threads(statistic, waiting, threads, memory)
    held = _learning_bytes(statistic, waiting, threads)
    memory -= held
    row_bytes = sum(map(_row_bytes, inputs))
    out_bytes = width * dtype.itemsize
    if whole is not None:
        return _at_once(rows, inputs, row_bytes + 6 * out_bytes, whole, memory, columnar)
    most = 1 << max(4, min(11, (rows - 1).bit_length()))
    tile = _power_of_two(_TILE_BYTES // (row_bytes + out_bytes), 16, most)
    # a strategy may hold a handful of a tile's intermediate results
    fixed = tile * (row_bytes + 6 * out_bytes)
    room = memory // 2
    wanted = _WIDE_BLOCK_BYTES if columnar else _BLOCK_BYTES
    block = tile * max(1, min(wanted, room // threads - fixed) // (tile * out_bytes))
    needed = fixed + block * out_bytes
    threads = max(1, min(threads, room // needed, -(-rows // block)))
    if needed > room:
        raise _too_wide(width, needed, memory)
    ways, stored, spilled = _ways(rows, inputs, memory - room, cache, passes)
    bucket = block * max(1, _BUCKET_BYTES // (block * max(spilled // rows, 1)))
    return Plan(
        rows,
        ways,
        tile,
        block,
        threads,
        needed,
        bucket_rows=bucket,
        columnar=columnar,
        stored=stored,
        spilled=spilled,
        read=_read(rows, inputs, ways, passes),
        held=held,
    )


def _read(rows: int, inputs: Sequence[Access], ways: Sequence[Way], passes: int) -> int:
    """Bytes of features that are read of the inputs."""
    return sum(
        passes * _bytes(access, _taken(access, rows))
        if way == "gather"
        else _bytes(access, access.rows)
        for access, way in zip(inputs, ways, strict=True)
    )


def _too_wide(width: int, needed: int, memory: int) -> ResourceError:
    return ResourceError(
        f"{width:,} columns need about {told_bytes(2 * needed)} of working memory, "
        f"and {told_bytes(memory)} are allowed",
        hint="allow more with --memory, or fuse to fewer columns",
    )


def _learning_bytes(statistic: int, waiting: int, threads: int) -> int:
    """What statistics take: a thread's own with what is added to it, finished ones that wait to be
    merged, and the sum; later, that sum with what is solved of it."""
    return statistic * max(6, 3 * threads + 3) + waiting * threads


def _learning_threads(statistic: int, waiting: int, threads: int, memory: int) -> int:
    """As many threads as leave a quarter of the memory. Raises ResourceError if not one does."""
    while threads > 1 and _learning_bytes(statistic, waiting, threads) > memory * 3 // 4:
        threads -= 1
    if (needed := _learning_bytes(statistic, waiting, threads)) > memory * 3 // 4:
        raise ResourceError(
            f"what is learned of these columns needs about {told_bytes(needed)} of working "
            f"memory, and of {told_bytes(memory)} three quarters may be",
            hint=f"--memory {-(-needed * 4 // 3 // 2**20)}MiB or more; random-projection brings "
            "wide modalities to fewer columns first",
        )
    return threads


def _at_once(
    rows: int,
    inputs: Sequence[Access],
    row_bytes: int,
    beside: int,
    memory: int,
    columnar: bool,
) -> Plan:
    """All rows as one tile, on one thread. Raises ResourceError where they do not fit."""
    needed = rows * row_bytes + beside
    stored = sum(_bytes(a, min(_taken(a, rows), a.rows)) for a in inputs if a.storage != "file")
    if needed + stored > memory:
        raise ResourceError(
            f"this strategy holds all {rows:,} rows in memory and needs about "
            f"{told_bytes(needed + stored)}, and {told_bytes(memory)} are allowed",
            hint="allow more with --memory, or take a strategy that streams, such as gcca",
        )
    ways: tuple[Way, ...] = tuple("gather" if a.storage == "file" else "memory" for a in inputs)
    read = sum(_bytes(access, access.rows) for access in inputs)
    return Plan(
        rows, ways, rows, rows, 1, needed, rows, columnar=columnar, stored=stored, read=read
    )


def _row_bytes(access: Access) -> int:
    """Of a row as stored, computed with, and pooled or spread."""
    return access.dim * (access.dtype.itemsize + (32 if access.patchy else 8))


def _ways(
    rows: int, inputs: Sequence[Access], memory: int, cache: int, passes: int
) -> tuple[tuple[Way, ...], int, int]:
    """The way of every input, and the bytes that come into memory and into temporary files."""
    # random reads of what does not stay in memory would read every page many times over
    random = sum(_bytes(a, a.rows) for a in inputs if a.storage == "file" and not a.ordered)
    ways: list[Way] = []
    stored = spilled = 0
    for access in inputs:
        size = _bytes(access, min(_taken(access, rows), access.rows))
        fits = stored + size <= memory
        in_place = access.storage == "file" and (access.ordered or random <= cache)
        if in_place or access.storage == "memory":
            ways.append("gather")
        elif access.ordered and passes == 1:
            ways.append("sequential")
        elif fits:
            ways.append("memory")
            stored += size
        else:
            ways.append("partitioned")
            spilled += size
    return tuple(ways), stored, spilled


def _by_columns(
    rows: int,
    inputs: Sequence[Access],
    width: int,
    dtype: np.dtype[Any],
    threads: int,
    memory: int,
) -> Plan | None:
    """Whole columns at a time, if they fit: as stored, picked, and rounded."""
    largest = max(access.rows * access.dtype.itemsize for access in inputs)
    picked = 2 * rows * max(8, dtype.itemsize)
    columns = min(width, max(1, (_COLUMN_BYTES - picked) // largest))
    needed = columns * largest + picked
    threads = min(threads, memory // 2 // needed)
    if not threads:
        return None
    ways: tuple[Way, ...] = tuple("columns" for _ in inputs)
    read = sum(_bytes(access, access.rows) for access in inputs)
    return Plan(rows, ways, rows, rows, threads, needed, columns=columns, read=read)


def _bytes(access: Access, rows: int) -> int:
    return rows * access.dim * access.dtype.itemsize


def _taken(access: Access, rows: int) -> int:
    return rows if access.taken is None else access.taken


def _power_of_two(value: int, low: int, high: int) -> int:
    """The largest power of two up to `value`, within low…high."""
    return min(high, max(low, 1 << max(0, value.bit_length() - 1)))
