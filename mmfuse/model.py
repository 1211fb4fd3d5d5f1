"""A fusion that has learned, with what it learned from: saved, applied, merged, gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.chain import Chain
from mmfuse.core.fusion import Fusion, Lesson
from mmfuse.core.gathered import Gathered
from mmfuse.core.options import options as options_of
from mmfuse.core.schema import Modality, Schema
from mmfuse.core.strategy import Strategy
from mmfuse.errors import ModelError
from mmfuse.nonfinite import NanPolicy


@dataclass(frozen=True)
class Model:
    """What `fit` and `fuse` learn, and `apply` applies to new rows.

    fusion: the strategy and its normalisations with what they learned. gathered: the statistics
        of the training data, of every modality's block after the first `seen` stages of its chain.
    rows: how many there were, of which some may lack what learning takes. nan, dtype: how values
        were cleaned and computed.
    training: the inputs of the runs that it learned from, as in the record of an output.
    chance: the `spectrum` that the strategy finds in shuffled rows, where that was asked for.
    """

    strategy: str
    fusion: Fusion
    gathered: Gathered
    seen: tuple[int, ...]
    rows: int
    nan: NanPolicy = "error"
    dtype: str = "float32"
    training: tuple[dict[str, Any], ...] = field(default=())
    chance: NDArray[np.float64] | None = None

    @classmethod
    def of(
        cls,
        strategy: str,
        lesson: Lesson,
        rows: int,
        nan: NanPolicy,
        dtype: str,
        training: Sequence[dict[str, Any]],
    ) -> Model:
        """The model of a lesson."""
        return cls(
            strategy,
            lesson.fusion,
            replace(lesson.gathered, shuffled=None),
            lesson.before.seen,
            rows,
            nan,
            dtype,
            tuple(training),
            lesson.chance,
        )

    @property
    def schema(self) -> Schema:
        """The modalities in their order: names, columns, weights."""
        return self.fusion.schema

    @property
    def learned_from(self) -> int:
        """How many rows were learned from."""
        statistic = self.gathered.statistic
        return self.rows if statistic is None else statistic.n

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the output's columns."""
        return tuple(self.fusion.settled.columns(self.schema))

    @property
    def options(self) -> dict[str, Any]:
        """The options of the strategy, as they were asked for."""
        strategy: Strategy = self.fusion.strategy
        return {o.name: getattr(strategy, o.name) for o in options_of(type(strategy))}

    @property
    def before(self) -> Fusion:
        """The fusion as it was before the pass that gathered."""
        chains = tuple(_forget(c, k) for c, k in zip(self.fusion.chains, self.seen, strict=True))
        return replace(self.fusion, chains=chains, learned=None)

    def refuse_more(self) -> None:
        """Raise ModelError where statistics of other rows are not of the same values.

        So it is where an earlier pass had learned something of the rows it saw.
        """
        for name, chain, k in zip(self.schema.names, self.fusion.chains, self.seen, strict=True):
            early = [stage.name for stage in chain[:k] if stage.normalization.learns]
            if early:
                raise ModelError(
                    f"this model cannot learn from more rows: {name} is normalised by {early[0]} "
                    "before what is not linear, which therefore depends on all rows",
                    hint="learn again from all rows, or put the normalisation that learns last",
                )

    def went_on(self, gathered: Gathered, rows: int, training: Sequence[dict[str, Any]]) -> Model:
        """The model that has learned from further rows too. Raises ModelError if it cannot."""
        self.refuse_more()
        lesson = Lesson(self.before, self.gathered.merge(gathered))
        return replace(
            self,
            fusion=lesson.fusion,
            gathered=lesson.gathered,
            rows=self.rows + rows,
            training=(*self.training, *training),
            chance=None,
        )

    def merge(self, other: Model) -> Model:
        """The model of both models' rows. Raises ModelError for one made otherwise."""
        for what, own, its in (
            ("strategy", self.strategy, other.strategy),
            ("options", self.options, other.options),
            ("modalities", self.schema.names, other.schema.names),
            ("weights", self.schema.weights.tolist(), other.schema.weights.tolist()),
            ("normalisations", _names(self), _names(other)),
            ("--missing", self.fusion.missing, other.fusion.missing),
            ("--nan", self.nan, other.nan),
            ("classes", self.schema.classes, other.schema.classes),
        ):
            if own != its:
                raise ModelError(
                    f"models of other {what} cannot be merged: {_short(own)} and {_short(its)}"
                )
        for a, b in zip(self.schema.modalities, other.schema.modalities, strict=True):
            if a.columns != b.columns:
                raise ModelError(
                    f"models of other columns cannot be merged: of {a.name}, {_difference(a, b)}"
                )
        return self.went_on(other.gathered, other.rows, other.training)


def _forget(chain: Chain, k: int) -> Chain:
    """The chain as it was when its first `k` stages had learned."""
    stages = (
        replace(s, learned=None if s.normalization.learns else {}, degenerate_columns=0)
        for s in chain[k:]
    )
    return (*chain[:k], *stages)


def _names(model: Model) -> list[list[str]]:
    return [[stage.name for stage in chain] for chain in model.fusion.chains]


def _difference(a: Modality, b: Modality) -> str:
    if a.dim != b.dim:
        return f"{a.dim:,} and {b.dim:,}"
    j = next(j for j in range(a.dim) if a.columns[j] != b.columns[j])
    return f"number {j + 1:,} is {a.columns[j]!r} in one and {b.columns[j]!r} in the other"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 100 else text[:97] + "..."
