"""Public function `align`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

from mmfuse import __version__
from mmfuse.copying import copy_job, kept_layout
from mmfuse.core import align as matching
from mmfuse.core.align import By, Joining
from mmfuse.core.alignment import Alignment
from mmfuse.core.fusion import Missing
from mmfuse.core.join import Duplicates, Join
from mmfuse.core.source import Progress, Source, unseen
from mmfuse.files.formats import Format, Layout, by_name, by_suffix
from mmfuse.files.output import commit_all
from mmfuse.files.output_folder import OutputFolder
from mmfuse.files.paths import suffix
from mmfuse.job import Job, Settings
from mmfuse.lock import Lock
from mmfuse.output import OutputOptions, OutputTarget
from mmfuse.prepare import check
from mmfuse.request import Input, PerModality, inputs_of
from mmfuse.running import run
from mmfuse.sources import Opened, Option, SourceOptions, open_sources, said_format
from mmfuse.summary import AlignSummary, Summary
from mmfuse.work import placed, scratch_room


def align(
    modalities: Mapping[str, Any] | Sequence[Any],
    output: str | os.PathLike[str],
    *,
    anti: bool = False,
    ids: Option = None,
    id_column: Option = None,
    column: Option = None,
    input_format: Option = None,
    sidecar: bool = True,
    id_transform: Option = None,
    pool: Option = None,
    pool_mask_zeros: bool = False,
    by: By = "auto",
    join: Join = "inner",
    duplicates: Duplicates = "error",
    missing: Missing | None = None,
    sort_ids: bool = False,
    strict: bool = False,
    min_overlap: float = 0.0,
    format: str | None = None,
    layout: Layout | None = None,
    compression: str | None = None,
    clobber: bool = True,
    lock: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    memory: int = 512 << 20,
    dry_run: bool = False,
    progress: Progress = unseen,
) -> AlignSummary:
    """Write every modality with the same rows in the same order, its values and dtype as stored.

    output: a folder, which is made if it is missing; a modality's file there is named like it.
        All files appear, or none.
    anti: write the rows of every modality that are in no row of the join instead, in files named
        `NAME.anti`; a modality that has none gets no file.
    format: of all files; by default each has the format of its input, or parquet.
    The other parameters are those of `fuse`.

    Raises UsageError, InputError, AlignmentError, OutputError or ResourceError.
    """
    inputs = inputs_of(modalities)
    joining = Joining(by, join, duplicates, sort_ids, strict, min_overlap)
    settings = Settings(joining, missing, threads=threads, memory=memory)
    check(settings)
    wanted = OutputOptions(format, layout, compression, clobber)
    how = SourceOptions(
        *(ids, id_column, column, input_format, sidecar, id_transform),
        pool=pool,
        mask_zeros=pool_mask_zeros,
    )
    said = PerModality.of("--from", input_format, [item.name for item in inputs])
    with ExitStack() as resources:
        folder = resources.enter_context(OutputFolder(os.fspath(output), dry_run=dry_run))
        opened = open_sources(inputs, how)
        joined = matching.align(opened.sources, joining)
        one_each = [_of_one(joined, m) for m in range(len(inputs))]
        planned = [
            copy_job("align", source, rows, settings, None).summary()
            for source, rows in zip(opened.sources, one_each, strict=True)
        ]
        if anti:
            one_each = [_unmatched(source, joined, m) for m, source in enumerate(opened.sources)]
        places = [_Place(item, said, wanted, folder, anti) for item in inputs]
        writers = [
            _Writer.of(source, rows, place, settings, opened, dry_run, resources)
            for source, rows, place in zip(opened.sources, one_each, places, strict=True)
            if len(rows)
        ]
        paths = [writer.target.path for writer in writers]
        locked = resources.enter_context(Lock(lock, opened, paths, dry_run=dry_run))
        locked.rows(joined.ids)
        files = _write(writers, locked, dry_run, progress)
    summary = _summary(planned, files, joined, settings)
    summary.output, summary.anti, summary.dry_run = folder.path, anti, dry_run
    summary.reads = opened.files
    summary.notes += _stale(places, summary.empty)
    return summary


class _Place:
    """Where a modality goes, and how it is written."""

    def __init__(
        self,
        item: Input,
        said: PerModality[str],
        wanted: OutputOptions,
        folder: OutputFolder,
        anti: bool,
    ) -> None:
        self.name, self._wanted = item.name, wanted
        self.format, ending = _format(item, said, wanted.format)
        self.path = folder.file(f"{item.name}{'.anti' if anti else ''}{ending}")

    def options(self, source: Source) -> OutputOptions:
        """How this source is written there."""
        name = self.format.__name__.rpartition(".")[2]
        return replace(kept_layout(source, self.format, self._wanted), format=name)


@dataclass(frozen=True)
class _Writer:
    """The job of one modality and where its rows go."""

    job: Job
    target: OutputTarget

    @classmethod
    def of(
        cls,
        source: Source,
        rows: Alignment,
        place: _Place,
        settings: Settings,
        opened: Opened,
        dry_run: bool,
        resources: ExitStack,
    ) -> _Writer:
        target = OutputTarget(place.path, place.options(source), dry_run=dry_run)
        resources.callback(target.close)
        target.protect(opened.protected)
        return cls(copy_job("align", source, rows, settings, target), target)

    def write(self, progress: Progress) -> Summary:
        """Write all but what makes the file appear."""
        scratch = scratch_room(self.job, self.target, progress)
        summary = run(self.job, self.target.sink, scratch, progress).summary
        summary.bytes = self.target.finish()
        return placed(self.target, summary)


def _of_one(joined: Alignment, m: int) -> Alignment:
    """What all sources decided, for one of them."""
    return replace(
        joined,
        rows=(joined.rows[m],),
        read=(joined.read[m],),
        ends=(joined.ends[m],),
        pools=(joined.pools[m],),
        unmatched=(joined.unmatched[m],),
        overlap=joined.overlap[m : m + 1],
        suggestion=None,
    )


def _unmatched(source: Source, joined: Alignment, m: int) -> Alignment:
    """The rows of one source that are in no row of the join."""
    rows = joined.unused(m)
    ids = joined.ids if source.ids is None else source.ids  # without ids every row has a place
    return Alignment(ids.take(rows), (rows,), (source.rows,), joined.by)


def _format(item: Input, said: PerModality[str], wanted: str | None) -> tuple[Format, str]:
    """The format of a modality's file, and what its name ends with."""
    path = item.path if isinstance(item.value, str) else ""
    if wanted is not None:
        return by_name(wanted), by_name(wanted).suffixes[0]
    named = said_format(item, said)
    found = by_name(named) if named is not None else by_suffix(path) or by_name("parquet")
    return found, suffix(path) if suffix(path) in found.suffixes else found.suffixes[0]


