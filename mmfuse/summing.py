"""Training of linear models that add up: in one pass of data of any size."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from mmfuse.core.labels import Targets
from mmfuse.core.registry import strategy_class
from mmfuse.core.strategy import Strategy
from mmfuse.ensemble.evaluation import Evaluation
from mmfuse.ensemble.summed import evaluate_sum
from mmfuse.errors import ResourceError, UsageError
from mmfuse.files.ids import split_column
from mmfuse.gathering import gathering_job, groups_of, problem_of
from mmfuse.job import Job, Settings
from mmfuse.learning import model_of, new_job
from mmfuse.making import Making
from mmfuse.model import Model
from mmfuse.outcome import Outcome
from mmfuse.request import ALL, PerModality
from mmfuse.running import Done
from mmfuse.sources import Opened
from mmfuse.stages import chain_of
from mmfuse.work import Asked, Fused, carry_out

_SUM = "sum"
_NORMALIZE = "zscore"


def summed(asked: Asked, making: Making, weights: PerModality[float]) -> Fused:
    """Train the strategy `additive`, and score it where the rows fit into memory."""
    _refuse_useless(making)
    own = making.normalize.values
    normalize = PerModality(making.normalize.option, {ALL: _NORMALIZE, **own})
    with closing(Outcome(asked, None)):  # what cannot be written fails before rows are read
        pass
    evaluation, note = _evaluation(asked, making, normalize, weights)

    def job_of(opened: Opened, settings: Settings) -> Job:
        settings = replace(settings, nan=making.nan)
        return new_job("additive", _strategy(making, opened), normalize, weights, opened, settings)

    def learned(done: Done) -> Model:
        done.summary.scores = None if evaluation is None else evaluation.as_dict()
        done.summary.notes += note
        return model_of(done)

    return carry_out(asked, job_of, learned)


def _strategy(making: Making, opened: Opened) -> Strategy:
    task = "regression" if isinstance(opened.labels, Targets) else "classification"
    if others := set(making.options) - {_SUM}:
        raise UsageError(
            f"options are set of {min(others)}, which --fuse sum does not use",
            hint="--set sum.alpha=10",
        )
    options = {name: _number(value) for name, value in making.options.get(_SUM, {}).items()}
    if set(options) - {"alpha"}:
        raise UsageError("sum has one option: alpha", hint="--set sum.alpha=10")
    made: type[Any] = strategy_class("additive")
    strategy: Strategy = made(task=task, **options)
    return strategy


def _number(value: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UsageError(f"sum.alpha is {value!r}; it must be a number") from None


def _evaluation(
    asked: Asked,
    making: Making,
    normalize: PerModality[str | Sequence[str]],
    weights: PerModality[float],
) -> tuple[Evaluation | None, list[str]]:
    """The scores, for which rows are read once more; or why there are none."""
    if not making.folds or asked.dry_run:
        return None, []
    if any(map(_stream, _places(asked))):
        return None, ["no scores: an input is a stream, which can be read once"]
    found: list[Evaluation] = []
    groups: list[str] | None = None
    strategy: list[Strategy] = []

    def job_of(opened: Opened, settings: Settings) -> Job:
        nonlocal groups
        job = gathering_job(opened, settings)
        groups = groups_of(opened, job.alignment)
        strategy.append(_strategy(making, opened))
        return job

    def score(done: Done) -> None:
        problem = problem_of(done, groups)
        chains = [
            chain_of(normalize.get(name, _NORMALIZE), making.nan, learns_missing=False)
            for name in problem.names
        ]
        own = np.array([float(weights.get(name, 1.0)) for name in problem.names])
        found.append(evaluate_sum(problem, chains, strategy[0], own, making.folds, making.seed))

    try:
        carry_out(replace(asked, save=None, plot=None, lock=None), job_of, score)
    except ResourceError as error:
        return None, [f"no scores: {error.message}"]
    return found[0], []


def _places(asked: Asked) -> list[str]:
    """What is named of files: inputs, and what is read beside them."""
    time = asked.how.time
    options = (asked.how.ids, None if time is None else time.times, asked.labels, asked.groups)
    each = [list(o.values()) if isinstance(o, Mapping) else [o] for o in options]
    beside = [os.fspath(o) for o in chain(*each) if isinstance(o, str | os.PathLike)]
    inputs = [item.path for item in asked.inputs if isinstance(item.value, str)]
    return [*inputs, *(split_column(spec)[0] for spec in beside)]


def _stream(path: str) -> bool:
    return path == "-" or (
        os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    )


def _refuse_useless(making: Making) -> None:
    """Raise UsageError for what a sum does not take."""
    for option, given in (
        ("--estimator", making.estimator.values),
        ("--learn-weights", making.learn_weights),
        ("--calibrate", making.calibrate),
    ):
        if given:
            raise UsageError(f"{option} does not go with --fuse sum, whose models are linear")
