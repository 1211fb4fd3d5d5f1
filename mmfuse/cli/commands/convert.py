"""`mmfuse convert`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mmfuse.cli import shared
from mmfuse.cli.given import reading
from mmfuse.cli.options import size
from mmfuse.cli.progress import showing
from mmfuse.cli.report import summary_table
from mmfuse.cli.streams import emit_json, say
from mmfuse.errors import UsageError


def convert(
    file: Annotated[str, typer.Argument(metavar="[NAME=]FILE", help="The modality; - is stdin.")],
    out: Annotated[
        str | None, typer.Argument(metavar="[OUT]", help="The file to write; - is stdout.")
    ] = None,
    *,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="OUT", help="The same.", rich_help_panel="Writing"),
    ] = None,
    format: shared.Format = None,
    layout: shared.Layout = None,
    compression: shared.Compression = None,
    no_clobber: shared.NoClobber = False,
    lock: shared.Lock = None,
    ids: shared.IdFiles = None,
    id_column: shared.IdColumn = None,
    column: shared.Column = None,
    sidecar: shared.Sidecar = True,
    input_format: shared.InputFormat = None,
    id_transform: shared.IdTransform = None,
    pool: shared.Pool = None,
    pool_mask_zeros: shared.PoolMaskZeros = False,
    dry_run: shared.DryRun = False,
    verbose: shared.Verbose = False,
    quiet: shared.Quiet = False,
    as_json: shared.AsJson = False,
    threads: shared.Threads = None,
    memory: shared.Memory = "512MB",
) -> None:
    """Write one modality in another format: every row with its id, values and dtype as stored."""
    from mmfuse import convert as converted

    if (out is None) == (output is None):
        raise UsageError("name the output once", hint=f"mmfuse convert {file} OUT")
    place: Any = output if out is None else out
    if as_json and place == "-" and not dry_run:
        raise UsageError("--json and an output of - both want stdout")
    settings: dict[str, Any] = {
        **reading(
            ids, id_column, column, sidecar, input_format, pool, pool_mask_zeros, id_transform
        ),
        "format": format,
        "layout": layout,
        "compression": compression,
        "clobber": not no_clobber,
        "lock": lock,
        "threads": threads,
        "memory": size(memory),
        "dry_run": dry_run,
    }
    with showing(place, quiet=quiet) as progress:
        told = converted(file, place, progress=progress, **settings).summary
    if as_json:
        emit_json(told.as_dict())
    elif not quiet:
        say(summary_table(told, verbose=verbose))
