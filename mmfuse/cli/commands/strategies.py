"""`mmfuse strategies`."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from typing import Any

from mmfuse.cli import shared
from mmfuse.cli.streams import emit_json, emit_lines

_WIDEST = 100


def strategies(as_json: shared.AsJson = False) -> None:
    """List the strategies with their options and sources."""
    from mmfuse import list_normalizations, list_strategies

    fusions, norms = list_strategies(), list_normalizations()
    if as_json:
        told = {"mmfuse_strategies": 1, "strategies": fusions, "normalizations": norms}
        emit_json(told)
        return
    lines = [line for item in fusions for line in _manual(item)]
    lines.append("normalisations, for --normalize")
    lines += [line for item in norms for line in _entry(f"{item['name']:<10}", item["summary"])]
    emit_lines(lines)


def _manual(item: dict[str, Any]) -> Iterator[str]:
    """Name, paragraphs and options of a strategy, then an empty line."""
    yield item["name"]
    for paragraph in item["manual"]:
        yield from _entry("", paragraph)
    for option in item["options"]:
        yield from _entry(f"{option['flag']}  ", f"{option['help']} [{_default(option)}]")
    yield ""


def _default(option: dict[str, Any]) -> str:
    if option["type"] == "bool":
        return "so by default" if option["default"] else "not by default"
    return f"default: {option['default']}"


def _entry(title: str, text: str) -> list[str]:
    """A text that goes on below itself where it is too long for one line."""
    return textwrap.wrap(
        text,
        min(shutil.get_terminal_size().columns, _WIDEST),
        initial_indent="    " + title,
        subsequent_indent="    " + " " * len(title),
    )
