"""`inverse-variance`."""

from dataclasses import dataclass

from mmfuse.core.forecast import LearnedForecast
from mmfuse.core.forecast_weights import inverse_variance
from mmfuse.core.scatter import Array


@dataclass(frozen=True)
class InverseVariance(LearnedForecast):
    """Average the numbers that models predict, each by one over the variance of its error.

    The variances are learned from the numbers of `--labels`. Errors of different models count as
    uncorrelated; bates-granger takes their correlation into account. A row that lacks a model is
    averaged over the others.

    Cochran (1937), Problems arising in the analysis of a series of similar experiments.
    """

    panel = "Model-level fusion"

    def weigh(self, errors: Array) -> Array:
        return inverse_variance(errors)
