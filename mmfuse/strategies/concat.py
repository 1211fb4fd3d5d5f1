"""`concat`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from mmfuse.core.batch import Batch, Block
from mmfuse.core.schema import Schema
from mmfuse.core.strategy import Learned, Strategy, stack_columns
from mmfuse.core.transpose import copy


@dataclass(frozen=True)
class Concat(Strategy):
    """Join the modalities side by side: z = [w₁x₁; …; w_M x_M].

    Inner products add up with squared weights, ⟨z, z'⟩ = Σ w² ⟨x, x'⟩, so after `l2` the cosine
    of two rows is the average of the modalities' cosines weighted by w². For a weight v meant on
    the cosine itself, give √v.

    The reference is `numpy.hstack`.
    """

    stacks = True

    def columns(self, schema: Schema) -> Sequence[str]:
        return stack_columns(schema)

    def slices(self, schema: Schema) -> Mapping[str, tuple[int, int]]:
        ends = list(accumulate(schema.dims))
        return {
            name: (end - dim, end)
            for name, dim, end in zip(schema.names, schema.dims, ends, strict=True)
        }

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        start = 0
        for block in batch.blocks:
            copy(block, out[:, start : (start := start + block.shape[1])])
