"""`boosting`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfuse.ensemble.estimator import Estimator
from mmfuse.ensemble.extra import require_sklearn

_FOLDER = "sklearn.ensemble._hist_gradient_boosting"


@dataclass(frozen=True)
class Boosting(Estimator):
    """100 rounds of boosted trees, by scikit-learn's `HistGradientBoostingClassifier`.

    Of numbers, `HistGradientBoostingRegressor`. Every round grows a tree a class.

    Friedman (2001), Greedy function approximation: a gradient boosting machine; Ke et al. (2017),
    LightGBM: a highly efficient gradient boosting decision tree.
    """

    normalize = "none"
    goes_on = False
    hidden = frozenset({"categorical_features", "scoring"})
    types = frozenset(
        {
            f"{_FOLDER}.gradient_boosting.HistGradientBoostingClassifier",
            f"{_FOLDER}.gradient_boosting.HistGradientBoostingRegressor",
            f"{_FOLDER}.binning._BinMapper",
            f"{_FOLDER}.predictor.TreePredictor",
            "sklearn.preprocessing._label.LabelEncoder",
            "sklearn._loss.link.Interval",
        }
        | {
            f"sklearn._loss.link.{link}"
            for link in ("IdentityLink", "LogLink", "LogitLink", "MultinomialLogit")
        }
        | {
            f"sklearn._loss.loss.{loss}"
            for loss in (
                "AbsoluteError", "HalfBinomialLoss", "HalfGammaLoss", "HalfMultinomialLoss",
                "HalfPoissonLoss", "HalfSquaredError", "PinballLoss",
            )
        }
    )  # fmt: skip
    unneeded = frozenset({"closs", "_feature_subsample_rng"})
    row_by_row = True

    def classifier(self, seed: int) -> Any:
        ensemble = require_sklearn("ensemble")
        return ensemble.HistGradientBoostingClassifier(early_stopping=False, random_state=seed)

    def regressor(self, seed: int) -> Any:
        ensemble = require_sklearn("ensemble")
        return ensemble.HistGradientBoostingRegressor(early_stopping=False, random_state=seed)

    def sound(self, fitted: Any, dim: int, width: int) -> bool:
        """Whether every tree leads down, to nodes that it has, by columns that there are."""
        predictor = require_sklearn("ensemble._hist_gradient_boosting.predictor").TreePredictor
        rounds, trees = fitted._predictors, width if width > 2 else 1
        categorical = fitted._bin_mapper.is_categorical_
        return (
            (fitted._n_features, fitted.n_trees_per_iteration_) == (dim, trees)
            and (fitted._preprocessor, fitted.is_categorical_) == (None, None)
            and categorical.shape == (dim,)
            and not categorical.any()
            and fitted._baseline_prediction.shape == (1, trees)
            and len(rounds) > 0
            and all(
                len(round_) == trees
                and all(type(tree) is predictor and _leads_down(tree.nodes, dim) for tree in round_)
                for round_ in rounds
            )
        )


def _leads_down(nodes: Any, dim: int) -> bool:
    n = len(nodes)
    if nodes.ndim != 1 or n == 0 or nodes["is_categorical"].any():
        return False
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    feature = nodes["feature_idx"][inner]
    return all(
        bool(((inner < nodes[side][inner]) & (nodes[side][inner] < n)).all())
        for side in ("left", "right")
    ) and bool(((feature >= 0) & (feature < dim)).all())
