"""`l2`."""

import numpy as np

from mmfuse.core.batch import Block
from mmfuse.core.normalization import Normalization
from mmfuse.core.strategy import Learned


class L2(Normalization):
    """Scale every row to length 1: x / ‖x‖₂; a zero row stays zero and is counted."""

    def normalize(self, x: Block, learned: Learned) -> None:
        norm = np.sqrt(np.einsum("ij,ij->i", x, x, dtype=np.float64))
        limit = 1e30 if x.dtype == np.float32 else 1e150  # beyond it, the norm or a square is lost
        extreme = ~((norm > 1 / limit) & (norm < limit))
        if extreme.any():
            largest = np.abs(x[extreme]).max(axis=1, keepdims=True)
            x[extreme] /= np.where(largest > 0, largest, 1)
            rows = x[extreme].astype(np.float64)
            norm[extreme] = np.where(largest[:, 0] > 0, np.linalg.norm(rows, axis=1), 1)
        x /= norm[:, None].astype(x.dtype)

    def degenerate_rows(self, x: Block) -> int:
        return int(len(x) - np.count_nonzero(x.any(axis=1)))
