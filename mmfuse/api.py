"""The public functions. The command line calls these, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.align import By, Joining, refuse_pools
from mmfuse.core.fusion import Missing
from mmfuse.core.ids import Ids, IntegerIds
from mmfuse.core.join import Duplicates, Join
from mmfuse.core.options import options as options_of
from mmfuse.core.registry import strategy_class
from mmfuse.core.source import Progress, Sink, unseen
from mmfuse.core.strategy import Strategy
from mmfuse.core.time_options import TimeOptions
from mmfuse.errors import UsageError
from mmfuse.files.formats import Layout
from mmfuse.files.output import commit_all
from mmfuse.files.scratch import ScratchRoom
from mmfuse.job import Job, Settings, run
from mmfuse.lock import Lock
from mmfuse.nonfinite import NanPolicy
from mmfuse.output import STDOUT, MemorySink, OutputOptions, OutputTarget
from mmfuse.prepare import prepare
from mmfuse.request import PerModality, inputs_of
from mmfuse.sharded_output import output_target
from mmfuse.sources import Opened, Option, SourceOptions, open_sources
from mmfuse.summary import Summary
from mmfuse.timing import in_time

if TYPE_CHECKING:
    from mmfuse.examine import Check
    from mmfuse.profile import InputProfile


@dataclass(frozen=True)
class Fused:
    """The result of `fuse`.

    matrix: `(n, d)`; None where the result was written to a file, or for a dry run.
    columns: the names of the `d` columns. summary: what was done.
    times: of the rows in nanoseconds, where they met in time.
    """

    row_ids: Ids
    matrix: NDArray[Any] | None
    columns: tuple[str, ...]
    summary: Summary
    times: NDArray[np.int64] | None = None

    @property
    def ids(self) -> NDArray[Any]:
        """One id a row, `(n,)`: int64 where every input's ids are integers, else str objects."""
        if isinstance(self.row_ids, IntegerIds):
            return self.row_ids.values
        return np.array(list(self.row_ids), object)


def fuse(
    strategy: str | Strategy,
    modalities: Mapping[str, Any] | Sequence[Any],
    output: str | os.PathLike[str] | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    normalize: Option = None,
    weight: Option = None,
    ids: Option = None,
    id_column: Option = None,
    column: Option = None,
    input_format: Option = None,
    sidecar: bool = True,
    id_transform: Option = None,
    by: By = "auto",
    join: Join = "inner",
    duplicates: Duplicates = "error",
    missing: Missing | None = None,
    sort_ids: bool = False,
    strict: bool = False,
    min_overlap: float = 0.0,
    time: TimeOptions | None = None,
    pool: Option = None,
    pool_mask_zeros: bool = False,
    nan: NanPolicy = "error",
    dtype: str = "float32",
    format: str | None = None,
    layout: Layout | None = None,
    compression: str | None = None,
    clobber: bool = True,
    lock: str | os.PathLike[str] | None = None,
    shard_rows: int | None = None,
    threads: int | None = None,
    memory: int = 512 << 20,
    dry_run: bool = False,
    progress: Progress = unseen,
) -> Fused:
    """Align modalities by row id, fuse them row by row, and return or write the matrix.

    strategy: a name, with its `options`, or an instance.
    modalities: names to paths, arrays `(n, d)`, pairs (array, ids), DataFrames or Tables; or a
        sequence of `[NAME=]PATH`.
    output: a path, or "-" for standard output; without one the matrix is returned.
    normalize: names of normalisations, `"center,l2"` or a list. weight: multiplies a block after
        its normalisation. ids, id_column, column, input_format, id_transform: see `SourceOptions`.
        Each is a value for all modalities, or a mapping of their names ("*" for the others).
    by, join, duplicates, sort_ids, strict, min_overlap: which rows come out; see `Joining`.
    missing: what stands for a modality in a row that lacks it, after normalisation: "zero",
        "mean", "nan" or "error"; None: as the strategy declares.
    time: rows meet in time; see `TimeOptions`. pool: what the rows of a window, or the steps of
        sequences `(n, t, d)`, become: "mean", "max", "std", "last"; of sequences also "flatten".
        pool_mask_zeros: steps of zeros alone are padding.
    nan: what to do with values that are not finite: error, keep, zero, mean or drop.
    format, layout, compression, clobber, shard_rows: see `OutputOptions`.
    lock: a file that says which rows the output has and what the inputs were: written where it
        is not there; else whatever is not as it says is refused.
    threads: None for one a processor. memory: working memory in bytes.
    progress: called as rows are done; see `core.source.Progress`.

    Raises UsageError, InputError, AlignmentError, OutputError or ResourceError.
    """
    chosen, command = _strategy(strategy, options or {})
    inputs = inputs_of(modalities)
    names = [item.name for item in inputs]
    with ExitStack() as resources:
        target = None
        if output is not None:  # before the inputs: what cannot be written fails at once
            wanted = OutputOptions(format, layout, compression, clobber, shard_rows)
            target = output_target(os.fspath(output), wanted, dry_run=dry_run)
            resources.callback(target.close)
        how = SourceOptions(
            ids, id_column, column, input_format, sidecar, id_transform, time, pool, pool_mask_zeros
        )
        joining = Joining(by, join, duplicates, sort_ids, strict, min_overlap)
        columnar = target is not None and target.columnar
        timed = in_time(time, joining, pool, names)
        settings = Settings(joining, missing, dtype, nan, threads, memory, columnar, timed)
        normalizations = PerModality.of("--normalize", normalize, names)
        weights = PerModality.of("--weight", weight, names)
        opened = open_sources(inputs, how)
        if target is not None:
            target.protect(opened.protected)
        job = prepare(command, chosen, opened.sources, normalizations, weights, settings)
        places = [] if target is None else [target.path]
        locked = resources.enter_context(Lock(lock, opened, places, dry_run=dry_run))
        return finished(job, opened, target, locked, dry_run, progress)


