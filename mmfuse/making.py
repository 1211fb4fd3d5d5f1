"""How models are made of the rows that were gathered."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmfuse.ensemble.estimator import Estimator, estimator_of
from mmfuse.ensemble.evaluation import Calibration
from mmfuse.ensemble.modality_model import Recipe
from mmfuse.ensemble.training import Plan, train
from mmfuse.errors import UsageError
from mmfuse.gathering import gathering_job, groups_of, problem_of
from mmfuse.job import Job, Settings
from mmfuse.learning import trained_on
from mmfuse.model_check import refuse_unwritable
from mmfuse.nonfinite import NanPolicy
from mmfuse.request import PerModality
from mmfuse.running import Done
from mmfuse.sources import Opened
from mmfuse.stages import chain_of
from mmfuse.trained_model import TrainedModel, trained_fusion
from mmfuse.work import Asked, Fused, carry_out

_ESTIMATOR = {True: "logistic", False: "ridge"}
_FUSE = {True: "soft-vote", False: "weighted-mean"}


@dataclass(frozen=True)
class Making:
    """What `train` is asked for, but for the rows; see there."""

    estimator: PerModality[str]
    options: Mapping[str, Mapping[str, Any]]
    fuse: str | None
    learn_weights: bool
    normalize: PerModality[str | Sequence[str]]
    folds: int
    seed: int
    calibrate: Calibration | None
    nan: NanPolicy

    def estimators(self, names: Sequence[str], *, classes: bool) -> list[Estimator]:
        """Every modality's, with its options. Raises UsageError."""
        chosen = [self.estimator.get(name, _ESTIMATOR[classes]) for name in names]
        for name in self.options:
            if name not in chosen:
                raise UsageError(
                    f"options are set of {name}, which is the estimator of no modality",
                    hint=f"there are {', '.join(dict.fromkeys(chosen))}",
                )
        found = [estimator_of(name).with_options(self.options.get(name, {})) for name in chosen]
        for own in found:
            _refuse_unwritable(own.name, own.options)
        return found


def _refuse_unwritable(name: str, options: Mapping[str, Any]) -> None:
    """Raise UsageError for values that no model file can tell of."""
    try:
        refuse_unwritable(options)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"an option of {name} is not of the kind that a model can keep: {error}",
            hint="numbers, text, true, false, null and lists of them",
        ) from None


def gathered(
    asked: Asked,
    weights: PerModality[float],
    make: Callable[[Done, list[str] | None, Asked], TrainedModel],
    known: TrainedModel | None = None,
) -> Fused:
    """Bring rows into memory and let a model be made of them, by `make(done, groups, asked)`.

    known: the model that is to learn from them, if there is one.
    """
    groups: list[str] | None = None

    def job_of(opened: Opened, settings: Settings) -> Job:
        nonlocal groups
        sources = opened.sources if known is None else known.schema.modalities
        own = [float(weights.get(source.name, 1.0)) for source in sources]
        job = gathering_job(opened, settings, own, known)
        groups = groups_of(opened, job.alignment)
        return job

    return carry_out(asked, job_of, lambda done: make(done, groups, asked))


def more(asked: Asked, known: TrainedModel) -> Fused:
    """Let a model learn from further rows."""

    def make(done: Done, groups: list[str] | None, asked: Asked) -> TrainedModel:
        return known.went_on(problem_of(done), [trained_on(done)])

    every = PerModality("--weight", {m.name: m.weight for m in known.schema.modalities})
    return gathered(asked, every, make, known)


def made(making: Making, done: Done, groups: list[str] | None, asked: Asked) -> TrainedModel:
    """The model of what a job gathered. Raises UsageError or InputError; see `ensemble.train`."""
    problem, schema = problem_of(done, groups), done.job.fusion.schema
    classes = bool(problem.classes)
    estimators = making.estimators(schema.names, classes=classes)
    recipes = [
        Recipe(
            chain_of(making.normalize.get(name, own.normalize), making.nan, learns_missing=False),
            own.name,
            own.options,
        )
        for name, own in zip(schema.names, estimators, strict=True)
    ]
    fuse = making.fuse or _FUSE[classes]
    found = train(
        problem,
        Plan(
            recipes,
            fuse,
            schema.weights,
            making.learn_weights,
            making.folds,
            making.seed,
            making.calibrate,
            asked.settings.threads or len(os.sched_getaffinity(0)),
            asked.progress,
        ),
    )
    evaluation = None if found.evaluation is None else found.evaluation.as_dict()
    model = TrainedModel(
        trained_fusion(schema, found.chains, found.strategy),
        fuse,
        making.learn_weights,
        tuple(dict(own.options) for own in estimators),
        making.seed,
        problem.n,
        evaluation,
        making.nan,
        done.job.settings.dtype,
        (trained_on(done),),
    )
    told = done.summary
    told.scores, told.columns = evaluation, len(model.columns)
    told.options = {
        "fuse": fuse,
        "estimators": dict(zip(schema.names, model.estimators, strict=True)),
    }
    for item, recipe in zip(told.inputs, recipes, strict=True):
        item.normalize = [stage.name for stage in recipe.chain]
    told.notes += found.told
    return model
