"""One run from what is asked for to its result: what `fuse`, `fit`, `apply` and `convert` share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, IntegerIds
from mmfuse.core.named import Named
from mmfuse.core.source import Progress, Sink, unseen
from mmfuse.core.strategy import Task
from mmfuse.errors import ResourceError, told_bytes
from mmfuse.files.blas import one_blas_thread
from mmfuse.files.output import commit_all
from mmfuse.files.scratch import ScratchRoom
from mmfuse.job import Job, Settings
from mmfuse.lock import Lock
from mmfuse.outcome import Outcome
from mmfuse.output import STDOUT, MemorySink, OutputOptions, OutputTarget
from mmfuse.request import ALL, Input
from mmfuse.running import Done, run
from mmfuse.saving import refuse_within
from mmfuse.sharded_output import output_target
from mmfuse.sources import Opened, SourceOptions, open_sources
from mmfuse.summary import Summary

if TYPE_CHECKING:
    from mmfuse.model import Model
    from mmfuse.trained_model import TrainedModel


@dataclass(frozen=True)
class Fused:
    """The result of `fuse`.

    matrix: `(n, d)`; None where the result was written to a file, or for a dry run.
    columns: the names of the `d` columns. summary: what was done.
    times: of the rows in nanoseconds, where they met in time.
    labels: the predicted class of every row, `(n,)`, where classes were predicted; models: how
        many models did, `(n,)`.
    model: what was learned, where it was wanted or anything was; see `fit` and `apply`.
    """

    row_ids: Ids
    matrix: NDArray[Any] | None
    columns: tuple[str, ...]
    summary: Summary
    times: NDArray[np.int64] | None = None
    labels: NDArray[Any] | None = None
    models: NDArray[np.int64] | None = None
    model: Model | TrainedModel | None = None

    @property
    def ids(self) -> NDArray[Any]:
        """One id a row, `(n,)`: int64 where every input's ids are integers, else str objects."""
        if isinstance(self.row_ids, IntegerIds):
            return self.row_ids.values
        return np.array(list(self.row_ids), object)


@dataclass(frozen=True)
class Asked:
    """What every run is asked for; see `fuse`.

    save: where a model is to be written. report: whether the summary is to tell of it; plot:
        where it is drawn. labels: see `labels.open_labels`; task: whether they are classes or
        numbers to be predicted. groups: of rows, likewise. beside: files that are read beside the
        inputs.
    """

    inputs: tuple[Input, ...]
    how: SourceOptions
    settings: Settings
    output: str | os.PathLike[str] | None = None
    wanted: OutputOptions = field(default_factory=OutputOptions)
    lock: str | os.PathLike[str] | None = None
    save: str | os.PathLike[str] | None = None
    report: bool = False
    plot: str | os.PathLike[str] | None = None
    labels: Any = None
    task: Task = "classification"
    groups: Any = None
    beside: Sequence[str] = ()
    dry_run: bool = False
    progress: Progress = unseen

    def open_beside(self, opened: Opened) -> None:
        """Open the labels and the groups. Raises InputError or AlignmentError."""
        if self.labels is not None:
            if self.task == "classification":
                from mmfuse.labels import open_labels

                opened.labels = open_labels(self.labels, opened)
            else:
                from mmfuse.targets import open_either, open_targets

                either = open_either if self.task == "auto" else open_targets
                opened.labels = either(self.labels, opened)
        if self.groups is not None:
            from mmfuse.labels import open_labels

            opened.groups = open_labels(self.groups, opened)
        every = self.how.id_transform
        every = every.get(ALL) if isinstance(every, Mapping) else every
        if every:  # what is said of one input alone is not said of these
            from mmfuse.labels import rewritten

            opened.labels = opened.labels and rewritten(opened.labels, every)
            opened.groups = opened.groups and rewritten(opened.groups, every)


