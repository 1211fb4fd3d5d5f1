"""Public functions `fit`, `apply`, `merge` and `go_on`: what is done with models."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from itertools import combinations, starmap
from typing import Any, TypedDict, Unpack

from mmfuse.core.align import By, Joining
from mmfuse.core.fusion import Missing
from mmfuse.core.join import Duplicates, Join
from mmfuse.core.source import Progress, unseen
from mmfuse.core.strategy import Strategy
from mmfuse.core.time_options import TimeOptions
from mmfuse.drift import drift
from mmfuse.errors import ModelError, UsageError
from mmfuse.files.blas import one_blas_thread
from mmfuse.files.formats import Layout
from mmfuse.files.inputs import open_input
from mmfuse.files.output import commit_all
from mmfuse.files.paths import same_file
from mmfuse.fitting import applied_job, going_on_job, inputs_for
from mmfuse.job import Settings
from mmfuse.learning import model_of, new_job, strategy_of, task_of, trained_on
from mmfuse.model import Model
from mmfuse.model_file import read_model, write_model
from mmfuse.nonfinite import NanPolicy
from mmfuse.output import OutputOptions
from mmfuse.request import Input, PerModality, inputs_of
from mmfuse.running import Done
from mmfuse.saving import Path, Saving, place_of
from mmfuse.sources import Option, SourceOptions
from mmfuse.timing import in_time
from mmfuse.trained_model import TrainedModel
from mmfuse.work import Asked, Fused, carry_out


class Reading(TypedDict, total=False):
    """How rows are read, matched and worked on: each as in `fuse`."""

    ids: Option
    id_column: Option
    column: Option
    input_format: Option
    sidecar: bool
    id_transform: Option
    time: TimeOptions | None
    pool: Option
    pool_mask_zeros: bool
    by: By
    join: Join
    duplicates: Duplicates
    sort_ids: bool
    strict: bool
    min_overlap: float
    dtype: str
    threads: int | None
    memory: int
    lock: Path | None
    clobber: bool
    dry_run: bool
    progress: Progress


def fit(
    strategy: str | Strategy,
    modalities: Mapping[str, Any] | Sequence[Any],
    output: Path | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    normalize: Option = None,
    weight: Option = None,
    missing: Missing | None = None,
    nan: NanPolicy = "error",
    labels: Any = None,
    report: bool = False,
    plot: Path | None = None,
    **reading: Unpack[Reading],
) -> Fused:
    """Learn a fusion from rows without fusing them; the result's `model` is what was learned.

    output: a file for the model. The other parameters are those of `fuse`.
    Raises what `fuse` raises.
    """
    chosen, command = strategy_of(strategy, options or {})
    inputs = inputs_of(modalities)
    names = [item.name for item in inputs]
    normalizations = PerModality.of("--normalize", normalize, names)
    weights = PerModality.of("--weight", weight, names)
    asked = asked_of(inputs, reading, missing=missing, nan=nan, keep=True, fuses=False, save=output)
    shuffle = chosen.correlates and (report or plot is not None)
    settings = replace(asked.settings, shuffle=shuffle)
    asked = replace(asked, labels=labels, settings=settings, report=report, plot=plot)
    asked = replace(asked, task=task_of(chosen))
    return carry_out(asked, partial(new_job, command, chosen, normalizations, weights), model_of)


def apply(
    model: Model | Path,
    modalities: Mapping[str, Any] | Sequence[Any],
    output: Path | None = None,
    *,
    nan: NanPolicy | None = None,
    missing: Missing | None = None,
    check_drift: bool = False,
    format: str | None = None,
    layout: Layout | None = None,
    compression: str | None = None,
    shard_rows: int | None = None,
    **reading: Unpack[Reading],
) -> Fused:
    """Fuse new rows as a model has learned to.

    modalities: named as those of the model, whose columns they must have. One may be left out
        where the strategy can fuse rows that lack it.
    nan, missing: as in `fuse`; None: as in the run that made the model.
    check_drift: tell how the new rows differ from those learned from; see `drift`.
    The other parameters are those of `fuse`.

    Raises ModelError where the model and the modalities do not fit, and what `fuse` raises.
    """
    known = _learned(model)
    predicts = known.fusion.strategy.predicts is not None
    inputs = inputs_for(known, inputs_of(modalities), missing)
    reading.setdefault("dtype", known.dtype)
    wanted = OutputOptions(
        *(format, layout, compression, reading.get("clobber", True), shard_rows), named=predicts
    )
    policy = known.nan if nan is None else nan
    asked = asked_of(inputs, reading, missing=missing, nan=policy, output=output, wanted=wanted)
    if not isinstance(model, Model):
        asked = replace(asked, beside=[os.fspath(model)])

    def compared(done: Done) -> None:
        if done.gathered is not None:
            done.summary.drift = drift(known, done.gathered).as_dict()

    before = known.before if check_drift else None
    return carry_out(asked, partial(applied_job, known, before, missing), compared)


def go_on(
    model: Model | Path,
    modalities: Mapping[str, Any] | Sequence[Any],
    output: Path | None = None,
    *,
    labels: Any = None,
    **reading: Unpack[Reading],
) -> Fused:
    """Let a model learn from further rows, as if it had seen them from the beginning.

    output: a file for the model that comes of it, which may be the one it was read from.
    The other parameters are those of `fuse`. Raises ModelError where it cannot, and what `fuse`
    raises.
    """
    known = _learned(model)
    known.refuse_more()
    inputs = inputs_for(known, inputs_of(modalities))
    reading.setdefault("dtype", known.dtype)
    asked = asked_of(
        inputs, reading, missing=known.fusion.missing, nan=known.nan, fuses=False, save=output
    )
    asked = replace(asked, labels=labels, task=task_of(known.fusion.strategy))

    def went_on(done: Done) -> Model:
        assert done.gathered is not None
        return known.went_on(done.gathered, len(done.job.alignment), [trained_on(done)])

    return carry_out(asked, partial(going_on_job, known), went_on)


def merge(
    models: Sequence[Model | Path], output: Path | None = None, clobber: bool = True
) -> Model:
    """One model of the rows of all, as if it had learned from them at once.

    Raises UsageError for fewer than two, and for one file that is named twice; ModelError for
    models that were made otherwise.
    """
    if len(models) < 2:
        raise UsageError("merge takes two models or more")
    files = [place_of(model) for model in models if isinstance(model, str | os.PathLike)]
    if any(starmap(same_file, combinations(files, 2))):
        raise UsageError("a model is named twice, and its rows would count twice")
    saving = Saving(None if output is None else os.fspath(output), clobber)
    try:
        with one_blas_thread():
            merged = reduce(Model.merge, map(_learned, models))
        commit_all(saving.write(partial(write_model, merged)))
    finally:
        saving.close()
    return merged


def _learned(model: Model | TrainedModel | Path) -> Model:
    """What `fit` and `fuse` make, from its file. Raises ModelError for anything else."""
    if isinstance(model, TrainedModel):
        raise ModelError("a model that train made", hint="predict and train_on are for those")
    if isinstance(model, Model):
        return model
    place = place_of(model)
    return read_model(open_input(place, place))


def asked_of(
    inputs: Sequence[Input],
    reading: Reading,
    *,
    missing: Missing | None,
    nan: NanPolicy,
    keep: bool = False,
    fuses: bool = True,
    output: Path | None = None,
    wanted: OutputOptions | None = None,
    save: Path | None = None,
) -> Asked:
    """What a run is asked for, with all that is said of reading."""
    time, pool = reading.get("time"), reading.get("pool")
    joining = Joining(
        reading.get("by", "auto"),
        reading.get("join", "inner"),
        reading.get("duplicates", "error"),
        reading.get("sort_ids", False),
        reading.get("strict", False),
        reading.get("min_overlap", 0.0),
    )
    how = SourceOptions(
        reading.get("ids"),
        reading.get("id_column"),
        reading.get("column"),
        reading.get("input_format"),
        reading.get("sidecar", True),
        reading.get("id_transform"),
        time,
        pool,
        reading.get("pool_mask_zeros", False),
    )
    settings = Settings(
        joining,
        missing,
        reading.get("dtype", "float32"),
        nan,
        reading.get("threads"),
        reading.get("memory", 512 << 20),
        time=in_time(time, joining, pool, [item.name for item in inputs]),
        keep=keep,
        fuses=fuses,
    )
    return Asked(
        tuple(inputs),
        how,
        settings,
        output,
        OutputOptions(clobber=reading.get("clobber", True)) if wanted is None else wanted,
        lock=reading.get("lock"),
        save=save,
        dry_run=reading.get("dry_run", False),
        progress=reading.get("progress", unseen),
    )
