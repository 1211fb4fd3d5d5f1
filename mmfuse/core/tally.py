"""What a pass over the rows noticed: values that are not finite, rows left alone, overflow."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Block
from mmfuse.core.source import Matrix

_EXAMPLES = 3
_SAMPLE = 1000


@dataclass
class Tally:
    """Counts of one pass, or of a part of it.

    nonfinite: values a modality that are NaN or infinite; nonfinite_rows: the first such rows.
    degenerate: rows a modality that each stage of its chain left as they were.
    overflow: values of the output that are not finite.
    squares: a modality's ‖x‖² of evenly spaced rows, as stored; 0 for rows not seen.
    """

    nonfinite: list[int]
    nonfinite_rows: list[list[int]]
    degenerate: list[list[int]]
    squares: list[NDArray[np.float64]]
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
        )

    def merge(self, other: Tally) -> Tally:
        """This and what was noticed elsewhere."""
        return Tally(
            [a + b for a, b in zip(self.nonfinite, other.nonfinite, strict=True)],
            [_first(a, b) for a, b in zip(self.nonfinite_rows, other.nonfinite_rows, strict=True)],
            [_add(a, b) for a, b in zip(self.degenerate, other.degenerate, strict=True)],
            [a + b for a, b in zip(self.squares, other.squares, strict=True)],
            self.overflow + other.overflow,
        )

    def count_nonfinite(self, m: int, x: Block, start: int, checked: bool) -> None:
        """Note the values of modality `m` that are not finite; `x` begins at output row `start`."""
        if checked and not all_finite(x):
            finite = np.isfinite(x)
            rows = np.flatnonzero(~finite.all(axis=1))[:_EXAMPLES] + start
            self.nonfinite[m] += int(finite.size - np.count_nonzero(finite))
            self.nonfinite_rows[m] = _first(self.nonfinite_rows[m], rows.tolist())

    def measure(self, m: int, x: Block, start: int, n: int) -> None:
        """Add the squares of sampled rows of modality `m`, or of columns of theirs.

        `x` begins at output row `start` of `n`.
        """
        sample = _sampled(n)
        first, last = bisect_left(sample, start), bisect_left(sample, start + len(x))
        if first < last:
            rows = x[sample[first:last] - start].astype(np.float64)
            self.squares[m][first:last] += np.square(rows).sum(axis=1)

    def norms(self, m: int, n: int) -> list[float]:
        """Mean and standard deviation of the lengths of the sampled rows of modality `m`."""
        lengths = np.sqrt(self.squares[m][: min(n, _SAMPLE)])
        lengths = lengths[np.isfinite(lengths)]
        return [float(lengths.mean()), float(lengths.std())] if len(lengths) else []

    def count_degenerate(self, m: int, left: list[int]) -> None:
        """Note the rows that the stages of modality `m` left as they were."""
        self.degenerate[m] = _add(self.degenerate[m], left)

    def count_overflow(self, out: Matrix) -> None:
        """Note output values that are not finite."""
        self.overflow += int(out.size - np.count_nonzero(np.isfinite(out)))


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
