"""`mmfuse inspect`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from mmfuse.cli import shared
from mmfuse.cli.models import draw_one, explained, models_among
from mmfuse.cli.options import per_modality, per_modality_list
from mmfuse.cli.streams import emit_json, emit_lines, json_text
from mmfuse.files.paths import short, show

_UNBOUNDED = 10_000
_ID = 60


def inspect(
    files: shared.Files,
    ids: shared.IdFiles = None,
    id_column: shared.IdColumn = None,
    column: shared.Column = None,
    sidecar: shared.Sidecar = True,
    input_format: shared.InputFormat = None,
    pool: shared.Pool = None,
    pool_mask_zeros: shared.PoolMaskZeros = False,
    plot: shared.Plot = None,
    as_json: shared.AsJson = False,
) -> None:
    """Look at files: rows, width, dtype, where ids were found, lengths of rows, odd values.

    For a file that mmfuse wrote, also the record of how it was made. Of a model, what it has
    learned: components, what each modality weighs and keeps, what is chance; or what each
    modality's model gives.
    """
    from mmfuse import inspect as look_at

    models, files = models_among(files)
    reports = {path: explained(path) for path in models}
    profiles = (
        []
        if models and not files
        else look_at(
            files,
            ids=per_modality(ids or (), str, "--ids"),
            id_column=per_modality(id_column or (), str, "--id-column"),
            column=per_modality_list(column or ()),
            format=per_modality(input_format or (), str, "--from"),
            sidecar=sidecar,
            pool=per_modality(pool or (), str, "--pool"),
            pool_mask_zeros=pool_mask_zeros,
        )
    )
    if plot is not None:
        draw_one(reports, plot)
    described = [profile.as_dict() for profile in profiles]
    if as_json:
        told = {path: report.data for path, report in reports.items()}
        emit_json({"mmfuse_inspect": 1, "files": described, "models": told})
    else:
        tables = [report.lines for report in reports.values()]
        tables += [list(_lines(described))] * bool(described)
        emit_lines(line for k, lines in enumerate(tables) for line in [""] * bool(k) + lines)


def _lines(profiles: list[dict[str, Any]]) -> Iterator[str]:
    """The table, the notes, and the records."""
    yield from _table(profiles)
    for profile in profiles:
        yield from (f"note: {profile['name']}: {note}" for note in profile["notes"])
    for profile in profiles:
        if profile["record"] is not None:
            yield from ("", f"{profile['name']} was written by mmfuse:")
            yield from _record(profile["record"])


def _table(profiles: list[dict[str, Any]]) -> Iterator[str]:
    """A column a file; on a terminal as wide as it is, elsewhere as wide as it needs to be."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from mmfuse.files.output import writing

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="")
    table.add_column("")
    for profile in profiles:
        table.add_column(Text(show(profile["name"])), justify="right")
    for title, cells in _rows(profiles):
        table.add_row(Text(title), *(Text(cell) for cell in cells))
    wide = None if sys.stdout.isatty() else _UNBOUNDED
    console = Console(width=wide, color_system=None, force_terminal=False)
    with writing("standard output"), console.capture() as drawn:  # whose end touches it
        console.print(table)
    return (line.rstrip() for line in drawn.get().splitlines())


def _record(record: dict[str, Any]) -> Iterator[str]:
    """The record as JSON, one line an entry, and one an input."""
    for key, value in record.items():
        if key == "inputs" and isinstance(value, list):
            yield '  "inputs":'
            yield from (f"    {json_text(item)}" for item in value)
        else:
            yield f"  {json_text(key)}: {json_text(value)}"


def _rows(profiles: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Title and a cell a file."""

    def norm(profile: dict[str, Any], k: int) -> str:
        return f"{profile['norms'][k]:.4g}" if profile["norms"] else "-"

    tellers: dict[str, Callable[[dict[str, Any]], str]] = {
        "file": lambda p: show(p["file"]),
        "rows": lambda p: f"{p['rows']:,}",
        "columns": lambda p: f"{p['columns']:,}",
        "dtype": lambda p: p["dtype"],
        "ids": lambda p: show(p["ids"]),
        "id kind": lambda p: p["id_kind"],
        "first ids": lambda p: ", ".join(short(text, _ID) for text in p["id_examples"]),
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
