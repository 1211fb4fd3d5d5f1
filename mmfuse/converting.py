"""Public function `convert`."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Any

import numpy as np

from mmfuse.copying import copy_job, kept_layout
from mmfuse.core.align import refuse_pools
from mmfuse.core.alignment import Alignment
from mmfuse.core.ids import IntegerIds
from mmfuse.core.source import Progress, Source, unseen
from mmfuse.errors import UsageError
from mmfuse.files.formats import Layout
from mmfuse.job import Settings
from mmfuse.lock import Lock
from mmfuse.output import OutputOptions, OutputTarget
from mmfuse.prepare import check
from mmfuse.request import inputs_of
from mmfuse.sources import Option, SourceOptions, open_sources
from mmfuse.work import Fused, finished, planned_only


def convert(
    modality: Any,
    output: str | os.PathLike[str],
    *,
    ids: Option = None,
    id_column: Option = None,
    column: Option = None,
    input_format: Option = None,
    sidecar: bool = True,
    id_transform: Option = None,
    pool: Option = None,
    pool_mask_zeros: bool = False,
    format: str | None = None,
    layout: Layout | None = None,
    compression: str | None = None,
    clobber: bool = True,
    lock: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    memory: int = 512 << 20,
    dry_run: bool = False,
    progress: Progress = unseen,
) -> Fused:
    """Write one modality as another file: every row, its id, its values and dtype as stored.

    modality: `[NAME=]PATH`, or a mapping of one name to a path or a value in memory.
    output: a path, or "-" for standard output. Columns keep their names: in a format that has
        both layouts, columns with names stay columns each. Rows without ids get their numbers.
    The other parameters are those of `fuse`.

    Raises UsageError, InputError, AlignmentError, OutputError or ResourceError.
    """
    inputs = inputs_of(modality if isinstance(modality, dict) else [modality])
    if len(inputs) > 1:
        raise UsageError(f"convert takes one modality, and {len(inputs)} are given")
    settings = Settings(threads=threads, memory=memory)
    check(settings)
    with ExitStack() as resources:
        how = SourceOptions(
            *(ids, id_column, column, input_format, sidecar, id_transform),
            pool=pool,
            mask_zeros=pool_mask_zeros,
        )
        wanted = OutputOptions(format, layout, compression, clobber)
        target = OutputTarget(os.fspath(output), wanted, dry_run=dry_run)
        resources.callback(target.close)
        opened = open_sources(inputs, how)
        refuse_pools(opened.sources, "nothing is joined")
        source = opened.sources[0]
        target.lay_out(kept_layout(source, target.format, wanted))
        target.protect(opened.protected)
        job = copy_job("convert", source, _as_it_stands(source), settings, target)
        locked = resources.enter_context(Lock(lock, opened, [target.path], dry_run=dry_run))
        if dry_run:
            return planned_only(job, opened, target, locked)
        return finished(job, opened, target, locked, progress)


def _as_it_stands(source: Source) -> Alignment:
    """All rows; ids may repeat."""
    ids = IntegerIds(np.arange(source.rows)) if source.ids is None else source.ids
    by = "position" if source.ids is None else "id"
    return Alignment(ids, (None,), (source.rows,), by)  # type: ignore[arg-type]
