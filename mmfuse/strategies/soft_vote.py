"""`soft-vote`."""

from dataclasses import dataclass

from mmfuse.core.prediction_rule import PredictionRule
from mmfuse.core.votes import Array, Votes


@dataclass(frozen=True)
class SoftVote(PredictionRule):
    """Average the probabilities of models: p(c) = Σ a_m w_m p_m(c) / Σ a_m w_m.

    a_m is 1 where the row has the model, else 0. Also called the linear opinion pool.

    Stone (1961), The opinion pool.
    """

    panel = "Model-level fusion"

    def combine(self, votes: Votes) -> Array:
        return votes.mean
