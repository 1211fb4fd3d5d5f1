"""What fusion is worth to a classifier: handwritten digits in six ways, `sample_data`.

    python benchmarks/digits.py > digits.md

A linear classifier (logistic regression on standardised columns) tells the ten digits apart, by
ten-fold stratified cross-validation. Whatever is learned, normalisations too, is learned from the
training rows of a fold (`mmfuse.fit`), and the rows held out are fused with it (`mmfuse.apply`).
Of two modalities, a fold takes the pair that does best on a quarter of its training rows.
Prints Markdown: the mean over the folds ± its standard error; the same on every run, but on another
processor a digit or two may be told otherwise.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from digits_data import NAMES, Modalities, digits, labels, thinned
from digits_fusion import Fused, Way, best_pair, predictions
from sklearn.model_selection import StratifiedKFold

FOLDS = 10
COMPONENTS = (8, 16, 32, 64)
_PAIR_COMPONENTS = (8, 16, 32)  # a pair has no more than its narrower modality has columns

Score = Callable[[Fused, np.ndarray], float]
Fold = tuple[np.ndarray, np.ndarray]


def main() -> None:
    """All tables."""
    data = digits()
    complete = sorted(set.intersection(*(set(ids.tolist()) for _, ids in data.values())))
    folds = list(split(complete))
    print(f"## Rows that have everything: {len(complete):,}\n\n### Nothing but the rows\n")
    without_learning(data, folds)
    print("\n### Learned\n")
    all_six(data, folds)
    print("\n### Learned from two\n")
    pairs(data, folds)
    every = sorted(set.union(*(set(ids.tolist()) for _, ids in data.values())))
    for share in (0.2, 0.4):
        missing(thinned(data, share), list(split(every)), share)


def split(ids: Sequence[str]) -> Iterable[Fold]:
    """The ids to learn from and those held out, fold by fold."""
    array = np.array(ids, object)
    cut = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for train, test in cut.split(array, labels(array)):
        yield array[train], array[test]


def accuracy(fused: Fused, held_out: np.ndarray) -> float:
    """The share of all rows held out that are told right: one that is not fused counts as wrong."""
    return float((fused.predicted == labels(fused.ids)).sum() / len(held_out))


def accuracy_of_fused(fused: Fused, held_out: np.ndarray) -> float:
    """The share of the rows that are fused; NaN where none is."""
    return accuracy(fused, fused.ids) if len(fused.ids) else math.nan


def coverage(fused: Fused, held_out: np.ndarray) -> float:
    """The share of the rows held out that are fused."""
    return len(fused.ids) / len(held_out)


def cell(values: Iterable[float]) -> str:
    """Mean ± standard error in per cent; of folds that have a value."""
    known = [100 * value for value in values if not math.isnan(value)]
    error = statistics.stdev(known) / math.sqrt(len(known)) if len(known) > 1 else 0.0
    return f"{statistics.fmean(known):.1f} ± {error:.1f}" if known else "–"


def scored(way: Way, data: Modalities, folds: Sequence[Fold]) -> str:
    """A cell of accuracies."""
    return cell(accuracy(predictions(way, data, *fold), fold[1]) for fold in folds)


def line(*cells: object) -> None:
    """A row of a table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def head(first: str, *others: object) -> None:
    """The first two rows of a table."""
    line(first, *others)
    line("---", *("---:" for _ in others))


def without_learning(data: Modalities, folds: Sequence[Fold]) -> None:
    """Every modality alone, and all side by side."""
    head("", "columns", "accuracy %")
    for name in NAMES:
        line(f"{name} alone", data[name][0].shape[1], scored(Way("concat", (name,)), data, folds))
    width = sum(data[name][0].shape[1] for name in NAMES)
    for normalize in ("zscore", "l2"):
        way = Way("concat", NAMES, normalize)
        line(f"`concat --normalize {normalize}`, all six", width, scored(way, data, folds))


