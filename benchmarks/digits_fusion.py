"""A way of fusing, and how well a linear classifier does after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from digits_data import NAMES, Modalities, labels, of_ids
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mmfuse

_SUPERVISED = ("lda", "dca")


@dataclass(frozen=True)
class Way:
    """Which modalities are fused, and how; see `mmfuse.fuse`."""

    strategy: str
    names: tuple[str, ...]
    normalize: str | None = "zscore"
    options: Mapping[str, Any] = field(default_factory=dict)
    join: str = "inner"
    missing: str | None = None


@dataclass(frozen=True)
class Fused:
    """The ids that could be fused, `(n,)`, and what the classifier takes them for, `(n,)`."""

    ids: np.ndarray
    predicted: np.ndarray


def predictions(way: Way, data: Modalities, train: np.ndarray, test: np.ndarray) -> Fused:
    """What is said of the rows `test`, of which nothing is learned."""
    own = {name: data[name] for name in way.names}
    known, new = of_ids(own, train), of_ids(own, test)
    if way.join == "inner" and not set.intersection(*(set(i.tolist()) for _, i in new.values())):
        return Fused(test[:0], np.empty(0, np.int64))
    truth = (labels(train), train) if way.strategy in _SUPERVISED else None
    how = {"join": way.join, "missing": way.missing, "threads": 1}
    model = mmfuse.fit(
        way.strategy, known, options=way.options, normalize=way.normalize, labels=truth, **how
    ).model
    seen, unseen = (mmfuse.apply(model, rows, join=way.join, threads=1) for rows in (known, new))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    classifier.fit(seen.matrix, labels(seen.ids))
    return Fused(unseen.ids, classifier.predict(unseen.matrix))


def best_pair(
    strategy: str, options: Mapping[str, Any], data: Modalities, train: np.ndarray
) -> tuple[str, str]:
    """The pair of modalities that does best on a quarter of the training rows, held out."""
    inner, outer = train_test_split(train, test_size=0.25, random_state=0, stratify=labels(train))
    widest = options.get("n_components", 0)

    def right(pair: tuple[str, str]) -> int:
        fused = predictions(Way(strategy, pair, options=options), data, inner, outer)
        return int((fused.predicted == labels(fused.ids)).sum())

    wide_enough = [name for name in NAMES if data[name][0].shape[1] >= widest]
    return max(combinations(wide_enough, 2), key=right)
