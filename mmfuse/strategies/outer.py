"""`outer`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from mmfuse.core.batch import Batch, Block
from mmfuse.core.options import Param
from mmfuse.core.schema import Schema
from mmfuse.core.strategy import Learned, Strategy, distinct
from mmfuse.errors import ResourceError


@dataclass(frozen=True)
class Outer(Strategy):
    """Multiply every feature with every other (tensor fusion): z = ⊗_m [1; x_m], in C order.

    The output has Π (d_m + 1) columns; the first is 1, and every modality stands in it on its
    own too. ⟨z, z'⟩ = Π (1 + ⟨x_m, x'_m⟩). Without the ones it is the bilinear product of Π d_m
    columns. A row that lacks a modality keeps the products of those it has.

    Zadeh et al. (2017), Tensor fusion network for multimodal sentiment analysis, EMNLP.
    """

    ones: Annotated[bool, Param("Put a 1 before every modality's features.")] = True
    max_columns: Annotated[int, Param("Refuse an output wider than this.", min=1)] = 65_536

    def columns(self, schema: Schema) -> Sequence[str]:
        width = math.prod(dim + self.ones for dim in schema.dims)
        if width > self.max_columns:
            told = " x ".join(f"{dim + self.ones:,}" for dim in schema.dims)
            raise ResourceError(
                f"outer would have {told} = {width:,} columns, more than {self.max_columns:,}",
                hint="sketch approximates it in a width of your choice; --max-columns allows more",
            )
        names = [""]
        for modality in schema.modalities:
            own = [*([""] * self.ones), *(f"{modality.name}_{c}" for c in modality.columns)]
            names = ["*".join(filter(None, (left, right))) for left in names for right in own]
        return distinct([name or "1" for name in names])

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        n = len(batch)
        product = np.ones((n, 1), out.dtype)
        *factors, last = (self._factor(block, out.dtype) for block in batch.blocks)
        for factor in factors:
            product = _outer(product, factor).reshape(n, -1)
        _outer(product, last, out.reshape(n, product.shape[1], last.shape[1]))

    def _factor(self, block: Block, dtype: np.dtype[Any]) -> Block:
        """[1; x], or x without the ones."""
        if not self.ones:
            return block.astype(dtype, copy=False)
        factor = np.empty((len(block), block.shape[1] + 1), dtype)
        factor[:, 0], factor[:, 1:] = 1, block
        return factor


def _outer(a: Block, b: Block, out: Block | None = None) -> Block:
    """The outer product of every row of `a` with that of `b`, shape `(n, d_a, d_b)`."""
    # einsum goes from one short row of the product to the next quicker than a ufunc does
    product: Block = np.einsum("na,nb->nab", a, b, out=out)
    return product
