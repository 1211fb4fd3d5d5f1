"""`max-rule`."""

from dataclasses import dataclass

import numpy as np

from mmfuse.core.prediction_rule import PredictionRule
from mmfuse.core.votes import Array, Votes, normalized


@dataclass(frozen=True)
class MaxRule(PredictionRule):
    """Take the largest of the models' probabilities of every class, divided by their sum.

    It trusts whichever model is surest.

    Kittler, Hatef, Duin & Matas (1998), On combining classifiers.
    """

    panel = "Model-level fusion"
    weighs = False

    def combine(self, votes: Votes) -> Array:
        return normalized(np.where(votes.present[:, :, None], votes.p, 0).max(axis=0))
