"""`mean`."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmfuse.core.batch import Batch, Block
from mmfuse.core.pooling import Pooling
from mmfuse.core.schema import Schema
from mmfuse.core.strategy import Learned
from mmfuse.errors import UsageError


@dataclass(frozen=True)
class Mean(Pooling):
    """Average the modalities element by element: z = Σ a_m w_m x_m / Σ a_m w_m.

    a_m is 1 where the row has the modality, else 0, so a row that lacks one is the average of
    those it has. Modalities need one width (or `pad`).
    """

    operation: ClassVar[np.ufunc] = np.add
    neutral: ClassVar[float] = 0.0

    def columns(self, schema: Schema) -> list[str]:
        if schema.weights.sum() == 0 or (schema.weights < 0).any():
            raise UsageError("mean needs weights of zero or more that do not sum to zero")
        return list(super().columns(schema))

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        super().fuse(batch, out, learned)
        if batch.present is None:
            out /= out.dtype.type(batch.weights.sum())
        else:
            total = np.where(batch.present, batch.weights, 0).sum(axis=1)
            out /= np.where(total > 0, total, 1)[:, None].astype(out.dtype)
