"""64-bit integers from and to their decimal text, eight or four digits at once."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.words import Bytes, Counts, Words, by_words, words

_MOST_DIGITS = 19  # of an int64; a uint64 holds any 19
_CELL = 24  # bytes of a text while it is written: sign, 19 digits, in whole groups of four

_POWERS = 10 ** np.arange(_MOST_DIGITS + 1, dtype=np.uint64)

_ZEROS = np.uint64(0x3030303030303030)
_TO_HIGH_BIT = np.uint64(0x7676767676767676)  # lifts a byte above 9 to 128 or more
_HIGH_BITS = np.uint64(0x8080808080808080)


def parsed(data: Bytes, starts: Counts, lengths: Counts) -> NDArray[np.int64] | None:
    """The integers whose plain decimal text this is; None if one is not plain, or not int64.

    Plain is what `str` of an integer gives: digits after an optional minus, no leading zero.
    """
    if not len(starts) or lengths.min() < 1:
        return None
    negative = data[starts] == ord("-")
    starts, lengths = starts + negative, lengths - negative
    if lengths.min() < 1 or lengths.max() > _MOST_DIGITS:
        return None
    if ((data[starts] == ord("0")) & ((lengths > 1) | negative)).any():
        return None
    values = np.empty(len(starts), np.uint64)
    for count, part in by_words(lengths):
        digits = lengths[part].view(np.uint64) - np.uint64(8 * (count - 1))
        block = words(data, starts[part], lengths[part], count) ^ _ZEROS
        # the last word's digits go to its end, behind zeros; what is no digit falls out
        block[:, -1] <<= np.uint64(64) - np.uint64(8) * digits
        if (((block + _TO_HIGH_BIT) | block) & _HIGH_BITS).any():
            return None
        number = _eight_digits(block)
        value = np.zeros(len(block), np.uint64)
        for column in number.T[:-1]:
            value = value * _POWERS[8] + column
        values[part] = value * _POWERS[digits.view(np.int64)] + number[:, -1]
    if (values > np.uint64(2**63 - 1) + negative).any():
        return None
    return np.where(negative, 0 - values, values).view(np.int64)


def _eight_digits(block: Words) -> Words:
    """Words of eight digits, the first in the lowest byte, as numbers: pairs, fours, eights."""
    block = (block * np.uint64(10) + (block >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    block = (block * np.uint64(100) + (block >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    return (block * np.uint64(10_000) + (block >> np.uint64(32))) & np.uint64(0xFFFFFFFF)


@cache
def _four_digits() -> NDArray[np.uint32]:
    """The text of every number of four digits, zeros in front, as one value each."""
    digits = np.arange(10_000)[:, None] // (1000, 100, 10, 1) % 10
    return (digits + ord("0")).astype(np.uint8).view(np.uint32)[:, 0]


def written(values: NDArray[np.int64]) -> tuple[Bytes, Counts, Counts]:
    """Decimal text of integers, as bytes, and where each text begins in them, and its length."""
    negative = values < 0
    left = values.view(np.uint64)
    left = np.where(negative, 0 - left, left)
    lengths = np.maximum(np.searchsorted(_POWERS, left, side="right"), 1)
    fours = _four_digits()
    cells = np.full((len(values), _CELL // 4), fours[0])
    columns = iter(cells.T[::-1])
    while left.any():
        rest = left // np.uint64(10_000)
        next(columns)[:] = fours[(left - rest * np.uint64(10_000)).view(np.int64)]
        left = rest
    data = cells.view(np.uint8).reshape(-1)
    lengths = lengths + negative
    starts = np.arange(_CELL, _CELL * len(values) + 1, _CELL) - lengths
    data[starts[negative]] = ord("-")
    return data, starts, lengths
