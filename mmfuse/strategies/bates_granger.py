"""`bates-granger`."""

from dataclasses import dataclass

from mmfuse.core.forecast import LearnedForecast
from mmfuse.core.forecast_weights import bates_granger
from mmfuse.core.scatter import Array


@dataclass(frozen=True)
class BatesGranger(LearnedForecast):
    """Average the numbers that models predict by the weights of least variance: w = S⁻¹1 / 1ᵀS⁻¹1.

    S is the covariance matrix of the models' errors, learned from the numbers of `--labels`. A
    weight may be negative, where models err together. A row that lacks a model is averaged by the
    weights of least variance of the others.

    Bates & Granger (1969), The combination of forecasts.
    """

    panel = "Model-level fusion"

    def weigh(self, errors: Array) -> Array:
        return bates_granger(errors)
