"""`sgd`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfuse.ensemble.estimator import Estimator
from mmfuse.ensemble.extra import require_sklearn


@dataclass(frozen=True)
class Sgd(Estimator):
    """A linear model learned by stochastic gradients, by scikit-learn's `SGDClassifier`.

    Its loss is the logistic one, a class against all others; of numbers, `SGDRegressor` with the
    squared loss. It goes on, by one pass over the further rows.

    Robbins & Monro (1951), A stochastic approximation method; Bottou (2010), Large-scale machine
    learning with stochastic gradient descent.
    """

    normalize = "zscore"
    goes_on = True
    hidden = frozenset({"average"})
    types = frozenset(
        {
            "sklearn.linear_model._stochastic_gradient.SGDClassifier",
            "sklearn.linear_model._stochastic_gradient.SGDRegressor",
        }
    )
    unneeded = frozenset({"_loss_function_", "loss_function_"})

    def classifier(self, seed: int) -> Any:
        return require_sklearn("linear_model").SGDClassifier(loss="log_loss", random_state=seed)

    def regressor(self, seed: int) -> Any:
        return require_sklearn("linear_model").SGDRegressor(random_state=seed)

    def sound(self, fitted: Any, dim: int, width: int) -> bool:
        numbered = not hasattr(fitted, "classes_")
        rows = width if width > 2 else 1
        return (
            fitted.average is False
            and fitted.coef_.shape == ((dim,) if numbered else (rows, dim))
            and fitted.coef_.dtype == fitted.intercept_.dtype == np.float64
            and fitted.intercept_.shape == (rows,)
        )
