"""`--n-components`: how many of the components that the data have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.options import Param
from mmfuse.errors import InputError, UsageError

Components = int | float | str
"""A number; a share from 0 to 1, written with a point; or `auto`."""


def components(value: object) -> Components:
    """What was given as a number, a share or `auto`. Raises UsageError for anything else."""
    if value == "auto":
        return "auto"
    given = value
    if isinstance(value, str):
        try:
            value = float(value) if "." in value or "e" in value.lower() else int(value)
        except ValueError:
            value = None
    if isinstance(value, np.integer | np.floating):
        value = value.item()
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    if isinstance(value, float) and 0 < value < 1:
        return value
    raise UsageError(
        f"--n-components is {given!r}; it must be a number of columns, a share between 0 and 1 "
        "such as 0.95, or auto"
    )


def wanted(share: str, auto: str) -> Param:
    """The option: what a share is of, and what `auto` keeps."""
    return Param(
        f"Components: a number, a share of {share} (0.95), or auto: {auto}.", convert=components
    )


def at_most(asked: Components, most: int, what: str) -> int:
    """How many there can be before anything is learned. Raises UsageError for more than `most`."""
    if not isinstance(asked, int):
        return most
    if asked > most:
        raise UsageError(
            f"--n-components is {asked:,}, and {what} have {most:,} at most",
            hint=f"--n-components {most} or auto",
        )
    return asked


def number(asked: Components, strengths: NDArray[Any], rank: int, auto: Callable[[], int]) -> int:
    """How many components to keep of those with these strengths, shape `(r,)`, descending.

    rank: how many of them the data have. auto: the number that `auto` stands for.
    Raises InputError where there are fewer than asked for.
    """
    if rank == 0:
        raise InputError(
            "there is nothing to learn: no component of these rows varies",
            hint="are the features constant, or is there one row only?",
        )
    if isinstance(asked, str):
        return min(max(auto(), 1), rank)
    if isinstance(asked, float):
        shares = np.cumsum(strengths[:rank]) / (strengths[:rank].sum() or 1)
        # the sum of all may be a rounding error below 1
        return min(int(np.searchsorted(shares, asked - 1e-12)) + 1, rank)
    if asked > rank:
        raise InputError(
            f"{asked:,} components are asked for, and these rows have {rank:,}",
            hint=f"--n-components {rank} or auto; fewer where columns repeat each other",
        )
    return asked
