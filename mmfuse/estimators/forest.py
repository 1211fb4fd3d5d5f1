"""`forest`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfuse.ensemble.estimator import Estimator
from mmfuse.ensemble.extra import require_sklearn


@dataclass(frozen=True)
class Forest(Estimator):
    """A random forest of 100 trees, by scikit-learn's `RandomForestClassifier`.

    Of numbers, `RandomForestRegressor`. `n_jobs=-1` grows it on all cores; the trees are the same.

    Breiman (2001), Random forests.
    """

    normalize = "none"
    goes_on = False
    hidden = frozenset({"oob_score"})
    types = frozenset(
        {
            "sklearn.ensemble._forest.RandomForestClassifier",
            "sklearn.ensemble._forest.RandomForestRegressor",
            "sklearn.tree._classes.DecisionTreeClassifier",
            "sklearn.tree._classes.DecisionTreeRegressor",
            "sklearn.tree._tree.Tree",
        }
    )
    row_by_row = True

    def classifier(self, seed: int) -> Any:
        return require_sklearn("ensemble").RandomForestClassifier(random_state=seed)

    def regressor(self, seed: int) -> Any:
        return require_sklearn("ensemble").RandomForestRegressor(random_state=seed)

    def sound(self, fitted: Any, dim: int, width: int) -> bool:
        """Whether every tree leads down, to nodes that it has, by columns that there are."""
        kind = type(fitted.estimator_)
        grown = require_sklearn("tree._tree").Tree
        return (
            fitted.n_outputs_ == 1
            and getattr(fitted, "n_classes_", width) == width
            and 0 < len(fitted.estimators_) == fitted.n_estimators
            and all(
                type(one) is kind
                and type(one.tree_) is grown
                and one.n_outputs_ == one.tree_.n_outputs == 1
                and (one.tree_.n_features, one.tree_.max_n_classes) == (dim, width)
                and _leads_down(one.tree_, dim)
                for one in fitted.estimators_
            )
        )


def _leads_down(tree: Any, dim: int) -> bool:
    n, left, right = tree.node_count, tree.children_left, tree.children_right
    inner = np.flatnonzero(left != -1)
    return all(
        bool(((inner < child[inner]) & (child[inner] < n)).all()) for child in (left, right)
    ) and bool(((tree.feature[inner] >= 0) & (tree.feature[inner] < dim)).all())
