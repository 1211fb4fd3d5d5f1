"""Models among the files of a command."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from mmfuse.errors import MmfuseError, UsageError
from mmfuse.files.output import commit_all
from mmfuse.files.paths import split_name

if TYPE_CHECKING:
    from mmfuse.report import Report


def models_among(files: Sequence[str]) -> tuple[list[str], list[str]]:
    """The paths of models, and the other files."""
    models = [split_name(file)[1] for file in files if _is_model(split_name(file)[1])]
    return models, [file for file in files if split_name(file)[1] not in models]


def _is_model(path: str) -> bool:
    if not os.path.isfile(path):  # a pipe can be read once
        return False
    from mmfuse.files.inputs import open_input
    from mmfuse.model_file import is_model

    try:
        return is_model(open_input(path, path))
    except MmfuseError:
        return False  # what is wrong with it is told when it is read


def explained(path: str) -> Report:
    """What a model tells. Raises ModelError."""
    from mmfuse import explain, load

    return explain(load(path))


def draw_one(reports: Mapping[str, Report], path: str) -> None:
    """Draw the one model there is. Raises UsageError if there is another number of them."""
    from mmfuse.plot import draw, require
    from mmfuse.saving import Saving

    if len(reports) != 1:
        raise UsageError("--plot draws one model", hint="mmfuse inspect MODEL --plot FILE")
    require(path)
    saving = Saving(path, what="picture", example="spectrum.svg")
    try:
        saving.protect(reports)
        commit_all(saving.write(partial(draw, next(iter(reports.values())))))
    finally:
        saving.close()
