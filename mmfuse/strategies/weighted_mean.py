"""`weighted-mean`."""

from dataclasses import dataclass

from mmfuse.core.forecast import Forecast


@dataclass(frozen=True)
class WeightedMean(Forecast):
    """Average the numbers that models predict: ŷ = Σ a_m w_m ŷ_m / Σ a_m w_m.

    a_m is 1 where the row has the model, else 0.

    Clemen (1989), Combining forecasts: a review and annotated bibliography.
    """

    panel = "Model-level fusion"
