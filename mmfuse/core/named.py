"""A column of text that repeats: the number of a name for every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Named:
    """Names of rows. numbers: `(n,)`, of each row's name among `names`."""

    numbers: NDArray[np.int32]
    names: tuple[str, ...]

    def __getitem__(self, part: slice) -> Named:
        return Named(self.numbers[part], self.names)

    def each(self, of_name: Sequence[Any]) -> list[Any]:
        """For every row what a sequence, one a name, has for its name."""
        return [of_name[number] for number in self.numbers.tolist()]

    @property
    def texts(self) -> NDArray[Any]:
        """The names, `(n,)` objects."""
        return np.array(self.names, object)[self.numbers]


Flag: TypeAlias = NDArray[Any] | Named
"""A column beside the features, a value a row."""
