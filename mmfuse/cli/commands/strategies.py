"""`mmfuse strategies`."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def strategies(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """List the strategies with their options and sources."""
    from mmfuse import normalizations as list_normalizations
    from mmfuse import strategies as list_strategies

    described = list_strategies()
    if as_json:
        told = {
            "mmfuse_strategies": 1,
            "strategies": described,
            "normalizations": list_normalizations(),
        }
        print(json.dumps(told, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(markup=False, highlight=False)
    for item in described:
        console.print(Text(item["name"], style="bold"))
        for paragraph in item["manual"]:
            console.print(Padding(Text(paragraph), (0, 0, 0, 4)))
        for option in item["options"]:
            line = f"{option['flag']} ({option['default']})  {option['help']}"
            console.print(Padding(Text(line), (0, 0, 0, 8)))
        console.print()
    console.print(Text("normalisations, for --normalize", style="bold"))
    for item in list_normalizations():
        console.print(Padding(Text(f"{item['name']:<10}{item['summary']}"), (0, 0, 0, 4)))
