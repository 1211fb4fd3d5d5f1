"""Durations as people write them, in whole nanoseconds."""

from __future__ import annotations

import re
from decimal import Decimal

from mmfuse.errors import UsageError

NANOSECONDS = {
    "ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9,
    "d": 86_400 * 10**9,
}  # fmt: skip
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:e([+-]?\d{1,2}))?\s*(ns|us|ms|s|min|h|d|)")


def nanoseconds(text: str, option: str) -> int:
    """`20ms`, `1.5s`, `2min`, `1h`, or a bare number of seconds.

    Raises UsageError, naming `option`: something else, zero, no whole nanoseconds, centuries.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"{option} is {text!r}; give a duration such as 20ms, 1.5s, 2min or 1h")
    number = Decimal(found[1]).scaleb(int(found[2] or 0))
    exact = number * NANOSECONDS[found[3] or "s"]
    if exact != int(exact) or not 0 < exact < 2**62:
        raise UsageError(f"{option} is {text!r}; it must be at least 1 ns, in whole ns")
    return int(exact)


def duration(ns: int) -> str:
    """A duration for people, in the largest unit that takes at most three decimals."""
    unit = next((u for u in ("h", "min", "s", "ms", "us") if _short(ns, u)), "ns")
    return f"{ns / NANOSECONDS[unit]:g} {unit}"


def _short(ns: int, unit: str) -> bool:
    return ns >= NANOSECONDS[unit] and not ns * 1000 % NANOSECONDS[unit]
