"""A job done: its rows read, learned from, fused and written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmfuse.core.aligned import Aligned
from mmfuse.core.columns import ColumnEngine
from mmfuse.core.engine import Engine
from mmfuse.core.fusion import Lesson
from mmfuse.core.gathered import Gathered
from mmfuse.core.source import Progress, Scratch, Sink
from mmfuse.core.tally import Tally
from mmfuse.errors import InputError
from mmfuse.files.blas import one_blas_thread
from mmfuse.files.inputs import reading, unchanged
from mmfuse.findings import fitting_rows, notes
from mmfuse.job import Job
from mmfuse.summary import Summary

SinkOf = Callable[[Job, Summary], Sink]


@dataclass(frozen=True)
class Done:
    """What a job did: its summary, the job with what it had learned, and from what.

    gathered: of the rows, where they were watched.
    """

    summary: Summary
    job: Job
    lesson: Lesson | None = None
    gathered: Gathered | None = None


def run(job: Job, sink_of: SinkOf | None, scratch: Scratch, progress: Progress) -> Done:
    """Read and normalise all rows, learn from them, and fuse and write them.

    sink_of: makes the sink, once it is certain which rows and columns the output has; None: the
        rows are only learned from.
    Raises InputError for values that are not finite, unless the settings say what to do.
    """
    with ExitStack() as opened, one_blas_thread():
        lesson = gathered = None
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
                lesson = engine.fit(
                    job.fusion, job.refuse, keep=job.settings.keep, shuffle=job.settings.shuffle
                )
                job = job.settled(lesson.fusion)
            if job.watched is not None:
                gathered, tally = engine.gather(job.watched)
                job.refuse(tally)
            summary = job.summary()
            tally = Tally.empty(len(taken))
            if sink_of is not None:
                sink = sink_of(job, summary)
                engine = replace(engine, extras=job.extras)
                with fitting_rows(job.sources, job.alignment.ids):
                    tally = engine.run(job.fusion, sink, len(job.columns), job.dtype)
        job.refuse(tally)
        for m, item in enumerate(summary.inputs):
            has = job.alignment.present(m)
            item.norm = tally.norms(m, len(job.alignment), has) if sink_of is not None else None
        summary.notes += _unlearned(lesson.gathered if lesson else gathered, job)
        summary.notes += notes(tally, job.sources, job.fusion, job.dtype, job.settings.nan)
        for source, rows in zip(job.sources, job.alignment.rows, strict=True):
            summary.notes += [f"{source.name}: {note}" for note in source.found(rows)]
    return Done(summary, job, lesson, gathered)


def _taken(job: Job, m: int, scratch: Scratch, opened: ExitStack) -> Aligned:
    source = job.sources[m]
    with reading(source.label), unchanged(source.verify):
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
        rounds=_rounding(job),
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
        rounds=_rounding(job),
        progress=progress,
    )
    return engine.run(sink, job.dtype)


def _rounding(job: Job) -> list[int]:
    return [m for m, source in enumerate(job.sources) if source.rounds]


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


def _unlearned(gathered: Gathered | None, job: Job) -> list[str]:
    """How many rows nothing was learned from, for people."""
    if gathered is None or gathered.statistic is None:
        return []
    left = len(job.alignment) - gathered.statistic.n
    lack = "a modality or a label" if job.fusion.strategy.supervised else "a modality"
    return [f"{left:,} rows lack {lack}: nothing is learned from them"] if left else []
