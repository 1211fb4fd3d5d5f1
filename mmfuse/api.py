"""The public functions. The command line calls these, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mmfuse.core.align import By, Joining, refuse_pools
from mmfuse.core.fusion import Missing
from mmfuse.core.join import Duplicates, Join
from mmfuse.core.source import Progress, unseen
from mmfuse.core.strategy import Strategy
from mmfuse.core.time_options import TimeOptions
from mmfuse.errors import UsageError
from mmfuse.files.formats import Layout
from mmfuse.job import Settings
from mmfuse.learning import model_of, new_job, strategy_of, task_of
from mmfuse.nonfinite import NanPolicy
from mmfuse.output import OutputOptions
from mmfuse.request import PerModality, inputs_of
from mmfuse.sources import Option, SourceOptions, open_sources
from mmfuse.timing import in_time
from mmfuse.work import Asked, Fused, carry_out

if TYPE_CHECKING:
    from mmfuse.examine import Check
    from mmfuse.profile import InputProfile


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
    save: str | os.PathLike[str] | None = None,
    report: bool = False,
    plot: str | os.PathLike[str] | None = None,
    labels: Any = None,
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
        Of predictions, input_format also says what they are: logits, scores or labels.
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
    save: a file for the model, which `apply` applies to new rows.
    report: whether the summary tells what was learned, see `explain`; with correlations also what
        is chance. plot: a file in which that is drawn, of a suffix that matplotlib knows.
    labels: what supervised strategies learn from: a file (`FILE[:COLUMN]`), an array, or a pair
        (array, ids); numbers where those are predicted.
    threads: None for one a processor. memory: working memory in bytes.
    progress: called as rows are done; see `core.source.Progress`.

    Raises UsageError, InputError, AlignmentError, OutputError or ResourceError.
    """
    chosen, command = strategy_of(strategy, options or {})
    inputs = inputs_of(modalities)
    names = [item.name for item in inputs]
    how = SourceOptions(
        *(ids, id_column, column, input_format, sidecar, id_transform, time, pool, pool_mask_zeros),
        predictions=chosen.of_predictions,
    )
    joining = Joining(by, join, duplicates, sort_ids, strict, min_overlap)
    timed = in_time(time, joining, pool, names)
    keep = save is not None or report or plot is not None
    settings = Settings(joining, missing, dtype, nan, threads, memory, time=timed, keep=keep)
    settings = replace(settings, shuffle=chosen.correlates and (report or plot is not None))
    wanted = OutputOptions(format, layout, compression, clobber, shard_rows, bool(chosen.predicts))
    beside = {"lock": lock, "save": save, "labels": labels, "report": report, "plot": plot}
    beside |= {"task": task_of(chosen), "dry_run": dry_run, "progress": progress}
    asked = Asked(inputs, how, settings, output, wanted, **beside)
    chains = PerModality.of("--normalize", normalize, names)
    make = partial(new_job, command, chosen, chains, PerModality.of("--weight", weight, names))
    return carry_out(asked, make, model_of if keep else None)


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
