"""What a model tells of the modalities it was learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.linear_map import LinearMap
from mmfuse.core.projection import Projection, placed
from mmfuse.core.scatter import spans
from mmfuse.errors import ModelError
from mmfuse.model import Model

Array = NDArray[np.float64]
_TOP = 3


@dataclass(frozen=True)
class ModalityReport:
    """One modality.

    rows: those of the training data that have it. energy: the mean of their ‖x‖² as stored;
    energy_after: normalised and weighted; share, share_after: of all modalities' energy.
    kept: the share of its variance that the output explains; None where nothing is learned.
    """

    name: str
    columns: int
    normalize: list[str]
    weight: float
    rows: int
    energy: float
    energy_after: float
    share: float
    share_after: float
    kept: float | None


@dataclass(frozen=True)
class ComponentReport:
    """One component of the output.

    name: of its column of the output. strength: see `Report.measure`; None where it has no place
    in the spectrum. chance: the same of shuffled rows, if it was asked for.
    kept: for every modality the share of its variance that this component explains.
    top: modality, column and correlation of the columns that are most like the component.
    """

    name: str
    strength: float | None
    chance: float | None
    kept: dict[str, float]
    top: list[tuple[str, str, float]]


@dataclass(frozen=True)
class Report:
    """A model for people. measure: what the strength of a component is; rows: learned from."""

    strategy: str
    options: dict[str, Any]
    rows: int
    columns: int
    measure: str
    modalities: list[ModalityReport]
    components: list[ComponentReport]
    spectrum: list[float]
    chance: list[float] | None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, ready for JSON."""
        return asdict(self)


def explain(model: Model) -> Report:
    """What a model tells of its modalities and components; see `Report`.

    Raises ModelError for one that `train` made, which tells its scores: `TrainedModel.as_dict`.
    """
    if not isinstance(model, Model):
        raise ModelError("a model that train made", hint="its as_dict() tells its scores")
    strategy, learned = model.fusion.strategy, model.fusion.learned
    assert learned is not None
    kept: Sequence[float | None] = [None] * len(model.schema.names)
    components: list[ComponentReport] = []
    measure = ""
    if isinstance(strategy, Projection):
        measure = strategy.measure
        kept, components = _components(model)
    spectrum = learned.get("spectrum")
    return Report(
        model.strategy,
        model.options,
        model.learned_from,
        len(model.columns),
        measure,
        _modalities(model, kept),
        components,
        [] if spectrum is None else spectrum.tolist(),
        None if model.chance is None else model.chance.tolist(),
    )


def _modalities(model: Model, kept: Sequence[float | None]) -> list[ModalityReport]:
    maps = model.fusion.maps(model.seen)
    rows = [int(one.count.max(initial=0)) for _, one in sorted(model.gathered.moments.items())]
    assert model.gathered.energy is not None
    before = [float(e) / max(n, 1) for e, n in zip(model.gathered.energy, rows, strict=True)]
    after = [_energy_after(model, m, chain) for m, chain in enumerate(maps)]
    return [
        ModalityReport(
            modality.name,
            modality.dim,
            [stage.name for stage in model.fusion.chains[m]],
            modality.weight,
            rows[m],
            before[m],
            after[m],
            before[m] / (sum(before) or 1),
            after[m] / (sum(after) or 1),
            kept[m],
        )
        for m, modality in enumerate(model.schema.modalities)
    ]


def _energy_after(model: Model, m: int, chain: Sequence[LinearMap]) -> float:
    """The mean of ‖x‖² once these maps are done, from the moments before them."""
    moments = model.gathered.moments[m]
    if any(one.mixes for one in chain):
        scatter = model.gathered.scatters[m].mapped([chain])
        variance = np.diag(scatter.matrix) / max(scatter.n, 1)
        return float(scatter.mean @ scatter.mean + variance.sum())
    for one in chain:
        moments = moments.mapped(one)
    return float(moments.mean @ moments.mean + moments.sd @ moments.sd)


def _components(model: Model) -> tuple[list[float], list[ComponentReport]]:
    """For every modality the share of its variance that all explain; the components."""
    strategy, learned, gathered = model.fusion.strategy, model.fusion.learned, model.gathered
    assert isinstance(strategy, Projection)
    assert learned is not None
    assert gathered.statistic is not None
    s = gathered.statistic.mapped(model.fusion.maps(model.seen)).covariance
    w, blocks = placed(strategy, model.schema, learned), spans(model.schema.dims)
    k = learned["weights_0"].shape[1]
    total = [float(np.trace(s[b, b])) for b in blocks]
    with_z, of_z = s @ w, w.T @ s @ w  # covariances of columns and components, and of these
    inverse = np.linalg.pinv(of_z, hermitian=True)
    kept = [
        _share(float(np.einsum("ij,jk,ik->", with_z[b], inverse, with_z[b])), t)
        for b, t in zip(blocks, total, strict=True)
    ]
    variances = np.diag(of_z)
    alike = with_z / np.sqrt(np.where(variances > 0, variances, np.inf))
    if strategy.beside:  # a modality beside its own projection
        alike = np.vstack([alike[b, m * k : (m + 1) * k] for m, b in enumerate(blocks)])
    spread = np.sqrt(np.diag(s))
    correlations = alike / np.where(spread > 0, spread, np.inf)[:, None]
    shares = list(zip(model.schema.names, blocks, total, strict=True))
    return kept, [_component(model, j, alike, correlations, shares) for j in range(k)]


def _component(
    model: Model,
    j: int,
    alike: Array,
    correlations: Array,
    shares: Sequence[tuple[str, slice, float]],
) -> ComponentReport:
    names = [(m.name, c) for m in model.schema.modalities for c in m.columns]
    top = np.argsort(-np.abs(correlations[:, j]), kind="stable")[:_TOP]
    strategy, learned = model.fusion.settled, model.fusion.learned
    assert isinstance(strategy, Projection)
    assert learned is not None
    ranked = j < int(strategy.n_components)
    chance = [] if model.chance is None or not ranked else model.chance[j : j + 1].tolist()
    name = model.columns[j]
    return ComponentReport(
        name.removeprefix(f"{model.schema.names[0]}_") if strategy.beside else name,
        float(learned["spectrum"][j]) if ranked else None,
        chance[0] if chance else None,
        {name: _share(float(alike[b, j] @ alike[b, j]), t) for name, b, t in shares},
        [(*names[i], float(correlations[i, j])) for i in top],
    )


def _share(part: float, total: float) -> float:
    return min(max(part / total, 0.0), 1.0) if total > 0 else 0.0
