"""Element by element over modalities of one width: the base of sum, mean, max, min, product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from mmfuse.core.batch import Batch, Block
from mmfuse.core.options import Param
from mmfuse.core.schema import Schema
from mmfuse.core.strategy import Learned, Strategy, numbered
from mmfuse.errors import UsageError


@dataclass(frozen=True)
class Pooling(Strategy):
    """Reduce the modalities' blocks by one operation; a row uses the modalities it has."""

    fuses_present = True
    operation: ClassVar[np.ufunc]
    neutral: ClassVar[float]  # what an absent modality stands for

    pad: Annotated[
        bool, Param("Pad narrower modalities with zeros on the right to the widest one.")
    ] = False

    def columns(self, schema: Schema) -> Sequence[str]:
        widths = set(schema.dims)
        if len(widths) > 1 and not self.pad:
            name = type(self).__name__.lower()
            told = ", ".join(f"{m.name} {m.dim:,}" for m in schema.modalities)
            raise UsageError(
                f"{name} needs modalities of one width: {told}",
                hint="bring them to a common width first (by PCA or a random projection), pad "
                "with zeros (--pad), or fuse by concat, outer, sketch or random-lowrank",
            )
        return numbered(type(self).__name__.lower(), max(widths))

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        if batch.present is not None:
            out[:] = self.neutral
        for m, block in enumerate(batch.blocks):
            has = True if batch.present is None else batch.present[:, m, None]
            width = block.shape[1]
            for part, values in ((out[:, :width], block), (out[:, width:], 0)):
                if m == 0:
                    np.copyto(part, values, where=has)
                else:
                    self.operation(part, values, out=part, where=has)
