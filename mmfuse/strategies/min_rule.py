"""`min-rule`."""

from dataclasses import dataclass

import numpy as np

from mmfuse.core.prediction_rule import PredictionRule
from mmfuse.core.votes import Array, Votes, normalized


@dataclass(frozen=True)
class MinRule(PredictionRule):
    """Take the smallest of the models' probabilities of every class, divided by their sum.

    A class is as likely as the model says that likes it least. A row in which every class has a
    model that rules it out gets equal shares.

    Kittler, Hatef, Duin & Matas (1998), On combining classifiers.
    """

    panel = "Model-level fusion"
    weighs = False

    def combine(self, votes: Votes) -> Array:
        return normalized(np.where(votes.present[:, :, None], votes.p, 1).min(axis=0))
