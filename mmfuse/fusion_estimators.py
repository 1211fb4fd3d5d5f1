"""Model-level fusion as estimators of scikit-learn: `FusionClassifier`, `FusionRegressor`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmfuse.ensemble.evaluation import Calibration
from mmfuse.ensemble.estimator import estimator_of
from mmfuse.ensemble.extra import require_sklearn
from mmfuse.ensemble.modality_model import ModalityModel, Recipe
from mmfuse.ensemble.problem import Problem
from mmfuse.ensemble.rules import rule_of
from mmfuse.ensemble.training import Plan, train
from mmfuse.errors import MmfuseError
from mmfuse.stages import chain_of

_base, _validation = require_sklearn("base"), require_sklearn("utils.validation")
_multiclass = require_sklearn("utils.multiclass")
_FOLDS = 5
_ONE = "x"


class _Fusion(_base.BaseEstimator):  # type: ignore[misc]
    """What both share.

    X is a mapping of names to arrays `(n, d_m)` whose rows belong together; a row of NaN alone
    lacks the modality. Or it is one array, whose columns are cut by `modalities`, names to slices
    or lists of columns; None: all of them are one modality.

    estimator, options, normalize, weight: as of `mmfuse.train`, for all or by name. fuse,
    learn_weights, calibrate: as there. folds: of cross-validation; with 0 there are no scores, and
    five folds where something learns of predictions. random_state: of folds and estimators.

    After fit: `training_`, see `ensemble.training.Training`; `scores_`, None or its evaluation.
    """

    def __init__(
        self,
        modalities: Mapping[str, Any] | None = None,
        *,
        estimator: str | Mapping[str, str] | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        fuse: str | None = None,
        weight: Mapping[str, float] | None = None,
        learn_weights: bool = False,
        normalize: str | Mapping[str, str] | None = None,
        folds: int = 0,
        random_state: int = 0,
        calibrate: Calibration | None = None,
    ) -> None:
        self.modalities = modalities
        self.estimator = estimator
        self.options = options
        self.fuse = fuse
        self.weight = weight
        self.learn_weights = learn_weights
        self.normalize = normalize
        self.folds = folds
        self.random_state = random_state
        self.calibrate = calibrate
