"""The rows that models learn from, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.ensemble.folds import folds_of
from mmfuse.ensemble.trained import Labels


@dataclass(frozen=True, eq=False)
class Problem:
    """Labelled rows of M modalities.

    names: of the modalities. blocks: `(n, d_m)` each, anything where a row lacks it. present:
    `(n, M)`. y: `(n,)`, class numbers, or numbers where there are no classes. classes: their
    names. groups: `(n,)`, rows of one of which never part, such as their ids.
    """

    names: tuple[str, ...]
    blocks: Sequence[NDArray[Any]]
    present: NDArray[np.bool_]
    y: Labels
    classes: tuple[str, ...]
    groups: Sequence[str]

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.y)

    @cached_property
    def width(self) -> int:
        """Numbers that a model predicts of a row."""
        return len(self.classes) or 1

    def folds(self, folds: int, seed: int) -> NDArray[np.int64]:
        """The fold of every row; see `folds_of`."""
        strata = self.y if self.classes else None
        return folds_of(self.groups, strata, folds, seed)  # type: ignore[arg-type]
