"""Cells of text: what a column of them holds, and what is wrong with one."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from mmfuse.files.columns import ID_NAMES
from mmfuse.files.plain_json import integer

if TYPE_CHECKING:
    import pyarrow as pa

MISSING = ("", "NA", "N/A", "NULL", "null", "None", "NaN", "nan")
_NUMBER = re.compile(
    r"[ \t]*[+-]?((\d++(\.\d*+)?|\.\d++)(e[+-]?\d++)?|inf|nan|infinity)[ \t]*", re.I | re.A
)
_MEANT = re.compile(  # as a number, in a notation that is not read
    r"\s*[+-]?(0x[\da-f]+|\d+(_\d+)+|\d*,\d+|\d{1,3}(,\d{3})+(\.\d*)?)\s*", re.I | re.A
)
NO_NUMBER = "is not a number"
_TRUTH = frozenset(("true", "false", "True", "False", "TRUE", "FALSE"))
_READ_AS_TRUTH = _TRUTH.union("01", MISSING)
_SURROGATE = re.compile("[\ud800-\udfff]")


def column_type(name: str, cells: list[str]) -> pa.DataType:
    """What a column holds, by its first cells; one number among them makes it numeric."""
    import pyarrow as pa

    told = [cell for cell in cells if cell not in MISSING]
    if told and all(cell in _TRUTH for cell in told):
        return pa.bool_()
    lists = bool(told) and all(cell.lstrip().startswith("[") for cell in told)
    if lists and name not in ID_NAMES:  # an id may be any text
        return pa.list_(pa.float64())
    # a column of 1,5 or 0x10 is refused for its first cell: nobody wants it left out as text
    numeric = any(map(is_number, told)) or all(_MEANT.fullmatch(c) or "\0" in c for c in told)
    return pa.float64() if numeric else pa.string()


def fault_of(cell: str, kind: pa.DataType | None) -> str | None:
    """What is wrong with a cell of a column of that kind (None: of text), if anything is."""
    import pyarrow as pa

    if "\0" in cell:
        return "holds a NUL byte"
    if _SURROGATE.search(cell):
        return "is not valid UTF-8"
    if kind == pa.float64() and not is_number(cell):
        return NO_NUMBER
    if kind == pa.bool_() and cell not in _READ_AS_TRUTH:
        return "is neither true nor false"
    if kind == pa.list_(pa.float64()):
        try:
            list_of(cell)
        except ValueError:
            return "is not a list of numbers"
    return None


def is_number(cell: str) -> bool:
    """Whether a cell is one of a column of numbers: a number, or missing."""
    return cell in MISSING or _NUMBER.fullmatch(cell) is not None


def list_of(cell: str) -> list[float]:
    """The numbers of a cell like `[0.1, 0.2]`. Raises ValueError for anything else."""
    try:
        values = json.loads(cell, parse_int=integer)
    except RecursionError as error:
        raise ValueError("a list that nests too deeply") from error
    if not isinstance(values, list) or not {type(value) for value in values} <= {int, float}:
        raise ValueError("not a list of numbers")
    try:
        return list(map(float, values))
    except OverflowError as error:
        raise ValueError("a number is too large") from error
