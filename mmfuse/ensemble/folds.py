"""Which rows are predicted together, by models that have not learned from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from mmfuse.errors import UsageError

Ints = NDArray[np.int64]


def folds_of(groups: Sequence[str], strata: Ints | None, folds: int, seed: int) -> Ints:
    """The fold, 0 … folds − 1, of every row, `(n,)`.

    groups: of every row; the rows of a group share a fold. strata: `(n,)`, such as class numbers,
    each of which is spread evenly over the folds; None where all rows are alike.

    Groups take turns, the largest first, groups of one size in an order drawn by the seed. Each
    goes to the fold that has fewest rows of the group's most frequent stratum; of those, to the
    one with fewest rows. So folds depend on the set of rows and the seed, not on the rows' order;
    where every row is its own group they differ by one row a stratum at most.

    Raises UsageError for less than two folds, and for fewer groups than folds.
    """
    if folds < 2:
        raise UsageError(f"{folds:,} folds are asked for, and there must be two at least")
    numbers: dict[str, int] = {}
    group = np.array([numbers.setdefault(name, len(numbers)) for name in groups], np.int64)
    if len(numbers) < folds:
        raise UsageError(
            f"{folds:,} folds are asked for, of {len(numbers):,} groups of rows",
            hint="ask for fewer folds; a group, such as the rows of one id, is never cut",
        )
    stratum = np.zeros(len(group), np.int64) if strata is None else strata
    cells = _cells(group, np.unique(stratum, return_inverse=True)[1])
    return _dealt(cells, _order(list(numbers), np.bincount(group), seed), folds)[group]


def _order(names: list[str], sizes: Ints, seed: int) -> list[int]:
    """Numbers of groups: the largest first, then by a hash that the seed changes."""
    fresh = blake2b(digest_size=16, key=str(seed).encode())

    def drawn(name: str) -> bytes:
        hashed = fresh.copy()
        hashed.update(name.encode("utf-8", "surrogatepass"))
        return hashed.digest()

    keys = [(-size, drawn(name)) for size, name in zip(sizes.tolist(), names, strict=True)]
    return sorted(range(len(names)), key=keys.__getitem__)


@dataclass(frozen=True)
class _Cells:
    """Rows of every stratum in every group.

    The cells of group g are those from `starts[g]` to `starts[g + 1]`, the largest first.
    """

    starts: list[int]
    stratum: list[int]
    rows: list[int]


def _cells(group: Ints, stratum: Ints) -> _Cells:
    width = int(stratum.max()) + 1
    cell, rows = np.unique(group * width + stratum, return_counts=True)
    order = np.lexsort((cell % width, -rows, cell // width))
    ends = np.cumsum(np.bincount(cell // width))
    return _Cells([0, *ends.tolist()], (cell % width)[order].tolist(), rows[order].tolist())


def _dealt(cells: _Cells, order: list[int], folds: int) -> Ints:
    """The fold of every group, dealt out in this order."""
    rows = [0] * folds
    of_stratum = [[0] * folds for _ in range(max(cells.stratum) + 1)]
    fold_of = np.empty(len(order), np.int64)
    for group in order:
        start, end = cells.starts[group], cells.starts[group + 1]
        most = of_stratum[cells.stratum[start]]
        fold = min(zip(most, rows, range(folds), strict=True))[2]
        for cell in range(start, end):
            of_stratum[cells.stratum[cell]][fold] += cells.rows[cell]
            rows[fold] += cells.rows[cell]
        fold_of[group] = fold
    return fold_of
