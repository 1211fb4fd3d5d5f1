"""How the rows are cut: pure data, decided before a feature is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfuse.errors import ResourceError

_TILE_BYTES = 2 << 20  # a tile's rows, read and fused, stay in a core's own cache
_BLOCK_BYTES = 8 << 20  # a block is written at once
_STATISTIC_TILES = 32


@dataclass(frozen=True)
class Plan:
    """The cut of the output's rows.

    tile_rows: rows that are read, normalised and fused together. It depends on the widths alone,
        never on memory or threads, so that the same rows always stand in the same tile and every
        result is the same to the bit.
    block_rows: rows that are written together; whole tiles.
    threads: blocks in work at a time.
    workspace: bytes that one thread needs.
    """

    rows: int
    tile_rows: int
    block_rows: int
    threads: int
    workspace: int

    @property
    def statistic_rows(self) -> int:
        """Rows whose statistics are gathered together; like tiles, the same for any memory."""
        return self.tile_rows * _STATISTIC_TILES

    @property
    def memory(self) -> int:
        """Bytes of working memory."""
        return self.workspace * self.threads


def plan(
    rows: int,
    inputs: Sequence[tuple[int, np.dtype[Any]]],
    width: int,
    dtype: np.dtype[Any],
    *,
    threads: int,
    memory: int,
) -> Plan:
    """Cut `rows` rows of modalities of (width, dtype) each into tiles and blocks.

    Raises ResourceError where not even one tile fits into `memory` bytes.
    """
    read_bytes = sum(dim * (dtype_in.itemsize + 8) for dim, dtype_in in inputs)
    out_bytes = width * dtype.itemsize
    tile = _power_of_two(_TILE_BYTES // (read_bytes + out_bytes), 16, 4096)
    # a strategy may hold a handful of a tile's intermediate results
    fixed = tile * (read_bytes + 6 * out_bytes)
    room = min(_BLOCK_BYTES, memory // threads - fixed)
    block = tile * max(1, room // (tile * out_bytes))
    needed = fixed + block * out_bytes
    threads = max(1, min(threads, memory // needed, -(-rows // block)))
    if needed > memory:
        raise ResourceError(
            f"{width:,} columns need about {needed / 2**20:,.0f} MiB of working memory, "
            f"and {memory / 2**20:,.0f} MiB are allowed",
            hint="allow more with --memory, or fuse to fewer columns",
        )
    return Plan(rows, tile, block, threads, needed)


def _power_of_two(value: int, low: int, high: int) -> int:
    """The largest power of two up to `value`, within low…high."""
    return min(high, max(low, 1 << max(0, value.bit_length() - 1)))
