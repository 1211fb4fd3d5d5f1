"""From sources and settings to a job: rows aligned, work planned, before a feature is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.align import align
from mmfuse.core.alignment import Alignment
from mmfuse.core.fusion import Fusion, Missing
from mmfuse.core.join import DUPLICATES, JOINS
from mmfuse.core.plan import Access, plan
from mmfuse.core.row_products import row_products_bytes
from mmfuse.core.scatter import scatter_bytes
from mmfuse.core.schema import Modality, Schema
from mmfuse.core.source import Source
from mmfuse.core.strategy import Strategy
from mmfuse.core.time_align import align_in_time
from mmfuse.errors import AlignmentError, UsageError
from mmfuse.files.machine import available_memory
from mmfuse.job import Job, Settings
from mmfuse.request import PerModality
from mmfuse.stages import chain_of

DTYPES = ("float16", "float32", "float64")
MISSING = ("zero", "mean", "nan", "error")
POLICIES = ("error", "keep", "zero", "mean", "drop")


def aligned(sources: Sequence[Source], settings: Settings) -> Alignment:
    """Match the rows, by id or in time. Raises a MmfuseError for whatever cannot be done."""
    check(settings)
    if settings.time is not None:
        return align_in_time(sources, settings.time)
    return align(sources, settings.joining)


def new_fusion(
    strategy: Strategy,
    sources: Sequence[Source],
    alignment: Alignment,
    normalize: PerModality[str | Sequence[str]],
    weight: PerModality[float],
    settings: Settings,
    classes: tuple[str, ...] = (),
) -> Fusion:
    """A fusion of these sources that has learned nothing. Raises UsageError."""
    refuse_filling(strategy, settings.missing)
    modalities = (Modality(s.name, s.columns, _weight(weight, s.name)) for s in sources)
    chains = tuple(
        chain_of(
            normalize.get(source.name, "none"),
            settings.nan,
            learns_missing=settings.missing == "mean"
            and (settings.keep or alignment.present(m) is not None),
        )
        for m, source in enumerate(sources)
    )
    schema = Schema(tuple(modalities), classes)
    fusion = Fusion(schema, chains, strategy, missing=settings.missing)
    _refuse_nan(fusion, settings)
    return fusion


def refuse_filling(strategy: Strategy, missing: Missing | None) -> None:
    """Raise UsageError where something is to stand for the prediction of a model."""
    if strategy.of_predictions and missing not in (None, "error"):
        raise UsageError(
            f"--missing {missing} would make up a prediction: a row that lacks a model is fused "
            "from those it has",
            hint="--missing error refuses such rows",
        )


def refuse_keeping(strategy: Strategy, nan: str) -> None:
    """Raise UsageError where values that are not finite would count as predictions."""
    if nan == "keep" and strategy.of_predictions:
        raise UsageError(
            "--nan keep would fuse predictions that are none",
            hint="--nan drop leaves such rows out",
        )


def _refuse_nan(fusion: Fusion, settings: Settings) -> None:
    """Raise UsageError for values that are not finite where one would spoil all."""
    whole = fusion.strategy.whole
    refuse_keeping(fusion.strategy, settings.nan)
    mixes = any(stage.normalization.mixes for chain in fusion.chains for stage in chain)
    if settings.nan == "keep" and (fusion.strategy.learns or whole or mixes):
        raise UsageError(
            "--nan keep lets values pass that are not finite, and nothing is learned from those",
            hint="--nan zero, mean or drop mends them",
        )
    if settings.missing == "nan" and whole:
        raise UsageError(
            "--missing nan would make every row NaN: this strategy fuses all rows at once",
            hint="--missing zero or mean, or --join inner",
        )


def planned(
    command: str,
    fusion: Fusion,
    sources: Sequence[Source],
    alignment: Alignment,
    settings: Settings,
    dtype: np.dtype[Any],
    watched: Fusion | None = None,
    labels: NDArray[np.int64] | None = None,
) -> Job:
    """Plan the work on rows that are aligned. Raises a MmfuseError for what cannot be done.

    watched: what gathers statistics of the rows beside. labels: see `Job`.
    """
    _refuse_missing(alignment, sources, settings)
    strategy, schema = fusion.settled, fusion.schema
    columns = strategy.columns(schema)
    accesses = [_access(source, alignment, m) for m, source in enumerate(sources)]
    work = plan(
        len(alignment),
        accesses,
        len(columns),
        dtype,
        threads=settings.threads or len(os.sched_getaffinity(0)),
        memory=settings.memory,
        cache=available_memory() // 2,  # the output wants its share
        passes=_passes(fusion, settings) + (watched is not None),
        columnar=settings.columnar,
        columnwise=strategy.stacks
        and watched is None
        and not (settings.nan == "drop" or settings.keep or any(fusion.chains)),
        statistic=_statistic_bytes(watched or fusion) * (1 + settings.shuffle),
        waiting=row_products_bytes(sum(schema.dims)) if (watched or fusion).strategy.learns else 0,
        whole=strategy.workspace(len(alignment), schema) if strategy.whole else None,
    )
    job = Job(
        command, sources, alignment, accesses, fusion, columns, dtype, work, settings,
        watched=watched, labels=labels,
    )  # fmt: skip
    if clash := next((name for name in job.flags if name in columns), None):
        cure = "name the inputs otherwise" if strategy.predicts is None else "rename the class"
        raise UsageError(f"two output columns would be named {clash!r}", hint=cure)
    return job


def check(settings: Settings) -> None:
    """Raise UsageError for a value that is none of those known."""
    joining = settings.joining
    for option, value, known in (
        ("--dtype", settings.dtype, DTYPES),
        ("--nan", settings.nan, POLICIES),
        ("--missing", settings.missing, (None, *MISSING)),
        ("--join", joining.how, JOINS),
        ("--duplicates", joining.duplicates, DUPLICATES),
    ):
        if value not in known:
            told = ", ".join(name for name in known if name)
            raise UsageError(f"{option} is {value!r}; it must be one of {told}")
    if joining.by == "position" and joining.duplicates != "error":
        raise UsageError("--duplicates is for joins by id, and --by-position takes every row")
    if not 0 <= joining.min_overlap <= 1:
        raise UsageError(f"--min-overlap is {joining.min_overlap}; it is a share from 0 to 1")
    if settings.threads is not None and settings.threads < 1:
        raise UsageError(f"--threads is {settings.threads}; it must be at least 1")


def _refuse_missing(alignment: Alignment, sources: Sequence[Source], settings: Settings) -> None:
    if settings.missing != "error":
        return
    for source, absent in zip(sources, alignment.absent, strict=True):
        if absent:
            raise AlignmentError(
                f"{absent:,} of {len(alignment):,} rows lack {source.name}, and --missing error "
                "refuses that",
                where=source.label,
            )


def _access(source: Source, alignment: Alignment, m: int) -> Access:
    rows = alignment.rows[m]
    return Access(
        source.rows,
        len(source.columns),
        source.dtype,
        source.storage,
        ordered=source.streams and (rows is None or bool((rows[1:] >= rows[:-1]).all())),
        columnar=source.columnar,
        taken=source.rows if rows is None else len(rows),
        patchy=alignment.ends[m] is not None,
    )


def _passes(fusion: Fusion, settings: Settings) -> int:
    """How often every row is read."""
    return (settings.nan == "drop") + max(fusion.passes, settings.keep) + settings.fuses


def _statistic_bytes(fusion: Fusion) -> int:
    """Of what the strategy learns from, and the modalities whose normalisation mixes columns."""
    if fusion.learned is not None:
        return 0
    mixing = [
        scatter_bytes((dim,))
        for dim, chain in zip(fusion.schema.dims, fusion.chains, strict=True)
        if any(stage.normalization.mixes for stage in chain)
    ]
    return fusion.strategy.statistic_bytes(fusion.schema) + sum(mixing)


def _weight(weight: PerModality[float], name: str) -> float:
    value = float(weight.get(name, 1.0))
    if not np.isfinite(value):
        raise UsageError(f"--weight of {name} is {value}; it must be a finite number")
    return value
