"""Which commands there are beside the strategies, and how a function becomes one."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand

from mmfuse.core.registry import STRATEGIES


@dataclass(frozen=True)
class Command:
    """A command in a module of its own, in the function of its name."""

    summary: str


COMMANDS = {
    "inspect": Command("Look at files: rows, ids, lengths, odd values, how a file was fused."),
    "strategies": Command("List the strategies with their options and sources."),
}


def command_of(name: str) -> Any:
    """The command of that name, ready to parse its arguments."""
    if name in STRATEGIES.modules:
        from mmfuse.cli.fuse import strategy_function

        return as_command(name, strategy_function(name))
    module = importlib.import_module(f"mmfuse.cli.{name}")
    return as_command(name, getattr(module, name))


def as_command(name: str, function: Callable[..., None]) -> Any:
    """A function with annotated parameters as a command."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(
        name, cls=SectionedCommand, context_settings={"help_option_names": ["-h", "--help"]}
    )(function)
    return typer.main.get_command(app)


class SectionedCommand(TyperCommand):
    """A command whose help shows its options in sections."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments first, then the sections in the order in which they first occur."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                plain = "Arguments" if param.param_type_name == "argument" else "General"
                title = getattr(param, "rich_help_panel", None) or plain
                sections.setdefault(title, []).append(record)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)
