"""`logistic`."""

from dataclasses import dataclass
from typing import Any

from mmfuse.ensemble.estimator import Estimator, for_classes_only
from mmfuse.ensemble.extra import require_sklearn


@dataclass(frozen=True)
class Logistic(Estimator):
    """Multinomial logistic regression with an L2 penalty, by scikit-learn's `LogisticRegression`.

    For classes only. A strong default: its probabilities are close to calibrated.

    Cox (1958), The regression analysis of binary sequences.
    """

    normalize = "zscore"
    goes_on = False
    keeps = "coefficients"
    hidden = frozenset({"multi_class", "n_jobs"})  # neither does anything any more

    def classifier(self, seed: int) -> Any:
        linear = require_sklearn("linear_model")
        return linear.LogisticRegression(max_iter=1000, random_state=seed)

    def regressor(self, seed: int) -> Any:
        raise for_classes_only(self.name)
