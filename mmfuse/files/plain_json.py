"""Values of JSON that was written by whoever: each is what is expected, or a ValueError."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any


def parsed(data: str | bytes) -> Any:
    """The value of a text in which no name stands twice and every number is one.

    Raises ValueError or RecursionError.
    """
    return json.loads(data, object_pairs_hook=distinct, parse_constant=_refuse)


def integer(text: str) -> int | float:
    """The integer of a text exactly, or the zero that only a float can be: -0."""
    return -0.0 if text == "-0" else int(text)


def fault(error: ValueError | RecursionError) -> str:
    """What is wrong with a text that is no JSON, in other words than Python's decoders have."""
    if isinstance(error, UnicodeError):
        return "not valid UTF-8"
    if isinstance(error, RecursionError):
        return "it nests too deeply"
    long = "set_int_max_str_digits" in str(error)
    return "a number has too many digits" if long else str(error)


def distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs as a mapping."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"{twice[:40]!r} stands there twice")
    return found


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no number")


def fields(value: Any, *names: str) -> list[Any]:
    """The values of an object that has just these names, in their order."""
    if not isinstance(value, dict) or set(value) != set(names):
        raise ValueError(f"an object of {', '.join(names)} is expected")
    return [value[name] for name in names]


def mapping(value: Any) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise ValueError("an object is expected")
    return value


def items(value: Any) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise ValueError("a list is expected")
    return value


def text(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise ValueError("a name is no text")
    return value


def natural(value: Any, below: int = 1 << 63) -> int:
    """A natural number below a bound."""
    if type(value) is not int or not 0 <= value < below:
        raise ValueError("a count is no natural number")
    return value


def one_of(value: Any, known: Collection[Any]) -> Any:
    """One of the values that are known."""
    if value not in known:
        raise ValueError(f"{value!r} is none of {', '.join(map(str, known))}")
    return value
