"""`sigmoid`."""

import numpy as np

from mmfuse.core.batch import Block
from mmfuse.core.normalization import Normalization
from mmfuse.core.strategy import Learned


class Sigmoid(Normalization):
    """Turn every logit into a probability of its own: 1 / (1 + exp(−x))."""

    def normalize(self, x: Block, learned: Learned) -> None:
        # where e⁻ˣ is more than a float holds, 1 / ∞ is the 0 that is nearest but for subnormals;
        # the other form, (1 + tanh(x / 2)) / 2, cancels long before
        np.negative(x, out=x)
        with np.errstate(over="ignore"):
            np.exp(x, out=x)
        x += 1
        np.reciprocal(x, out=x)
