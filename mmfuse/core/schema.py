"""What is known of the modalities before a feature is read: names, columns, weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Modality:
    """One modality as strategies see it: `dim` feature columns and a weight."""

    name: str
    columns: tuple[str, ...]
    weight: float = 1.0

    @property
    def dim(self) -> int:
        """Features a row."""
        return len(self.columns)


@dataclass(frozen=True)
class Schema:
    """The modalities of a fusion, in the order in which they are given.

    classes: the names of the labels' classes, in the order of their numbers.
    """

    modalities: tuple[Modality, ...]
    classes: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities' names."""
        return tuple(modality.name for modality in self.modalities)

    @property
    def dims(self) -> tuple[int, ...]:
        """The width of every modality."""
        return tuple(modality.dim for modality in self.modalities)

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """The weight of every modality, shape `(M,)`."""
        return np.array([modality.weight for modality in self.modalities])
