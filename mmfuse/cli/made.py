"""Options of commands that work with a model, by default as it was made."""

from __future__ import annotations

import inspect
from typing import Annotated

import typer

_Nan = Annotated[
    str | None,
    typer.Option(
        "--nan",
        metavar="POLICY",
        help="NaN and infinite values: error, keep or drop; by default as the model was made.",
        rich_help_panel="Values",
    ),
]
_Dtype = Annotated[
    str | None,
    typer.Option(
        "--dtype",
        metavar="DTYPE",
        help="float16, float32 or float64; by default as the model was made.",
        rich_help_panel="Values",
    ),
]
AS_MADE = {
    name: inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )
    for name, annotation in (("nan", _Nan), ("dtype", _Dtype))
}
