"""Whether rows of two modalities belong together, told by their features alone.

The statistic is the RV coefficient, which is linear CKA: Robert & Escoufier (1976), A unifying
tool for linear multivariate statistical methods; Kornblith, Norouzi, Lee & Hinton (2019),
Similarity of neural network representations revisited. It is compared with what it is for other
pairings of the same rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.condense import Block
from mmfuse.core.ids import Rows
from mmfuse.core.randomness import integers, words

Verdict = Literal["aligned", "shifted", "unaligned", "unclear"]

REACH = 3
"""Shifts by so many rows are tried, in either direction."""

FEWEST = 100
"""With fewer rows chance decides too much, and nothing is tested."""

_PAIRINGS = 199  # of each kind
_SURE = 0.01  # p of rows that belong together
_CHANCE = 0.05  # p of rows that do not, from here on
_FAR = 10  # rows; a shift by so many pairs strangers, unless neighbours are alike
_CLEAR = 2.0  # times as far from the mean of the shuffles as the farthest of them
_BETTER = 1.1  # times as far from the mean of the shuffles: so much better is the right shift
_MOST = 2_000
_RUN = 200  # rows that follow each other


@dataclass(frozen=True)
class Dependence:
    """What pairing rows as they are given says, beside other pairings of them.

    rv: from 0 (no dependence) to 1. rows: so many pairs were looked at.
    p_shuffle, p_far: how often random orders, and far circular shifts, depend as much; the latter
    keeps neighbours together, so that rows sorted by class do not mislead it.
    shift, rv_shift: the best of the small shifts. moved: whether it moves the first modality's
    rows (0) or the second's (1); None: either comes to the same, and it is told of the second's.
    """

    verdict: Verdict
    rows: int
    rv: float
    p_shuffle: float
    p_far: float
    shift: int
    moved: int | None
    rv_shift: float


def sample(own: Rows, theirs: Rows, rows: int, their_rows: int) -> NDArray[np.intp]:
    """Which pairs of rows to look at, 2,000 at most: runs of them, evenly spaced.

    Only those that have REACH rows before and behind them, in files of `rows` and `their_rows`.
    """
    inside = (own >= REACH) & (own < rows - REACH)
    inside &= (theirs >= REACH) & (theirs < their_rows - REACH)
    pairs = np.flatnonzero(inside)
    if len(pairs) <= _MOST:
        return pairs
    starts = np.linspace(0, len(pairs) - _RUN, _MOST // _RUN).astype(np.intp)
    return np.asarray(pairs[(starts[:, None] + np.arange(_RUN)).reshape(-1)])


def around(rows: Rows) -> Rows:
    """The rows from REACH before to REACH behind each, shape `(2 REACH + 1, n)`."""
    return np.asarray(rows + np.arange(-REACH, REACH + 1)[:, None], np.int64)


def dependence(x: Block, y: Block, *, by_position: bool, seed: int = 0) -> Dependence:
    """Compare the pairing as given with shuffles, far shifts and small shifts.

    x, y: the rows `around` those that are paired, condensed: shape `(2 REACH + 1, n, d)`.
    by_position: rows are paired as they stand, so that moving one side is moving the other.
    """
    a, b = _centred(x[REACH]), _centred(y[REACH])
    n = len(a)
    norm = _norm(a) * _norm(b)
    given = _cross(a, b) / norm
    orders = (np.argsort(words(seed, k, n), kind="stable") for k in range(_PAIRINGS))
    shuffled = np.array([_cross(a, b[order]) for order in orders]) / norm
    offsets = _FAR + integers(seed, _PAIRINGS, _PAIRINGS, n - 2 * _FAR)
    far = np.array([_cross(a, np.roll(b, int(offset), axis=0)) for offset in offsets]) / norm
    near = {(1, k): rv(a, y[REACH + k]) for k in range(-REACH, REACH + 1) if k}
    if not by_position:
        near |= {(0, k): rv(x[REACH + k], b) for k in range(-REACH, REACH + 1) if k}
    side, shift = max(near, key=near.__getitem__)
    best = near[side, shift]
    usual = shuffled.mean()
    twin = near.get((1 - side, -shift), best)  # the same pairs but for the ends, in equal orders
    alike = by_position or best - usual < _BETTER * (twin - usual)
    return Dependence(
        _verdict(given, best, shuffled, far),
        n,
        given,
        _p(given, shuffled),
        _p(given, far),
        -shift if alike and side == 0 else shift,
        None if alike else side,
        best,
    )


def rv(x: Block, y: Block) -> float:
    """The RV coefficient of rows that are paired: 1 where one is the other, turned and scaled."""
    x, y = _centred(x), _centred(y)
    return _cross(x, y) / (_norm(x) * _norm(y))


def _verdict(
    given: float, best: float, shuffled: NDArray[np.float64], far: NDArray[np.float64]
) -> Verdict:
    if not shuffled.any():  # all rows of one side are the same
        return "unclear"
    usual = shuffled.mean()
    given_excess, best_excess = given - usual, best - usual
    clear = best_excess >= _CLEAR * (shuffled.max() - usual)
    clear &= best_excess >= _BETTER * (far.max() - usual)
    if clear and best_excess >= _BETTER * given_excess:
        return "shifted"
    if _p(given, shuffled) > _CHANCE:
        return "unaligned"
    # where classes stand together, even rows shuffled within theirs depend a little less shifted
    sure = max(_p(given, shuffled), _p(given, far)) <= _SURE
    if sure and given_excess >= _BETTER * best_excess:
        return "aligned"
    return "unclear"


def _p(given: float, others: NDArray[np.float64]) -> float:
    """Phipson & Smyth (2010), Permutation p-values should never be zero."""
    return float((1 + np.count_nonzero(others >= given)) / (1 + len(others)))


def _centred(x: Block) -> Block:
    return np.asarray(x - x.mean(axis=0), np.float32)


def _cross(x: Block, y: Block) -> float:
    return float(np.square(x.T @ y, dtype=np.float64).sum())


def _norm(x: Block) -> float:
    return float(np.sqrt(_cross(x, x))) or 1.0  # constant columns only: it depends on nothing
