"""Scatter matrices of rows some of which lack a modality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch
from mmfuse.core.linear_map import LinearMap
from mmfuse.core.scatter import Scatter, centre, map_products, spans
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
        total = PresentScatter.empty(self.dims, self.weights)
        for batch in tiles:
            if len(batch):
                total = total.merge(self._of(batch))
        return total

    def _of(self, batch: Batch) -> PresentScatter:
        """Of the rows of one batch."""
        has = np.ones((len(batch), len(self.own)), bool) if batch.present is None else batch.present
        x, own = np.zeros((len(batch), sum(self.dims))), []
        for m, (columns, block) in enumerate(zip(self.slices, batch.blocks, strict=True)):
            rows = block[has[:, m]].astype(np.float64)
            mean = centre(rows) if len(rows) else np.zeros(block.shape[1])
            own.append(Scatter(block.shape[1:], len(rows), mean, rows.T @ rows))
            x[has[:, m], columns] = rows
        share = 1 / (has @ self.weights)
        weighed = share[:, None] * has
        return PresentScatter(
            self.weights, len(batch), tuple(own), weighed.T @ has, weighed.T @ x,
            (share[:, None] * x).T @ x,
        )  # fmt: skip

    def merge(self, other: PresentScatter) -> PresentScatter:
        if not (self.n and other.n):
            return self if self.n else other
        own = tuple(a.merge(b) for a, b in zip(self.own, other.own, strict=True))
        mean = np.concatenate([one.mean for one in own])
        parts = [part._about(mean) for part in (self, other)]
        return replace(
            self,
            n=self.n + other.n,
            own=own,
            counts=self.counts + other.counts,
            sums=parts[0][0] + parts[1][0],
            products=parts[0][1] + parts[1][1],
        )

    def _about(self, mean: Array) -> tuple[Array, Array]:
        """`sums` and `products` of rows less another mean."""
        delta = mean - self.mean
        if not delta.any():
            return self.sums, self.products
        of = np.repeat(np.arange(len(self.own)), self.dims)  # the modality of every column
        cross = delta[:, None] * self.sums[of]
        both = delta * delta[:, None] * self.counts[of][:, of]
        return self.sums - self.counts[:, of] * delta, self.products - cross - cross.T + both

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


def present_scatter_bytes(dims: Sequence[int]) -> int:
    """Bytes of a `PresentScatter`, about."""
    return 8 * (sum(dims) * (sum(dims) + len(dims)) + sum(dim**2 for dim in dims))
