"""The rows themselves, for what learns from all of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch, Block
from mmfuse.core.linear_map import LinearMap
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned, Strategy


@dataclass(frozen=True, eq=False)
class Rows(Statistic):
    """All rows, in their order. tiles: as they came, each a copy."""

    dims: tuple[int, ...]
    tiles: tuple[Batch, ...] = ()

    @property
    def n(self) -> int:  # type: ignore[override]
        """How many."""
        return sum(map(len, self.tiles))

    @property
    def covariance(self) -> NDArray[np.float64]:
        raise NotImplementedError  # of nobody's interest

    def gather(self, tiles: Iterable[Batch]) -> Rows:
        own = (replace(tile, blocks=[block.copy() for block in tile.blocks]) for tile in tiles)
        return Rows(self.dims, tuple(own))

    def merge(self, other: Rows) -> Rows:
        return Rows(self.dims, self.tiles + other.tiles)

    def mapped(self, maps: Sequence[Sequence[LinearMap]]) -> Rows:
        assert not any(maps), "rows are gathered as they are stored"
        return self

    def arrays(self) -> dict[str, NDArray[Any]]:
        raise NotImplementedError  # they are in no model

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> Rows:
        raise NotImplementedError

    def block(self, m: int) -> Block:
        """All rows of modality m, `(n, d_m)`; zeros where a row lacks it."""
        return np.concatenate([tile.blocks[m] for tile in self.tiles])

    @property
    def present(self) -> NDArray[np.bool_]:
        """`(n, M)`."""
        whole = (len(self.dims),)
        return np.concatenate(
            [
                np.ones((len(tile), *whole), np.bool_) if tile.present is None else tile.present
                for tile in self.tiles
            ]
        )

    @property
    def labels(self) -> NDArray[Any]:
        """`(n,)`."""
        return np.concatenate([tile.labels for tile in self.tiles if tile.labels is not None])


@dataclass(frozen=True)
class Gather(Strategy):
    """Learns the rows; fuses nothing."""

    learns = True
    supervised = True
    fuses_present = True
    scales = False

    def columns(self, schema: Schema) -> Sequence[str]:
        return schema.names

    def statistics(self, schema: Schema) -> Rows:
        return Rows(schema.dims)

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        return {}

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        raise NotImplementedError
