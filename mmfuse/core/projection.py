"""Strategies whose output is a linear image of each modality: what PCA, CCA and their kin share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.affine import subtract
from mmfuse.core.batch import Batch, Block
from mmfuse.core.class_scatter import ClassScatter, class_scatter_bytes
from mmfuse.core.components import Components, wanted
from mmfuse.core.products import multiply_rows
from mmfuse.core.scatter import Scatter, scatter_bytes, spans
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned, Strategy

Array = NDArray[np.float64]
_ROWS = 1024


@dataclass(frozen=True)
class Projection(Strategy):
    """z = Σ_m W_mᵀ (x_m − μ_m), or the W_mᵀ (x_m − μ_m) side by side; learned from a statistic.

    What is learned: `mean_m`, μ_m of shape `(d_m,)`; `weights_m`, W_m of shape `(d_m, k)`; and
    whatever tells of them, such as `spectrum`, the strength of every component there is,
    descending, of which the first k are kept.
    A modality that a row lacks counts as being at its mean. Rows that lack one are not learned
    from.
    """

    learns: ClassVar[bool] = True
    measure: ClassVar[str] = "variance"
    """What `spectrum` is."""
    fuses_present: ClassVar[bool] = True

    n_components: Annotated[Components, wanted("variance", "all")] = "auto"

    def statistics(self, schema: Schema) -> Statistic:
        if self.supervised:
            return ClassScatter.empty(schema.dims, len(schema.classes))
        return Scatter.empty(schema.dims)

    def statistic_bytes(self, schema: Schema) -> int:
        if self.supervised:
            return class_scatter_bytes(schema.dims, len(schema.classes))
        return scatter_bytes(schema.dims)

    @abstractmethod
    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """`mean_m`, `weights_m` and what tells of them."""

    def settled(self, learned: Learned) -> Self:
        return replace(self, n_components=learned["weights_0"].shape[1])

    @property
    def beside(self) -> bool:
        """Whether the modalities' images stand side by side; else they are added."""
        return False

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        k = learned["weights_0"].shape[1]
        added = None if self.beside else out
        for m in range(len(batch.blocks)):
            image = out[:, m * k : (m + 1) * k] if added is None else added
            project(batch, m, learned, image, add=added is not None and m > 0)


def project(batch: Batch, m: int, learned: Learned, out: Block, *, add: bool) -> None:
    """W_mᵀ (x_m − μ_m) into `out`, shape `(n, k)`, or added to it; 0 where a row lacks it."""
    weights, mean = learned[f"weights_{m}"], learned[f"mean_{m}"]
    for start in range(0, len(batch), _ROWS):
        rows = slice(start, min(start + _ROWS, len(batch)))
        x = batch.blocks[m][rows].astype(out.dtype)
        subtract(x, mean)
        if batch.present is not None:
            x[~batch.present[rows, m]] = 0
        multiply_rows(x, weights, out[rows], add=add)


def placed(strategy: Projection, schema: Schema, learned: Learned) -> Array:
    """The weights of all columns, `(D, width)`: the output is linear in the modalities by these."""
    weights = [learned[f"weights_{m}"] for m in range(len(schema.dims))]
    if not strategy.beside:
        return np.vstack(weights)
    k = weights[0].shape[1]
    beside = np.zeros((sum(schema.dims), k * len(weights)))
    for m, rows in enumerate(spans(schema.dims)):
        beside[rows, m * k : (m + 1) * k] = weights[m]
    return beside


def split(
    schema: Schema, mean: Array, weights: Array, factors: Array | None = None
) -> dict[str, NDArray[Any]]:
    """`mean_m` and `weights_m` of a mean `(D,)` and weights `(D, k)` of all columns.

    factors: `(M,)`, by which the weights of every modality are multiplied.
    """
    learned: dict[str, NDArray[Any]] = {}
    for m, columns in enumerate(spans(schema.dims)):
        factor = 1.0 if factors is None else factors[m]
        learned |= {f"mean_{m}": mean[columns], f"weights_{m}": weights[columns] * factor}
    return learned


def positive(weights: Array) -> Array:
    """The weights `(D, k)`, every column with the sign that makes its largest entry positive."""
    largest = np.abs(weights).argmax(axis=0)
    signs: Array = np.where(weights[largest, np.arange(weights.shape[1])] < 0, -1.0, 1.0)
    return weights * signs
