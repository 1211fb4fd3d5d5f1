"""Public functions `train`, `predict` and `train_on`: model-level fusion, M = M1 + M2 + M3."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Unpack, get_args

from mmfuse.applying import Reading, asked_of, go_on
from mmfuse.core.strategy import Task
from mmfuse.ensemble.evaluation import Calibration
from mmfuse.ensemble.rules import refuse_unknown
from mmfuse.errors import ModelError, UsageError
from mmfuse.files.formats import Layout
from mmfuse.fitting import applied_job, inputs_for
from mmfuse.learning import task_of
from mmfuse.making import Making, gathered, made, more
from mmfuse.model import Model
from mmfuse.models import load
from mmfuse.nonfinite import NanPolicy
from mmfuse.output import OutputOptions
from mmfuse.request import PerModality, inputs_of
from mmfuse.saving import Path, place_of
from mmfuse.sources import Option
from mmfuse.summing import summed
from mmfuse.trained_model import TrainedModel
from mmfuse.work import Fused, carry_out

_SEEDS = 1 << 32  # as many as scikit-learn takes


def train(
    modalities: Mapping[str, Any] | Sequence[Any],
    labels: Any,
    output: Path | None = None,
    *,
    task: Task = "auto",
    estimator: Option = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    fuse: str | None = None,
    weight: Option = None,
    learn_weights: bool = False,
    normalize: Option = None,
    folds: int = 5,
    groups: Any = None,
    seed: int = 0,
    calibrate: Calibration | None = None,
    nan: NanPolicy = "error",
    plot: Path | None = None,
    **reading: Unpack[Reading],
) -> Fused:
    """Train a model of every modality, and fuse them into one; the result's `model` is it.

    labels: a file (`FILE[:COLUMN]`), an array, or a pair (array, ids): classes, or numbers to
        predict. task: which of both; "auto" takes numbers that are not whole for numbers.
    output: a file for the model, or a folder (`model/`).
    estimator: of every modality: logistic, ridge, lda, knn, forest, boosting, mlp or sgd; options:
        their options, by the estimator's name.
    fuse: how the models' predictions become one: a strategy of predictions such as "soft-vote",
        "stack", "select", or "sum": linear models that add up, learned in one pass of data of any
        size, see the strategy `additive`. None: soft-vote, of numbers weighted-mean.
    weight: of a modality's model. learn_weights: of out-of-fold predictions.
    normalize: before a model; None: as its estimator wants it.
    folds: of cross-validation, for the scores and for all that learns of predictions; 0: none.
        groups: like labels; rows of one group are in one fold. seed: of folds and estimators.
    calibrate: what makes the fused probabilities as often right as they say.
    plot: a file in which the confusion matrix and the calibration are drawn.
    The other parameters are those of `fuse`; rows that lack a modality are learned from too,
    `join="outer"`.

    Raises what `fuse` raises; UsageError with what to install where scikit-learn is missing.
    """
    inputs = inputs_of(modalities)
    names = [item.name for item in inputs]
    reading.setdefault("join", "outer")
    weights = PerModality.of("--weight", weight, names)
    _refuse_odd(task, calibrate, seed, nan, weights)
    if fuse is not None:
        refuse_unknown(fuse)
    if plot is not None and not folds and fuse != "sum":
        raise UsageError("--plot draws scores, and without folds there are none", hint="--folds 5")
    making = Making(
        PerModality.of("--estimator", estimator, names),
        options or {},
        fuse,
        learn_weights,
        PerModality.of("--normalize", normalize, names),
        folds,
        seed,
        calibrate,
        nan,
    )
    gathers: NanPolicy = nan if nan in ("error", "drop") else "keep"  # mended within folds
    asked = asked_of(
        *(inputs, reading), missing=None, nan=gathers, keep=True, fuses=False, save=output
    )
    asked = replace(asked, labels=labels, task=task, groups=groups, plot=plot)
    if fuse == "sum":
        return summed(asked, making, weights)
    return gathered(asked, weights, partial(made, making))


def _refuse_odd(
    task: str, calibrate: str | None, seed: int, nan: str, weights: PerModality[float]
) -> None:
    """Raise UsageError for a value that is none of those known."""
    for option, value, known in (
        ("--task", task, get_args(Task)),
        ("--calibrate", calibrate, (None, *get_args(Calibration))),
    ):
        if value not in known:
            told = ", ".join(name for name in known if name)
            raise UsageError(f"{option} is {value!r}; it must be one of {told}")
    if nan == "keep":
        raise UsageError(
            "--nan keep lets values pass that are not finite, and no model learns from those",
            hint="--nan zero, mean or drop mends them",
        )
    if not 0 <= seed < _SEEDS:
        raise UsageError(f"--seed is {seed}; it must be from 0 to {_SEEDS - 1}")
    for name, weight in weights.values.items():
        if not 0 < weight < math.inf:
            raise UsageError(
                f"--weight of {name} is {weight}; it must be a number above zero",
                hint="leave a modality out that is to weigh nothing",
            )


def train_on(
    model: Model | TrainedModel | Path,
    modalities: Mapping[str, Any] | Sequence[Any],
    labels: Any,
    output: Path | None = None,
    **reading: Unpack[Reading],
) -> Fused:
    """Let a model learn from further labelled rows, without those it has seen.

    A model of `fuse="sum"` is as if it had seen all from the beginning. Of others every modality's
    model goes on, if its estimator can; normalisations, the rule and the calibration stay.
    output: a file for the model that comes of it, which may be the one it was read from.
    Raises ModelError where it cannot, and what `train` raises.
    """
    known = load(model)
    reading.setdefault("join", "outer")
    if isinstance(known, Model):
        return go_on(known, modalities, output, labels=labels, **reading)
    known.refuse_more()
    inputs = inputs_for(known, inputs_of(modalities))
    gathers: NanPolicy = known.nan if known.nan in ("error", "drop") else "keep"
    asked = asked_of(
        *(inputs, reading), missing=None, nan=gathers, keep=True, fuses=False, save=output
    )
    return more(replace(asked, labels=labels, task=task_of(known.models)), known)


def predict(
    model: Model | TrainedModel | Path,
    modalities: Mapping[str, Any] | Sequence[Any],
    output: Path | None = None,
    *,
    nan: NanPolicy | None = None,
    format: str | None = None,
    layout: Layout | None = None,
    compression: str | None = None,
    shard_rows: int | None = None,
    **reading: Unpack[Reading],
) -> Fused:
    """Predict new rows: probabilities of classes with the `labels`, or numbers.

    modalities: named as those of the model, whose columns they must have. A row is predicted from
        those it has, and `models` says how many; one may be left out altogether.
    The other parameters are those of `fuse`; by default `join="outer"`.

    Raises ModelError for a model that predicts nothing, and where it and the modalities do not
    fit, and what `fuse` raises.
    """
    known = load(model)
    reading.setdefault("join", "outer")
    reading.setdefault("dtype", known.dtype)
    if known.fusion.strategy.predicts is None:
        raise ModelError(
            f"a model of {known.strategy} fuses features and predicts nothing",
            where=None if isinstance(model, Model | TrainedModel) else os.fspath(model),
            hint="mmfuse apply fuses rows with it",
        )
    inputs = inputs_for(known, inputs_of(modalities))
    wanted = OutputOptions(
        *(format, layout, compression, reading.get("clobber", True), shard_rows), named=True
    )
    policy = known.nan if nan is None else nan
    if policy == "keep":
        raise UsageError("--nan keep: nothing is predicted of values that are not finite")
    asked = asked_of(inputs, reading, missing=None, nan=policy, output=output, wanted=wanted)
    if not isinstance(model, Model | TrainedModel):
        asked = replace(asked, beside=[place_of(model)])
    return carry_out(asked, partial(applied_job, known, None, None))
