"""The scatter of all columns with a number that is to be predicted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch
from mmfuse.core.linear_map import LinearMap
from mmfuse.core.scatter import Array, Scatter, scatter_bytes
from mmfuse.core.statistic import Statistic


@dataclass(frozen=True, eq=False)
class TargetScatter(Statistic):
    """Of the rows that have every modality and a number: `joint`, the scatter of D + 1 columns,
    of which the number is the last."""

    dims: tuple[int, ...]
    joint: Scatter

    @classmethod
    def empty(cls, dims: Sequence[int]) -> TargetScatter:
        """Nothing gathered yet."""
        return cls(tuple(dims), Scatter.empty((*dims, 1)))

    @property
    def n(self) -> int:  # type: ignore[override]
        """Rows."""
        return self.joint.n

    @property
    def covariance(self) -> Array:
        return self.joint.covariance[:-1, :-1]

    @property
    def errors(self) -> Array:
        """The covariance, ddof=0, of what each of the D columns is off the number, `(D, D)`."""
        off = np.hstack([np.eye(sum(self.dims)), -np.ones((sum(self.dims), 1))])
        found: Array = off @ self.joint.matrix @ off.T / max(self.n, 1)
        return found

    def gather(self, tiles: Iterable[Batch]) -> TargetScatter:
        return TargetScatter(self.dims, self.joint.gather(_known(tiles)))

    def merge(self, other: TargetScatter) -> TargetScatter:
        return TargetScatter(self.dims, self.joint.merge(other.joint))

    def mapped(self, maps: Sequence[Sequence[LinearMap]]) -> TargetScatter:
        return TargetScatter(self.dims, self.joint.mapped([*maps, []]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return self.joint.arrays()

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> TargetScatter:
        return TargetScatter(self.dims, self.joint.restored(arrays))


def _known(tiles: Iterable[Batch]) -> Iterator[Batch]:
    """The rows whose number is known, with it as a modality of its own."""
    for batch in tiles:
        assert batch.labels is not None
        known = np.isfinite(batch.labels)
        if not known.any():
            continue
        blocks = [block[known] for block in (*batch.blocks, batch.labels[:, None])]
        present = batch.present
        if present is not None:
            present = np.hstack([present[known], np.ones((len(blocks[0]), 1), np.bool_)])
        yield Batch(blocks, np.ones(len(blocks)), present)


def target_scatter_bytes(dims: Sequence[int]) -> int:
    """Bytes of a `TargetScatter`."""
    return scatter_bytes((*dims, 1))