def carry_out(
    asked: Asked,
    make: Callable[[Opened, Settings], Job],
    learned: Callable[[Done], Model | TrainedModel | None] | None = None,
) -> Fused:
    """Open everything, do the job that `make` makes of it, and let all that is written appear.

    learned: the model that comes of it, if one does.
    """
    with ExitStack() as resources:
        target = None
        if asked.output is not None:  # before the inputs: what cannot be written fails at once
            target = output_target(os.fspath(asked.output), asked.wanted, dry_run=asked.dry_run)
            resources.callback(target.close)
        outcome = resources.enter_context(closing(Outcome(asked, learned)))
        opened = open_sources(asked.inputs, asked.how)
        asked.open_beside(opened)
        places = [] if target is None else [target.path]
        if target is not None:
            target.protect([*opened.protected, *asked.beside])
        places += outcome.protect([*opened.protected, *places])
        if asked.lock is not None and target is not None and target.path.endswith(os.sep):
            refuse_within(os.fspath(asked.lock), target.path, "lock")
        columnar = target is not None and target.columnar
        job = make(opened, replace(asked.settings, columnar=columnar))
        lock = resources.enter_context(Lock(asked.lock, opened, places, dry_run=asked.dry_run))
        if asked.dry_run:
            planned = planned_only(job, opened, target, lock)
            if asked.save is not None and target is None:
                planned.summary.output, planned.summary.format = os.fspath(asked.save), "model"
            return planned
        return finished(job, opened, target, lock, asked.progress, outcome)


def planned_only(job: Job, opened: Opened, target: OutputTarget | None, lock: Lock) -> Fused:
    """What would be done."""
    if job.settings.nan != "drop":  # then only a run tells which rows there are
        lock.rows(job.alignment.ids)
    lock.finish()
    planned = replace(placed(target, job.summary()), dry_run=True, reads=opened.files)
    return _fused(job, planned, None)


def finished(
    job: Job,
    opened: Opened,
    target: OutputTarget | None,
    lock: Lock,
    progress: Progress,
    outcome: Outcome | None = None,
) -> Fused:
    """Do the job, and let all files appear, or none."""
    scratch = scratch_room(job, target, progress)
    memory: list[MemorySink] = []

    def sink_of(final: Job, summary: Summary) -> Sink:
        lock.rows(final.alignment.ids)
        if target is not None:
            return target.sink(final, summary)
        memory.append(MemorySink(len(final.alignment), len(final.columns), final.dtype))
        return memory[0]

    with _enough_memory(job):
        done = run(job, sink_of if job.settings.fuses else None, scratch, progress)
    with one_blas_thread():
        summary, (model, others) = done.summary, (None, []) if outcome is None else outcome.of(done)
    if not job.settings.fuses:
        lock.rows(done.job.alignment.ids)
    summary.reads = opened.files
    lock.finish([*others, *([] if target is None else target.files)])
    if target is None:
        for file in others[:1]:  # the model is all there is
            summary.output, summary.format = file.path, "model"
            summary.bytes = os.fstat(file.fd).st_size
        commit_all([*lock.files, *others])
    else:
        summary.bytes = target.commit([*lock.files, *others]) or summary.bytes
    matrix = memory[0].matrix if memory else None
    return _fused(done.job, placed(target, summary), matrix, model)


@contextmanager
def _enough_memory(job: Job) -> Iterator[None]:
    """Tell what a job needs where it is not there."""
    try:
        yield
    except MemoryError as error:
        raise ResourceError(
            f"not enough memory: this needs about {told_bytes(job.plan.memory)}",
            hint="allow less with --memory, or fewer threads with --threads",
        ) from error


def scratch_room(job: Job, target: OutputTarget | None, progress: Progress) -> ScratchRoom:
    """Beside the output, where there is room for it; else where temporary files go."""
    folder = None
    if target is not None and target.path != STDOUT and "TMPDIR" not in os.environ:
        folder = os.path.dirname(os.path.realpath(target.path))
    return ScratchRoom(job.plan.bucket_rows, folder, job.plan.threads, progress)


def _fused(
    job: Job,
    summary: Summary,
    matrix: NDArray[Any] | None,
    model: Model | TrainedModel | None = None,
) -> Fused:
    found = job.alignment
    flags = job.flags if matrix is not None else {}
    label, models = flags.get("label"), flags.get("n_models")
    return Fused(
        found.ids,
        matrix,
        tuple(job.columns),
        summary,
        found.times,
        label.texts if isinstance(label, Named) else None,
        models if isinstance(models, np.ndarray) else None,
        model,
    )


def placed(target: OutputTarget | None, summary: Summary) -> Summary:
    """The summary with the place of the output."""
    if target is None:
        return summary
    return replace(summary, output=target.path, format=target.format_name, layout=target.layout)
