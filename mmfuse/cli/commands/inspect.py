"""`mmfuse inspect`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from mmfuse.cli.options import per_modality, per_modality_list


def inspect(
    files: Annotated[
        list[str], typer.Argument(metavar="[NAME=]FILE...", help="Files to look at; - is stdin.")
    ],
    ids: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]FILE[:COLUMN]", help="Row ids in another file."),
    ] = None,
    id_column: Annotated[
        list[str] | None, typer.Option(metavar="[NAME=]COLUMN", help="The column of row ids.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="[NAME=]COLUMN", help="A feature column, or a glob.")
    ] = None,
    sidecar: Annotated[
        bool, typer.Option("--sidecar/--no-sidecar", help="Look for ids beside the file.")
    ] = True,
    input_format: Annotated[
        list[str] | None, typer.Option("--from", metavar="[NAME=]FORMAT", help="The file's format.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Look at files: rows, width, dtype, where ids were found, lengths of rows, odd values.

    For a file that mmfuse wrote, also the record of how it was made.
    """
    from mmfuse import inspect as look_at

    profiles = look_at(
        files,
        ids=per_modality(ids or (), str, "--ids"),
        id_column=per_modality(id_column or (), str, "--id-column"),
        column=per_modality_list(column or ()),
        format=per_modality(input_format or (), str, "--from"),
        sidecar=sidecar,
    )
    described = [profile.as_dict() for profile in profiles]
    if as_json:
        print(json.dumps({"mmfuse_inspect": 1, "files": described}, ensure_ascii=False))
        return
    _print_tables(described)


def _print_tables(profiles: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mmfuse.files.paths import show

    console = Console(markup=False, highlight=False)
    table = Table(show_edge=False, header_style="bold")
    table.add_column("")
    for profile in profiles:
        table.add_column(Text(show(profile["name"])), justify="right")
    for title, cells in _rows(profiles):
        table.add_row(Text(title), *(Text(show(cell)) for cell in cells))
    console.print(table)
    for profile in profiles:
        for note in profile["notes"]:
            console.print(Text(show(f"note: {profile['name']}: {note}")))
        if profile["record"] is not None:
            console.print(Text(f"\n{show(profile['name'])} was written by mmfuse:", style="bold"))
            console.print(Text(json.dumps(profile["record"], indent=2, ensure_ascii=True)))


def _rows(profiles: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Title and a cell a file."""

    def norm(profile: dict[str, Any], k: int) -> str:
        return f"{profile['norms'][k]:.4g}" if profile["norms"] else "-"

    tellers: dict[str, Callable[[dict[str, Any]], str]] = {
        "file": lambda p: p["file"],
        "rows": lambda p: f"{p['rows']:,}",
        "columns": lambda p: f"{p['columns']:,}",
        "dtype": lambda p: p["dtype"],
        "ids": lambda p: p["ids"],
        "id kind": lambda p: p["id_kind"],
        "first ids": lambda p: ", ".join(p["id_examples"]),
        "norm, smallest": lambda p: norm(p, 0),
        "norm, 25 %": lambda p: norm(p, 1),
        "norm, median": lambda p: norm(p, 2),
        "norm, 75 %": lambda p: norm(p, 3),
        "norm, largest": lambda p: norm(p, 4),
        "rows with NaN": lambda p: f"{p['nan_rows']:,}",
        "zero rows": lambda p: f"{p['zero_rows']:,}",
        "constant columns": lambda p: f"{p['constant_columns']:,}",
    }
    return [(title, [tell(profile) for profile in profiles]) for title, tell in tellers.items()]
