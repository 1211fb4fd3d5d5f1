"""How new rows differ from those a model learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.eigen import eigen
from mmfuse.core.gathered import Gathered
from mmfuse.core.scatter import spans
from mmfuse.core.statistic import Statistic
from mmfuse.core.statistics import Moments
from mmfuse.model import Model

Array = NDArray[np.float64]
_SIGMAS = 4.0  # beyond chance
_MOVED = 0.1  # standard deviations that are worth telling
_SPREAD = 1.25  # a factor of them
_LOST = 0.25  # share of the cross-correlation
_DIRECTIONS = 8
_TOP = 3


@dataclass(frozen=True)
class ModalityDrift:
    """One modality. rows: new ones.

    moved: the root of the mean square of what its columns' means moved, in standard deviations of
    the training data; chance: what that is of rows of the same kind. spread: the factor of
    their standard deviations, the geometric mean. columns: the names of those that moved
    farthest, with how far. drifted: whether it is more than chance, and enough to matter.
    """

    name: str
    rows: int
    moved: float
    chance: float
    spread: float
    columns: list[tuple[str, float]]
    drifted: bool


@dataclass(frozen=True)
class PairDrift:
    """Two modalities. agreement: of the correlations between them with those of the training
    data, 1 where they are the same and 0 where nothing is left; error: its standard error."""

    modalities: tuple[str, str]
    agreement: float
    error: float
    drifted: bool


@dataclass(frozen=True)
class Drift:
    """All modalities, and all pairs whose correlations are known."""

    modalities: list[ModalityDrift]
    pairs: list[PairDrift]

    @property
    def drifted(self) -> bool:
        """Whether anything did."""
        return any(m.drifted for m in self.modalities) or any(p.drifted for p in self.pairs)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return {**asdict(self), "drifted": self.drifted}


def drift(model: Model, new: Gathered) -> Drift:
    """Compare what was gathered of new rows with what the model has of its training data.

    Moments are those before the first normalisation that learns. Correlations, where the strategy
    gathers any, are those between the leading principal directions of every modality in the
    training data: these do not depend on how modalities meet, so that nothing is fitted to the
    correlations that are compared.
    """
    modalities = [
        _modality(m.name, m.columns, model.gathered.moments[k], new.moments[k])
        for k, m in enumerate(model.schema.modalities)
    ]
    old, statistic = model.gathered.statistic, new.statistic
    if old is None or statistic is None or min(old.n, statistic.n) < 2:
        return Drift(modalities, [])
    maps = model.fusion.maps(model.seen)
    return Drift(modalities, _pairs(model.schema.names, old.mapped(maps), statistic.mapped(maps)))


def _modality(name: str, columns: Sequence[str], old: Moments, new: Moments) -> ModalityDrift:
    rows, before = (int(m.count.max(initial=0)) for m in (new, old))
    varies = (old.sd > 0) & (new.count > 0)
    if not (rows and varies.any()):
        return ModalityDrift(name, rows, 0.0, 0.0, 1.0, [], False)
    steps = np.where(varies, (new.mean - old.mean) / np.where(varies, old.sd, 1), 0)
    moved = float(np.sqrt(np.mean(steps[varies] ** 2)))
    chance = float(np.sqrt(1 / rows + 1 / max(before, 1)))
    ratios = new.sd[varies & (new.sd > 0)] / old.sd[varies & (new.sd > 0)]
    spread = float(np.exp(np.log(ratios).mean())) if len(ratios) else 1.0
    error = 1 / np.sqrt(2 * max(min(rows, before) - 1, 1))
    wider = abs(np.log(spread))
    top = np.argsort(-np.abs(steps), kind="stable")[:_TOP]
    return ModalityDrift(
        name,
        rows,
        moved,
        chance,
        spread,
        [(columns[j], float(steps[j])) for j in top],
        (moved > max(_MOVED, _SIGMAS * chance))
        or bool(wider > max(np.log(_SPREAD), _SIGMAS * error)),
    )


def _pairs(names: Sequence[str], old: Statistic, new: Statistic) -> list[PairDrift]:
    before, after = old.covariance, new.covariance
    blocks = spans(old.dims)
    roots = [_leading(before[b, b]) for b in blocks]
    found = []
    for i, j in combinations(range(len(names)), 2):
        a, b = blocks[i], blocks[j]
        was = roots[i].T @ before[a, b] @ roots[j]
        now = roots[i].T @ after[a, b] @ roots[j]
        strength = float((was**2).sum())
        error = float(np.sqrt((1 / old.n + 1 / new.n) / strength)) if strength else np.inf
        if error > _LOST:  # too weak, or too few rows, to tell
            continue
        agreement = float((was * now).sum()) / strength
        lost = abs(1 - agreement)
        drifted = lost > _LOST and lost > _SIGMAS * error
        found.append(PairDrift((names[i], names[j]), agreement, error, drifted))
    return found


def _leading(s: Array) -> Array:
    """The directions `(d, r)` of largest variance, scaled to variance 1."""
    values, vectors = eigen(s)
    r = min(_DIRECTIONS, int(np.count_nonzero(values > 1e-12 * max(values[0], 0))))
    leading: Array = vectors[:, :r] / np.sqrt(values[:r])
    return leading
