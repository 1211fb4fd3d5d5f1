"""Model-level fusion as estimators of scikit-learn: `FusionClassifier`, `FusionRegressor`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmfuse.ensemble.estimator import estimator_of
from mmfuse.ensemble.evaluation import Calibration
from mmfuse.ensemble.extra import require_sklearn
from mmfuse.ensemble.modality_model import ModalityModel, Recipe
from mmfuse.ensemble.problem import Problem
from mmfuse.ensemble.rules import rule_of
from mmfuse.ensemble.training import Plan, train
from mmfuse.files.blas import one_blas_thread
from mmfuse.request import PerModality
from mmfuse.stages import chain_of

_base = require_sklearn("base")
_validation = require_sklearn("utils.validation")
_multiclass = require_sklearn("utils.multiclass")
_FOLDS = 5
_ONE = "x"
_Blocks = tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]


class _Fusion(_base.BaseEstimator):  # type: ignore[misc, name-defined]
    """What both share."""

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

    def _learn(self, X: Any, y: NDArray[Any], classes: tuple[str, ...], groups: Any) -> None:
        blocks, present = self._blocks(X, fitting=True)
        _validation.check_consistent_length(present, y)
        fuse = self.fuse or ("soft-vote" if classes else "weighted-mean")
        learns = rule_of(fuse, len(classes), learn_weights=self.learn_weights).learns
        own = range(len(y)) if groups is None else groups
        weight = dict(PerModality[float].of("weight", self.weight, list(blocks)).values)
        PerModality.of("estimator", self.estimator, list(blocks))
        PerModality.of("normalize", self.normalize, list(blocks))
        plan = Plan(
            [self._recipe(name, "logistic" if classes else "ridge") for name in blocks],
            fuse,
            np.array([float(weight.get(name, 1.0)) for name in blocks]),
            self.learn_weights,
            self.folds or _FOLDS * (learns or self.calibrate is not None),
            self.random_state,
            self.calibrate,
        )
        problem = Problem(
            tuple(blocks), list(blocks.values()), present, y, classes, list(map(str, own))
        )
        self.training_ = train(problem, plan)
        self.scores_ = self.training_.evaluation if self.folds else None
        self.modalities_ = tuple(blocks)

    def _recipe(self, name: str, default: str) -> Recipe:
        estimator = estimator_of(_of(self.estimator, name) or default)
        estimator = estimator.with_options((self.options or {}).get(estimator.name, {}))
        normalize = _of(self.normalize, name) or estimator.normalize
        chain = chain_of(normalize, "error", learns_missing=False)
        return Recipe(chain, estimator.name, estimator.options)

    def _blocks(self, X: Any, *, fitting: bool) -> _Blocks:
        """The modalities by name, and `(n, M)`, which rows have which."""
        if isinstance(X, Mapping) and not hasattr(X, "toarray"):  # as sparse ones have
            blocks = {name: _array(x) for name, x in X.items()}
            _validation.check_consistent_length(*blocks.values())
            if not blocks:
                raise ValueError("X has no modality.")
            if not fitting:
                blocks = self._known(blocks)
        else:
            cut = self.modalities is not None
            x = _validation.validate_data(
                self,
                X,
                reset=fitting,
                dtype=[np.float64, np.float32],
                ensure_all_finite="allow-nan" if cut else True,
            )
            parts = self.modalities if self.modalities is not None else {_ONE: slice(None)}
            blocks = {name: x[:, columns] for name, columns in parts.items()}
        present = np.column_stack([~np.isnan(x).all(axis=1) for x in blocks.values()])
        for m, x in enumerate(blocks.values()):
            if not np.isfinite(x[present[:, m]]).all():
                raise ValueError("Input contains NaN or infinity in rows that are not NaN alone.")
        return blocks, present

    def _known(self, blocks: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """The modalities of the model; one that is not given has rows of NaN."""
        if others := set(blocks) - set(self.modalities_):
            raise ValueError(f"X has modalities that the model does not know: {sorted(others)}.")
        n = len(next(iter(blocks.values())))
        models = self.training_.strategy.models
        found = {
            name: blocks.get(name, np.full((n, model.dim), np.nan))
            for name, model in zip(self.modalities_, models, strict=True)
        }
        for model, (name, x) in zip(models, found.items(), strict=True):
            if x.shape[1] != model.dim:
                raise ValueError(f"{name} has {x.shape[1]} columns, and {model.dim} are expected.")
        return found

    def _predicted(self, X: Any) -> tuple[NDArray[np.float64], dict[str, Any]]:
        _validation.check_is_fitted(self)
        blocks, present = self._blocks(X, fitting=False)
        if not present.any(axis=1).all():
            raise ValueError("A row has no modality at all.")
        strategy, chains = self.training_.strategy, self.training_.chains
        width = max(strategy.models[0].classes, 1)
        p = np.zeros((len(blocks), len(present), width))
        with one_blas_thread():
            for m, x in enumerate(blocks.values()):
                model = ModalityModel(chains[m], strategy.models[m])
                p[m, present[:, m]] = model.predict(x[present[:, m]])
            return strategy.fused(p, present)


class FusionClassifier(_base.ClassifierMixin, _Fusion):  # type: ignore[misc, name-defined]
    """Trains a classifier of every modality, and fuses what they predict.

    X is a mapping of names to arrays `(n, d_m)` whose rows belong together; a row of NaN alone
    lacks the modality. Or it is one array, whose columns are cut by `modalities`, names to slices
    or lists of columns; None: all of them are one modality.

    estimator, options, normalize, weight: as of `mmfuse.train`, for all or by name. fuse,
    learn_weights, calibrate: as there. folds: of cross-validation; with 0 there are no scores, and
    five folds where something learns of predictions. random_state: of folds and estimators.

    After fit: `classes_`; `training_`, see `ensemble.training.Training`; `scores_`, its evaluation
    where there are folds. Raises UsageError or InputError as `mmfuse.train` does, ValueError for
    arrays that are none.
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn. y: `(n,)`, classes. groups: `(n,)`, rows of one of which stay in one fold."""
        y = _labels(y, None)
        _multiclass.check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("Labels of one class only; two are needed.")
        self._learn(X, numbers.astype(np.int64), tuple(map(str, self.classes_)), groups)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities, `(n, C)`, in the order of `classes_`."""
        return self._predicted(X)[0]

    def predict(self, X: Any) -> NDArray[Any]:
        """The class of every row, `(n,)`."""
        numbers = self._predicted(X)[1]["label"]
        found: NDArray[Any] = self.classes_[numbers]
        return found


class FusionRegressor(_base.RegressorMixin, _Fusion):  # type: ignore[misc, name-defined]
    """Trains a regressor of every modality, and fuses what they predict.

    All as of `FusionClassifier`, but for what is of classes alone.
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn. y: `(n,)`, numbers. groups: `(n,)`, rows of one of which stay in one fold."""
        y = _labels(y, np.float64)
        self._learn(X, y, (), groups)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The number of every row, `(n,)`."""
        return self._predicted(X)[0][:, 0]


def _labels(y: Any, dtype: Any) -> NDArray[Any]:
    if y is None:
        raise ValueError("It requires y to be passed, but the target y is None.")
    found: NDArray[Any] = _validation.check_array(y, ensure_2d=False, dtype=dtype)
    return np.asarray(_validation.column_or_1d(found, warn=True))


def _of(given: str | Mapping[str, str] | None, name: str) -> str | None:
    return given.get(name) if isinstance(given, Mapping) else given


def _array(x: Any) -> NDArray[Any]:
    found: NDArray[Any] = _validation.check_array(
        x, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan"
    )
    return found
