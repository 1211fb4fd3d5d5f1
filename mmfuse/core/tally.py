"""What a pass over the rows noticed: values that are not finite, rows left alone, overflow."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Block
from mmfuse.core.source import Matrix

Places: TypeAlias = range | NDArray[np.intp]
"""Numbers of output rows, ascending."""

_EXAMPLES = 3
_SAMPLE = 1000
_EXACT, _LARGEST = 2.0**53, 2.0**64


@dataclass
class Tally:
    """Counts of one pass, or of a part of it.

    nonfinite: values a modality that are NaN or infinite; nonfinite_rows: the first such rows.
    degenerate: rows a modality that each stage of its chain left as they were.
    overflow: values of the output that are not finite, but for those that may be.
    large: values a modality so large that float64 does not hold all integers any more.
    squares: a modality's ‖x‖² of evenly spaced rows, as stored; 0 for rows not seen.
    """

    nonfinite: list[int]
    nonfinite_rows: list[list[int]]
    degenerate: list[list[int]]
    squares: list[NDArray[np.float64]]
    large: list[int]
    overflow: int = 0

    @classmethod
    def empty(cls, modalities: int) -> Tally:
        """Nothing noticed yet."""
        nothing = range(modalities)
        return cls(
            [0] * modalities,
            [[] for _ in nothing],
            [[] for _ in nothing],
            [np.zeros(_SAMPLE) for _ in nothing],
            [0] * modalities,
        )

    def merge(self, other: Tally) -> Tally:
        """This and what was noticed elsewhere."""
        return Tally(
            [a + b for a, b in zip(self.nonfinite, other.nonfinite, strict=True)],
            [_first(a, b) for a, b in zip(self.nonfinite_rows, other.nonfinite_rows, strict=True)],
            [_add(a, b) for a, b in zip(self.degenerate, other.degenerate, strict=True)],
            [a + b for a, b in zip(self.squares, other.squares, strict=True)],
            [a + b for a, b in zip(self.large, other.large, strict=True)],
            self.overflow + other.overflow,
        )

    def count_nonfinite(self, m: int, x: Block, places: Places, checked: bool) -> None:
        """Note the values of modality `m` that are not finite; `x` are the rows at `places`."""
        if checked and not all_finite(x):
            finite = np.isfinite(x)
            rows = [int(places[row]) for row in np.flatnonzero(~finite.all(axis=1))[:_EXAMPLES]]
            self.nonfinite[m] += int(finite.size - np.count_nonzero(finite))
            self.nonfinite_rows[m] = _first(self.nonfinite_rows[m], rows)

    def count_large(self, m: int, x: Block) -> None:
        """Note the values of modality `m` that may have been other integers of 64 bits."""
        size = np.abs(x)
        self.large[m] += int(np.count_nonzero((size >= _EXACT) & (size <= _LARGEST)))

    def measure(self, m: int, x: Block, places: Places, n: int) -> None:
        """Add the squares of sampled rows of modality `m`, or of columns of theirs.

        `x` are the rows at `places` of `n`. A row that lacks the modality stays 0.
        """
        if not len(places):
            return
        sample = _sampled(n)
        seen = np.arange(bisect_left(sample, places[0]), bisect_left(sample, places[-1] + 1))
        if isinstance(places, range):
            rows = sample[seen] - places.start
        else:
            seen = seen[np.isin(sample[seen], places)]
            rows = np.searchsorted(places, sample[seen])
        self.squares[m][seen] += np.square(x[rows].astype(np.float64)).sum(axis=1)

    def norms(self, m: int, n: int, present: NDArray[np.bool_] | None = None) -> list[float] | None:
        """Mean and standard deviation of the lengths of the sampled rows of modality `m`; None:
        none is finite.

        present: which of the `n` rows have it; None: all.
        """
        lengths = np.sqrt(self.squares[m][: min(n, _SAMPLE)])
        if present is not None:
            lengths = lengths[present[_sampled(n)]]
        lengths = lengths[np.isfinite(lengths)]
        return [float(lengths.mean()), float(lengths.std())] if len(lengths) else None

    def count_degenerate(self, m: int, left: list[int]) -> None:
        """Note the rows that the stages of modality `m` left as they were."""
        self.degenerate[m] = _add(self.degenerate[m], left)

    def count_overflow(self, out: Matrix, expected: NDArray[np.bool_] | None = None) -> None:
        """Note output values that are not finite; in the `expected` rows they may be NaN."""
        finite = np.isfinite(out)
        if expected is not None:
            finite[expected] |= np.isnan(out[expected])
        self.overflow += int(out.size - np.count_nonzero(finite))

    def count_infinite(self, out: Matrix, blocks: Sequence[Block], *, beside: bool) -> None:
        """Note infinite output values of finite inputs, where inputs may be anything.

        beside: whether the blocks stand side by side in the output; else by whole rows.
        """
        infinite = np.isinf(out)
        if infinite.any():
            odd = [~np.isfinite(x) for x in blocks]
            if beside:
                infinite &= ~np.concatenate(odd, axis=-1)
            else:
                infinite[np.logical_or.reduce([x.any(axis=1) for x in odd])] = False
            self.overflow += int(np.count_nonzero(infinite))


@lru_cache(1)
def _sampled(n: int) -> NDArray[np.int64]:
    """Evenly spaced ones of `n` rows, ascending."""
    return np.linspace(0, n - 1, min(n, _SAMPLE)).astype(np.int64)


def all_finite(x: Matrix) -> bool:
    """Whether every value is finite; exact, and quick where it is so."""
    # a sum of finite values may overflow, but a sum is never finite where a value is not
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(x.sum()) or np.isfinite(x).all())


def _first(a: Sequence[int], b: Sequence[int]) -> list[int]:
    return sorted({*a, *b})[:_EXAMPLES]


def _add(a: Sequence[int], b: Sequence[int]) -> list[int]:
    return [x + y for x, y in zip(a, b, strict=True)] if a and b else list(a or b)
