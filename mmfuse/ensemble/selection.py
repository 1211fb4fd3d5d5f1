"""Models chosen one at a time for what they add to the average."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmfuse.ensemble import LEAST
from mmfuse.errors import InputError

Array = NDArray[np.float64]


def selected_weights(
    p: Array,
    present: NDArray[np.bool_],
    y: NDArray[np.int64] | NDArray[np.float64],
    rounds: int = 100,
) -> Array:
    """How often each model was chosen, as a share, `(M,)`, of sum 1.

    Each round adds the model, again or anew, that makes the loss of the average least, the first
    of equals; one that no row has is never added. The rounds up to the least loss count. The loss
    is log loss for class numbers, with probabilities of 1e-12 at least, and squared error for
    numbers. The average of a row is that of the chosen models it has, or of all it has where none
    of them is chosen.

    p: `(M, n, C)`. present: `(n, M)`. y: `(n,)`; rows without a model are left out.
    Raises InputError where no row has a model.

    Caruana, Niculescu-Mizil, Crew & Ksikes (2004), Ensemble selection from libraries of models.
    """
    some = present.any(axis=1)
    if not some.any():
        raise InputError("no row has both a label and a prediction")
    there = present[some].T.astype(np.float64)
    numbers = np.issubdtype(y.dtype, np.floating)
    values = (p[:, :, 0] if numbers else p[:, np.arange(len(y)), y])[:, some]
    truth = y[some]
    usable = np.flatnonzero(there.any(axis=1)).tolist()
    all_values, all_there = values.sum(axis=0), there.sum(axis=0)

    def loss(total: Array, models: Array) -> float:
        chosen = models > 0
        mean = np.where(chosen, total, all_values) / np.where(chosen, models, all_there)
        return float(np.mean((mean - truth) ** 2 if numbers else -np.log(np.maximum(mean, LEAST))))

    total, models = np.zeros(len(truth)), np.zeros(len(truth))
    picked: list[int] = []
    path: list[float] = []
    for _ in range(rounds):
        losses = [loss(total + values[m], models + there[m]) for m in usable]
        best = usable[int(np.argmin(losses))]
        total, models = total + values[best], models + there[best]
        picked.append(best)
        path.append(min(losses))
    kept = picked[: int(np.argmin(path)) + 1]
    return np.bincount(kept, minlength=len(p)) / len(kept)
