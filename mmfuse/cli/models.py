"""Models among the files of a command."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mmfuse.errors import MmfuseError, UsageError
from mmfuse.files.output import commit_all
from mmfuse.files.paths import split_name
from mmfuse.saving import place_of

if TYPE_CHECKING:
    from mmfuse.files.output import OutputFile
    from mmfuse.report import Report
    from mmfuse.trained_model import TrainedModel


def models_among(files: Sequence[str]) -> tuple[list[str], list[str]]:
    """The paths of models, and the other files."""
    places = {file: place_of(split_name(file)[1]) for file in files}
    models = [place for place in places.values() if _is_model(place)]
    return models, [file for file in files if places[file] not in models]


def _is_model(path: str) -> bool:
    if not os.path.isfile(path):  # a pipe can be read once
        return False
    from mmfuse.files.inputs import open_input
    from mmfuse.models import is_any

    try:
        return is_any(open_input(path, path))
    except MmfuseError:
        return False  # what is wrong with it is told when it is read


@dataclass(frozen=True)
class Told:
    """What a model tells: as plain data, as lines for people, and as a picture."""

    data: dict[str, Any]
    lines: list[str]
    draw: Callable[[OutputFile], None]


def explained(path: str) -> Told:
    """What a model tells. Raises ModelError."""
    from mmfuse.models import load
    from mmfuse.trained_model import TrainedModel

    model = load(path)
    if not isinstance(model, TrainedModel):
        from mmfuse.cli.model_report import report_table
        from mmfuse.report import explain

        report = explain(model)
        return Told(report.as_dict(), report_table(report.as_dict()), partial(_draw, report))
    from mmfuse.cli.score_table import trained_table

    return Told(model.as_dict(), trained_table(model.as_dict()), partial(_draw_scores, model))


def _draw(report: Report, file: OutputFile) -> None:
    from mmfuse.plot import draw

    draw(report, file)


def _draw_scores(model: TrainedModel, file: OutputFile) -> None:
    from mmfuse.score_plot import draw_scores

    if model.evaluation is None:
        raise UsageError("the model has no scores to draw", hint="train it with --folds")
    draw_scores(model.evaluation, file)


def draw_one(told: Mapping[str, Told], path: str) -> None:
    """Draw the one model there is. Raises UsageError if there is another number of them."""
    from mmfuse.plot import require
    from mmfuse.saving import Saving

    if len(told) != 1:
        raise UsageError("--plot draws one model", hint="mmfuse inspect MODEL --plot FILE")
    require(path)
    saving = Saving(path, what="picture", example="spectrum.svg")
    try:
        saving.protect(told)
        commit_all(saving.write(next(iter(told.values())).draw))
    finally:
        saving.close()
