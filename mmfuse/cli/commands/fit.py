"""`mmfuse fit`: a command for every strategy that has a model, and `--continue`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from mmfuse.cli import shared
from mmfuse.cli.command import as_command
from mmfuse.cli.run_command import Own, Settings, Work, run_function
from mmfuse.cli.values import PlainValues
from mmfuse.core.registry import STRATEGIES
from mmfuse.errors import UsageError

if TYPE_CHECKING:
    from mmfuse.work import Fused

_CONTINUE = "--continue"


def fit() -> None:
    """Learn a model without writing a matrix; go on learning from new rows with --continue."""


_MANUAL = """Learn a model without writing a matrix.

\b
  mmfuse fit pca image=a.npy text=b.parquet -k 64 -o model.safetensors
  mmfuse fit --continue model.safetensors image=new.npy text=new.parquet

The first learns from all rows. The second lets a model learn from more rows, as if it had seen
them from the beginning, and writes it back, or to -o OUT. `mmfuse apply` fuses rows with it.
"""


class FitCommands(PlainValues, TyperGroup):
    """Every strategy, and what `--continue` stands for."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """`--continue MODEL …` is the command of that name, and its first option too."""
        if args and args[0].partition("=")[0] == _CONTINUE:
            helps = args[1:2] in (["--help"], ["-h"])
            args = ["--", _CONTINUE, *(args[1:] if helps else args)]
        rest: list[str] = super().parse_args(ctx, args)
        return rest

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the strategies."""
        return [
            name for name in STRATEGIES.modules if STRATEGIES.attribute(name, "whole") != "True"
        ]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One of them. Raises UsageError for an unknown one."""
        from mmfuse.cli.fuse import fit_function

        if cmd_name == _CONTINUE:
            return as_command("fit", _continue_function())
        if cmd_name not in STRATEGIES.modules:
            if ctx.resilient_parsing:
                return None
            raise UsageError(
                f"no strategy {cmd_name!r}",
                hint="mmfuse fit STRATEGY [NAME=]FILE... -o MODEL; mmfuse fit --help lists them",
            )
        return as_command(cmd_name, fit_function(cmd_name))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The strategies, each with the first sentence of its manual."""
        with formatter.section("Strategies"):
            formatter.write_dl(
                [(name, STRATEGIES.summary(name)) for name in self.list_commands(ctx)]
            )


def command() -> Any:
    """The group, ready to parse its arguments."""
    settings = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
    app = typer.Typer(
        cls=FitCommands,
        help=_MANUAL,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=settings,
    )
    app.callback()(lambda: None)
    return typer.main.get_command(app)


def _continue_function() -> Callable[..., None]:
    model = Annotated[
        str | None,
        typer.Option("--continue", metavar="MODEL", help="The model that goes on learning."),
    ]
    keyword = inspect.Parameter.KEYWORD_ONLY
    own = [inspect.Parameter("model", keyword, default=None, annotation=model)]
    without = {
        *("format", "layout", "compression", "shard_rows", "save", "report", "plot"),
        *("missing", "normalize", "weight", "nan", "dtype"),
    }
    output = inspect.Parameter("output", keyword, default=None, annotation=shared.ContinuedOutput)
    work = Work(_go_on, own, frozenset(without), {"output": output}, ("model",))
    return run_function(work, "Let a model learn from more rows.")


def _go_on(own: Own, files: Sequence[Any], output: str, settings: Settings) -> Fused:
    from mmfuse import go_on

    return go_on(own["model"], files, output, **settings)
