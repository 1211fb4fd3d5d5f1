"""`product-rule`."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from mmfuse.core.options import Param
from mmfuse.core.prediction_rule import PredictionRule
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned
from mmfuse.core.votes import Array, Votes, classes_of, exp_normalized, told
from mmfuse.errors import UsageError


@dataclass(frozen=True)
class ProductRule(PredictionRule):
    """Multiply the probabilities of models: p(c) = P(c)^(1 − M) Π p_m(c) / Z.

    M is how many models the row has, and Z makes the probabilities sum to 1. P(c), the priors of
    the classes, are equal unless `--priors` names them. It holds where models err independently
    within a class, and is very sure of itself. Probabilities are clipped to `eps` from below.

    Kittler, Hatef, Duin & Matas (1998), On combining classifiers.
    """

    panel = "Model-level fusion"
    weighs = False

    eps: Annotated[
        float,
        Param("Probabilities count as this at least, so that no zero vetoes.", min=0, max=0.1),
    ] = 1e-12
    priors: Annotated[
        str, Param("Of every class, as CLASS=P,CLASS=P,...; equal if they are not given.")
    ] = ""

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """Also `priors`, `(C,)`, where they are given. Raises UsageError for others than those."""
        learned = super().solve(schema, gathered)
        if not self.priors:
            return learned
        return {**learned, "priors": _priors(self.priors, classes_of(schema))}

    def combine(self, votes: Votes) -> Array:
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(votes.p, self.eps))
        logs[~votes.present] = 0
        total = logs.sum(axis=0)
        if votes.priors is not None:
            total += (1 - votes.present.sum(axis=0))[:, None] * np.log(votes.priors)
        return exp_normalized(total)


def _priors(text: str, classes: list[str]) -> Array:
    """`(C,)`, divided by their sum."""
    given = {}
    for item in text.split(","):
        name, _, value = item.rpartition("=")
        try:
            given[name] = float(value)
        except ValueError:
            given[name] = 0.0
    if set(given) != set(classes) or not all(0 < p < np.inf for p in given.values()):
        raise UsageError(
            f"--priors is {text!r}; it names every class with a number above zero: "
            f"CLASS=P,..., of {told(classes)}"
        )
    found = np.array([given[name] for name in classes])
    shares: Array = found / found.sum()
    return shares
