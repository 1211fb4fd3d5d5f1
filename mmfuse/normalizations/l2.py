"""`l2`."""

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Block
from mmfuse.core.normalization import Normalization
from mmfuse.core.strategy import Learned

_SUMMED = 1024


class L2(Normalization):
    """Scale every row to length 1: x / ‖x‖₂; a zero row stays zero and is counted."""

    def normalize(self, x: Block, learned: Learned) -> None:
        norm = _lengths(x)
        limit = 1e15 if x.dtype == np.float32 else 1e150  # beyond it, a square may be lost
        extreme = ~((norm > 1 / limit) & (norm < limit))
        if extreme.any():
            rows = x[extreme]
            largest = np.abs(rows).max(axis=1, keepdims=True)
            rows /= np.where(largest > 0, largest, 1)
            norm[extreme] = np.where(largest[:, 0] > 0, _lengths(rows), 1)
            x[extreme] = rows
        x /= norm[:, None].astype(x.dtype)

    def degenerate_rows(self, x: Block) -> int:
        if x[:, :1].all():  # as good as always, and a glance
            return 0
        return int(len(x) - np.count_nonzero(x.any(axis=1)))


def _lengths(x: Block) -> NDArray[np.float64]:
    """‖x‖₂ of every row, shape `(k,)`."""
    squares = np.zeros(len(x))
    # summed as x is over a few columns, then in float64: no row is too wide for float32
    for start in range(0, x.shape[1], _SUMMED):
        part = x[:, start : start + _SUMMED]
        squares += np.einsum("ij,ij->i", part, part)
    return np.sqrt(squares)
