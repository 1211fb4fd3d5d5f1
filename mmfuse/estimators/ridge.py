"""`ridge`."""

from dataclasses import dataclass
from typing import Any

from mmfuse.ensemble.estimator import Estimator
from mmfuse.ensemble.extra import require_sklearn


@dataclass(frozen=True)
class Ridge(Estimator):
    """Linear regression with an L2 penalty `alpha`, equal to scikit-learn's `Ridge`.

    Of classes, their one-hot numbers are regressed. What comes out sums to one, and of it
    max(s, 0) / Σ max(s, 0) is taken for probabilities. It is solved from statistics that merge, so
    it goes on exactly: parts give what all rows at once give.

    Hoerl & Kennard (1970), Ridge regression: biased estimation for nonorthogonal problems.
    """

    normalize = "zscore"
    goes_on = True
    keeps = "statistics"
    penalty = "alpha"

    def classifier(self, seed: int) -> Any:
        """Of one-hot numbers."""
        return self.regressor(seed)

    def regressor(self, seed: int) -> Any:
        return require_sklearn("linear_model").Ridge()
