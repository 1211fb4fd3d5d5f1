"""`median-rule`."""

from dataclasses import dataclass

import numpy as np

from mmfuse.core.prediction_rule import PredictionRule
from mmfuse.core.votes import Array, Votes, normalized


@dataclass(frozen=True)
class MedianRule(PredictionRule):
    """Take the median of the models' probabilities of every class, divided by their sum.

    It listens to the middle one of the models, so that one that is far off changes little.

    Kittler, Hatef, Duin & Matas (1998), On combining classifiers.
    """

    panel = "Model-level fusion"
    weighs = False

    def combine(self, votes: Votes) -> Array:
        p = np.where(votes.present[:, :, None], votes.p, np.inf)
        p.sort(axis=0)  # the absent come last
        n = votes.present.sum(axis=0)[None, :, None]
        low, high = (np.take_along_axis(p, at, axis=0)[0] for at in ((n - 1) // 2, n // 2))
        return normalized((low + high) / 2)
