"""The command of a strategy: its own options, then those that all strategies share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmfuse.cli import shared
from mmfuse.cli.options import parameter
from mmfuse.cli.run_command import Own, Settings, Work, run_function
from mmfuse.core.options import options as options_of
from mmfuse.core.registry import strategy_class

if TYPE_CHECKING:
    from mmfuse.work import Fused

_HELD = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="[NAME=]WHAT",
        help="What an input holds: probabilities (the default), logits, scores or labels; and its "
        "format, where the suffix does not tell.",
        rich_help_panel="Reading",
    ),
]
NO_MATRIX = frozenset({"format", "layout", "compression", "shard_rows", "save"})
"""What a command does not have that writes a model only."""


def strategy_function(name: str) -> Callable[..., None]:
    """The function behind `mmfuse NAME`."""
    return _function(name, Work(partial(_fuse, name)))


def fit_function(name: str) -> Callable[..., None]:
    """The function behind `mmfuse fit NAME`."""
    model = {"output": shared.ModelOutput}
    return _function(name, Work(partial(_fit, name), without=NO_MATRIX, other=model))


def _function(name: str, work: Work) -> Callable[..., None]:
    strategy = strategy_class(name)
    own = [parameter(option, f"Options of {name}") for option in options_of(strategy)]
    declared = "the row is fused from those it has" if strategy.fuses_present else "zero"
    other = {"missing": shared.missing(declared), **work.other}
    if strategy.of_predictions:
        other["input_format"] = _HELD
    without = work.without | ({"save", "report", "plot"} if strategy.whole else set())
    without |= set() if strategy.supervised else {"labels"}
    return run_function(Work(work.do, own, without, other, work.models), inspect.getdoc(strategy))


def _fuse(strategy: str, own: Own, files: list[Any], output: str, settings: Settings) -> Fused:
    from mmfuse import fuse

    return fuse(strategy, files, output, options=own, **settings)


def _fit(strategy: str, own: Own, files: list[Any], output: str, settings: Settings) -> Fused:
    from mmfuse import fit

    return fit(strategy, files, output, options=own, **settings)
