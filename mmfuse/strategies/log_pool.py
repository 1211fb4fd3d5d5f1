"""`log-pool`."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from mmfuse.core.options import Param
from mmfuse.core.prediction_rule import PredictionRule
from mmfuse.core.votes import Array, Votes, exp_normalized


@dataclass(frozen=True)
class LogPool(PredictionRule):
    """Multiply the probabilities of models, each to the power of its share of the weights:
    p(c) = Π p_m(c)^v_m / Z, v_m = a_m w_m / Σ a_m w_m.

    Z makes them sum to 1. Probabilities are clipped to `eps` from below: without that one zero
    would rule a class out, whatever the others say.

    Genest & Zidek (1986), Combining probability distributions: a critique and an annotated
    bibliography.
    """

    panel = "Model-level fusion"

    eps: Annotated[
        float,
        Param("Probabilities count as this at least, so that no zero vetoes.", min=0, max=0.1),
    ] = 1e-12

    def combine(self, votes: Votes) -> Array:
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum(votes.p, self.eps))
        logs[~votes.present] = 0
        return exp_normalized(votes.of_classes(logs))
