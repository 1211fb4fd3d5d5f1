"""One fusion, decided from headers and ids alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse import __version__
from mmfuse.core.align import Joining
from mmfuse.core.alignment import Alignment
from mmfuse.core.fusion import Fusion, Missing
from mmfuse.core.named import Flag, Named
from mmfuse.core.options import options as options_of
from mmfuse.core.plan import Access, Plan
from mmfuse.core.source import Source
from mmfuse.core.tally import Tally
from mmfuse.core.time_align import TimeJoining
from mmfuse.core.votes import told
from mmfuse.findings import refuse_nonfinite
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
    shuffle: bool = False
    """Whether a model is to know what its strategy finds in shuffled rows."""
    fuses: bool = True
    """Whether there is an output; else the rows are only learned from."""


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
    labels: NDArray[Any] | None = None
    """Of every row the number of its class, -1 where it has none; or what is to be predicted."""
    watched: Fusion | None = None
    """What would learn from the rows, where their statistics are wanted beside a model's."""

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
            classes=list(self.columns) if strategy.predicts == "classes" else None,
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

    @cached_property
    def extras(self) -> dict[str, NDArray[Any]]:
        """Room for what the strategy finds beside the fused rows; filled as they are written."""
        named = self.fusion.strategy.extras(self.fusion.schema)
        return {name: np.zeros(len(self.alignment), dtype) for name, dtype in named.items()}

    @property
    def flags(self) -> dict[str, Flag]:
        """Further columns of the output: the predicted class and how many models a row has; which
        modalities, if some lack one; times."""
        if self.fusion.strategy.predicts is None:
            return {**self.extras, **self._flags}
        numbers: dict[str, Flag] = {**self.extras, "n_models": self._models(), **self._flags}
        if "label" not in self.extras:
            return numbers
        del numbers["label"]  # text comes last, as columns of numbers are written together
        return {**numbers, "label": Named(self.extras["label"], tuple(self.columns))}

    def _models(self) -> NDArray[np.int64]:
        """How many modalities every row has."""
        total = np.zeros(len(self.alignment), np.int64)
        for m in range(len(self.sources)):
            has = self.alignment.present(m)
            total += 1 if has is None else has
        return total

    @property
    def _flags(self) -> dict[str, Flag]:
        times = self.alignment.times
        timed: dict[str, Flag] = {} if times is None else {"time_ns": times}
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
        notes = [f"{source.name}: {note}" for source in self.sources for note in source.notes]
        if self.fusion.strategy.of_predictions and self.fusion.strategy.predicts == "classes":
            notes += self._class_notes()
        if self.not_finite:
            notes.append(f"{self.not_finite:,} rows dropped: a value is NaN or infinite")
        if self.alignment.suggestion is not None:
            notes.append(f"less than half of an input's ids meet; {self.alignment.suggestion}")
        return notes

    def _class_notes(self) -> list[str]:
        """Which models do not know which classes."""
        lacking = (
            (m.name, [name for name in self.columns if name not in m.columns])
            for m in self.fusion.schema.modalities
        )
        return [
            f"{name} does not know {told(classes)}: their probability there is 0"
            for name, classes in lacking
            if classes
        ]

    def _rounding_notes(self) -> list[str]:
        rounded = [
            f"{source.name} ({source.dtype.newbyteorder('=')})"
            for source in self.sources
            if not _holds(self.dtype, source.dtype)
        ]
        if not rounded or not self.settings.fuses:
            return []
        more = "; --dtype float64 keeps more" if self.dtype.itemsize < 8 else ""
        return [f"rounded to {self.dtype}: {', '.join(rounded)}{more}"]


def _holds(out: np.dtype[Any], stored: np.dtype[Any]) -> bool:
    """Whether every stored value is exact in the output; NumPy calls int64 in float64 safe."""
    if out == stored.newbyteorder("="):
        return True
    return np.can_cast(stored, out, "safe") and not (stored.kind in "iu" and stored.itemsize == 8)
