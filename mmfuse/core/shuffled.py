"""Rows that do not belong together: what strategies find in them is chance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmfuse.core.batch import Batch
from mmfuse.core.randomness import words
from mmfuse.core.scatter import centre


def shuffled(batch: Batch, seed: int) -> Batch:
    """The batch with every modality's rows, less their mean, in a random order of its own.

    Rows are shuffled among those of the batch that have the modality. Their mean is taken off,
    because it differs between batches where the rows are sorted, and then tells what they are.
    """
    blocks = []
    for m, block in enumerate(batch.blocks):
        has = slice(None) if batch.present is None else batch.present[:, m]
        rows = block[has].astype(np.float64)
        if len(rows):
            centre(rows)
        image = np.zeros(block.shape)
        image[has] = rows[np.argsort(words(seed, m, len(rows)), kind="stable")]
        blocks.append(image)
    return replace(batch, blocks=blocks)