def all_six(data: Modalities, folds: Sequence[Fold]) -> None:
    """Strategies that take any number of modalities; lda has as many components as classes − 1.

    mcca writes six times k columns, a projection a modality.
    """
    head("all six, `--normalize zscore`", *(f"k = {k}" for k in COMPONENTS))
    ways = [
        ("pca", {}),
        ("mfa", {}),
        ("mcca", {"shrinkage": 0.1}),
        ("gcca", {}),
        ("gcca", {"shrinkage": 0.1}),
    ]
    for strategy, options in ways:
        found = [
            scored(Way(strategy, NAMES, options={**options, "n_components": k}), data, folds)
            for k in COMPONENTS
        ]
        line(titled(strategy, options), *found)
    for options in ({}, {"shrinkage": 0.1}):
        line(
            f"{titled('lda', options)}, 9 components",
            scored(Way("lda", NAMES, options=options), data, folds),
            *("" for _ in COMPONENTS[1:]),
        )


def titled(strategy: str, options: dict[str, object]) -> str:
    """As on the command line."""
    return "`" + " ".join([strategy, *(f"--{key} {value}" for key, value in options.items())]) + "`"


def pairs(data: Modalities, folds: Sequence[Fold]) -> None:
    """Strategies of two modalities, of the pair that does best within the training rows.

    Of both there are k columns.
    """
    widths = [f"k = {k}" for k in _PAIR_COMPONENTS]
    head("two, `--normalize zscore`", *widths, "pair")
    for strategy, options in (("cca", {}), ("cca", {"shrinkage": 0.1}), ("pls", {})):
        chosen = [best_pair(strategy, {**options, "n_components": 16}, data, f[0]) for f in folds]
        cells = []
        for k in _PAIR_COMPONENTS:
            ways = [Way(strategy, p, options={**options, "n_components": k}) for p in chosen]
            cells.append(of_each(ways, data, folds))
        line(titled(strategy, options), *cells, told(chosen))
    chosen = [best_pair("dca", {}, data, fold[0]) for fold in folds]
    cells = [of_each([Way("dca", pair) for pair in chosen], data, folds), "", ""]
    line("`dca`, 9 components", *cells, told(chosen))


def of_each(ways: Sequence[Way], data: Modalities, folds: Sequence[Fold]) -> str:
    """A cell of accuracies, where every fold has a way of its own."""
    each = zip(ways, folds, strict=True)
    return cell(accuracy(predictions(way, data, *fold), fold[1]) for way, fold in each)


def told(chosen: Sequence[tuple[str, str]]) -> str:
    """How often which pair was chosen."""
    counts = Counter(chosen).most_common()
    return "; ".join(f"{' + '.join(pair)} {count}x" for pair, count in counts)


def missing(data: Modalities, folds: Sequence[Fold], share: float) -> None:
    """With rows taken from every modality.

    Of all rows held out those that are not fused count as wrong: where only complete rows are
    fused, those that lack a modality; else those that have lost all six.
    """
    print(f"\n## Every modality without another {share:.0%} of its rows\n")
    head("", "rows fused %", "right of those fused %", "right of all %")
    for title, way in _with_missing().items():
        found = [(predictions(way, data, *fold), fold[1]) for fold in folds]
        scores: tuple[Score, ...] = (accuracy_of_fused, accuracy)
        fused = statistics.fmean(coverage(*one) for one in found)
        line(title, f"{100 * fused:.1f}", *(cell(score(*one) for one in found) for score in scores))


def _with_missing() -> dict[str, Way]:
    """What is compared where rows are missing."""
    zscored = {"normalize": "zscore", "join": "outer"}
    raw, two = {"normalize": None, "join": "outer"}, {"n_components": 32}
    return {
        "`concat`, complete rows only": Way("concat", NAMES),
        "`pca -k 32`, complete rows only": Way("pca", NAMES, options=two),
        "`gcca -k 32`, complete rows only": Way("gcca", NAMES, options=two),
        "`concat --join outer`, raw, zeros": Way("concat", NAMES, missing="zero", **raw),
        "`concat --join outer`, z-scores, means": Way("concat", NAMES, missing="mean", **zscored),
        "`pca -k 32 --join outer`": Way("pca", NAMES, options=two, **zscored),
        "`pca -k 32 --join outer --missing mean`": Way(
            "pca", NAMES, options=two, missing="mean", **zscored
        ),
        "`gcca -k 32 --join outer`": Way("gcca", NAMES, options=two, **zscored),
        "`gcca -k 32 --join outer --shrinkage 0.1`": Way(
            "gcca", NAMES, options={**two, "shrinkage": 0.1}, **zscored
        ),
    }


if __name__ == "__main__":
    main()
