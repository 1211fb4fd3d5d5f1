"""How the predictions of the models become one: rules, some of which learn."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch
from mmfuse.core.forecast import Forecast, LearnedForecast
from mmfuse.core.prediction_rule import PredictionRule
from mmfuse.core.registry import STRATEGIES, strategy_class
from mmfuse.core.votes import Votes, likeliest
from mmfuse.ensemble.selection import selected_weights
from mmfuse.ensemble.stacking import apply_stack, learn_stack
from mmfuse.ensemble.trained import Array, Labels
from mmfuse.ensemble.weights import learned_weights
from mmfuse.errors import InputError, UsageError

Learned = Mapping[str, NDArray[Any]]
Present = NDArray[np.bool_]
OWN = ("stack", "select")
"""Those that learn a fusion of predictions, and are no strategies of prediction files."""


class Rule(ABC):
    """Fuses predictions `p`, `(M, n, C)`, of models of which rows have those of `present`."""

    learns: bool = False
    """Whether what it learns depends on what the models predict."""
    weighs: bool = False
    """Whether the weights that are given count."""

    @abstractmethod
    def learn(self, p: Array, present: Present, y: Labels, weights: Array) -> dict[str, Any]:
        """Named arrays, of predictions of rows that the models have not learned from.

        weights: `(M,)`, as they are given.
        """

    @abstractmethod
    def shapes(self, models: int, width: int, learned: Learned) -> dict[str, tuple[int, ...]]:
        """The shapes of what it learns of so many models; `learned` tells what is open."""

    @abstractmethod
    def fuse(self, learned: Learned, p: Array, present: Present) -> tuple[Array, dict[str, Any]]:
        """The fused predictions `(n, C)`, and what stands beside them."""


@dataclass(frozen=True)
class ByStrategy(Rule):
    """A strategy that fuses prediction files. learns: whether its weights are learned."""

    strategy: PredictionRule | Forecast
    learns: bool = False

    @property
    def weighs(self) -> bool:  # type: ignore[override]
        return self.strategy.weighs and not self.learns

    def learn(self, p: Array, present: Present, y: Labels, weights: Array) -> dict[str, Any]:
        if isinstance(self.strategy, LearnedForecast):
            whole = present.all(axis=1)
            if whole.sum() < 2:
                raise InputError(
                    "fewer than two rows have every model and a number to learn from",
                    hint="more --folds, or weighted-mean, which learns nothing of such rows",
                )
            return {"errors": np.cov(p[:, whole, 0] - y[whole], ddof=0).reshape(len(p), len(p))}
        if isinstance(self.strategy, Forecast):
            return {"weights": weights}
        if self.learns:
            weights = learned_weights(p, present, y.astype(np.int64))
        priors = np.bincount(y.astype(np.int64), minlength=p.shape[2]) / max(len(y), 1)
        return {"weights": weights, "priors": np.maximum(priors, 1e-12)}

    def shapes(self, models: int, width: int, learned: Learned) -> dict[str, tuple[int, ...]]:
        if isinstance(self.strategy, LearnedForecast):
            return {"errors": (models, models)}
        weights: dict[str, tuple[int, ...]] = {"weights": (models,)}
        return weights if isinstance(self.strategy, Forecast) else {**weights, "priors": (width,)}

    def fuse(self, learned: Learned, p: Array, present: Present) -> tuple[Array, dict[str, Any]]:
        out = np.empty(p.shape[1:])
        if isinstance(self.strategy, Forecast):
            places = {f"places_{m}": np.zeros(1, np.int64) for m in range(len(p))}
            weights = learned.get("weights", np.ones(len(p)))
            self.strategy.fuse(Batch(list(p), weights, present), out, {**learned, **places})
            return out, {}
        votes = Votes(p, present.T, learned["weights"], learned["priors"])
        return out, dict(self.strategy.decide(votes, out))


class Select(Rule):
    """Greedy selection: the models that together err least, some of them several times."""

    learns = True

    def learn(self, p: Array, present: Present, y: Labels, weights: Array) -> dict[str, Any]:
        return {"weights": selected_weights(p, present, y)}

    def shapes(self, models: int, width: int, learned: Learned) -> dict[str, tuple[int, ...]]:
        return {"weights": (models,)}

    def fuse(self, learned: Learned, p: Array, present: Present) -> tuple[Array, dict[str, Any]]:
        return _labelled(Votes(p, present.T, learned["weights"]).mean)


class Stack(Rule):
    """A second model on what the models predict."""

    learns = True

    def learn(self, p: Array, present: Present, y: Labels, weights: Array) -> dict[str, Any]:
        return learn_stack(p, present, y)

    def shapes(self, models: int, width: int, learned: Learned) -> dict[str, tuple[int, ...]]:
        if width == 1:
            return {"coef": (models,), "intercept": ()}
        known = learned["classes"]
        if (np.diff(known) < 1).any() or (len(known) and not 0 <= known[0] <= known[-1] < width):
            raise ValueError("classes that cannot be")
        features = models * (width if width > 2 else 1)
        own = (len(known),)
        return {"classes": own, "coef": (*own, features), "intercept": own}

    def fuse(self, learned: Learned, p: Array, present: Present) -> tuple[Array, dict[str, Any]]:
        return _labelled(apply_stack(learned, p, present))


def _labelled(scores: Array) -> tuple[Array, dict[str, Any]]:
    return scores, {"label": likeliest(scores)} if scores.shape[1] > 1 else {}


def rule_of(name: str, classes: int, *, learn_weights: bool = False) -> Rule:
    """The rule of that name, for so many classes, 0 for numbers. Raises UsageError."""
    if name in OWN:
        if learn_weights:
            raise UsageError(
                f"{name} does not take learned weights: it learns more than weights",
                hint="soft-vote and log-pool do",
            )
        return Stack() if name == "stack" else Select()
    if name == "sum":
        raise UsageError(
            "a sum is of models that are learned together", hint="mmfuse.train(fuse='sum') does"
        )
    known = rules(classes)
    if name not in known:
        what = "classes" if classes else "numbers"
        raise UsageError(f"no fusion {name!r} of {what}", hint=f"there are {', '.join(known)}")
    strategy = strategy_class(name)()
    assert isinstance(strategy, PredictionRule | Forecast)
    if learn_weights and not (isinstance(strategy, PredictionRule) and strategy.weighs):
        raise UsageError(f"{name} does not take learned weights", hint="soft-vote and log-pool do")
    return ByStrategy(strategy, learn_weights or isinstance(strategy, LearnedForecast))


def refuse_unknown(name: str) -> None:
    """Raise UsageError for a name that is no rule, of classes or of numbers."""
    known = list(dict.fromkeys([*rules(2), *rules(0)]))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        raise UsageError(
            f"no fusion {name!r}",
            hint=f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}",
        )


def rules(classes: int) -> list[str]:
    """The names of all that fuse predictions of classes, or with 0 of numbers."""
    wanted = PredictionRule if classes else Forecast
    of_files = [
        name
        for name in STRATEGIES.modules
        if STRATEGIES.attribute(name, "panel") == "Model-level fusion"
        and issubclass(strategy_class(name), wanted)
    ]
    return [*of_files, *OWN, "sum"]
