"""Count and mean of every class of labelled rows, and their scatter within the classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch
from mmfuse.core.linear_map import LinearMap
from mmfuse.core.row_products import RowProducts
from mmfuse.core.scatter import centre, complete, map_products, side_by_side, spans
from mmfuse.core.statistic import Statistic, same_shapes

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ClassScatter(Statistic):
    """Of the rows that have every modality and a label, as vectors of D = Σ d_m numbers.

    counts: rows a class, `(C,)`. means: `(C, D)`. within: Σ (x − mean of its class)(…)ᵀ, `(D, D)`.

    Products are taken of rows less the mean of the first of their class, and classes merge, as
    with `Scatter`.
    """

    dims: tuple[int, ...]
    counts: Array
    means: Array
    within: Array

    @classmethod
    def empty(cls, dims: Sequence[int], classes: int) -> ClassScatter:
        """Nothing gathered yet."""
        width = sum(dims)
        zeros = np.zeros((width, width))
        return cls(tuple(dims), np.zeros(classes), np.zeros((classes, width)), zeros)

    @property
    def n(self) -> int:  # type: ignore[override]
        """Rows of all classes."""
        return int(self.counts.sum())

    @property
    def mean(self) -> Array:
        """Of all rows, `(D,)`."""
        near: Array = self.means[np.argmax(self.counts)]  # so that large means cost nothing
        return near + self.counts / max(self.n, 1) @ (self.means - near)

    @property
    def covariance(self) -> Array:
        spread = self.spread
        return (self.within + spread.T @ spread) / max(self.n - 1, 1)

    @property
    def slices(self) -> tuple[slice, ...]:
        """The columns of every modality."""
        return spans(self.dims)

    @property
    def spread(self) -> Array:
        """√n_c (mean of class c − mean of all), `(C, D)`: its scatter is that between classes."""
        spread: Array = np.sqrt(self.counts)[:, None] * (self.means - self.mean)
        return spread

    def gather(self, tiles: Iterable[Batch]) -> ClassScatter:
        counts, sums = np.zeros_like(self.counts), np.zeros_like(self.means)
        near, products = np.zeros_like(self.means), RowProducts(len(self.within))
        for batch in tiles:
            if batch.labels is None:
                continue
            labels = complete(batch, batch.labels)
            order = np.argsort(labels, kind="stable")[np.count_nonzero(labels < 0) :]
            if not len(order):
                continue
            blocks = [complete(batch, block)[order] for block in batch.blocks]
            x = side_by_side(blocks, products.room(len(order)))
            classes, starts = np.unique(labels[order], return_index=True)
            for c, rows in zip(classes, np.split(x, starts[1:]), strict=True):
                if counts[c]:
                    rows -= near[c]
                else:
                    near[c] = centre(rows)
                counts[c] += len(rows)
                sums[c] += rows.sum(axis=0)
        within = products.total()
        delta = sums / np.maximum(counts, 1)[:, None]
        if delta.any():
            apart = np.sqrt(counts)[:, None] * delta
            within -= apart.T @ apart
        return ClassScatter(self.dims, counts, near + delta, within)

    def merge(self, other: ClassScatter) -> ClassScatter:
        counts = self.counts + other.counts
        share = other.counts / np.maximum(counts, 1)
        delta = other.means - self.means
        apart = np.sqrt(self.counts * share)[:, None] * delta
        means = np.where(
            (self.counts > 0)[:, None], self.means + share[:, None] * delta, other.means
        )
        within = self.within + other.within
        if apart.any():
            within += apart.T @ apart
        return ClassScatter(self.dims, counts, means, within)

    def mapped(self, maps: Sequence[Sequence[LinearMap]]) -> ClassScatter:
        means = self.means.copy()
        for columns, chain in zip(self.slices, maps, strict=True):
            for one in chain:
                means[:, columns] = one.of_points(means[:, columns])
        within = map_products(self.within, self.slices, maps)
        return ClassScatter(self.dims, self.counts, means, within)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"counts": self.counts, "means": self.means, "within": self.within}

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> ClassScatter:
        return ClassScatter(self.dims, **same_shapes(self.arrays(), arrays))


def class_scatter_bytes(dims: Sequence[int], classes: int) -> int:
    """Bytes of a `ClassScatter`."""
    return 8 * sum(dims) * (sum(dims) + classes)
