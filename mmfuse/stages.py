"""The normalisations of a modality by their names: those that people name, and those between."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmfuse.core.chain import Chain, Stage
from mmfuse.core.fusion import MissingMean
from mmfuse.core.normalization import Normalization
from mmfuse.core.registry import normalization
from mmfuse.nonfinite import NanPolicy, ToMean, ToZero

_FILLINGS = {"zero": "nan-zero", "mean": "nan-mean"}
_MISSING_MEAN = "missing-mean"
_OWN: dict[str, Callable[[], Normalization]] = {
    "nan-zero": ToZero,
    "nan-mean": ToMean,
    _MISSING_MEAN: MissingMean,
}


def stage_of(name: str) -> Stage:
    """A stage that has not learned. Raises UsageError for an unknown name."""
    return Stage.of(name, _OWN[name]() if name in _OWN else normalization(name))


def chain_of(names: str | Sequence[str], nan: NanPolicy, *, learns_missing: bool) -> Chain:
    """The stages of a modality that is normalised by these, `"center,l2"` or a list.

    nan: what values that are not finite become before. learns_missing: whether the mean is to be
    known, for the rows that lack the modality.
    """
    listed = names.split(",") if isinstance(names, str) else list(names)
    named = [name.strip() for name in listed]
    before = [_FILLINGS[nan]] if nan in _FILLINGS else []
    after = [_MISSING_MEAN] if learns_missing else []
    return tuple(stage_of(name) for name in (*before, *named, *after) if name != "none")
