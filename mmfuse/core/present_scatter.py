"""Scatter matrices of rows some of which lack a modality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch
from mmfuse.core.linear_map import LinearMap
from mmfuse.core.row_products import RowProducts
from mmfuse.core.scatter import Scatter, centre, map_products, scatter_about, spans
from mmfuse.core.statistic import Statistic, same_shapes

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PresentScatter(Statistic):
    """Of all rows, each of which has some modalities: a_m is 1 where it has modality m, else 0.

    weights: w_m, `(M,)`. own: of every modality the scatter of the rows that have it.
    A row counts v = 1 / Σ a_m w_m in what follows, where x is a row less the means of `own`, and
    0 where it lacks a modality:
    counts: Σ v a_l a_m, `(M, M)`. sums: Σ v a_l x, `(M, D)`. products: Σ v x xᵀ, `(D, D)`.

    Two merge about the means of both: with δ by which a mean moves, Σ v (x_j − δ_j)(x_k − δ_k)
    follows from these sums.
    """

    weights: Array
    n: int
    own: tuple[Scatter, ...]
    counts: Array
    sums: Array
    products: Array

    @classmethod
    def empty(cls, dims: Sequence[int], weights: Array) -> PresentScatter:
        """Nothing gathered yet."""
        own = tuple(Scatter.empty((dim,)) for dim in dims)
        m, d = len(own), sum(dims)
        return cls(weights, 0, own, np.zeros((m, m)), np.zeros((m, d)), np.zeros((d, d)))

    @property
    def dims(self) -> tuple[int, ...]:  # type: ignore[override]
        """The width of every modality."""
        return tuple(one.dims[0] for one in self.own)

    @property
    def covariance(self) -> Array:
        """Within a modality over the rows that have it, between two over those that have both."""
        rows = np.array([max(one.n, 2) for one in self.own])
        free = np.sqrt((rows - 1) / rows)  # for ddof=1, as within
        of = np.repeat(np.arange(len(self.own)), self.dims)
        counts = (self.counts * free * free[:, None])[of][:, of]
        found: Array = np.divide(self.products, counts, out=np.zeros_like(counts), where=counts > 0)
        for block, one in zip(self.slices, self.own, strict=True):
            found[block, block] = one.covariance
        return found

    @property
    def slices(self) -> tuple[slice, ...]:
        """The columns of every modality."""
        return spans(self.dims)

    @property
    def mean(self) -> Array:
        """Of every column over the rows that have it, `(D,)`."""
        return np.concatenate([one.mean for one in self.own])

    def gather(self, tiles: Iterable[Batch]) -> PresentScatter:
        sums = _Sums(self.dims, self.weights)
        for batch in tiles:
            sums.add(batch)
        return sums.scatter()

    def merge(self, other: PresentScatter) -> PresentScatter:
        if not (self.n and other.n):
            return self if self.n else other
        own = tuple(a.merge(b) for a, b in zip(self.own, other.own, strict=True))
        mean = np.concatenate([one.mean for one in own])
        parts = [
            _moved(self.dims, part.counts, part.sums, part.products, mean - part.mean)
            for part in (self, other)
        ]
        return PresentScatter(
            self.weights,
            self.n + other.n,
            own,
            self.counts + other.counts,
            parts[0][0] + parts[1][0],
            parts[0][1] + parts[1][1],
        )

    def mapped(self, maps: Sequence[Sequence[LinearMap]]) -> PresentScatter:
        sums = self.sums.copy()
        for columns, chain in zip(self.slices, maps, strict=True):
            for one in chain:
                sums[:, columns] = one.of_products(sums[:, columns])
        own = tuple(one.mapped([chain]) for one, chain in zip(self.own, maps, strict=True))
        products = map_products(self.products, self.slices, maps)
        return replace(self, own=own, sums=sums, products=products)

    def arrays(self) -> dict[str, NDArray[Any]]:
        own = {
            f"{name}_{m}": array
            for m, one in enumerate(self.own)
            for name, array in one.arrays().items()
        }
        pairs = {"counts": self.counts, "sums": self.sums, "products": self.products}
        return {"rows": np.array(self.n), **pairs, **own}

    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> PresentScatter:
        found = same_shapes(self.arrays(), arrays)
        own = tuple(
            one.restored({name: found[f"{name}_{m}"] for name in one.arrays()})
            for m, one in enumerate(self.own)
        )
        return PresentScatter(
            self.weights, int(found["rows"]), own, found["counts"], found["sums"], found["products"]
        )


class _Sums:
    """Sums over the rows of several tiles, less what the means of the first of them are."""

    def __init__(self, dims: tuple[int, ...], weights: Array) -> None:
        d = sum(dims)
        self._dims, self._weights = dims, weights
        self._near: list[Array | None] = [None] * len(dims)
        self._n, self._rows = 0, [0] * len(dims)
        self._sums, self._squares = np.zeros(d), [np.zeros((dim, dim)) for dim in dims]
        self._counts, self._products = np.zeros((len(dims),) * 2), RowProducts(d)
        self._pairs = np.zeros((len(dims), d))

    def add(self, batch: Batch) -> None:
        """Add the rows of a tile."""
        if not len(batch):
            return
        has = np.ones((len(batch), len(self._dims)), np.bool_)
        if batch.present is not None:
            has = batch.present
        x = self._products.room(len(batch))
        x[:] = 0
        for m, (columns, block) in enumerate(zip(spans(self._dims), batch.blocks, strict=True)):
            x[has[:, m], columns] = self._own(m, columns, block[has[:, m]].astype(np.float64))
        root = 1 / np.sqrt(has @ self._weights)[:, None]
        share = (root * has).T
        x *= root
        self._n += len(batch)
        self._counts += share @ share.T
        self._pairs += share @ x

    def _own(self, m: int, columns: slice, x: Array) -> Array:
        """Take the mean off the rows of one modality, in place, and add them to its own sums."""
        if len(x):
            near = self._near[m]
            if near is None:
                near = self._near[m] = centre(x.copy())
            x -= near
            self._rows[m] += len(x)
            self._sums[columns] += x.sum(axis=0)
            self._squares[m] += x.T @ x
        return x

    def scatter(self) -> PresentScatter:
        """All of it, about the means that the rows turned out to have."""
        delta = self._sums / np.repeat(np.maximum(self._rows, 1), self._dims)
        own = tuple(
            scatter_about(square.shape[:1], n, near, self._sums[columns], square)
            for n, near, square, columns in zip(
                self._rows, self._near, self._squares, spans(self._dims), strict=True
            )
        )
        sums, products = _moved(
            self._dims, self._counts, self._pairs, self._products.total(), delta
        )
        return PresentScatter(self._weights, self._n, own, self._counts, sums, products)


def _moved(
    dims: Sequence[int], counts: Array, sums: Array, products: Array, delta: Array
) -> tuple[Array, Array]:
    """`sums` and `products` of rows of which `delta` more is taken off, where they have values."""
    if not delta.any():
        return sums, products
    of = np.repeat(np.arange(len(dims)), dims)  # the modality of every column
    cross = delta[:, None] * sums[of]
    both = delta * delta[:, None] * counts[of][:, of]
    return sums - counts[:, of] * delta, products - cross - cross.T + both


def present_scatter_bytes(dims: Sequence[int]) -> int:
    """Bytes of a `PresentScatter`, about."""
    return 8 * (sum(dims) * (sum(dims) + len(dims)) + sum(dim**2 for dim in dims))
