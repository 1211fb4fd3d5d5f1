"""What a fusion strategy is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from numpy.typing import NDArray

from mmfuse.core.batch import Batch, Block
from mmfuse.core.options import check_options
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.errors import UsageError

Learned = Mapping[str, NDArray[Any]]
Task = Literal["auto", "classification", "regression"]
"""What labels are: classes, or numbers to be predicted; with auto, they tell."""
Extras = Mapping[str, NDArray[Any]]
"""Further columns `(k,)` of fused rows, by name."""


@dataclass(frozen=True)
class Strategy(ABC):
    """Turns a batch of aligned rows into rows of the output; row by row, so in any order.

    A subclass is a frozen dataclass in a module of its own below `mmfuse/strategies`. The
    module's name is the strategy's name, its fields are its options (`Annotated[type, Param]`),
    and its docstring is its manual: the first sentence says what it computes, the last paragraph
    gives the source.
    """

    panel: ClassVar[str] = "Feature-level fusion"
    stacks: ClassVar[bool] = False
    """Whether the output is the modalities' blocks side by side, and nothing else. All others
    compute in `out`, which is then at least as precise as every block."""

    fuses_present: ClassVar[bool] = False
    """Whether it fuses the modalities that a row has, by `Batch.present`. All others are given
    zeros for what a row lacks, or what `--missing` says."""

    learns: ClassVar[bool] = False
    """Whether `solve` wants a statistic of all rows."""

    supervised: ClassVar[bool] = False
    """Whether it learns from labels, `Batch.labels`: of classes, or numbers if it predicts them."""

    of_predictions: ClassVar[bool] = False
    """Whether the modalities are what models predict, each a column a class or a number."""

    scales: ClassVar[bool] = True
    """Whether blocks are multiplied by their modality's weight before it sees them."""

    weighs: ClassVar[bool] = True
    """Whether modalities have weights; all others refuse any but 1."""

    least: ClassVar[int] = 1
    most: ClassVar[int | None] = None
    """How many modalities it fuses; None: any number."""

    correlates: ClassVar[bool] = False
    """Whether the `spectrum` that it learns tells how modalities correlate, so that rows which
    do not belong together show what is chance."""

    whole: ClassVar[bool] = False
    """Whether it fuses all rows at once, in memory: then a row depends on the others, and nothing
    is learned that new rows could be fused with."""

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def predicts(self) -> Literal["classes", "numbers"] | None:
        """What its columns are the prediction of, if they are one: of classes their probabilities,
        and `label` stands beside them."""
        return None

    @abstractmethod
    def columns(self, schema: Schema) -> Sequence[str]:
        """The names of the output columns.

        Raises a MmfuseError where the strategy cannot fuse these modalities; called before a
        feature is read.
        """

    def slices(self, schema: Schema) -> Mapping[str, tuple[int, int]]:
        """The output columns `[start, stop)` that are a modality's own; none by default."""
        return {}

    def extras(self, schema: Schema) -> Mapping[str, str]:
        """The names and dtypes of what `fuse` returns; a `label` is the number of a column."""
        return {}

    def statistics(self, schema: Schema) -> Statistic:
        """The empty statistic of what it wants to know of all rows, if it learns."""
        raise NotImplementedError

    def statistic_bytes(self, schema: Schema) -> int:
        """Bytes of that statistic."""
        return 0

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """Named arrays that `fuse` takes, from what was gathered; none by default.

        Raises a MmfuseError where the data do not have what is asked for.
        """
        return {}

    def settled(self, learned: Learned) -> Self:
        """The strategy with what was open until it had learned, such as how many columns it has.

        Until then `columns` names the most there can be.
        """
        return self

    def workspace(self, rows: int, schema: Schema) -> int:
        """Bytes that it needs beside the rows and a few copies of them, if it fuses all at once."""
        return 0

    @abstractmethod
    def fuse(self, batch: Batch, out: Block, learned: Learned) -> Extras | None:
        """Write the fused rows into `out`, shape `(len(batch), len(columns))`; pure otherwise.

        Returns what stands beside them, if anything does. Raises UnfitRowsError.
        A row's result must not depend, to the bit, on the rows beside it.
        """


def stack_columns(schema: Schema) -> list[str]:
    """`MODALITY_NAME` for every column of every modality. Raises UsageError for equal names."""
    return distinct([f"{m.name}_{column}" for m in schema.modalities for column in m.columns])


def distinct(columns: list[str]) -> list[str]:
    """The columns themselves. Raises UsageError if two of them have one name."""
    if len(set(columns)) < len(columns):
        twice = next(name for name, count in Counter(columns).items() if count > 1)
        raise UsageError(
            f"two output columns would be named {twice!r}",
            hint="name the inputs otherwise, as NAME=PATH: a column is named MODALITY_NAME",
        )
    return columns


def numbered(prefix: str, count: int) -> list[str]:
    """`prefix_0` … `prefix_{count - 1}`."""
    return [f"{prefix}_{j}" for j in range(count)]
