"""What a run did, as data: for people, for `--json`, and for the record in the output."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from mmfuse.files.paths import file_name

SUMMARY_VERSION = 1
ALIGN_VERSION = 1


@dataclass
class InputSummary:
    """One input: as it was found, what of it was used, and what was done to it.

    kept: rows that are in the output. absent: output rows that have none of its rows.
    norm: mean and standard deviation of the lengths of a sample of its rows, as stored.
    way: how it is read; see `core.plan.Way`.
    times: where its times were found, where rows meet in time; then also unmatched: rows of the
    first input that meet none of its rows.
    """

    name: str
    file: str
    rows: int
    columns: int
    dtype: str
    ids: str
    kept: int
    dropped: int
    absent: int
    normalize: list[str]
    weight: float
    way: str
    norm: list[float] | None = None
    times: str | None = None
    unmatched: int = 0


@dataclass
class Summary:
    """One run. `as_dict` is the object that `--json` prints; its schema is versioned.

    missing: what stands for a modality that a row lacks (zero, mean, nan), or `present`: rows are
    fused from those they have; None where every row has them all.
    time: how rows meet in time, for people; None where they do not.
    memory: bytes of working memory. temporary: bytes of temporary files. read: bytes of features
    that are read, as often as they are. reads: every file that was read, ids and sidecars too.
    learned: rows that the model has learned from, those of earlier runs too, if one comes of it.
    classes: of which the columns are probabilities, where they are.
    scores: of a training, see `ensemble.evaluation.Evaluation`.
    report: what a model tells, see `report.Report`. drift: how the rows differ from those a model
    learned from, see `drift.Drift`. Both only where they were asked for.
    """

    command: str
    options: dict[str, Any]
    inputs: list[InputSummary]
    join: str
    duplicates: str
    missing: str | None
    by: str
    rows: int
    columns: int
    dtype: str
    slices: dict[str, list[int]]
    output: str | None
    format: str | None
    layout: str | None
    bytes: int
    memory: int
    temporary: int
    read: int
    threads: int
    dry_run: bool
    version: str
    time: str | None = None
    learned: int | None = None
    report: dict[str, Any] | None = None
    scores: dict[str, Any] | None = None
    classes: list[str] | None = None
    drift: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {"mmfuse_summary": SUMMARY_VERSION, **asdict(self)}

    def record(self) -> dict[str, Any]:
        """What the output's metadata keep: no clock, no absolute path, nothing of the machine."""
        kept = (
            "name", "rows", "columns", "dtype", "ids", "kept", "dropped", "absent", "normalize",
            "weight",
        )  # fmt: skip
        inputs = [
            {**{key: getattr(i, key) for key in kept}, "file": file_name(i.file)}
            for i in self.inputs
        ]
        return {
            "version": self.version,
            "command": self.command,
            "strategy": self.command,
            "parameters": self.options,
            "inputs": inputs,
            "join": {
                "how": self.join,
                "by": self.by,
                **({} if self.time is None else {"time": self.time}),
                "rows": self.rows,
                "duplicates": self.duplicates,
                "missing": self.missing,
            },
            "columns": self.columns,
            "dtype": self.dtype,
            "slices": self.slices,
            **({} if self.classes is None else {"classes": self.classes}),
        }


@dataclass
class AlignSummary:
    """One run of `align`. `as_dict` is the object that `--json` prints; its schema is versioned.

    output: the folder. anti: whether it is the rows that have no match that were written.
    rows: of the join. files: what was written. empty: inputs that had no row to write.
    The others are as in `Summary`.
    """

    output: str
    anti: bool
    inputs: list[InputSummary]
    join: str
    duplicates: str
    missing: str | None
    by: str
    rows: int
    files: list[Summary]
    empty: list[str]
    dry_run: bool
    version: str
    notes: list[str]
    reads: list[str]

    def as_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        own = (
            "output", "format", "layout", "rows", "columns", "dtype", "bytes", "memory",
            "temporary",
        )  # fmt: skip
        files = [
            {"name": file.inputs[0].name, **{key: getattr(file, key) for key in own}}
            for file in self.files
        ]
        return {"mmfuse_align": ALIGN_VERSION, **asdict(self), "files": files}
