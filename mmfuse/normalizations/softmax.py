"""`softmax`."""

import numpy as np

from mmfuse.core.batch import Block
from mmfuse.core.normalization import Normalization
from mmfuse.core.strategy import Learned


class Softmax(Normalization):
    """Turn the logits of a row into probabilities that sum to 1: exp(x) / Σ exp(x)."""

    def normalize(self, x: Block, learned: Learned) -> None:
        x -= x.max(axis=1, keepdims=True)  # the largest is exp(0): nothing overflows
        np.exp(x, out=x)
        x /= x.sum(axis=1, keepdims=True)
