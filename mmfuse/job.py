"""One fusion from sources to result: prepared from headers and ids alone, then run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse import __version__
from mmfuse.core.align import Joining
from mmfuse.core.aligned import Aligned
from mmfuse.core.alignment import Alignment
from mmfuse.core.columns import ColumnEngine
from mmfuse.core.engine import Engine
from mmfuse.core.fusion import Fusion, Lesson, Missing
from mmfuse.core.options import options as options_of
from mmfuse.core.plan import Access, Plan
from mmfuse.core.source import Progress, Scratch, Sink, Source
from mmfuse.core.tally import Tally
from mmfuse.core.time_align import TimeJoining
from mmfuse.errors import InputError
from mmfuse.files.blas import one_blas_thread
from mmfuse.files.inputs import reading
from mmfuse.findings import notes, refuse_nonfinite
from mmfuse.nonfinite import NanPolicy
from mmfuse.summary import InputSummary, Summary


@dataclass(frozen=True)
class Settings:
    """How rows are matched, cleaned and computed; see `mmfuse.fuse`."""

    joining: Joining = field(default_factory=Joining)
    missing: Missing | None = None
    dtype: str = "float32"
    nan: NanPolicy = "error"
    threads: int | None = None
    memory: int = 512 << 20
    columnar: bool = False
    """Whether the output can be written a column at a time."""
    time: TimeJoining | None = None
    keep: bool = False
    """Whether what was gathered to learn from is wanted, for a model."""


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
    labels: NDArray[np.int64] | None = None
    """Of every row the number of its class, -1 where it has none."""

    def settled(self, fusion: Fusion) -> Job:
        """The job with a fusion that has learned, and the columns that it turned out to have."""
        return replace(self, fusion=fusion, columns=fusion.settled.columns(fusion.schema))

    def summary(self) -> Summary:
        """What will be done; `run` adds what was found on the way."""
        strategy, schema = self.fusion.strategy, self.fusion.schema
        return Summary(
            command=self.command,
            options={o.name: getattr(strategy, o.name) for o in options_of(type(strategy))},
            inputs=self._inputs(),
            join=self.alignment.how,
            duplicates=self.settings.joining.duplicates,
            missing=self.missing,
            by=self.alignment.by,
            time=None if self.settings.time is None else str(self.settings.time),
            rows=len(self.alignment),
            columns=len(self.columns),
            dtype=str(self.dtype),
            slices={name: list(ends) for name, ends in self.fusion.settled.slices(schema).items()},
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

    def _inputs(self) -> list[InputSummary]:
        return [
            InputSummary(
                name=source.name,
                file=source.label.partition("=")[2],
                rows=source.rows,
                columns=len(source.columns),
                dtype=str(source.dtype.newbyteorder("=")),
                ids=(source.id_source or "none") if self.alignment.by != "position" else "position",
                kept=source.rows - dropped,
                dropped=dropped,
                absent=absent,
                normalize=[stage.name for stage in chain],
                weight=modality.weight,
                way=way,
                times=source.time_source if self.alignment.by == "time" else None,
                unmatched=unmatched,
            )
            for source, dropped, absent, unmatched, chain, modality, way in zip(
                self.sources,
                self.alignment.dropped,
                self.alignment.absent,
                self.alignment.unmatched,
                self.fusion.chains,
                self.fusion.schema.modalities,
                self.plan.ways,
                strict=True,
            )
        ]

    @property
    def missing(self) -> str | None:
        """What became of the modalities that a row lacks; None where every row has them all."""
        if self.alignment.complete:
            return None
        return "present" if self.fusion.fuses_present else self.fusion.missing or "zero"

    @property
    def flags(self) -> dict[str, NDArray[Any]]:
        """Further columns of the output: which rows have a modality, if some lack one; times."""
        times = self.alignment.times
        timed = {} if times is None else {"time_ns": times}
        if self.alignment.complete:
            return timed
        whole = np.ones(len(self.alignment), np.bool_)
        masks = (self.alignment.present(m) for m in range(len(self.sources)))
        present = {
            f"present_{source.name}": whole if mask is None else mask
            for source, mask in zip(self.sources, masks, strict=True)
        }
        return {**timed, **present}

    def refuse(self, tally: Tally) -> None:
        """Raise InputError for what a pass found that the settings do not allow."""
        refuse_nonfinite(tally, self.sources, self.alignment.ids, self.dtype, self.settings.nan)

    def _source_notes(self) -> list[str]:
        told = [f"{source.name}: {note}" for source in self.sources for note in source.notes]
        if self.not_finite:
            told.append(f"{self.not_finite:,} rows dropped: a value is NaN or infinite")
        if self.alignment.suggestion is not None:
            told.append(f"less than half of an input's ids meet; {self.alignment.suggestion}")
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
    if out == stored.newbyteorder("="):
        return True
    return np.can_cast(stored, out, "safe") and not (stored.kind in "iu" and stored.itemsize == 8)


@dataclass(frozen=True)
class Done:
    """What a job did: its summary, the job with what it had learned, and from what."""

    summary: Summary
    job: Job
    lesson: Lesson | None = None


def run(job: Job, sink_of: SinkOf | None, scratch: Scratch, progress: Progress) -> Done:
    """Read and normalise all rows, learn from them, and fuse and write them.

    sink_of: makes the sink, once it is certain which rows and columns the output has; None: the
        rows are only learned from.
    Raises InputError for values that are not finite, unless the settings say what to do.
    """
    with ExitStack() as opened, one_blas_thread(job.fusion.strategy.learns):
        lesson = None
        if job.plan.columns:
            assert sink_of is not None
            summary = job.summary()
            tally = _run_columns(job, sink_of(job, summary), opened, progress)
        else:
            taken = [_taken(job, m, scratch, opened) for m in range(len(job.sources))]
            if job.settings.nan == "drop":
                job, taken = _without_bad_rows(job, taken, progress)
            engine = _engine(job, taken, progress)
            if job.fusion.learned is None:
                lesson = engine.fit(job.fusion, job.refuse, keep=job.settings.keep)
                job = job.settled(lesson.fusion)
            summary = job.summary()
            tally = Tally.empty(len(taken))
            if sink_of is not None:
                sink = sink_of(job, summary)
                tally = engine.run(job.fusion, sink, len(job.columns), job.dtype)
        job.refuse(tally)
        for m, item in enumerate(summary.inputs):
            item.norm = tally.norms(m, len(job.alignment), job.alignment.present(m))
        summary.notes += notes(tally, job.sources, job.fusion, job.settings.nan)
        for source, rows in zip(job.sources, job.alignment.rows, strict=True):
            summary.notes += [f"{source.name}: {note}" for note in source.found(rows)]
    return Done(summary, job, lesson)


def _taken(job: Job, m: int, scratch: Scratch, opened: ExitStack) -> Aligned:
    source = job.sources[m]
    with reading(source.label):
        taken = source.reader(job.alignment.rows[m], job.plan.ways[m], scratch)
    opened.callback(taken.reader.close)
    return Aligned(taken, source.dtype, job.alignment.ends[m], job.alignment.pools[m])


def _engine(job: Job, taken: Sequence[Aligned], progress: Progress) -> Engine:
    working = _working(job)
    return Engine(
        taken,
        [x if rows.pools else rows.dtype for rows, x in zip(taken, working, strict=True)],
        working,
        job.plan,
        checked=job.settings.nan != "keep",
        progress=progress,
        labels=job.labels,
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
    """For every source float32 where it holds all values and no more is asked for, else float64.

    Integers that are only copied stay what they are.
    """
    natives = [source.dtype.newbyteorder("=") for source in job.sources]
    if job.fusion.copies and job.dtype.kind in "iu" and set(natives) == {job.dtype}:
        return natives
    wide = job.dtype.itemsize > 4
    exact = [np.can_cast(source.dtype, np.float32, "safe") and not wide for source in job.sources]
    return [np.dtype(np.float32 if fits else np.float64) for fits in exact]


def _without_bad_rows(
    job: Job, taken: Sequence[Aligned], progress: Progress
) -> tuple[Job, list[Aligned]]:
    finite = _engine(job, taken, progress).finite_rows(job.fusion)
    kept = np.flatnonzero(finite)
    if not len(kept):
        raise InputError("every row has a value that is not finite, and --nan drop leaves none")
    job = replace(
        job,
        alignment=job.alignment.take(kept),
        labels=None if job.labels is None else job.labels[kept],
        plan=replace(job.plan, rows=len(kept)),
        not_finite=len(finite) - len(kept),
    )
    return job, [rows.keep(kept) for rows in taken]
