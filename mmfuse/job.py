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
from mmfuse.core.engine import Engine
from mmfuse.core.fusion import Fusion, Stage
from mmfuse.core.options import options as options_of
from mmfuse.core.plan import Plan, plan
from mmfuse.core.registry import normalization
from mmfuse.core.schema import Modality, Schema
from mmfuse.core.source import Progress, RowReader, Scratch, Sink, Source
from mmfuse.core.strategy import Strategy
from mmfuse.core.tally import Tally
from mmfuse.errors import InputError, UsageError
from mmfuse.files.inputs import reading
from mmfuse.findings import notes, refuse_nonfinite
from mmfuse.nonfinite import NanPolicy, filling
from mmfuse.request import PerModality
from mmfuse.summary import InputSummary, Summary

_NORM_SAMPLE = 1000
_NORM_BYTES = 8 << 20
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


SinkOf = Callable[["Job", Summary], Sink]


@dataclass(frozen=True)
class Job:
    """All that is decided before a feature is read. Pure data but for the sources."""

    command: str
    sources: Sequence[Source]
    alignment: Alignment
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
            )
            for source, dropped, chain, modality in zip(
                self.sources,
                self.alignment.dropped,
                self.fusion.chains,
                schema.modalities,
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
    cut = plan(
        len(alignment),
        [(len(source.columns), source.dtype) for source in sources],
        len(columns),
        dtype,
        threads=settings.threads or len(os.sched_getaffinity(0)),
        memory=settings.memory // 2,
    )
    fusion = Fusion(schema, chains, strategy)
    return Job(command, sources, alignment, fusion, columns, dtype, cut, settings)


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
        readers = [_reader(source, scratch, opened) for source in job.sources]
        if job.settings.nan == "drop":
            job = _without_bad_rows(job, _engine(job, readers, progress))
        engine = _engine(job, readers, progress)
        summary = job.summary()
        norms = [_row_norms(job, m, reader) for m, reader in enumerate(readers)]
        for item, norm in zip(summary.inputs, norms, strict=True):
            item.norm = norm
        fusion, tally = engine.fit(job.fusion)
        job.refuse(tally)
        tally = engine.run(fusion, sink_of(job, summary), len(job.columns), job.dtype)
        job.refuse(tally)
        summary.notes += notes(tally, job.sources, fusion, job.settings.nan)
    return summary


def _reader(source: Source, scratch: Scratch, opened: ExitStack) -> RowReader:
    with reading(source.label):
        reader = source.reader(scratch)
    opened.callback(reader.close)
    return reader


def _engine(job: Job, readers: Sequence[RowReader], progress: Progress) -> Engine:
    dtypes = [source.dtype for source in job.sources]
    return Engine(
        readers,
        dtypes,
        [_working(dtype, job.dtype) for dtype in dtypes],
        job.alignment,
        job.plan,
        checked=job.settings.nan != "keep",
        progress=progress,
    )


def _working(stored: np.dtype[Any], out: np.dtype[Any]) -> np.dtype[Any]:
    """float32 where it holds every stored value and no more is asked for, else float64."""
    exact = np.can_cast(stored, np.float32, "safe") and out.itemsize <= 4
    return np.dtype(np.float32 if exact else np.float64)


def _without_bad_rows(job: Job, engine: Engine) -> Job:
    finite = engine.finite_rows(job.fusion)
    if not finite.any():
        raise InputError("every row has a value that is not finite, and --nan drop leaves none")
    return replace(
        job,
        alignment=job.alignment.keep(finite),
        plan=replace(job.plan, rows=int(finite.sum())),
        not_finite=int((~finite).sum()),
    )


def _row_norms(job: Job, m: int, reader: RowReader) -> list[float]:
    """Mean and standard deviation of the lengths of evenly spaced output rows, as stored."""
    n, source, rows = len(job.alignment), job.sources[m], job.alignment.rows[m]
    step = max(1, _NORM_BYTES // (len(source.columns) * source.dtype.itemsize))
    sample = np.linspace(0, n - 1, min(n, _NORM_SAMPLE, step)).astype(np.int64)
    block = np.empty((len(sample), len(source.columns)), source.dtype)
    reader.read(sample if rows is None else rows[sample], block)
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(block.astype(np.float64), axis=1)
    lengths = lengths[np.isfinite(lengths)]
    return [float(lengths.mean()), float(lengths.std())] if len(lengths) else []
