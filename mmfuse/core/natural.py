"""The order a person expects of names with numbers in them: 2 before 10."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"([0-9]+)")


def natural(text: str) -> tuple[tuple[tuple[int, str], ...], str]:
    """A key to sort by: digits by the number they stand for, all else by its code points.

    Texts that differ in leading zeros only are told apart by the text itself, which comes last.
    """
    parts = _DIGITS.split(text)
    parts[1::2] = [digits.lstrip("0") for digits in parts[1::2]]
    return tuple((len(part) if k % 2 else 0, part) for k, part in enumerate(parts)), text