def _write(
    writers: Sequence[_Writer], lock: Lock, dry_run: bool, progress: Progress
) -> list[Summary]:
    """Write one modality after the other, and let all files appear."""
    if dry_run:
        lock.finish()
        return [placed(writer.target, writer.job.summary()) for writer in writers]
    files = [writer.write(progress) for writer in writers]
    written = [file for writer in writers for file in writer.target.files]
    lock.finish(written)
    for file in written[:1]:
        file.key = True  # rows of old files do not lie side by side with those of new ones
    commit_all([*lock.files, *written])
    return files


def _summary(
    planned: Sequence[Summary], files: list[Summary], joined: Alignment, settings: Settings
) -> AlignSummary:
    norms = {file.inputs[0].name: file.inputs[0].norm for file in files}
    inputs = [replace(one.inputs[0], norm=norms.get(one.inputs[0].name)) for one in planned]
    notes = [note for told in (*planned, *files) for note in told.notes]
    if joined.suggestion is not None:
        notes.append(f"less than half of an input's ids meet; {joined.suggestion}")
    return AlignSummary(
        output="",
        anti=False,
        inputs=inputs,
        join=joined.how,
        duplicates=settings.joining.duplicates,
        missing=None if joined.complete else settings.missing or "zero",
        by=joined.by,
        rows=len(joined),
        files=files,
        empty=[item.name for item in inputs if item.name not in norms],
        dry_run=False,
        version=__version__,
        notes=list(dict.fromkeys(notes)),
        reads=[],
    )


def _stale(places: Sequence[_Place], empty: Sequence[str]) -> list[str]:
    """Files of earlier runs that this one has nothing to replace with."""
    return [
        f"{place.path} is of an earlier run: every row of {place.name} has a match now"
        for place in places
        if place.name in empty and os.path.lexists(place.path)
    ]
