"""One fusion from sources to result: prepared from headers and ids alone, then run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmfuse import __version__
from mmfuse.core.align import Alignment, By, align
from mmfuse.core.columns import ColumnEngine
from mmfuse.core.engine import Engine
from mmfuse.core.fusion import Fusion, Stage
from mmfuse.core.ids import Rows
from mmfuse.core.options import options as options_of
from mmfuse.core.plan import Access, Plan, plan
from mmfuse.core.registry import normalization
from mmfuse.core.schema import Modality, Schema
from mmfuse.core.source import Progress, Scratch, Sink, Source, Taken
from mmfuse.core.strategy import Strategy
from mmfuse.core.tally import Tally
from mmfuse.errors import InputError, UsageError
from mmfuse.files.inputs import reading
from mmfuse.files.machine import available_memory
from mmfuse.findings import notes, refuse_nonfinite
from mmfuse.nonfinite import NanPolicy, filling
from mmfuse.request import PerModality
from mmfuse.summary import InputSummary, Summary

_DTYPES = ("float16", "float32", "float64")
_POLICIES = ("error", "keep", "zero", "mean", "drop")


@dataclass(frozen=True)
class Settings:
    """How rows are matched, cleaned and computed; see `mmfuse.fuse`."""

    by: By = "auto"
    dtype: str = "float32"
    nan: NanPolicy = "error"
    threads: int | None = None
    memory: int = 512 << 20
    columnar: bool = False
    """Whether the output can be written a column at a time."""


SinkOf = Callable[["Job", Summary], Sink]


@dataclass(frozen=True)
class Job:
    """All that is decided before a feature is read. Pure data but for the sources."""

    command: str
    sources: Sequence[Source]
    alignment: Alignment
    accesses: Sequence[Access]
    fusion: Fusion
    columns: Sequence[str]
    dtype: np.dtype[Any]
    plan: Plan
    settings: Settings
    not_finite: int = 0

    def summary(self) -> Summary:
        """What will be done; `run` adds what was found on the way."""
        strategy, schema = self.fusion.strategy, self.fusion.schema
        inputs = [
            InputSummary(
                name=source.name,
                file=source.label.partition("=")[2],
                rows=source.rows,
                columns=len(source.columns),
                dtype=str(source.dtype.newbyteorder("=")),
                ids=source.id_source if self.alignment.by == "id" else "position",
                kept=len(self.alignment),
                dropped=dropped,
                normalize=[stage.name for stage in chain],
                weight=modality.weight,
                way=way,
            )
            for source, dropped, chain, modality, way in zip(
                self.sources,
                self.alignment.dropped,
                self.fusion.chains,
                schema.modalities,
                self.plan.ways,
                strict=True,
            )
        ]
        return Summary(
            command=self.command,
            options={o.name: getattr(strategy, o.name) for o in options_of(type(strategy))},
            inputs=inputs,
            join="inner",
            by=self.alignment.by,
            rows=len(self.alignment),
            columns=len(self.columns),
            dtype=str(self.dtype),
            slices={name: list(ends) for name, ends in strategy.slices(schema).items()},
            output=None,
            format=None,
            layout=None,
            bytes=len(self.alignment) * len(self.columns) * self.dtype.itemsize,
            memory=self.plan.memory,
            temporary=self.plan.spilled,
            read=self.plan.read,
            threads=self.plan.threads,
            dry_run=False,
            version=__version__,
            notes=[*self._source_notes(), *self._rounding_notes()],
        )

    def refuse(self, tally: Tally) -> None:
        """Raise InputError for what a pass found that the settings do not allow."""
        refuse_nonfinite(tally, self.sources, self.alignment.ids, self.dtype, self.settings.nan)

    def _source_notes(self) -> list[str]:
        told = [f"{source.name}: {note}" for source in self.sources for note in source.notes]
        if self.not_finite:
            told.append(f"{self.not_finite:,} rows dropped: a value is NaN or infinite")
        return told

    def _rounding_notes(self) -> list[str]:
        rounded = [
            f"{source.name} ({source.dtype.newbyteorder('=')})"
            for source in self.sources
            if not _holds(self.dtype, source.dtype)
        ]
        if not rounded:
            return []
        more = "; --dtype float64 keeps more" if self.dtype.itemsize < 8 else ""
        return [f"rounded to {self.dtype}: {', '.join(rounded)}{more}"]


def _holds(out: np.dtype[Any], stored: np.dtype[Any]) -> bool:
    """Whether every stored value is exact in the output; NumPy calls int64 in float64 safe."""
    return np.can_cast(stored, out, "safe") and not (stored.kind in "iu" and stored.itemsize == 8)


def prepare(
    command: str,
    strategy: Strategy,
    sources: Sequence[Source],
    normalize: PerModality[str | Sequence[str]],
    weight: PerModality[float],
    settings: Settings,
) -> Job:
    """Align the rows and plan the work. Raises a MmfuseError for whatever cannot be done."""
    if settings.dtype not in _DTYPES:
        raise UsageError(f"--dtype is {settings.dtype!r}; it must be one of {', '.join(_DTYPES)}")
    if settings.nan not in _POLICIES:
        raise UsageError(f"--nan is {settings.nan!r}; it must be one of {', '.join(_POLICIES)}")
    if settings.threads is not None and settings.threads < 1:
        raise UsageError(f"--threads is {settings.threads}; it must be at least 1")
    alignment = align(sources, settings.by)
    modalities = (Modality(s.name, s.columns, _weight(weight, s.name)) for s in sources)
    schema = Schema(tuple(modalities))
    chains = tuple(
        (*filling(settings.nan), *_chain(normalize.get(source.name, "none"))) for source in sources
    )
    columns = strategy.columns(schema)
    dtype = np.dtype(settings.dtype)
    accesses = [_access(*taken) for taken in zip(sources, alignment.rows, strict=True)]
    work = plan(
        len(alignment),
        accesses,
        len(columns),
        dtype,
        threads=settings.threads or len(os.sched_getaffinity(0)),
        memory=settings.memory,
        cache=available_memory() // 2,  # the output wants its share
        passes=1 + (settings.nan == "drop") + max(map(_lessons, chains)),
        columnar=settings.columnar,
        columnwise=strategy.stacks and settings.nan != "drop" and not any(chains),
    )
    fusion = Fusion(schema, chains, strategy)
    return Job(command, sources, alignment, accesses, fusion, columns, dtype, work, settings)


def _access(source: Source, rows: Rows | None) -> Access:
    ordered = rows is None or bool((rows[1:] >= rows[:-1]).all())
    return Access(
        source.rows, len(source.columns), source.dtype, source.storage, ordered, source.columnar
    )


def _lessons(chain: Sequence[Stage]) -> int:
    """How often a chain has to see all rows to learn."""
    return sum(stage.learned is None for stage in chain)


def _weight(weight: PerModality[float], name: str) -> float:
    value = float(weight.get(name, 1.0))
    if not np.isfinite(value):
        raise UsageError(f"--weight of {name} is {value}; it must be a finite number")
    return value


def _chain(names: str | Sequence[str]) -> tuple[Stage, ...]:
    listed = names.split(",") if isinstance(names, str) else list(names)
    stages = (Stage.of(name, normalization(name.strip())) for name in listed)
    return tuple(stage for stage in stages if stage.name != "none")


def run(job: Job, sink_of: SinkOf, scratch: Scratch, progress: Progress) -> Summary:
    """Read, normalise, fuse and write all rows.

    sink_of: makes the sink, once it is certain which rows the output has.
    Raises InputError for values that are not finite, unless the settings say what to do.
    """
    with ExitStack() as opened:
        if job.plan.columns:
            summary = job.summary()
            fusion, tally = job.fusion, _run_columns(job, sink_of(job, summary), opened, progress)
        else:
            taken = [_taken(job, m, scratch, opened) for m in range(len(job.sources))]
            if job.settings.nan == "drop":
                job, taken = _without_bad_rows(job, taken, progress)
            engine = _engine(job, taken, progress)
            summary = job.summary()
            fusion, tally = engine.fit(job.fusion)
            job.refuse(tally)
            tally = engine.run(fusion, sink_of(job, summary), len(job.columns), job.dtype)
        job.refuse(tally)
        for m, item in enumerate(summary.inputs):
            item.norm = tally.norms(m, len(job.alignment))
        summary.notes += notes(tally, job.sources, fusion, job.settings.nan)
    return summary


def _taken(job: Job, m: int, scratch: Scratch, opened: ExitStack) -> Taken:
    source = job.sources[m]
    with reading(source.label):
        taken = source.reader(job.alignment.rows[m], job.plan.ways[m], scratch)
    opened.callback(taken.reader.close)
    return taken


def _engine(job: Job, taken: Sequence[Taken], progress: Progress) -> Engine:
    return Engine(
        taken,
        [source.dtype for source in job.sources],
        _working(job),
        job.plan,
        checked=job.settings.nan != "keep",
        progress=progress,
    )


def _run_columns(job: Job, sink: Sink, opened: ExitStack, progress: Progress) -> Tally:
    readers = [source.column_reader() for source in job.sources]
    for reader in readers:
        opened.callback(reader.close)
    engine = ColumnEngine(
        readers,
        job.accesses,
        [rows if rows is None else rows.astype(np.intp) for rows in job.alignment.rows],
        _working(job),
        job.fusion.schema.weights.tolist(),
        job.plan,
        checked=job.settings.nan != "keep",
        progress=progress,
    )
    return engine.run(sink, job.dtype)


def _working(job: Job) -> list[np.dtype[Any]]:
    """For every source float32 where it holds all values and no more is asked for, else float64."""
    wide = job.dtype.itemsize > 4
    exact = [np.can_cast(source.dtype, np.float32, "safe") and not wide for source in job.sources]
    return [np.dtype(np.float32 if fits else np.float64) for fits in exact]


def _without_bad_rows(
    job: Job, taken: Sequence[Taken], progress: Progress
) -> tuple[Job, list[Taken]]:
    finite = _engine(job, taken, progress).finite_rows(job.fusion)
    kept = np.flatnonzero(finite)
    if not len(kept):
        raise InputError("every row has a value that is not finite, and --nan drop leaves none")
    job = replace(
        job,
        alignment=job.alignment.keep(finite),
        plan=replace(job.plan, rows=len(kept)),
        not_finite=len(finite) - len(kept),
    )
    return job, [rows.keep(kept) for rows in taken]
