"""Rules that make one prediction of those of several models, row by row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch, Block
from mmfuse.core.probabilities import refuse_others
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Extras, Learned, Strategy
from mmfuse.core.unfit import UnfitRowsError
from mmfuse.core.votes import (
    Array,
    Votes,
    classes_of,
    first_best,
    in_pieces,
    likeliest,
    places,
    told,
)
from mmfuse.errors import UsageError


@dataclass(frozen=True)
class PredictionRule(Strategy):
    """Fuses probabilities of classes: columns are classes, matched by name.

    The classes of the output are those of all models. A model that does not know a class gives it
    no probability; a row is fused from the models it has, whose weights are then renormalised.
    """

    of_predictions = True
    fuses_present = True
    scales = False

    @property
    def predicts(self) -> Literal["classes"]:
        return "classes"

    def columns(self, schema: Schema) -> Sequence[str]:
        refuse_weights(schema, weighs=self.weighs)
        for m, modality in enumerate(schema.modalities):
            others = [other for k, other in enumerate(schema.modalities) if k != m]
            if others and not any(set(modality.columns) & set(o.columns) for o in others):
                raise UsageError(
                    f"{modality.name} has no class in common with the others: it has "
                    f"{told(modality.columns)}, {others[0].name} {told(others[0].columns)}",
                    hint="columns are classes and are matched by name",
                )
        return classes_of(schema)

    def extras(self, schema: Schema) -> Mapping[str, str]:
        return {"label": "int32"}

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """`places_m`, `(d_m,)`: for every column of a modality the number of its class."""
        return places(schema)

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> Extras:
        refuse_others(batch)
        extras: dict[str, NDArray[Any]] = {}
        for rows, part in in_pieces(batch, out.shape[1]):
            try:
                found = self.decide(Votes.of(part, learned, out.shape[1]), out[rows])
            except UnfitRowsError as error:
                raise error.after(rows.start) from None
            for name, values in found.items():
                extras.setdefault(name, np.empty(len(batch), values.dtype))[rows] = values
        return extras

    def decide(self, votes: Votes, out: Block | Array) -> Extras:
        """Write the fused probabilities `(k, C)` into `out`; returns what stands beside them."""
        scores = self.combine(votes)
        out[:] = scores
        return {"label": self.label(votes, scores)}

    @abstractmethod
    def combine(self, votes: Votes) -> Array:
        """The probabilities, `(k, C)`, of rows that sum to 1."""

    def label(self, votes: Votes, scores: Array) -> NDArray[np.int32]:
        """The number of every row's class, `(k,)`."""
        return likeliest(scores)


@dataclass(frozen=True)
class Ballot(PredictionRule):
    """A rule by which models give points to classes; a tie goes to the larger summed probability,
    then to the order of the classes."""

    @abstractmethod
    def points(self, p: Array) -> Array:
        """The points that one model's probabilities `(k, C)` give; their sum is that of any row."""

    def combine(self, votes: Votes) -> Array:
        points = np.stack([self.points(p) for p in votes.p])
        total = points.sum(axis=2, keepdims=True)
        return votes.of_classes(np.divide(points, total, out=points, where=total > 0))

    def label(self, votes: Votes, scores: Array) -> NDArray[np.int32]:
        return first_best(scores, votes.mean)


def refuse_weights(schema: Schema, *, weighs: bool = True) -> None:
    """Raise UsageError for weights of models that are not positive, or of rules without any."""
    for modality in schema.modalities:
        if not modality.weight > 0:
            raise UsageError(
                f"the weight of {modality.name} is {modality.weight:g}; it must be above zero",
                hint="leave the file out",
            )
        if not weighs and modality.weight != 1:
            raise UsageError(
                "this rule takes no weights", hint="soft-vote, log-pool and hard-vote do"
            )
