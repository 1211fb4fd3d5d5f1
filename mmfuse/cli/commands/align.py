"""`mmfuse align`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmfuse.cli import shared
from mmfuse.cli.given import matching, reading
from mmfuse.cli.options import size
from mmfuse.cli.progress import showing
from mmfuse.cli.report import align_table
from mmfuse.cli.streams import emit_json, say

if TYPE_CHECKING:
    from mmfuse.summary import AlignSummary


def align(
    files: shared.Files,
    *,
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER",
            help="Where the files go, named like the inputs.",
            rich_help_panel="Writing",
        ),
    ],
    anti: Annotated[
        bool,
        typer.Option(
            "--anti",
            help="Write the rows that are in no row of the join, as NAME.anti.",
            rich_help_panel="Rows",
        ),
    ] = False,
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
    pool: shared.Pool = None,
    pool_mask_zeros: shared.PoolMaskZeros = False,
    id_transform: shared.IdTransform = None,
    join: shared.Join = "inner",
    missing: shared.Missing = None,
    duplicates: shared.Duplicates = "error",
    sort_ids: shared.SortIds = False,
    strict: shared.Strict = False,
    min_overlap: shared.MinOverlap = 0.0,
    by_position: shared.ByPosition = False,
    require_ids: shared.RequireIds = False,
    dry_run: shared.DryRun = False,
    quiet: shared.Quiet = False,
    as_json: shared.AsJson = False,
    threads: shared.Threads = None,
    memory: shared.Memory = "512MB",
) -> None:
    """Write the modalities with the same rows in the same order, a file each, not fused.

    Values and dtypes stay as stored.
    """
    settings = {
        **reading(
            ids, id_column, column, sidecar, input_format, pool, pool_mask_zeros, id_transform
        ),
        "anti": anti,
        "format": format,
        "layout": layout,
        "compression": compression,
        "clobber": not no_clobber,
        "lock": lock,
        "join": join,
        "missing": missing,
        "duplicates": duplicates,
        "sort_ids": sort_ids,
        "strict": strict,
        "min_overlap": min_overlap,
        "by": matching(by_position, require_ids),
        "dry_run": dry_run,
        "threads": threads,
        "memory": size(memory),
    }
    told = _run(files, output, settings, quiet=quiet)
    if as_json:
        emit_json(told.as_dict())
    elif not quiet:
        say(align_table(told))


def _run(files: list[str], output: str, settings: dict[str, Any], *, quiet: bool) -> AlignSummary:
    from mmfuse import align as aligned

    with showing(quiet=quiet) as progress:
        return aligned(files, output, progress=progress, **settings)
