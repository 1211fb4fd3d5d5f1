"""Training: a model a modality, a rule that fuses them, and what each of them gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from threadpoolctl import threadpool_limits

from mmfuse.core.chain import Chain
from mmfuse.core.source import Progress, unseen
from mmfuse.ensemble.calibration import learn_calibration
from mmfuse.ensemble.estimator import estimator_of
from mmfuse.ensemble.evaluation import Calibration, Evaluation, evaluate
from mmfuse.ensemble.fused_models import FusedModels
from mmfuse.ensemble.modality_model import ModalityModel, Recipe
from mmfuse.ensemble.out_of_fold import out_of_fold
from mmfuse.ensemble.pool import in_background
from mmfuse.ensemble.problem import Problem
from mmfuse.ensemble.rules import rule_of
from mmfuse.ensemble.trained import Array
from mmfuse.errors import InputError, UsageError


@dataclass(frozen=True)
class Plan:
    """How models are trained and fused.

    recipes: one a modality. fuse: a name of `rules`. weights: `(M,)`; learn_weights: whether they
    are learned instead. folds: of cross-validation; 0 for no scores. calibration: of what is
    fused. threads: models that are made at a time, without a fold. progress: told of every model.
    """

    recipes: Sequence[Recipe]
    fuse: str = "soft-vote"
    weights: Array | None = None
    learn_weights: bool = False
    folds: int = 5
    seed: int = 0
    calibration: Calibration | None = None
    threads: int = 1
    progress: Progress = unseen


@dataclass(frozen=True)
class Training:
    """What comes of it. chains: of the modalities' normalisations. told: what to know of it."""

    strategy: FusedModels
    chains: tuple[Chain, ...]
    evaluation: Evaluation | None
    told: tuple[str, ...] = ()


def train(problem: Problem, plan: Plan) -> Training:
    """Train a model a modality on the rows that have it, and fuse them.

    What a rule or a calibration learns, it learns of out-of-fold predictions alone.
    Raises UsageError or InputError for what cannot be learned.
    """
    _refuse_useless(problem, plan)
    for recipe in plan.recipes:  # a limit is of the libraries that are there when it is set
        estimator_of(recipe.estimator).with_options(recipe.options)
    with threadpool_limits(1):
        return _trained(problem, plan)


def _trained(problem: Problem, plan: Plan) -> Training:
    rule = rule_of(plan.fuse, len(problem.classes), learn_weights=plan.learn_weights)
    weights = np.ones(len(problem.names)) if plan.weights is None else plan.weights
    evaluation, learned, calibration = None, {}, {}
    if plan.folds:
        folds = problem.folds(plan.folds, plan.seed)
        found = out_of_fold(
            problem,
            plan.recipes,
            folds,
            plan.seed,
            nested=rule.learns,
            threads=plan.threads,
            progress=plan.progress,
        )
        evaluation, fused = evaluate(problem, found, rule, weights, plan.calibration)
        learned = rule.learn(found.p, problem.present, problem.y, weights)
        if plan.calibration is not None:
            calibration = learn_calibration(plan.calibration, fused, problem.y.astype(np.int64))
    else:
        nothing = np.zeros((len(problem.names), problem.n, problem.width))
        learned = rule.learn(nothing, problem.present, problem.y, weights)
    models = _models(problem, plan)
    told = [
        f"{name}: {text}"
        for name, model in zip(problem.names, models, strict=True)
        for text in model.trained.told
    ]
    strategy = FusedModels(tuple(m.trained for m in models), rule, learned, calibration)
    return Training(strategy, tuple(m.chain for m in models), evaluation, tuple(told))


def _models(problem: Problem, plan: Plan) -> list[ModalityModel]:
    """The models of all rows, one after the other: warnings are of the whole process, and which
    model they are of is told."""

    def work(m: int) -> ModalityModel:
        has = problem.present[:, m]
        if not has.any():
            raise InputError(f"no labelled row has {problem.names[m]}: there is nothing to learn")
        x, y = problem.blocks[m][has], problem.y[has]
        return ModalityModel.fit(plan.recipes[m], x, y, len(problem.classes), plan.seed)

    return list(in_background(work, range(len(plan.recipes)), 1))


def _refuse_useless(problem: Problem, plan: Plan) -> None:
    """Raise UsageError for a plan that needs predictions that it does not make."""
    rule = rule_of(plan.fuse, len(problem.classes), learn_weights=plan.learn_weights)
    if plan.folds == 0 and (rule.learns or plan.calibration is not None):
        raise UsageError(
            f"{plan.fuse if rule.learns else '--calibrate'} learns of out-of-fold predictions",
            hint="--folds 5",
        )
    if plan.weights is not None and not ((plan.weights > 0) & np.isfinite(plan.weights)).all():
        raise UsageError("a weight must be a number above zero")
    if plan.calibration not in (None, *get_args(Calibration)):
        raise UsageError(
            f"calibrate is {plan.calibration!r}; it must be one of "
            + ", ".join(get_args(Calibration))
        )
    if plan.calibration is not None and not problem.classes:
        raise UsageError("--calibrate is for probabilities of classes, and these are numbers")
    if plan.learn_weights and plan.weights is not None and (plan.weights != 1).any():
        raise UsageError("--weight and --learn-weights exclude each other")
    if not rule.weighs and plan.weights is not None and (plan.weights != 1).any():
        able = "soft-vote, log-pool and hard-vote do" if problem.classes else "weighted-mean does"
        raise UsageError(f"{plan.fuse} takes no weights of models", hint=able)
