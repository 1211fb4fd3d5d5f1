"""What one pass over the rows gathered for a fusion to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mmfuse.core.scatter import Scatter
from mmfuse.core.statistic import Statistic
from mmfuse.core.statistics import Moments


@dataclass(frozen=True)
class Gathered:
    """Of every modality's block as it is before the first stage of its chain that has to learn.

    moments: of the modalities that were looked at, by number. scatters: of those whose chain
    wants them. statistic: what the strategy learns from; None where it learns nothing, or not yet.
    """

    moments: Mapping[int, Moments]
    scatters: Mapping[int, Scatter]
    statistic: Statistic | None = None

    def merge(self, other: Gathered) -> Gathered:
        """Of both sets of rows."""
        statistic = self.statistic
        if statistic is not None:
            assert other.statistic is not None
            statistic = statistic.merge(other.statistic)
        return replace(
            self,
            moments={m: one.merge(other.moments[m]) for m, one in self.moments.items()},
            scatters={m: one.merge(other.scatters[m]) for m, one in self.scatters.items()},
            statistic=statistic,
        )
