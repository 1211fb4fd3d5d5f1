"""Rules that make one number of those that several models predict."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch, Block
from mmfuse.core.prediction_rule import refuse_weights
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned, Strategy
from mmfuse.core.target_scatter import TargetScatter, target_scatter_bytes
from mmfuse.core.votes import Array, Votes, classes_of, in_pieces, places
from mmfuse.errors import InputError, UsageError


@dataclass(frozen=True)
class Forecast(Strategy):
    """Averages predictions of numbers, a column each; columns of one name belong together.

    Where every model has one column, those belong together, whatever their names.
    """

    of_predictions = True
    fuses_present = True
    scales = False

    @property
    def predicts(self) -> Literal["numbers"]:
        return "numbers"

    def columns(self, schema: Schema) -> Sequence[str]:
        refuse_weights(schema)
        if set(schema.dims) == {1}:
            return ["prediction"]
        names = schema.modalities[0].columns
        for modality in schema.modalities:
            if set(modality.columns) != set(names):
                raise UsageError(
                    f"{modality.name} predicts other columns than {schema.modalities[0].name}",
                    hint="choose them with --column NAME=COLUMN",
                )
        return classes_of(schema)

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """`places_m`, `(d_m,)`: the number of every column of a modality in the output."""
        if set(schema.dims) == {1}:
            return {f"places_{m}": np.zeros(1, np.int64) for m in range(len(schema.dims))}
        return places(schema)

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        for rows, part in in_pieces(batch, out.shape[1]):
            out[rows] = Votes.of(part, learned, out.shape[1]).mean


@dataclass(frozen=True)
class LearnedForecast(Forecast):
    """Weighs models by how far they were off: learned from rows whose number is known.

    Only rows that have every model are learned from.
    """

    learns: ClassVar[bool] = True
    supervised: ClassVar[bool] = True
    weighs: ClassVar[bool] = False

    @abstractmethod
    def weigh(self, errors: Array) -> Array:
        """The weights `(M,)`, which sum to 1, of models whose errors have this covariance."""

    def columns(self, schema: Schema) -> Sequence[str]:
        if (schema.weights != 1).any():
            raise UsageError(
                "this rule learns the weights of the models", hint="weighted-mean takes --weight"
            )
        if set(schema.dims) != {1}:
            raise UsageError("one number a model is needed: --column NAME=COLUMN")
        return super().columns(schema)

    def statistics(self, schema: Schema) -> TargetScatter:
        return TargetScatter.empty(schema.dims)

    def statistic_bytes(self, schema: Schema) -> int:
        return target_scatter_bytes(schema.dims)

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """Also `errors`, `(M, M)`: the covariance of the models' errors, ddof=0."""
        assert isinstance(gathered, TargetScatter)
        if gathered.n < 2:
            raise InputError("fewer than two rows have every model and a number to learn from")
        return {**super().solve(schema), "errors": gathered.errors}

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> None:
        for rows, part in in_pieces(batch, 1):
            for some, those in _models(part):
                weights = self.weigh(learned["errors"][np.ix_(some, some)])
                total = np.zeros(len(those))
                for weight, m in zip(weights, np.flatnonzero(some).tolist(), strict=True):
                    total += weight * part.blocks[m][those, 0]
                out[rows][those, 0] = total


def _models(batch: Batch) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Which models rows have, `(M,)`, and the numbers of the rows that have them."""
    if batch.present is None:
        yield np.ones(len(batch.blocks), np.bool_), np.arange(len(batch))
        return
    for some in np.unique(batch.present, axis=0):
        yield some, np.flatnonzero((batch.present == some).all(axis=1))
