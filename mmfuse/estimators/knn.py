"""`knn`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfuse.ensemble.estimator import Estimator
from mmfuse.ensemble.extra import require_sklearn

_METRICS = {"minkowski", "euclidean", "manhattan", "chebyshev", "cosine"}


@dataclass(frozen=True)
class Knn(Estimator):
    """The 5 nearest rows that were learned from, by scikit-learn's `KNeighborsClassifier`.

    Of numbers, `KNeighborsRegressor`. The model keeps all rows that it has learned from, and
    compares with all of them.

    Fix & Hodges (1951), Discriminatory analysis: nonparametric discrimination; Cover & Hart (1967),
    Nearest neighbor pattern classification.
    """

    normalize = "zscore"
    goes_on = False
    hidden = frozenset({"algorithm", "leaf_size", "metric_params", "n_jobs"})
    types = frozenset(
        {
            "sklearn.neighbors._classification.KNeighborsClassifier",
            "sklearn.neighbors._regression.KNeighborsRegressor",
        }
    )

    def classifier(self, seed: int) -> Any:
        return require_sklearn("neighbors").KNeighborsClassifier(algorithm="brute")

    def regressor(self, seed: int) -> Any:
        return require_sklearn("neighbors").KNeighborsRegressor(algorithm="brute")

    def sound(self, fitted: Any, dim: int, width: int) -> bool:
        x, y, n = fitted._fit_X, fitted._y, fitted.n_samples_fit_
        numbered = not hasattr(fitted, "classes_")
        return (
            (x.shape, x.dtype) == ((n, dim), np.float64)
            and x.flags.c_contiguous
            and y.shape == (n,)
            and y.dtype == (np.float64 if numbered else np.int64)
            and (numbered or (y.min() >= 0 and y.max() < width))
            and 0 < fitted.n_neighbors <= n
            and (fitted.algorithm, fitted._fit_method, fitted._tree) == ("brute", "brute", None)
            and {fitted.metric, fitted.effective_metric_} <= _METRICS
            and fitted.metric_params is None
            and set(fitted.effective_metric_params_) <= {"p"}
            and fitted.weights in ("uniform", "distance")
        )
