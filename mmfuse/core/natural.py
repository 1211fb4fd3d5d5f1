"""The order a person expects of names with numbers in them: 2 before 10."""

from __future__ import annotations

import re

_DIGITS = re.compile(rb"[0-9]+")


def natural(text: str) -> bytes:
    """A key to sort by: digits by the number they stand for, all else by its code points.

    Texts that differ in leading zeros only are told apart by the text itself, which comes last.
    """
    # bytes take a tenth of the memory of nested tuples; UTF-8 sorts as code points do
    plain = text.encode("utf-8", "surrogatepass")
    # where a text ends or digits begin comes before whatever else may stand there, also NUL
    return _DIGITS.sub(_number, plain.replace(b"\0", b"\0\2")) + b"\0\0" + plain


def _number(digits: re.Match[bytes]) -> bytes:
    """Digits such that the longer number is the larger one."""
    number = digits[0].lstrip(b"0")
    return b"\0\1" + len(number).to_bytes(4, "big") + number
