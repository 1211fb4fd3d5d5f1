"""`sigmoid`."""

import numpy as np

from mmfuse.core.batch import Block
from mmfuse.core.normalization import Normalization
from mmfuse.core.strategy import Learned


class Sigmoid(Normalization):
    """Turn every logit into a probability of its own: 1 / (1 + exp(−x))."""

    def normalize(self, x: Block, learned: Learned) -> None:
        # 1 / (1 + e⁻ˣ) = (1 + tanh(x / 2)) / 2 cancels below zero; exp of −|x| never overflows
        small = np.exp(-np.abs(x))
        np.divide(np.where(x < 0, small, 1), 1 + small, out=x)
