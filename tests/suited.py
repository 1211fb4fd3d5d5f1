"""What every strategy takes, of random features: some take the predictions of models alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.registry import strategy_class

Matrix = NDArray[Any]


def softmax(x: Matrix) -> Matrix:
    """Probabilities of the features' dtype, by the formula."""
    powers = np.exp(x.astype(np.float64) - x.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(x.dtype)


def predicted(strategy: str) -> str | None:
    """Of what the strategy fuses predictions, "classes" or "numbers"; None: it fuses features."""
    kind = strategy_class(strategy)
    return kind().predicts if kind.of_predictions else None


def suited(strategy: str, block: Matrix) -> Matrix:
    """A modality: the features themselves, a probability for each, or one number a row."""
    told = predicted(strategy)
    if told is None:
        return block
    return softmax(block) if told == "classes" else block[:, :1].copy()


def suited_labels(strategy: str, ids: Matrix) -> Matrix | None:
    """Of these integer ids, if the strategy wants any: three classes in turn, or numbers."""
    kind = strategy_class(strategy)
    if not kind.supervised:
        return None
    return np.sin(ids) if kind().predicts == "numbers" else ids % 3


def suited_chain(strategy: str, normalize: str | None) -> str | None:
    """Normalisations after which probabilities are probabilities still."""
    if normalize is None or predicted(strategy) != "classes":
        return normalize
    return f"{normalize},softmax"


def suited_weight(strategy: str, weight: float) -> float:
    """The weight of a modality, which is 1 where the strategy takes none."""
    return weight if strategy_class(strategy).weighs else 1.0
