"""What each model gives: scores of all of them, of their fusion, and of it without each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.votes import likeliest
from mmfuse.ensemble import scores
from mmfuse.ensemble.calibration import calibrate, learn_calibration
from mmfuse.ensemble.out_of_fold import OutOfFold
from mmfuse.ensemble.problem import Problem
from mmfuse.ensemble.rules import Rule
from mmfuse.ensemble.trained import Array, Labels

Calibration = Literal["temperature", "isotonic"]
Of = Literal["model", "fused", "without"]


class Predicted(NamedTuple):
    """Of every row what is predicted, `(n, C)`, and the class that it comes to, `(n,)`."""

    p: Array
    labels: NDArray[np.int32]

    def at(self, rows: NDArray[np.bool_]) -> Predicted:
        """Of some rows."""
        return Predicted(self.p[rows], self.labels[rows])


def predicted(p: Array) -> Predicted:
    """With the likeliest class of every row."""
    return Predicted(p, likeliest(p))


@dataclass(frozen=True)
class Score:
    """Cross-validated scores of one predictor: the mean over folds, and its standard error.

    name: of the modality. of: whether it is that modality's `model`, the fusion of all (`fused`),
    or the fusion of all others (`without`). rows: that were predicted.
    values: of classes accuracy, log_loss and ece (expected calibration error); of numbers r2 and
    rmse. errors: likewise; None where there is one fold.
    """

    name: str
    of: Of
    rows: int
    values: dict[str, float]
    errors: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """The scores of a training, all of rows that were not learned from.

    confusion: `(C, C)`, rows of true classes, columns of predicted ones. reliability: of the fused
    predictions, how many rows a bin of confidence holds, the mean confidence in it and how often
    it is right. calibrated: whether fused predictions were calibrated.
    """

    folds: int
    scores: list[Score]
    classes: list[str] = field(default_factory=list)
    confusion: list[list[int]] = field(default_factory=list)
    reliability: list[list[float]] = field(default_factory=list)
    calibrated: Calibration | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)


def evaluate(
    problem: Problem,
    found: OutOfFold,
    rule: Rule,
    weights: Array,
    calibration: Calibration | None,
) -> tuple[Evaluation, Array]:
    """The scores, and what the fusion predicts of every row, `(n, C)`, not calibrated."""
    fused = fused_out_of_fold(problem, found, rule, weights, range(len(problem.names)))
    shown = fused
    if calibration is not None:
        shown = _calibrated(problem, found.folds, fused.p, calibration)

    def without(m: int) -> Predicted:
        others = [k for k in range(len(problem.names)) if k != m]
        return fused_out_of_fold(problem, found, rule, weights, others)

    told = evaluated(problem, found.folds, lambda m: predicted(found.p[m]), shown, without)
    return replace(told, calibrated=calibration), fused.p


def evaluated(
    problem: Problem,
    folds: NDArray[np.int64],
    alone: Callable[[int], Predicted],
    fused: Predicted,
    without: Callable[[int], Predicted],
) -> Evaluation:
    """The scores of predictions of rows that were not learned from.

    alone: what model m predicts. without: what the fusion of all others does.
    """
    models = list(range(len(problem.names)))
    told = [
        _score(problem, name, "model", folds, alone(m), [m]) for m, name in enumerate(problem.names)
    ]
    told.append(_score(problem, "", "fused", folds, fused, models))
    for m, name in enumerate(problem.names if len(models) > 1 else ()):
        others = [k for k in models if k != m]
        told.append(_score(problem, name, "without", folds, without(m), others))
    count = int(folds.max()) + 1
    if not problem.classes:
        return Evaluation(count, told)
    every = problem.present.any(axis=1)
    y = problem.y[every].astype(np.int64)
    confusion = scores.confusion(fused.labels[every].astype(np.int64), y, len(problem.classes))
    bins = scores.reliability(fused.p[every], y)
    reliability = [list(map(float, row)) for row in zip(*bins, strict=True)]
    return Evaluation(count, told, list(problem.classes), confusion.tolist(), reliability)


def fused_out_of_fold(
    problem: Problem, found: OutOfFold, rule: Rule, weights: Array, models: Sequence[int]
) -> Predicted:
    """What the fusion of some models predicts of every row, learned without its fold."""
    chosen = list(models)
    present, y = problem.present[:, chosen], problem.y
    out = predicted(np.zeros(found.p.shape[1:]))
    has = present.any(axis=1)
    for k in range(int(found.folds.max()) + 1):
        own = (found.folds == k) & has
        if not own.any():
            continue
        others = (found.folds != k) & has
        known = found.without.get(k, found.p)[chosen]
        learned = rule.learn(known[:, others], present[others], y[others], weights[chosen])
        out.p[own], extras = rule.fuse(learned, found.p[chosen][:, own], present[own])
        out.labels[own] = extras.get("label", 0)
    return out


def _calibrated(
    problem: Problem, folds: NDArray[np.int64], fused: Array, how: Calibration
) -> Predicted:
    """The predictions of every fold calibrated by those of the others."""
    y = problem.y.astype(np.int64)
    has, out = problem.present.any(axis=1), fused.copy()
    for k in range(int(folds.max()) + 1):
        own, others = (folds == k) & has, (folds != k) & has
        out[own] = calibrate(learn_calibration(how, fused[others], y[others]), fused[own])
    return predicted(out)


def _score(
    problem: Problem,
    name: str,
    of: Of,
    folds: NDArray[np.int64],
    found: Predicted,
    models: Sequence[int],
) -> Score:
    """Of what some models predict of the rows that have one of them."""
    has = problem.present[:, list(models)].any(axis=1)
    measures = _CLASSES if problem.classes else _NUMBERS
    parts = [(folds == k) & has for k in range(int(folds.max()) + 1)]
    by_fold = {
        measure: [work(found.at(part), problem.y[part]) for part in parts if part.any()]
        for measure, work in measures.items()
    }
    return Score(
        name,
        of,
        int(has.sum()),
        {measure: float(np.mean(values)) for measure, values in by_fold.items()},
        {measure: scores.standard_error(np.array(values)) for measure, values in by_fold.items()},
    )


Measure = Callable[[Predicted, Labels], float]
_CLASSES: dict[str, Measure] = {
    "accuracy": lambda found, y: float((found.labels == y).mean()),
    "log_loss": lambda found, y: scores.log_loss(found.p, y.astype(np.int64)),
    "ece": lambda found, y: scores.expected_calibration_error(found.p, y.astype(np.int64)),
}
_NUMBERS: dict[str, Measure] = {
    "r2": lambda found, y: scores.r2(found.p[:, 0], y.astype(np.float64)),
    "rmse": lambda found, y: scores.rmse(found.p[:, 0], y.astype(np.float64)),
}
