"""One modality carried from its source to a file: its own columns, its values as stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmfuse.core.alignment import Alignment
from mmfuse.core.batch import Batch, Block
from mmfuse.core.schema import Schema
from mmfuse.core.source import Source
from mmfuse.core.strategy import Learned, Strategy
from mmfuse.core.transpose import copy
from mmfuse.errors import UsageError
from mmfuse.files.formats import Format, Layout
from mmfuse.job import Job, Settings
from mmfuse.output import OutputOptions, OutputTarget
from mmfuse.prepare import new_fusion, planned
from mmfuse.request import PerModality


@dataclass(frozen=True)
class _Copy(Strategy):
    """The one modality itself, z = x₁."""

    stacks = True

    def columns(self, schema: Schema) -> Sequence[str]:
        return schema.modalities[0].columns

    def slices(self, schema: Schema) -> Mapping[str, tuple[int, int]]:
        return {schema.names[0]: (0, schema.dims[0])}

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        copy(batch.blocks[0], out)


def copy_job(
    command: str,
    source: Source,
    alignment: Alignment,
    settings: Settings,
    target: OutputTarget | None,
) -> Job:
    """The job of writing the rows that an alignment of this source alone takes.

    Values that are not finite are copied like all others.

    Raises UsageError for a column named like that of the ids, AlignmentError for absent rows
    where `--missing error` refuses them.
    """
    if target is not None and target.layout == "wide" and "id" in source.columns:
        raise UsageError(
            "a feature column is named 'id', as the column of row ids is",
            hint="leave it out with --column, or rename it",
        )
    settings = replace(settings, nan="keep", columnar=target is not None and target.columnar)
    none: PerModality[Any] = PerModality("", {})
    dtype = kept_dtype(source, alignment, settings)
    fusion = new_fusion(_Copy(), [source], alignment, none, none, settings)
    job = planned(command, fusion, [source], alignment, settings, dtype)
    return replace(job, settings=replace(settings, dtype=str(dtype)))


def kept_dtype(source: Source, alignment: Alignment, settings: Settings) -> np.dtype[Any]:
    """The dtype of one modality written: as stored, in the machine's byte order.

    Booleans become uint8. Integers become floats where they are averaged or filled with what is
    no integer; those of 64 bits also where they are pooled, which is done in float64.
    """
    stored = source.dtype.newbyteorder("=")
    if stored.kind not in "iub":
        return stored
    ends = alignment.ends[0]
    counts = np.ones(1, np.int64) if ends is None else np.diff(ends, prepend=0)
    pooled = bool((counts > 1).any())
    averaged = pooled and alignment.pools[0] != "max"
    filled = bool((counts == 0).any()) and settings.missing in ("mean", "nan")
    if averaged or filled or (pooled and stored.itemsize == 8):
        return np.dtype(np.float32 if stored.itemsize <= 2 else np.float64)
    return np.dtype(np.uint8) if stored.kind == "b" else stored


def kept_layout(source: Source, format: Format, options: OutputOptions) -> OutputOptions:
    """The options with a layout that keeps the names of columns, where they have names."""
    named = source.columns != tuple(map(str, range(len(source.columns))))
    layout: Layout = "wide"
    if options.layout is not None or not named or layout not in format.layouts:
        return options
    return replace(options, layout=layout)
