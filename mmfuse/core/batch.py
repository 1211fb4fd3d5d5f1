"""A block of aligned rows, as a strategy receives it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Batch:
    """Aligned rows of every modality, normalised and weighted.

    blocks: one `(k, d_m)` array of float32 or float64 a modality; row i of each is the same row.
    weights: `(M,)`, already multiplied into the blocks for strategies that let them be scaled.
    present: `(k, M)`, False where a row lacks a modality; None where every row has them all.
        What stands in `blocks` for an absent row is zeros.
    labels: `(k,)`, the number of each row's class, -1 where it has none, or what is to be
        predicted, NaN where that is not known; None: without labels.
    """

    blocks: Sequence[Block]
    weights: NDArray[np.float64]
    present: NDArray[np.bool_] | None = None
    labels: NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.blocks[0])

    def pieces(self, rows: int) -> Iterator[tuple[slice, Batch]]:
        """Its rows, so many at a time and in order: where they stand, and a batch of them."""
        for start in range(0, len(self), rows):
            part = slice(start, start + rows)
            yield (
                part,
                Batch(
                    [block[part] for block in self.blocks],
                    self.weights,
                    None if self.present is None else self.present[part],
                    None if self.labels is None else self.labels[part],
                ),
            )
