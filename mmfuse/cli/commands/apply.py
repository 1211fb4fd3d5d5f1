"""`mmfuse apply`."""

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

_Model = Annotated[str, typer.Argument(metavar="MODEL", help="Written by fit, or with --save.")]
_CheckDrift = Annotated[
    bool,
    typer.Option(
        "--check-drift",
        help="Tell how the rows differ from those the model learned from.",
        rich_help_panel="Values",
    ),
]


def apply() -> None:
    """Fuse new rows as a model has learned to.

    Modalities are named as in the run that made the model. One may be left out, and rows may lack
    one, where the strategy fuses such rows. Rows come in the order of the model's first modality.
    """


def command() -> Any:
    """The command, ready to parse its arguments."""
    return as_command("apply", _function())


def _function() -> Callable[..., None]:
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [
        inspect.Parameter("model", keyword, annotation=_Model),
        inspect.Parameter("check_drift", keyword, default=False, annotation=_CheckDrift),
    ]
    other = {
        "missing": shared.missing("as the model was made"),
        **AS_MADE,
    }
    without = frozenset({"normalize", "weight", "save", "labels", "report", "plot"})
    return run_function(Work(_apply, own, without, other, ("model",)), inspect.getdoc(apply))


def _apply(own: Own, files: Sequence[Any], output: str, settings: Settings) -> Fused:
    from mmfuse import apply as applied

    if settings["dtype"] is None:
        del settings["dtype"]
    return applied(own["model"], files, output, check_drift=own["check_drift"], **settings)
