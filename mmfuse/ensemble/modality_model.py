"""A modality's own model: its normalisations and what is learned behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch
from mmfuse.core.chain import Chain, learn_chain, mixes, unlearned
from mmfuse.core.scatter import Scatter
from mmfuse.core.statistics import Moments
from mmfuse.ensemble.trained import Array, Labels, Trained


@dataclass(frozen=True)
class Recipe:
    """How a modality's model is made. chain: of its normalisations, which have not learned.

    options: of the estimator, see `Estimator.with_options`.
    """

    chain: Chain
    estimator: str
    options: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class ModalityModel:
    """What a recipe became. chain: has learned. trained: the model of rows behind it."""

    chain: Chain
    trained: Trained

    @classmethod
    def fit(
        cls, recipe: Recipe, x: NDArray[Any], y: Labels, classes: int, seed: int
    ) -> ModalityModel:
        """Learn from rows `(n, d)` as they are stored; see `Trained.fit`, which it raises."""
        chain, x = learned_on(recipe.chain, x)
        trained = Trained.fit(recipe.estimator, x, y, classes, seed, recipe.options)
        return cls(chain, trained)

    def predict(self, x: NDArray[Any]) -> Array:
        """What it predicts of rows as they are stored; see `Trained.predict`."""
        return self.trained.predict(normalized(self.chain, x.copy()))

    def went_on(self, x: NDArray[Any], y: Labels) -> ModalityModel:
        """The model that has learned from these rows too; the normalisations stay as they are."""
        return replace(self, trained=self.trained.went_on(normalized(self.chain, x.copy()), y))


def learned_on(chain: Chain, x: NDArray[Any]) -> tuple[Chain, NDArray[Any]]:
    """The chain with all that it learns from rows `(n, d)`, and these rows behind it."""
    x = x.copy()
    begun = 0
    while begun < len(chain):
        stop = unlearned(chain)
        normalized(chain[begun:stop], x)
        begun = stop
        if begun < len(chain):
            moments = Moments.empty(x.shape[1]).update(x)
            scatter = None
            if mixes(chain):
                scatter = Scatter.empty(x.shape[1:]).gather([Batch([x], np.ones(1))])
            chain = learn_chain(chain, moments, scatter)
    return chain, x


def normalized(chain: Chain, x: NDArray[Any]) -> NDArray[Any]:
    """Rows `(n, d)` behind stages that have learned; in place."""
    for stage in chain:
        assert stage.learned is not None
        stage.normalization.normalize(x, stage.learned)
    return x
