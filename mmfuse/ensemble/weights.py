"""Weights of models, learned from what each says of labelled rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmfuse.ensemble import LEAST
from mmfuse.errors import InputError

Array = NDArray[np.float64]

_GAP = 1e-7  # of the mean log-likelihood a row that more steps could gain
_STEPS = 300  # reached where rows lack models and two weights vanish at different speeds
_BOLDER = 1.2


def learned_weights(p: Array, present: NDArray[np.bool_], y: NDArray[np.int64]) -> Array:
    """Weights of the linear pool that make the labels most likely, `(M,)`, of sum 1.

    They maximise Σ log(Σ w_m p_m(y) / Σ w_m) over the rows, the inner sums over the models that a
    row has. Each label has a probability of 1e-12 at least, and each model a weight of that, so
    that a row which has no better model is predicted.

    From equal weights, each is multiplied by a power of its gain. The first power is EM (Dempster,
    Laird & Rubin 1977), which never makes labels less likely; higher ones are taken as long as
    they do not either (Salakhutdinov & Roweis 2003, Adaptive overrelaxed bound optimization).

    p: `(M, n, C)`. present: `(n, M)`. y: `(n,)`, class numbers; rows without a model are left out.
    Raises InputError where no row has a model.
    """
    some = present.any(axis=1)
    if not some.any():
        raise InputError("no row has both a label and a prediction")
    there = present[some].astype(np.float64)
    likely = np.maximum(p[:, np.arange(len(y)), y].T[some], LEAST) * there
    weights, power = np.full(len(p), 1 / len(p)), 1.0
    reached = likelihood(weights, likely, there)
    for _ in range(_STEPS):
        gain = gains(weights, likely, there)
        if gain.max() <= 1 + _GAP:
            break
        better = stepped(weights, gain, power)
        if likelihood(better, likely, there) < reached:
            better, power = stepped(weights, gain), 1.0
        weights, power = better, power * _BOLDER
        reached = likelihood(weights, likely, there)
    return weights


def likelihood(weights: Array, likely: Array, there: Array) -> float:
    """The mean over rows of log(Σ w_m p_m(y) / Σ w_m), see `gains`."""
    return float(np.log((likely @ weights) / (there @ weights)).mean())


def gains(weights: Array, likely: Array, there: Array) -> Array:
    """By what EM multiplies each weight, `(M,)`: 1 for all that have one, at the optimum.

    Where all models are there it is the mean of p_m(y) / Σ w p(y), and the largest, less 1, bounds
    what `likelihood` can gain. The denominator Σ w_m of a row that lacks models is bounded by its
    tangent (Hunter 2004, MM algorithms for generalized Bradley-Terry models).

    weights: `(M,)`, above 0, of sum 1. likely: p_m(y), 0 where a model is not there, `(n, M)`.
    there: 1 or 0, `(n, M)`, a 1 in every row.
    """
    share = likely.T @ (1 / (likely @ weights))
    expected = there.T @ (1 / (there @ weights))
    return np.divide(share, expected, out=np.zeros_like(weights), where=expected > 0)


def stepped(weights: Array, gain: Array, power: float = 1.0) -> Array:
    """Weights times a power of their gains, `(M,)`, of sum 1, none below 1e-12."""
    better = weights * (gain / gain.max()) ** power
    better = np.maximum(better / better.sum(), LEAST)
    shares: Array = better / better.sum()
    return shares
