"""How a strategy, or a function in a module of `mmfuse.cli.commands`, becomes a command."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand

from mmfuse.cli.values import PlainValues
from mmfuse.core.registry import STRATEGIES, Registry

COMMANDS = Registry("cli.commands", "command")
_PLAIN = "General"


def command_of(name: str) -> Any:
    """The command of that name, ready to parse its arguments."""
    if name in STRATEGIES.modules:
        from mmfuse.cli.fuse import strategy_function

        gc.freeze()  # see `main`; NumPy is there, and no strategy yet
        return as_command(name, strategy_function(name))
    module = COMMANDS.module(name)
    if hasattr(module, "command"):  # one that is not just a function
        return module.command()
    return as_command(name, getattr(module, name.replace("-", "_")))


def as_command(name: str, function: Callable[..., None]) -> Any:
    """A function with annotated parameters as a command."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(
        name, cls=SectionedCommand, context_settings={"help_option_names": ["-h", "--help"]}
    )(function)
    return typer.main.get_command(app)


class SectionedCommand(PlainValues, TyperCommand):
    """A command whose help shows its options in sections."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """`[OPTIONS]`, then the arguments as they are declared."""
        return ["[OPTIONS]", *(_argument(p)[0] for p in self.get_params(ctx) if _bare(p))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Sections in the order in which they first occur; options of none come last."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = _argument(param) if _bare(param) else param.get_help_record(ctx)
            if record is not None:
                plain = "Arguments" if _bare(param) else _PLAIN
                title = getattr(param, "rich_help_panel", None) or plain
                sections.setdefault(title, []).append(record)
        for title, rows in sorted(sections.items(), key=lambda section: section[0] == _PLAIN):
            with formatter.section(title):
                formatter.write_dl(rows)


def _bare(param: Any) -> bool:
    return bool(param.param_type_name == "argument")


def _argument(param: Any) -> tuple[str, str]:
    return str(param.metavar), str(param.help)
