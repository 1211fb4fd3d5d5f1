"""`mlp`."""

import itertools
from dataclasses import dataclass
from typing import Any

from mmfuse.ensemble.estimator import Estimator
from mmfuse.ensemble.extra import require_sklearn

_FOLDER = "sklearn.neural_network"


@dataclass(frozen=True)
class Mlp(Estimator):
    """A neural network with a hidden layer of 100, by scikit-learn's `MLPClassifier`.

    Of numbers, `MLPRegressor`. Learned by Adam, so it goes on, by one pass over the further rows.

    Rumelhart, Hinton & Williams (1986), Learning representations by back-propagating errors;
    Kingma & Ba (2015), Adam: a method for stochastic optimization.
    """

    normalize = "zscore"
    goes_on = True
    types = frozenset(
        {
            f"{_FOLDER}._multilayer_perceptron.MLPClassifier",
            f"{_FOLDER}._multilayer_perceptron.MLPRegressor",
            f"{_FOLDER}._stochastic_optimizers.AdamOptimizer",
            f"{_FOLDER}._stochastic_optimizers.SGDOptimizer",
            "sklearn.preprocessing._label.LabelBinarizer",
        }
    )
    unneeded = frozenset({"_random_state"})

    def classifier(self, seed: int) -> Any:
        return require_sklearn("neural_network").MLPClassifier(max_iter=500, random_state=seed)

    def regressor(self, seed: int) -> Any:
        return require_sklearn("neural_network").MLPRegressor(max_iter=500, random_state=seed)

    def settle(self, fitted: Any) -> None:
        fitted.loss_curve_ = []

    def sound(self, fitted: Any, dim: int, width: int) -> bool:
        """Whether its layers are those that are told: going on takes memory by what is told."""
        hidden = fitted.hidden_layer_sizes
        last = 1 if width == 2 else width
        layers = [dim, *(hidden if isinstance(hidden, list | tuple) else [hidden]), last]
        shapes = list(itertools.pairwise(layers))
        return (
            (fitted.n_layers_, fitted.n_outputs_) == (len(layers), last)
            and [one.shape for one in fitted.coefs_] == shapes
            and [one.shape for one in fitted.intercepts_] == [(k,) for _, k in shapes]
        )
