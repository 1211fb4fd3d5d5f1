"""Probabilities that are as often right as they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmfuse.ensemble import LEAST
from mmfuse.ensemble.extra import require_sklearn

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

_COLDEST, _HOTTEST = 0.05, 20.0
_HALVINGS = 50


def learn_calibration(
    how: Literal["temperature", "isotonic"], p: Array, y: Ints
) -> dict[str, NDArray[Any]]:
    """Named arrays that `calibrate` takes.

    temperature: `temperature`, `()`, from 0.05 to 20, of least log loss (Guo, Pleiss, Sun &
    Weinberger 2017, On calibration of modern neural networks).
    isotonic: for each class against the rest, how often it is right, as a curve that never falls
    (Zadrozny & Elkan 2002, Transforming classifier scores into accurate multiclass probability
    estimates): points `x` and `y`, class after class, and where each class `ends`, `(C,)`.

    p: `(n, C)`, of rows that the models have not learned from. y: `(n,)`, class numbers.
    Raises UsageError for isotonic where there is no scikit-learn.
    """
    if how == "temperature":
        return {"temperature": np.array(_temperature(_logs(p), y))}
    isotonic = require_sklearn("isotonic")
    curves = [
        isotonic.IsotonicRegression(y_min=0, y_max=1).fit(p[:, c], (y == c).astype(np.float64))
        for c in range(p.shape[1])
    ]
    return {
        "x": np.concatenate([curve.X_thresholds_ for curve in curves]),
        "y": np.concatenate([curve.y_thresholds_ for curve in curves]),
        "ends": np.cumsum([len(curve.X_thresholds_) for curve in curves]),
    }


def calibrate(learned: Mapping[str, NDArray[Any]], p: Array) -> Array:
    """Calibrated probabilities, `(n, C)`, rows of sum 1.

    temperature: softmax(log p / T), p of 1e-12 at least. isotonic: the curves at p, straight
    between points and level outside, by their sum; a row whose curves are all 0 stays as it is.

    learned: by `learn_calibration`. p: `(n, C)`, rows of sum 1.
    """
    if "temperature" in learned:
        return _softmax(_logs(p) / learned["temperature"])
    ends = learned["ends"][:-1]
    curves = zip(np.split(learned["x"], ends), np.split(learned["y"], ends), strict=True)
    out = np.column_stack([np.interp(p[:, c], x, y) for c, (x, y) in enumerate(curves)])
    sums = out.sum(axis=1, keepdims=True)
    return np.where(sums > 0, out / np.where(sums > 0, sums, 1), p)


def _temperature(logs: Array, y: Ints) -> float:
    """Log loss is convex in 1/T, so its slope there changes its sign once: halve what is between.

    The slope is the mean of E[log p] − log p(y), the expectation under softmax(log p / T).
    """
    told = logs[np.arange(len(y)), y].mean()
    cold, hot = np.log(_COLDEST), np.log(_HOTTEST)
    for _ in range(_HALVINGS):
        middle = (cold + hot) / 2
        expected = (_softmax(logs / np.exp(middle)) * logs).sum(axis=1).mean()
        if expected > told:
            cold = middle
        else:
            hot = middle
    return float(np.exp((cold + hot) / 2))


def _logs(p: Array) -> Array:
    logs: Array = np.log(np.maximum(p, LEAST))
    return logs


def _softmax(scores: Array) -> Array:
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = e / e.sum(axis=1, keepdims=True)
    return shares
