"""Whether what a model file holds fits together, before anything is done with it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch
from mmfuse.core.chain import Chain, Stage, mixes
from mmfuse.core.linear_map import LinearMap
from mmfuse.core.options import options
from mmfuse.core.projection import Projection
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.statistics import Moments
from mmfuse.core.strategy import Learned, Strategy
from mmfuse.model import Model

_WIDEST = 1 << 22  # columns, whose names alone take a quarter of a gigabyte then
Arrays = Mapping[str, NDArray[Any]]


def refuse_unwritable(content: Any) -> None:
    """Raise ValueError for values that JSON or UTF-8 lacks, with which it could not be saved."""
    json.dumps(content, ensure_ascii=False, allow_nan=False).encode()


def refuse_unusable(strategy: Strategy, schema: Schema) -> None:
    """Raise ValueError for a strategy that has no models, or an output that fits nowhere."""
    if strategy.whole:
        raise ValueError("a strategy that fuses all rows at once")
    if len(set(schema.names)) < len(schema.names):
        raise ValueError("two modalities of one name")
    products = math.prod(dim + 1 for dim in schema.dims)
    for option in options(type(strategy)):
        value = getattr(strategy, option.name)
        if option.name == "max_columns":  # of which there may be fewer
            value = min(value, products)
        if type(value) is int and option.name != "seed" and value > _WIDEST:
            raise ValueError(f"{option.flag} {value:,}")
    strategy.columns(schema)  # which refuses modalities that it cannot fuse


def statistic_of(own: Arrays, strategy: Strategy, schema: Schema) -> Statistic | None:
    """What a strategy has gathered. Raises ValueError or ModelError for arrays of other data."""
    if not strategy.learns:
        if own:
            raise ValueError("statistics of a strategy that does not learn")
        return None
    if strategy.statistic_bytes(schema) > 2 * sum(array.nbytes for array in own.values()):
        raise ValueError("statistics of other columns")  # before an empty one takes the memory
    found: Statistic = restored(own, strategy.statistics(schema))
    return found


def column_of(own: Arrays, name: str) -> NDArray[np.float64]:
    """The one array there is, of that name. Raises ValueError or KeyError for anything else."""
    column = own[name]
    if len(own) > 1 or column.dtype != np.float64 or column.ndim != 1:
        raise ValueError(f"{name} of another kind")
    if not np.isfinite(column).all():
        raise ValueError(f"{name} that is infinite")
    return column


def restored(own: Arrays, empty: Statistic) -> Any:
    """The statistic of these arrays. Raises ValueError or ModelError for those of another."""
    if _dtypes(own) != _dtypes(empty.arrays()):
        raise ValueError("statistics of another kind")
    found = empty.restored(own)
    if found.n < 0:
        raise ValueError("statistics of fewer rows than none")
    return found


def refuse_misfits(model: Model) -> None:
    """Raise ValueError, or whatever else comes of it, where what was learned does not fit.

    A wrong shape need not fail when it is used: NumPy stretches an array of length 1.
    """
    _refuse_gathered(model)
    fusion = model.fusion
    for chain, seen, dim in zip(fusion.chains, model.seen, fusion.schema.dims, strict=True):
        refuse_chain(chain, seen, dim)
    assert fusion.learned is not None
    _try(model)  # before a solution, which may be as large as the options say
    if isinstance(fusion.strategy, Projection):
        _refuse_weights(fusion.learned, fusion.schema)
        _refuse_spectrum(fusion.strategy.settled(fusion.learned), fusion.learned["spectrum"])
    elif not fusion.strategy.learns:
        expected = fusion.strategy.solve(fusion.schema)
        if _forms(fusion.learned) != _forms(expected):
            raise ValueError(f"arrays that are not those of {model.strategy}")


def _refuse_gathered(model: Model) -> None:
    """Raise ValueError unless what was gathered is what the fusion learns from."""
    before = model.before
    energy = model.gathered.energy
    if energy is None or len(energy) != len(before.chains):
        raise ValueError("energies of other modalities")
    mixed = {m for m in before.unlearned if mixes(before.chains[m])}
    if mixed != set(model.gathered.scatters) or (before.strategy.learns and not before.ready):
        raise ValueError("statistics that are not those of its normalisations")


def refuse_chain(chain: Chain, seen: int, dim: int) -> None:
    """Raise ValueError for stages that have not learned what they do of so many columns.

    seen: those before the statistics that are kept; all where none are.
    """
    if seen < len(chain) and not chain[seen].normalization.learns:
        raise ValueError("a normalisation that learns is not where it is said to be")
    for stage in chain:
        assert stage.learned is not None
        if not _fits(stage, stage.learned, dim):
            raise ValueError(f"arrays that are not those of {stage.name}")


def _fits(stage: Stage, learned: Learned, dim: int) -> bool:
    normalization = stage.normalization
    if normalization.mixes:
        return _maps(normalization.linear_map(learned, dim), dim)
    return _forms(learned) == _forms(normalization.solve(Moments.empty(dim)))


def _maps(one: LinearMap, dim: int) -> bool:
    """Whether it is a map of `dim` columns onto as many."""
    shift, scale = np.shape(one.shift), np.shape(one.scale)
    return shift in ((), (dim,)) and scale in ((), (dim,), (dim, dim))


def _refuse_weights(learned: Learned, schema: Schema) -> None:
    """Raise ValueError, or KeyError, unless there are a mean and weights of every modality."""
    k = learned["weights_0"].shape[-1]
    for m, dim in enumerate(schema.dims):
        mean, weights = learned[f"mean_{m}"], learned[f"weights_{m}"]
        if mean.shape != (dim,) or weights.shape != (dim, k) or not k:
            raise ValueError("weights of other columns")
        if mean.dtype != np.float64 or weights.dtype != np.float64:
            raise ValueError("weights of another kind")
        if not (np.isfinite(mean).all() and np.isfinite(weights).all()):
            raise ValueError("weights that are infinite")


def _refuse_spectrum(settled: Strategy, spectrum: NDArray[Any]) -> None:
    """Raise ValueError unless it tells the strength of every component."""
    assert isinstance(settled, Projection)
    if spectrum.ndim != 1 or len(spectrum) < int(settled.n_components):
        raise ValueError("a spectrum of other components")
    if spectrum.dtype != np.float64 or not np.isfinite(spectrum).all():
        raise ValueError("a spectrum of another kind")


def _try(model: Model) -> None:
    """Fuse one row of zeros, so that what does not fit is found out now."""
    fusion = model.fusion
    with np.errstate(all="ignore"):
        blocks = [np.zeros((1, dim)) for dim in fusion.schema.dims]
        for m, x in enumerate(blocks):
            fusion.normalize(m, x)
            if fusion.strategy.of_predictions:
                x[:] = 1 / x.shape[1]
        fusion.fuse(Batch(blocks, fusion.schema.weights), np.empty((1, len(model.columns))))


def _forms(arrays: Arrays) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    return {name: (array.shape, array.dtype) for name, array in arrays.items()}


def _dtypes(arrays: Arrays) -> dict[str, np.dtype[Any]]:
    return {name: array.dtype for name, array in arrays.items()}
