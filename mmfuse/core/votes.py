"""The predictions of several models for the same rows, over the classes of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch
from mmfuse.core.schema import Schema
from mmfuse.core.strategy import Learned

Array = NDArray[np.float64]

_AT_A_TIME = 4096  # values in float64, so that they are few beside the blocks
_ROWS = 64  # at least, as every step costs something, however few the rows


@dataclass(frozen=True)
class Votes:
    """What M models say of k rows and C classes.

    p: `(M, k, C)`, probabilities; 0 for a class that a model does not know, and in rows that lack
    the model. present: `(M, k)`. weights: `(M,)`, none negative. priors: `(C,)`; None: equal.
    """

    p: Array
    present: NDArray[np.bool_]
    weights: Array
    priors: Array | None = None

    @classmethod
    def of(cls, batch: Batch, learned: Learned, classes: int) -> Votes:
        """The blocks of a batch, every column at the place of its class; see `places`."""
        p = np.zeros((len(batch.blocks), len(batch), classes))
        for m, block in enumerate(batch.blocks):
            p[m][:, learned[f"places_{m}"]] = block
        present = np.ones(p.shape[:2], np.bool_) if batch.present is None else batch.present.T
        return cls(p, present, batch.weights, learned.get("priors"))

    @cached_property
    def shares(self) -> Array:
        """The weight of every model in every row, `(M, k)`, 0 where it is absent; they sum to 1.

        A row whose models all have weight 0 has equal shares of them.
        """
        own = np.where(self.present, self.weights[:, None], 0.0)
        own = np.where(own.sum(axis=0) > 0, own, self.present)
        shares: Array = own / np.maximum(own.sum(axis=0), np.finfo(np.float64).tiny)
        return shares

    def of_classes(self, what: Array) -> Array:
        """Σ over models of their share times what they have for a class; `(M, k, C)` to `(k, C)`.

        Model by model, so that a row does not depend on the rows beside it.
        """
        total = np.zeros(what.shape[1:])
        for share, each in zip(self.shares, what, strict=True):
            total += share[:, None] * each
        return total

    @cached_property
    def mean(self) -> Array:
        """The linear pool, `(k, C)`."""
        return self.of_classes(self.p)


def classes_of(schema: Schema) -> list[str]:
    """The classes of all models, each once, as they come."""
    return list(dict.fromkeys(name for m in schema.modalities for name in m.columns))


def places(schema: Schema) -> dict[str, NDArray[np.int64]]:
    """`places_m`: for every column of model m the number of its class."""
    number = {name: j for j, name in enumerate(classes_of(schema))}
    return {
        f"places_{m}": np.array([number[name] for name in modality.columns], np.int64)
        for m, modality in enumerate(schema.modalities)
    }


def in_pieces(batch: Batch, classes: int) -> Iterator[tuple[slice, Batch]]:
    """A batch a few rows at a time, see `Batch.pieces`."""
    return batch.pieces(max(_ROWS, _AT_A_TIME // (len(batch.blocks) * classes)))


def normalized(scores: Array) -> Array:
    """Rows divided by their sums; rows of zeros become equal shares."""
    total = scores.sum(axis=1, keepdims=True)
    even = np.full_like(scores, 1 / scores.shape[1])
    shares: Array = np.divide(scores, total, out=even, where=total > 0)
    return shares


def first_best(*scores: Array) -> NDArray[np.int32]:
    """The class of every row, `(k,)`: of the largest first score, among equals of the next ones.

    What differs by rounding alone is equal; what is left goes to the first class.
    """
    best = np.ones(scores[0].shape, np.bool_)
    for score in scores:
        held = np.where(best, score, -np.inf)
        best &= held >= held.max(axis=1, keepdims=True) - 1e-12
    return likeliest(best)


def likeliest(scores: NDArray[Any]) -> NDArray[np.int32]:
    """The number of every row's largest score, `(k,)`: of equals the first."""
    numbers: NDArray[np.int32] = np.argmax(scores, axis=1).astype(np.int32)
    return numbers


def told(names: Sequence[str], most: int = 5) -> str:
    """The first of some names, for people."""
    more = f", … ({len(names):,} in all)" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def exp_normalized(logs: Array) -> Array:
    """exp(logs) with rows divided by their sums; a row that is −∞ all over becomes equal shares."""
    top = logs.max(axis=1, keepdims=True)
    return normalized(np.exp(logs - np.where(np.isfinite(top), top, 0)))