def finished(
    job: Job,
    opened: Opened,
    target: OutputTarget | None,
    lock: Lock,
    dry_run: bool,
    progress: Progress,
) -> Fused:
    """Do the job, unless it is a dry run."""
    if dry_run:
        if job.settings.nan != "drop":  # then only a run tells which rows there are
            lock.rows(job.alignment.ids)
        lock.finish()
        planned = replace(placed(target, job.summary()), dry_run=True, reads=opened.files)
        return _fused(job, planned, None)
    scratch = scratch_room(job, target, progress)
    if target is None:
        return _in_memory(job, scratch, lock, progress)

    def sink_of(final: Job, summary: Summary) -> Sink:
        lock.rows(final.alignment.ids)
        return target.sink(final, summary)

    done = run(job, sink_of, scratch, progress)
    summary = done.summary
    summary.reads = opened.files
    lock.finish(target.files)
    summary.bytes = target.commit(lock.files) or summary.bytes
    return _fused(done.job, placed(target, summary), None)


def _strategy(strategy: str | Strategy, options: Mapping[str, Any]) -> tuple[Strategy, str]:
    """A strategy and the name of its command. Raises UsageError for an unknown name or option."""
    if isinstance(strategy, Strategy):
        return strategy, type(strategy).__module__.rpartition(".")[2].replace("_", "-")
    found = strategy_class(strategy)
    known = {option.name for option in options_of(found)}
    for name in options:
        if name not in known:
            raise UsageError(
                f"{strategy} has no option {name!r}",
                hint="it has " + (", ".join(sorted(known)) or "none"),
            )
    return found(**options), strategy


def scratch_room(job: Job, target: OutputTarget | None, progress: Progress) -> ScratchRoom:
    """Beside the output, where there is room for it; else where temporary files go."""
    folder = None
    if target is not None and target.path != STDOUT and "TMPDIR" not in os.environ:
        folder = os.path.dirname(os.path.realpath(target.path))
    return ScratchRoom(job.plan.bucket_rows, folder, job.plan.threads, progress)


def _in_memory(job: Job, scratch: ScratchRoom, lock: Lock, progress: Progress) -> Fused:
    sinks: list[MemorySink] = []

    def sink_of(final: Job, summary: Summary) -> MemorySink:
        lock.rows(final.alignment.ids)
        sinks.append(MemorySink(len(final.alignment), len(final.columns), final.dtype))
        return sinks[0]

    done = run(job, sink_of, scratch, progress)
    lock.finish()
    commit_all(lock.files)
    return _fused(done.job, done.summary, sinks[0].matrix)


def _fused(job: Job, summary: Summary, matrix: NDArray[Any] | None) -> Fused:
    found = job.alignment
    return Fused(found.ids, matrix, tuple(job.columns), summary, found.times)


def placed(target: OutputTarget | None, summary: Summary) -> Summary:
    """The summary with the place of the output."""
    if target is None:
        return summary
    return replace(summary, output=target.path, format=target.format_name, layout=target.layout)


def inspect(
    files: Sequence[Any] | Mapping[str, Any],
    *,
    ids: Option = None,
    id_column: Option = None,
    column: Option = None,
    format: Option = None,
    sidecar: bool = True,
    pool: Option = None,
    pool_mask_zeros: bool = False,
) -> list[InputProfile]:
    """Look at files: shape, ids, lengths of rows, odd values, and the record mmfuse left.

    files: as `modalities` of `fuse`; the options as there and in `SourceOptions`.
    Raises UsageError, InputError or AlignmentError.
    """
    from mmfuse.profile import profile

    inputs = inputs_of(files)
    how = SourceOptions(
        ids, id_column, column, format, sidecar, pool=pool, mask_zeros=pool_mask_zeros
    )
    opened = open_sources(inputs, how)
    refuse_pools(opened.sources, "nothing is joined")
    return [profile(source, item) for source, item in zip(opened.sources, inputs, strict=True)]


def check(
    files: Sequence[Any] | Mapping[str, Any],
    *,
    ids: Option = None,
    id_column: Option = None,
    column: Option = None,
    format: Option = None,
    sidecar: bool = True,
    id_transform: Option = None,
    pool: Option = None,
    pool_mask_zeros: bool = False,
    features: bool = True,
    seed: int = 0,
) -> Check:
    """Whether the rows of two or more modalities belong together; see `examine.Check`.

    files: as `modalities` of `fuse`; the options as `SourceOptions`. features: whether a sample
    of them is tested as well, for which `seed` chooses the shuffles.
    Raises UsageError, InputError or AlignmentError.
    """
    from mmfuse.examine import examine

    inputs = inputs_of(files)
    if len(inputs) < 2:
        raise UsageError("check compares files: give two or more")
    options = SourceOptions(
        *(ids, id_column, column, format, sidecar, id_transform),
        pool=pool,
        mask_zeros=pool_mask_zeros,
    )
    sources = open_sources(inputs, options).sources
    refuse_pools(sources, "check takes rows as they stand")
    return examine(sources, features=features, seed=seed)
