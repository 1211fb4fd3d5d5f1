"""Jobs that learn, and the models that come of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmfuse.core.options import options as options_of
from mmfuse.core.registry import strategy_class
from mmfuse.core.strategy import Strategy
from mmfuse.errors import UsageError
from mmfuse.job import Job, Settings
from mmfuse.model import Model
from mmfuse.prepare import aligned, new_fusion, planned
from mmfuse.request import PerModality
from mmfuse.running import Done
from mmfuse.sources import Opened


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
    alignment = aligned(sources, settings)
    fusion = new_fusion(strategy, sources, alignment, normalize, weight, settings)
    return planned(command, fusion, sources, alignment, settings, np.dtype(settings.dtype))


def model_of(done: Done) -> Model:
    """The model of a job that kept what it had gathered."""
    assert done.lesson is not None
    settings, rows = done.job.settings, len(done.job.alignment)
    return Model.of(
        done.job.command, done.lesson, rows, settings.nan, settings.dtype, [trained_on(done)]
    )


def trained_on(done: Done) -> dict[str, Any]:
    """What a model keeps of the rows it has learned from."""
    record = done.summary.record()
    return {"inputs": record["inputs"], "join": record["join"]}
