"""`mmfuse merge`."""

from __future__ import annotations

from typing import Annotated

import typer

from mmfuse.cli import shared
from mmfuse.cli.streams import emit_json, say


def merge(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Two models or more.")],
    *,
    output: shared.ModelOutput,
    no_clobber: shared.NoClobber = False,
    quiet: shared.Quiet = False,
    as_json: shared.AsJson = False,
) -> None:
    """Make one model of several, as if it had learned from the rows of all.

    They must be of the same strategy, options, columns and normalisations.
    """
    from mmfuse import merge as merged

    model = merged(models, output, clobber=not no_clobber)
    if as_json:
        told = {
            "models": models,
            "output": output,
            "rows": model.rows,
            "columns": len(model.columns),
        }
        emit_json({"mmfuse_merge": 1, **told})
    elif not quiet:
        say(
            [
                f"{model.strategy} of {len(models)} models, {model.rows:,} rows -> {output}"
                f"   {len(model.columns):,} columns"
            ]
        )
