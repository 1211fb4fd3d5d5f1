"""What a strategy gathers of the data in one pass, in pieces that merge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch
from mmfuse.core.linear_map import LinearMap
from mmfuse.errors import ModelError


class Statistic(ABC):
    """An immutable value; an empty one changes nothing that it is merged with.

    Sums are float64. Because pieces merge, one pass serves streaming, threads and machines, and a
    model that keeps its statistic can go on learning without the rows it has seen.

    n: the rows that it is the statistic of. dims: the widths of the modalities.
    """

    n: int
    dims: tuple[int, ...]

    @property
    @abstractmethod
    def covariance(self) -> NDArray[np.float64]:
        """Of all columns of all modalities, `(D, D)`, with ddof=1; of fewer than two rows zero."""

    @abstractmethod
    def gather(self, tiles: Iterable[Batch]) -> Self:
        """The statistic of these rows alone, which come a tile at a time."""

    @abstractmethod
    def merge(self, other: Self) -> Self:
        """The statistic of both sets of rows."""

    @abstractmethod
    def mapped(self, maps: Sequence[Sequence[LinearMap]]) -> Self:
        """What it would be had every modality's block gone through these maps, one by one."""

    @abstractmethod
    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as named arrays, for a model file."""

    @abstractmethod
    def restored(self, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The statistic whose `arrays` these are; self tells the shapes. Raises ModelError."""


def same_shapes(
    own: Mapping[str, NDArray[Any]], given: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """What is given, if it is of the names, shapes and dtypes of one's own. Raises ModelError."""
    for name, array in own.items():
        other = given.get(name)
        if other is None or other.shape != array.shape or other.dtype != array.dtype:
            raise ModelError("the statistics of the training data are not those of its schema")
    if len(given) > len(own):
        raise ModelError("there are statistics of the training data that it does not have")
    return dict(given)
