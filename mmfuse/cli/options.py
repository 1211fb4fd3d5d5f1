"""Options as the command line has them: strategy fields as flags, `[NAME=]VALUE`, sizes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

import typer

from mmfuse.core.options import Option
from mmfuse.errors import UsageError
from mmfuse.files.paths import split_name
from mmfuse.request import ALL

Value = TypeVar("Value")

_SHORT = {"n_components": ["-k"]}
_METAVARS = {int: "N", float: "X", str: "NAME"}
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", re.IGNORECASE)


def parameter(option: Option, panel: str) -> inspect.Parameter:
    """A strategy's option as a parameter that Typer turns into a flag."""
    flags = [option.flag, *_SHORT.get(option.name, [])]
    if option.type is bool:
        flags = [f"{option.flag}/--no-{option.flag[2:]}"]
    help = option.param.help
    if option.choices:
        help += f" One of: {', '.join(option.choices)}."
    metavar = "K" if option.param.convert is not None else _METAVARS.get(option.type)
    declared = typer.Option(
        *flags,
        metavar=metavar,
        help=help,
        rich_help_panel=panel,
        show_default=option.default is not False,
    )
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=option.default if option.param.convert is None else str(option.default),
        annotation=Annotated[option.type, declared],
    )


def per_modality(
    given: Iterable[str], convert: Callable[[str], Value], option: str
) -> dict[str, Value]:
    """`[NAME=]VALUE` as a mapping of names; a bare value is for all. The last one counts."""
    values: dict[str, Value] = {}
    for text in given:
        name, value = split_name(text)
        try:
            values[name or ALL] = convert(value)
        except ValueError:
            raise UsageError(f"{option} {text!r}: {value!r} is not a number") from None
    return values


def per_modality_list(given: Iterable[str]) -> dict[str, list[str]]:
    """Like `per_modality`, for an option that may be given several times for one modality."""
    values: dict[str, list[str]] = {}
    for text in given:
        name, value = split_name(text)
        values.setdefault(name or ALL, []).append(value)
    return values


def per_modality_chain(given: Iterable[str]) -> dict[str, str]:
    """Like `per_modality_list`, as one text with commas."""
    return {name: ",".join(steps) for name, steps in per_modality_list(given).items()}


def size(text: str) -> int:
    """`512MB`, `2GiB` or a number of bytes. Raises UsageError for anything else."""
    found = _SIZE.fullmatch(text)
    if found is None:
        raise UsageError(f"--memory is {text!r}; give a size such as 512MB or 2GiB")
    return int(float(found[1]) * _UNITS[found[2].upper()])
