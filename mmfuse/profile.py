"""What `inspect` tells of a file: one pass over its rows, in blocks."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mmfuse.core.source import Source
from mmfuse.core.statistics import Moments
from mmfuse.files.formats import by_suffix
from mmfuse.files.inputs import open_input, reading
from mmfuse.files.sample_folder import SampleFolder
from mmfuse.files.sharded import ShardedSource
from mmfuse.request import Input

_LEVELS = 20  # of a record; ours have fewer
_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass
class InputProfile:
    """One file.

    norms: the quantiles 0, 25, 50, 75 and 100 % of the lengths of its rows.
    nan_rows, zero_rows: rows with a value that is not finite, rows of zeros only.
    constant_columns: columns with one value only. record: what mmfuse wrote into the file.
    """

    name: str
    file: str
    rows: int
    columns: int
    column_names: list[str]
    dtype: str
    ids: str
    id_kind: str
    id_examples: list[str]
    norms: list[float]
    mean: float
    nan_rows: int
    zero_rows: int
    constant_columns: int
    notes: list[str] = field(default_factory=list)
    record: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)


def profile(source: Source, item: Input) -> InputProfile:
    """Read every row of a source once. Raises InputError where it cannot be read."""
    lengths = np.empty(source.rows)
    moments = Moments.empty(len(source.columns))
    nan_rows = zero_rows = start = 0
    with reading(source.label):
        for block in source.blocks():
            x = block.astype(np.float64)
            finite = np.isfinite(x).all(axis=1)
            nan_rows += int((~finite).sum())
            zero_rows += int((~x.any(axis=1)).sum())
            with np.errstate(over="ignore", invalid="ignore"):
                lengths[start : start + len(x)] = np.linalg.norm(x, axis=1)
                moments = moments.update(x)
            start += len(x)
    finite_lengths = lengths[np.isfinite(lengths)]
    constant = (moments.minimum == moments.maximum) & (moments.count > 0)
    ids = source.ids
    return InputProfile(
        name=source.name,
        file=source.label.partition("=")[2],
        rows=source.rows,
        columns=len(source.columns),
        column_names=list(source.columns),
        dtype=str(source.dtype.newbyteorder("=")),
        ids=source.id_source if ids is not None else "none",
        id_kind=ids.kind if ids is not None else "position",
        id_examples=[ids[row] for row in range(min(3, len(ids)))] if ids is not None else [],
        norms=np.quantile(finite_lengths, _QUANTILES).tolist() if len(finite_lengths) else [],
        mean=float(moments.mean.mean()),
        nan_rows=nan_rows,
        zero_rows=zero_rows,
        constant_columns=int(constant.sum()),
        notes=list(source.notes),
        record=_record(source, item),
    )


def _record(source: Source, item: Input) -> dict[str, Any] | None:
    """The record that mmfuse wrote into a file, or the first of several, if there is one."""
    try:
        text = _record_text(source, item)
        record = json.loads(text) if text is not None else None
    except (ValueError, RecursionError):  # damaged, or of somebody else
        return None
    return record if isinstance(record, dict) and not _deep(record) else None


def _deep(value: Any, levels: int = _LEVELS) -> bool:
    """Whether it has more levels than a record has; what copies it could not go down that far."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return not levels or any(_deep(item, levels - 1) for item in inner)


def _record_text(source: Source, item: Input) -> str | None:
    if isinstance(source, ShardedSource):
        return source.shards[0].format.metadata(source.shards[0].file)
    if isinstance(source, SampleFolder):
        return None
    if isinstance(item.value, str) and (module := by_suffix(item.path)) is not None:
        return module.metadata(open_input(item.path, item.label))
    return None
