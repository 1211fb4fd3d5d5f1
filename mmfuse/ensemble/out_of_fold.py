"""What models predict of rows that they have not learned from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.source import Progress, unseen
from mmfuse.ensemble.modality_model import ModalityModel, Recipe
from mmfuse.ensemble.pool import in_background, undisturbed
from mmfuse.ensemble.problem import Problem
from mmfuse.ensemble.trained import Array
from mmfuse.errors import InputError

Left = frozenset[int]


@dataclass(frozen=True)
class OutOfFold:
    """Predictions of labelled rows by models that were made without their fold.

    folds: `(n,)`. p: `(M, n, C)`, by models made without the row's fold. without: for fold k the
    same by models that were made without fold k as well; empty where nothing is learned of them.
    """

    folds: NDArray[np.int64]
    p: Array
    without: dict[int, Array]


def out_of_fold(
    problem: Problem,
    recipes: Sequence[Recipe],
    folds: NDArray[np.int64],
    seed: int,
    *,
    nested: bool,
    threads: int,
    progress: Progress = unseen,
) -> OutOfFold:
    """Make every model once for each fold that is left out, and where `nested` for each two.

    A rule that learns of predictions is judged on a fold whose labels nothing that it learned
    from has seen: predictions of fold j without folds j and k serve fold k, and those of fold k
    without the same two serve fold j (van der Laan, Polley & Hubbard 2007, Super learner).
    """
    count = int(folds.max()) + 1
    left: list[Left] = [frozenset((k,)) for k in range(count)]
    left += [frozenset(pair) for pair in combinations(range(count), 2)] if nested else []
    shape = (len(recipes), problem.n, problem.width)
    p = np.zeros(shape)
    without = {k: np.zeros(shape) for k in range(count)} if nested else {}
    for m, away, rows, found in _predictions(problem, recipes, folds, left, seed, threads):
        progress("training", 1, len(left) * len(recipes))
        if len(away) == 1:
            p[m, rows] = found
            continue
        for k in away:
            others = folds[rows] != k
            without[k][m, rows[others]] = found[others]
    return OutOfFold(folds, p, without)


def _predictions(
    problem: Problem,
    recipes: Sequence[Recipe],
    folds: NDArray[np.int64],
    left: Sequence[Left],
    seed: int,
    threads: int,
) -> Iterable[tuple[int, Left, NDArray[np.int64], Array]]:
    """For every model and what is left out: rows of those folds, and what it predicts of them."""
    tasks = [(m, away) for away in left for m in range(len(recipes))]

    def work(task: tuple[int, Left]) -> tuple[int, Left, NDArray[np.int64], Array]:
        m, away = task
        out = np.isin(folds, sorted(away))
        has = problem.present[:, m]
        rows = np.flatnonzero(out & has)
        learned = ~out & has
        if not learned.any():
            raise InputError(
                f"no row of {problem.names[m]} is left to learn from without fold {min(away)}",
                hint="more --folds, or more labelled rows",
            )
        x, y = problem.blocks[m], problem.y
        model = ModalityModel.fit(recipes[m], x[learned], y[learned], len(problem.classes), seed)
        return m, away, rows, model.predict(x[rows])

    with undisturbed():
        yield from in_background(work, tasks, threads)
