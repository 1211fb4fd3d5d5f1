"""Options that are ranks: a number, one for every modality, or `auto`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmfuse.core.options import Param
from mmfuse.errors import InputError, UsageError

Ranks = int | tuple[int, ...] | str
"""A number, one a modality, or `auto`."""


def rank_option(flag: str, help: str, least: int = 0, *, each: bool = True) -> Param:
    """The option; each: whether it may name a number for every modality, as `3,2,4`."""

    def convert(value: object) -> Ranks:
        if value == "auto":
            return "auto"
        several = isinstance(value, list | tuple) or (isinstance(value, str) and "," in value)
        numbers = _numbers(value)
        if not numbers or min(numbers) < least or (several and not each):
            told = ", one for every modality such as 3,2," if each else ""
            raise UsageError(
                f"{flag} is {value!r}; it must be a number from {least} on{told} or auto"
            )
        return tuple(numbers) if several else numbers[0]

    return Param(help, convert=convert)


def _numbers(value: object) -> list[int]:
    """Whole numbers, given as such or as text; none for anything else."""
    if isinstance(value, str):
        parts = value.split(",")
        return [int(part) for part in parts] if all(p.strip().isdecimal() for p in parts) else []
    given = value if isinstance(value, list | tuple) else [value]
    whole = [int(g) for g in given if isinstance(g, int | np.integer) and g is not bool(g)]
    return whole if len(whole) == len(given) else []


def of_each(asked: Ranks, names: Sequence[str], flag: str) -> list[int | None]:
    """The rank asked of every modality; None: `auto`. Raises UsageError for another number."""
    if isinstance(asked, str):
        return [None] * len(names)
    ranks = list(asked) if isinstance(asked, tuple) else [asked] * len(names)
    if len(ranks) != len(names):
        raise UsageError(
            f"{flag} names {len(ranks)} ranks, and there are {len(names)} modalities: "
            + ", ".join(names)
        )
    return [*ranks]


def within(asked: int | None, auto: int, most: int, what: str, flag: str) -> int:
    """What was asked for, else `auto`, and `most` if that is less.

    Raises InputError where more are asked for than there are.
    """
    if asked is None:
        return min(auto, most)
    if asked > most:
        raise InputError(
            f"{what}: a rank of {asked:,} is asked for, and these rows have {most:,} at most",
            hint=f"{flag} {most} or auto" + (f", which is {min(auto, most)} here" * (auto >= 0)),
        )
    return asked
