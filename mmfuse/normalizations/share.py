"""`share`."""

import numpy as np

from mmfuse.core.batch import Block
from mmfuse.core.normalization import Normalization
from mmfuse.core.strategy import Learned

_SUMMED = 64


class Share(Normalization):
    """Divide the scores of a row by the sum of their sizes: x / Σ|x|; a zero row stays zero.

    Of scores that are not negative, such as counts, it makes probabilities.
    """

    def normalize(self, x: Block, learned: Learned) -> None:
        largest = np.maximum(x.max(axis=1, keepdims=True), -x.min(axis=1, keepdims=True))
        x /= np.where(largest > 0, largest, 1)  # no sum is too large, or lost
        total = np.zeros(len(x))
        for start in range(0, x.shape[1], _SUMMED):
            total += np.abs(x[:, start : start + _SUMMED]).sum(axis=1, dtype=np.float64)
        x /= np.where(total > 0, total, 1)[:, None].astype(x.dtype)

    def degenerate_rows(self, x: Block) -> int:
        return int(len(x) - np.count_nonzero(x.any(axis=1)))
