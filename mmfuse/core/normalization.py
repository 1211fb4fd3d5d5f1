"""What a normalisation of one modality's block is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from mmfuse.core.batch import Block
from mmfuse.core.linear_map import LinearMap
from mmfuse.core.scatter import Scatter
from mmfuse.core.statistics import Moments
from mmfuse.core.strategy import Learned


class Normalization(ABC):
    """Normalises the block of one modality, before any fusion.

    A subclass lives in a module of its own below `mmfuse/normalizations`; the module's name is
    its name, its docstring its manual, as for strategies.
    """

    learns: ClassVar[bool] = False
    """Whether it needs the moments of the block, gathered over all aligned rows."""

    linear: ClassVar[bool] = False
    """Whether it is a linear map, so that the moments after it follow from those before it."""

    mixes: ClassVar[bool] = False
    """Whether it makes a column of several, for which it learns from the block's `Scatter`."""

    def solve(self, moments: Moments, scatter: Scatter | None = None) -> Learned:
        """Named arrays that `normalize` takes, from the block's moments, or scatter if it mixes."""
        return {}

    def linear_map(self, learned: Learned, dim: int) -> LinearMap:
        """What it does to a block of `dim` columns, if it is linear."""
        raise NotImplementedError

    @abstractmethod
    def normalize(self, x: Block, learned: Learned) -> None:
        """Normalise `x`, shape `(k, d)`, in place."""

    def degenerate_rows(self, x: Block) -> int:
        """How many rows of `x` it cannot normalise and leaves as they are."""
        return 0

    def degenerate_columns(self, moments: Moments) -> int:
        """How many columns it cannot normalise and sets to zero."""
        return 0
