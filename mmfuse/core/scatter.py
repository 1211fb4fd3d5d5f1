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
    precision, of rows less the mean of the first of them, so that large means cost nothing.
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
        near: Array | None = None
        n, sums, products = 0, np.zeros(len(self.mean)), RowProducts(len(self.mean))
        for batch in tiles:
            blocks = [complete(batch, block) for block in batch.blocks]
            if not len(blocks[0]):
                continue
            if near is None:
                near = np.concatenate([centre(block.astype(np.float64)) for block in blocks])
            x = products.room(len(blocks[0]))
            for columns, block in zip(self.slices, blocks, strict=True):
                np.subtract(block, near[columns], out=x[:, columns])
            n += len(x)
            sums += x.sum(axis=0)
        return scatter_about(self.dims, n, near, sums, products.total())

    def merge(self, other: Scatter) -> Scatter:
        if not (self.n and other.n):
            return self if self.n else other
        n = self.n + other.n
        delta = other.mean - self.mean
        # means that agree stay what they are, to the bit
        mean = self.mean + delta * (other.n / n)
        apart = np.sqrt(self.n * (other.n / n)) * delta
        matrix = self.matrix + other.matrix
        if apart.any():
            matrix += np.outer(apart, apart)
        return Scatter(self.dims, n, mean, matrix)

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


def scatter_about(
    dims: Sequence[int], n: int, near: Array | None, sums: Array, products: Array
) -> Scatter:
    """The scatter of n rows of which these are sums and products once `near` is taken off each.

    near: `(D,)`; None where there are no rows. products is taken over.
    """
    if near is None:
        return Scatter.empty(dims)
    delta = sums / n
    if delta.any():
        products -= n * np.outer(delta, delta)
    return Scatter(tuple(dims), n, near + delta, products)


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
