"""`mmfuse`: the commands, found by looking; each is loaded when it is called."""

from __future__ import annotations

import difflib
import gc
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mmfuse import __version__
from mmfuse.cli.command import COMMANDS, command_of
from mmfuse.cli.errors import reporting
from mmfuse.cli.values import PlainValues
from mmfuse.core.registry import STRATEGIES
from mmfuse.errors import UsageError
from mmfuse.files.machine import hold_to_memory

_HELP = """Fuse per-modality feature files into one matrix, aligned by row id.

Every strategy is a command:

\b
  mmfuse concat image.npy text=b.parquet -o fused.parquet
"""
_FIRST = "Feature-level fusion"
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Commands(PlainValues, TyperGroup):
    """Every strategy, and every module of `mmfuse.cli.commands`."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all commands."""
        return [*STRATEGIES.modules, *COMMANDS.modules]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command. Raises UsageError for an unknown one, with the nearest name."""
        names = self.list_commands(ctx)
        if cmd_name in names:
            return command_of(cmd_name)
        if ctx.resilient_parsing:
            return None
        near = difflib.get_close_matches(cmd_name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "mmfuse --help lists the commands"
        if "." in cmd_name or "=" in cmd_name:  # a file
            hint = f"a strategy comes first: mmfuse concat {cmd_name} … -o OUT"
        raise UsageError(f"no command {cmd_name!r}", hint=hint)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands in groups, each with the first sentence of its manual."""
        groups: dict[str, list[tuple[str, str]]] = {_FIRST: []}
        for name in STRATEGIES.modules:
            panel = STRATEGIES.attribute(name, "panel") or _FIRST
            groups.setdefault(panel, []).append((name, STRATEGIES.summary(name)))
        groups["Files and models"] = [(name, COMMANDS.summary(name)) for name in COMMANDS.modules]
        for title, rows in groups.items():
            with formatter.section(title):
                formatter.write_dl(rows)


app = typer.Typer(
    cls=Commands,
    help=_HELP,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mmfuse {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """What stands before a command."""


def main() -> None:
    """Run the command line and exit with the code that `mmfuse.errors` documents."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the engine has threads of its own
    gc.freeze()  # what is imported stays: Python need not search it for garbage, last at exit
    hold_to_memory()
    arguments = sys.argv[1:] or ["--help"]
    with reporting():
        code = app(arguments, prog_name="mmfuse", standalone_mode=False)
    sys.exit(code or 0)
