"""`hard-vote`."""

from dataclasses import dataclass

import numpy as np

from mmfuse.core.prediction_rule import Ballot
from mmfuse.core.votes import Array


@dataclass(frozen=True)
class HardVote(Ballot):
    """Let every model vote for its likeliest class: the output is the share of weighted votes.

    A model that likes several classes most votes for the first of them. A tie of votes goes to
    the class of the larger summed probability, then to the first.

    Lam & Suen (1997), Application of majority voting to pattern recognition.
    """

    panel = "Model-level fusion"

    def points(self, p: Array) -> Array:
        votes = np.zeros_like(p)
        votes[np.arange(len(p)), p.argmax(axis=1)] = 1
        return votes
