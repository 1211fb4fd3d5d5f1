"""`mmfuse predict`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmfuse.cli import shared
from mmfuse.cli.command import as_command
from mmfuse.cli.made import AS_MADE
from mmfuse.cli.run_command import Own, Settings, Work, run_function

if TYPE_CHECKING:
    from mmfuse.work import Fused

_Model = Annotated[str, typer.Argument(metavar="MODEL", help="Written by train: a file or folder.")]


def predict() -> None:
    """Predict new rows with a model that train made: probabilities, label, how many models.

    Modalities are named as in training. A row is predicted from those it has, and n_models says
    how many; one may be left out altogether.
    """


def command() -> Any:
    """The command, ready to parse its arguments."""
    return as_command("predict", _function())


def _function() -> Callable[..., None]:
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [inspect.Parameter("model", keyword, annotation=_Model)]
    other = {
        "join": inspect.Parameter("join", keyword, default="outer", annotation=shared.Join),
        **AS_MADE,
    }
    without = frozenset({"normalize", "weight", "save", "labels", "report", "plot", "missing"})
    work = Work(_predict, own, without, other, ("model",))
    return run_function(work, inspect.getdoc(predict))


def _predict(own: Own, files: Sequence[Any], output: str, settings: Settings) -> Fused:
    from mmfuse import predict as predicted

    if settings["dtype"] is None:
        del settings["dtype"]
    return predicted(own["model"], files, output, **settings)
