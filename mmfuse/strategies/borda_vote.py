"""`borda-vote`."""

from dataclasses import dataclass

import numpy as np

from mmfuse.core.prediction_rule import Ballot
from mmfuse.core.votes import Array


@dataclass(frozen=True)
class BordaVote(Ballot):
    """Let every model rank the classes: the output is the share of weighted points.

    Of C classes the likeliest gets C − 1 points and the last none; equals share the mean of their
    points. A tie goes to the class of the larger summed probability, then to the first.

    Ho, Hull & Srihari (1994), Decision combination in multiple classifier systems.
    """

    panel = "Model-level fusion"

    def points(self, p: Array) -> Array:
        below = np.zeros_like(p)
        for c in range(p.shape[1]):
            own = p[:, c, None]
            below[:, c] = (p < own).sum(axis=1) + ((p == own).sum(axis=1) - 1) / 2
        return below
