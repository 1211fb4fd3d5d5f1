"""Count, mean and scatter matrix of all columns of all modalities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch
from mmfuse.core.linear_map import LinearMap
from mmfuse.core.row_products import RowProducts
from mmfuse.core.statistic import Statistic, same_shapes

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scatter(Statistic):
    """Of the rows that have every modality, as vectors of D = Σ d_m numbers.

    dims: the widths d_m. n: rows. mean: `(D,)`. matrix: Σ (x − mean)(x − mean)ᵀ, `(D, D)`.

    Products of float32 rows are taken in float64, so that parts and the whole agree to its
    precision, and every tile is centred by its own mean before, so that large means cost nothing.
    Merged by Chan, Golub & LeVeque (1979).
    """

    dims: tuple[int, ...]
    n: int
    mean: Array
    matrix: Array

    @classmethod
    def empty(cls, dims: Sequence[int]) -> Scatter:
        """Nothing gathered yet."""
        width = sum(dims)
        return cls(tuple(dims), 0, np.zeros(width), np.zeros((width, width)))

    @property
    def covariance(self) -> Array:
        return self.matrix / max(self.n - 1, 1)

    @property
    def slices(self) -> tuple[slice, ...]:
        """The columns of every modality."""
        return spans(self.dims)

    def gather(self, tiles: Iterable[Batch]) -> Scatter:
        counts, means, products = [], [], RowProducts(len(self.mean))
        for batch in tiles:
            blocks = [complete(batch, block) for block in batch.blocks]
            if rows := len(blocks[0]):
                counts.append(rows)
                means.append(centre(side_by_side(blocks, products.room(rows))))
        return self._joined(counts, means, products.total())

    def merge(self, other: Scatter) -> Scatter:
        parts = [part for part in (self, other) if part.n]
        if len(parts) < 2:
            return parts[0] if parts else self
        return self._joined(
            [part.n for part in parts], [part.mean for part in parts], self.matrix + other.matrix
        )

    def _joined(self, counts: Sequence[int], means: Sequence[Array], within: Array) -> Scatter:
        """Of parts with these means, and the sum of their scatter matrices, which is taken over."""
        if not counts:
            return self.empty(self.dims)
        mean, spread = between(np.array(counts, np.float64), np.array(means))
        if len(counts) > 1:
            within += spread.T @ spread
        return Scatter(self.dims, sum(counts), mean, within)

    def mapped(self, maps: Sequence[Sequence[LinearMap]]) -> Scatter:
        mean = self.mean.copy()
        for columns, chain in zip(self.slices, maps, strict=True):
            for one in chain:
                mean[columns] = one.of_points(mean[columns])
        return Scatter(self.dims, self.n, mean, map_products(self.matrix, self.slices, maps))

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"n": np.array(self.n), "mean": self.mean, "scatter": self.matrix}

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> Scatter:
        found = same_shapes(self.arrays(), arrays)
        return Scatter(self.dims, int(found["n"]), found["mean"], found["scatter"])


def scatter_bytes(dims: Sequence[int]) -> int:
    """Bytes of a `Scatter` of modalities of these widths."""
    return 8 * sum(dims) ** 2


def spans(dims: Sequence[int]) -> tuple[slice, ...]:
    """Blocks of these widths side by side: the columns of each."""
    return tuple(slice(end - dim, end) for dim, end in zip(dims, accumulate(dims), strict=True))


def map_products(
    matrix: Array, slices: Sequence[slice], maps: Sequence[Sequence[LinearMap]]
) -> Array:
    """Σ x xᵀ of rows whose mean is 0, `(D, D)`, as it is after these maps of each modality."""
    matrix = matrix.copy()
    for columns, chain in zip(slices, maps, strict=True):
        for one in chain:
            matrix[:, columns] = one.of_products(matrix[:, columns])
            matrix[columns] = one.of_products(matrix[columns].T).T
    return matrix


def complete(batch: Batch, rows: NDArray[Any]) -> NDArray[Any]:
    """Those of `rows`, one a row of the batch, that have every modality."""
    return rows if batch.present is None else rows[batch.present.all(axis=1)]


def side_by_side(blocks: Sequence[NDArray[Any]], out: Array) -> Array:
    """The rows of all blocks, `(k, d_m)` each, beside each other in `out`, `(k, D)`."""
    for columns, block in zip(spans([b.shape[1] for b in blocks]), blocks, strict=True):
        out[:, columns] = block
    return out


def centre(x: Array) -> Array:
    """Take the mean off the rows of `x`, in place, and return it; a constant becomes exactly 0."""
    first: Array = x[0].copy()
    x -= first
    mean: Array = x.mean(axis=0)
    x -= mean
    return first + mean


def between(counts: Array, means: Array) -> tuple[Array, Array]:
    """Of parts with counts `(T,)` and means `(T, D)`: the mean of all, and √n (mean_t − mean).

    Means that agree stay what they are, to the bit.
    """
    mean: Array = means[0] + (counts / counts.sum()) @ (means - means[0])
    spread: Array = np.sqrt(counts)[:, None] * (means - mean)
    return mean, spread
