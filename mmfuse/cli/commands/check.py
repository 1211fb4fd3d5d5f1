"""`mmfuse check`."""

from __future__ import annotations

from typing import Annotated

import typer

from mmfuse.cli import shared
from mmfuse.cli.check_report import check_report
from mmfuse.cli.options import per_modality, per_modality_chain, per_modality_list
from mmfuse.cli.streams import emit_json, emit_lines
from mmfuse.errors import AlignmentError

IdsOnly = Annotated[
    bool, typer.Option("--ids-only", help="Do not read features: no test of what they say.")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="What is well, too, pair by pair.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only the exit code.")]


def check(
    files: shared.Files,
    ids: shared.IdFiles = None,
    id_column: shared.IdColumn = None,
    column: shared.Column = None,
    sidecar: shared.Sidecar = True,
    input_format: shared.InputFormat = None,
    pool: shared.Pool = None,
    pool_mask_zeros: shared.PoolMaskZeros = False,
    id_transform: shared.IdTransform = None,
    ids_only: IdsOnly = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
    as_json: shared.AsJson = False,
) -> None:
    """Tell whether rows of files belong together: ids in common, their order, what features say.

    The exit code is 4 when something is wrong.
    """
    from mmfuse import check as look_at

    found = look_at(
        files,
        ids=per_modality(ids or (), str, "--ids"),
        id_column=per_modality(id_column or (), str, "--id-column"),
        column=per_modality_list(column or ()),
        format=per_modality(input_format or (), str, "--from"),
        sidecar=sidecar,
        pool=per_modality(pool or (), str, "--pool"),
        pool_mask_zeros=pool_mask_zeros,
        id_transform=per_modality_chain(id_transform or ()),
        features=not ids_only,
    )
    if as_json and not quiet:
        emit_json(found.as_dict())
    elif not quiet:
        emit_lines(check_report(found, verbose=verbose))
    if found.verdict == "wrong":
        raise typer.Exit(AlignmentError.exit_code)
