"""What one pass over the rows gathered for a fusion to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.scatter import Scatter
from mmfuse.core.statistic import Statistic
from mmfuse.core.statistics import Moments


@dataclass(frozen=True)
class Gathered:
    """Of every modality's block as it is before the first stage of its chain that has to learn.

    moments: of the modalities that were looked at, by number. scatters: of those whose chain
    wants them. statistic: what the strategy learns from; None where it learns nothing, or not yet.
    energy: Σ ‖x‖² of every modality's rows as they are stored, `(M,)`, where a model is to tell.
    shuffled: the statistic of rows that do not belong together, to tell what is chance.
    """

    moments: Mapping[int, Moments]
    scatters: Mapping[int, Scatter]
    energy: NDArray[np.float64] | None = None
    statistic: Statistic | None = None
    shuffled: Statistic | None = None

    def merge(self, other: Gathered) -> Gathered:
        """Of both sets of rows."""
        return replace(
            self,
            moments={m: one.merge(other.moments[m]) for m, one in self.moments.items()},
            scatters={m: one.merge(other.scatters[m]) for m, one in self.scatters.items()},
            energy=self._energy(other),
            statistic=_merged(self.statistic, other.statistic),
            shuffled=_merged(self.shuffled, other.shuffled),
        )

    def _energy(self, other: Gathered) -> NDArray[np.float64] | None:
        if self.energy is None or other.energy is None:
            return None
        return self.energy + other.energy


def _merged(one: Statistic | None, other: Statistic | None) -> Statistic | None:
    return None if one is None or other is None else one.merge(other)
