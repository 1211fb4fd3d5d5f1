"""Labelled rows brought into memory, for models that learn from all of them at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmfuse.core.alignment import Alignment
from mmfuse.core.fusion import Fusion
from mmfuse.core.labels import label_numbers, named
from mmfuse.core.rows import Gather, Rows
from mmfuse.core.schema import Modality, Schema
from mmfuse.core.source import Source
from mmfuse.ensemble.problem import Problem
from mmfuse.errors import InputError, ResourceError, told_bytes
from mmfuse.files.columns import BESIDE
from mmfuse.fitting import fitted
from mmfuse.job import Job, Settings
from mmfuse.learning import numbered
from mmfuse.prepare import aligned, planned
from mmfuse.running import Done
from mmfuse.sources import Opened
from mmfuse.trained_model import TrainedModel

_COPIES = 2  # the tiles of a modality, and all its rows at once


def gathering_job(
    opened: Opened,
    settings: Settings,
    weights: Sequence[float] = (),
    known: TrainedModel | None = None,
) -> Job:
    """The job of bringing labelled rows into memory. Raises a MmfuseError for what cannot be done.

    weights: of the modalities. known: the model that is to learn from the rows, if there is one.
    """
    sources, strategy = opened.sources, Gather()
    if known is None:
        alignment = aligned(sources, settings)
    else:
        sources, alignment = fitted(known, sources, settings)
    own = () if known is None else known.schema.classes
    classes, labels = numbered("train", strategy, opened.labels, alignment, own)
    _refuse_names(sources, classes)
    _refuse_large(sources, alignment, settings)
    modalities = (
        Modality(source.name, source.columns, weight)
        for source, weight in zip(sources, weights or [1.0] * len(sources), strict=True)
    )
    fusion = Fusion(Schema(tuple(modalities), classes), ((),) * len(sources), strategy)
    dtype = np.dtype(settings.dtype)
    return planned("train", fusion, sources, alignment, settings, dtype, labels=labels)


def _refuse_names(sources: Sequence[Source], classes: Sequence[str]) -> None:
    """Raise InputError for a class that is named as a column beside the predictions."""
    beside = {"id", *BESIDE, *(f"present_{source.name}" for source in sources)}
    if clash := next((name for name in classes if name in beside), None):
        raise InputError(
            f"a class is named {clash!r}, as a column of the predictions is",
            hint="give the class another name in the labels",
        )


def row_bytes(sources: Sequence[Source], alignment: Alignment) -> int:
    """Bytes of all rows in memory."""
    columns = sum(len(source.columns) * max(4, source.dtype.itemsize) for source in sources)
    return _COPIES * len(alignment) * columns


def _refuse_large(sources: Sequence[Source], alignment: Alignment, settings: Settings) -> None:
    """Raise ResourceError for rows that do not fit into memory."""
    needed = row_bytes(sources, alignment)
    if needed > settings.memory:
        raise ResourceError(
            f"training holds all rows in memory and needs about {told_bytes(needed)} for "
            f"them, and {told_bytes(settings.memory)} are allowed",
            hint="allow more with --memory, or --fuse sum, which learns from data of any size",
        )


def problem_of(done: Done, groups: Sequence[str] | None = None) -> Problem:
    """The labelled rows that a job brought. groups: of all its rows. Raises InputError for none."""
    assert done.lesson is not None
    rows, schema = done.lesson.gathered.statistic, done.job.fusion.schema
    assert isinstance(rows, Rows)
    present, y = rows.present, rows.labels
    known = (y >= 0 if schema.classes else np.isfinite(y)) & present.any(axis=1)
    if not known.any():
        raise InputError("no row has a label: there is nothing to learn from")
    places = np.flatnonzero(known).tolist()
    own = list(done.job.alignment.ids.take(np.array(places)).as_text())
    return Problem(
        schema.names,
        [rows.block(m)[known] for m in range(len(schema.names))],
        present[known],
        y[known],
        schema.classes,
        own if groups is None else [groups[i] for i in places],
    )


def groups_of(opened: Opened, alignment: Alignment) -> list[str] | None:
    """The group of every row; a row that has none is one of its own. None: there are no groups."""
    if opened.groups is None:
        return None
    names, numbers = named(opened.groups)
    of_rows = label_numbers(opened.groups, numbers, alignment)
    return [
        f"id {alignment.ids[i]}" if number < 0 else f"group {names[number]}"
        for i, number in enumerate(of_rows.tolist())
    ]
