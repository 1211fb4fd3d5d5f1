"""`share`."""

import numpy as np

from mmfuse.core.batch import Block
from mmfuse.core.normalization import Normalization
from mmfuse.core.strategy import Learned


class Share(Normalization):
    """Divide the scores of a row by their sum: x / Σ x; a row that sums to zero stays as it is.

    Of scores that are not negative, such as counts, it makes probabilities.
    """

    def normalize(self, x: Block, learned: Learned) -> None:
        total = x.sum(axis=1, dtype=np.float64)
        x /= np.where(total == 0, 1, total)[:, None].astype(x.dtype)

    def degenerate_rows(self, x: Block) -> int:
        return int(np.count_nonzero(x.sum(axis=1, dtype=np.float64) == 0))
