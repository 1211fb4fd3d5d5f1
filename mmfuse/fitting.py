"""Whether modalities are those of a model, and the job of fusing them as it has learned to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mmfuse.core.alignment import Alignment
from mmfuse.core.fusion import Fusion, Missing, MissingMean
from mmfuse.core.schema import Modality
from mmfuse.core.source import Source
from mmfuse.errors import ModelError, UsageError
from mmfuse.files.memory import ArraySource
from mmfuse.job import Job, Settings
from mmfuse.learning import numbered
from mmfuse.model import Model
from mmfuse.nonfinite import NanPolicy
from mmfuse.prepare import aligned, planned, refuse_filling, refuse_keeping
from mmfuse.request import Input
from mmfuse.sources import Opened
from mmfuse.trained_model import TrainedModel

_EXAMPLES = 3


def inputs_for(
    model: Model | TrainedModel, inputs: Sequence[Input], missing: Missing | None = None
) -> tuple[Input, ...]:
    """The inputs in the order of the model's modalities.

    missing: what is to stand for one that rows lack; None: as the model was made.
    The one input of a model of one modality may have any name. Raises ModelError for inputs that
    the model does not know, or modalities that are not there and have to be.
    """
    names = model.schema.names
    if len(names) == len(inputs) == 1:
        return (replace(inputs[0], name=names[0]),)
    told = "the model has " + ", ".join(names)
    for item in inputs:
        if item.name not in names:
            raise ModelError(
                f"{item.name} is no modality of the model", hint=f"name inputs as NAME=FILE; {told}"
            )
    given = {item.name: item for item in inputs}
    lacking = [name for name in names if name not in given]
    filled = (missing or model.fusion.missing) not in (None, "error")
    if lacking and not (filled or model.fusion.fuses_present):
        raise ModelError(
            f"the model needs {', '.join(lacking)} too: {model.strategy} does not fuse rows that "
            "lack a modality",
            hint=f"--missing zero puts zeros there; {told}",
        )
    return tuple(given[name] for name in names if name in given)


def applied_job(
    model: Model | TrainedModel,
    before: Fusion | None,
    missing: Missing | None,
    opened: Opened,
    settings: Settings,
) -> Job:
    """The job of fusing what was opened as the model has learned to.

    before: what gathers the statistics of the rows as well, where they are wanted.
    Raises ModelError for columns that are not the model's, and a MmfuseError for all else.
    """
    _refuse_other_mending(model, settings.nan)
    refuse_filling(model.fusion.strategy, missing)
    refuse_keeping(model.fusion.strategy, settings.nan)
    sources, alignment = fitted(model, opened.sources, settings)
    fusion = model.fusion if missing is None else _filling(model.fusion, missing)
    _refuse_unknown_means(fusion, alignment)
    settings = replace(settings, missing=fusion.missing)
    dtype = np.dtype(settings.dtype)
    return planned(model.strategy, fusion, sources, alignment, settings, dtype, before)


def fitted(
    model: Model | TrainedModel, sources: Sequence[Source], settings: Settings
) -> tuple[list[Source], Alignment]:
    """A source for every modality of the model, without a row where none is given, and their rows.

    Raises ModelError for columns that are not the model's, AlignmentError for rows that do not
    meet.
    """
    known = {modality.name: modality for modality in model.schema.modalities}
    for source in sources:
        _refuse_other_columns(source, known[source.name])
    return _with_absent(model, sources, aligned(sources, settings))


def going_on_job(model: Model, opened: Opened, settings: Settings) -> Job:
    """The job of gathering what the model has to learn from further rows. Raises as above."""
    job = applied_job(model, model.before, None, opened, settings)
    known = model.schema.classes
    labels = numbered(model.strategy, model.fusion.strategy, opened.labels, job.alignment, known)[1]
    return replace(job, labels=labels)


def _refuse_other_mending(model: Model | TrainedModel, nan: NanPolicy) -> None:
    """Raise UsageError for a policy that the chains, which mend values or not, do not follow."""
    mends = model.nan in ("zero", "mean")
    if nan != model.nan and (nan in ("zero", "mean") or (nan == "keep" and mends)):
        raise UsageError(
            f"--nan {nan} is not how the model was made, which is --nan {model.nan}",
            hint="--nan " + " or ".join(dict.fromkeys((model.nan, "error", "drop"))),
        )


def _filling(fusion: Fusion, missing: Missing) -> Fusion:
    """The fusion with something else in the place of what a row lacks."""
    if missing == "mean":
        return replace(fusion, missing=missing)
    chains = tuple(c[:-1] if _knows_mean(fusion, m) else c for m, c in enumerate(fusion.chains))
    return replace(fusion, missing=missing, chains=chains)


def _knows_mean(fusion: Fusion, m: int) -> bool:
    chain = fusion.chains[m]
    return bool(chain) and isinstance(chain[-1].normalization, MissingMean)


def _refuse_unknown_means(fusion: Fusion, alignment: Alignment) -> None:
    """Raise ModelError for rows that lack a modality whose mean is wanted and was not learned."""
    if fusion.missing != "mean":
        return
    for m, name in enumerate(fusion.schema.names):
        if alignment.present(m) is not None and not _knows_mean(fusion, m):
            raise ModelError(
                f"rows lack {name}, and the model has not learned its mean",
                hint="fit with --missing mean, or apply with --missing zero",
            )


def _refuse_other_columns(source: Source, modality: Modality) -> None:
    own, its = source.columns, modality.columns
    if own == its:
        return
    if len(own) != len(its):
        raise ModelError(
            f"{source.name} has {len(own):,} columns, and the model learned from {len(its):,}",
            where=source.label,
            hint=_which_differ(own, its),
        )
    if sorted(own) == sorted(its):
        raise ModelError(
            f"the columns of {source.name} stand in another order than those the model learned "
            "from",
            where=source.label,
            hint="--column NAME=… in the model's order, or write the file as it was",
        )
    raise ModelError(
        f"{source.name} has other columns than the model learned from",
        where=source.label,
        hint=_which_differ(own, its),
    )


def _which_differ(own: Sequence[str], its: Sequence[str]) -> str | None:
    parts = []
    for what, more in (("lacks", set(its) - set(own)), ("has besides", set(own) - set(its))):
        if more:
            names = sorted(more, key=lambda name: (len(name), name))
            others = f" and {len(names) - _EXAMPLES:,} more" if len(names) > _EXAMPLES else ""
            parts.append(f"it {what} {', '.join(names[:_EXAMPLES])}{others}")
    return "; ".join(parts) or None


def _with_absent(
    model: Model | TrainedModel, sources: Sequence[Source], alignment: Alignment
) -> tuple[list[Source], Alignment]:
    """The sources and their alignment with modalities of the model that no row has."""
    given = {source.name: m for m, source in enumerate(sources)}
    places = [given.get(modality.name) for modality in model.schema.modalities]
    every = [
        _none_of(modality) if m is None else sources[m]
        for m, modality in zip(places, model.schema.modalities, strict=True)
    ]
    return every, alignment.of(places)


def _none_of(modality: Modality) -> Source:
    """A source without a row."""
    return ArraySource(
        name=modality.name,
        label=modality.name,
        columns=modality.columns,
        rows=0,
        dtype=np.dtype(np.float32),
        ids=None,
        id_source="",
        notes=("is not given: every row lacks it",),
        array=np.empty((0, modality.dim), np.float32),
    )
