"""Rewrite ids that were spelled otherwise: only what the user names, never by a guess."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmfuse.core.ids import Ids, IntegerIds, TextIds, plain_integers
from mmfuse.errors import AlignmentError, UsageError

_INTEGER = re.compile(r"\s*([+-]?\d+)(\.0*)?\s*")
_DIGITS = 4000  # more are no id, and slow to turn into a number


@dataclass(frozen=True)
class Transform:
    """One step: `name` as the user writes it, and what it makes of an id."""

    name: str
    rewrite: Callable[[str], str]


def _basename(text: str) -> str:
    return posixpath.basename(text.replace("\\", "/").rstrip("/"))


def _stem(text: str) -> str:
    return posixpath.splitext(_basename(text))[0]


def _int(text: str) -> str:
    found = _INTEGER.fullmatch(text)
    if found is None or len(text) > _DIGITS:
        raise ValueError(f"{text[:60]!r} is no integer")
    return str(int(found[1]))


NAMED: dict[str, Callable[[str], str]] = {
    "strip": str.strip,
    "lower": str.lower,
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "stem": _stem,
    "basename": _basename,
    "int": _int,
}
"""Transforms by name; every one leaves plain integers as they are."""


def parse(text: str) -> tuple[Transform, ...]:
    """The steps of `strip,lower,s/RE/REPL/`, in their order.

    Any mark may stand for the slash; one within is written with a backslash before it. Raises
    UsageError.
    """
    steps: list[Transform] = []
    rest = text
    while rest:
        if len(rest) > 1 and rest[0] == "s" and not (rest[1].isalnum() or rest[1] in ",_ \\"):
            step, rest = _substitution(rest)
        else:
            name, _, rest = rest.partition(",")
            if name not in NAMED:
                raise UsageError(
                    f"--id-transform {text!r}: no transform {name!r}",
                    hint=f"there are {', '.join(NAMED)} and s/RE/REPL/",
                )
            step = Transform(name, NAMED[name])
        steps.append(step)
    if not steps:
        raise UsageError("--id-transform needs a transform", hint=f"there are {', '.join(NAMED)}")
    return tuple(steps)


def _substitution(text: str) -> tuple[Transform, str]:
    """The step at the beginning of a text, and what follows its comma."""
    mark = re.escape(text[1])
    part = rf"((?:\\.|[^\\{mark}])*)"
    found = re.match(rf"s{mark}{part}{mark}{part}{mark}(?:,|$)", text, re.DOTALL)
    if found is None:
        raise UsageError(
            f"--id-transform {text!r}: a substitution has the form s/RE/REPL/",
            hint="such as s/_(\\d+)$/[\\1]/",
        )
    pattern, replacement = (side.replace("\\" + text[1], text[1]) for side in found.groups())
    try:
        compiled = re.compile(pattern)
        compiled.sub(replacement, "")
    except re.error as error:
        raise UsageError(f"--id-transform {text!r}: {error}") from None
    name = found[0].rstrip(",")
    return Transform(name, lambda value: compiled.sub(replacement, value)), text[found.end() :]


def transformed(ids: Ids, steps: Sequence[Transform]) -> Ids:
    """The ids after every step; integers where every one is a plain integer then.

    Raises AlignmentError for an id that a step cannot take, or leaves empty.
    """
    if isinstance(ids, IntegerIds) and all(step.name in NAMED for step in steps):
        return ids
    found = []
    for row, text in enumerate(ids):
        new = text
        for step in steps:
            try:
                new = step.rewrite(new)
            except ValueError as error:
                raise AlignmentError(
                    f"--id-transform {step.name}: {error}; the id of row {row + 1:,} is {text!r}"
                ) from None
        if not new:
            raise AlignmentError(
                f"--id-transform leaves nothing of the id {text!r} of row {row + 1:,}"
            )
        found.append(new)
    return plain_integers(TextIds.of(found))
