"""Jobs that learn, and the models that come of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.alignment import Alignment
from mmfuse.core.options import options as options_of
from mmfuse.core.registry import strategy_class
from mmfuse.core.source import Source
from mmfuse.core.strategy import Strategy, Task
from mmfuse.errors import UsageError, count
from mmfuse.job import Job, Settings
from mmfuse.prepare import aligned, new_fusion, planned
from mmfuse.request import PerModality
from mmfuse.running import Done
from mmfuse.sources import Opened

if TYPE_CHECKING:
    from mmfuse.core.labels import Labels, Targets
    from mmfuse.model import Model


def strategy_of(strategy: str | Strategy, options: Mapping[str, Any]) -> tuple[Strategy, str]:
    """A strategy and the name of its command. Raises UsageError for an unknown name or option."""
    if isinstance(strategy, Strategy):
        return strategy, type(strategy).__module__.rpartition(".")[2].replace("_", "-")
    found = strategy_class(strategy)
    known = {option.name for option in options_of(found)}
    for name in options:
        if name not in known:
            raise UsageError(
                f"{strategy} has no option {name!r}",
                hint="it has " + (", ".join(sorted(known)) or "none"),
            )
    return found(**options), strategy


def task_of(strategy: Strategy) -> Task:
    """What labels are to a strategy that learns from some."""
    return "regression" if strategy.predicts == "numbers" else "classification"


def new_job(
    command: str,
    strategy: Strategy,
    normalize: PerModality[str | Sequence[str]],
    weight: PerModality[float],
    opened: Opened,
    settings: Settings,
) -> Job:
    """A job that learns what there is to learn. Raises a MmfuseError for what cannot be done."""
    if settings.keep and strategy.whole:
        raise UsageError(
            f"{command} fuses all rows at once, so there is no model for new rows",
            hint="fuse with it without --save",
        )
    sources = opened.sources
    refuse_number(command, strategy, sources)
    normalize = _converted(normalize, opened)
    alignment = aligned(sources, settings)
    classes, labels = numbered(command, strategy, opened.labels, alignment)
    fusion = new_fusion(strategy, sources, alignment, normalize, weight, settings, classes)
    dtype = np.dtype(settings.dtype)
    return planned(command, fusion, sources, alignment, settings, dtype, labels=labels)


def _converted(
    normalize: PerModality[str | Sequence[str]], opened: Opened
) -> PerModality[str | Sequence[str]]:
    """The normalisations, after what makes probabilities of predictions that are none."""
    if not opened.kinds:
        return normalize
    from mmfuse.core.probabilities import STAGES

    chains: dict[str, str | Sequence[str]] = {}
    for source in opened.sources:
        own = normalize.get(source.name, "none")
        own = own.split(",") if isinstance(own, str) else own
        chains[source.name] = [*STAGES.get(opened.kinds.get(source.name, ""), ()), *own]
    return PerModality(normalize.option, chains)


def refuse_number(command: str, strategy: Strategy, sources: Sequence[Source]) -> None:
    """Raise UsageError for more or fewer modalities than the strategy takes."""
    least, most, given = strategy.least, strategy.most, len(sources)
    if least <= given and (most is None or given <= most):
        return
    wanted = f"{least}" if most == least else f"{least} or more"
    raise UsageError(
        f"{command} takes {wanted} modalities, and {count(given, 'file')} given",
        hint="mcca and gcca take more than two"
        if most == 2 < given
        else "give one file a modality",
    )


def numbered(
    command: str,
    strategy: Strategy,
    labels: Labels | Targets | None,
    alignment: Alignment,
    known: Sequence[str] = (),
) -> tuple[tuple[str, ...], NDArray[Any] | None]:
    """The classes of the labels, and the number of every row's, or what is to be predicted of it;
    of no labels nothing.

    known: the classes there are, if they are known already. Raises UsageError for labels that are
    not wanted, or wanted and not there, and what the labels raise.
    """
    if strategy.supervised == (labels is None):
        raise UsageError(
            f"{command} learns from labels: --labels FILE[:COLUMN]"
            if labels is None
            else f"{command} does not learn from labels"
        )
    if labels is None:
        return (), None
    from mmfuse.core.labels import Targets, classes_of, label_numbers, target_numbers

    if isinstance(labels, Targets):
        assert not known  # labels of a model that predicts classes are opened as classes
        return (), target_numbers(labels, alignment)
    classes, numbers = classes_of(labels, known)
    return classes, label_numbers(labels, numbers, alignment)


def model_of(done: Done) -> Model:
    """The model of a job that kept what it had gathered."""
    from mmfuse.model import Model

    assert done.lesson is not None
    settings, rows = done.job.settings, len(done.job.alignment)
    return Model.of(
        done.job.command, done.lesson, rows, settings.nan, settings.dtype, [trained_on(done)]
    )


def trained_on(done: Done) -> dict[str, Any]:
    """What a model keeps of the rows it has learned from."""
    record = done.summary.record()
    return {"inputs": record["inputs"], "join": record["join"]}
