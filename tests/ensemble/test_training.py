"""Training, against scikit-learn fitted by hand on the same rows, and against chance."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    log_loss,
    mean_squared_error,
    r2_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

from mmfuse.ensemble.evaluation import evaluate, fused_out_of_fold
from mmfuse.ensemble.modality_model import Recipe
from mmfuse.ensemble.out_of_fold import out_of_fold
from mmfuse.ensemble.pool import in_background, undisturbed
from mmfuse.ensemble.problem import Problem
from mmfuse.ensemble.rules import rule_of
from mmfuse.ensemble.training import Plan, train
from mmfuse.errors import InputError, UsageError
from mmfuse.stages import chain_of

CLASSES = ("x", "y", "z")
FOLDS = 4


def problem(seed=0, n=120, numbers=False, complete=False):
    """Three modalities of 75 % of the rows each, every row with one at least."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    blocks = [rng.normal(0, scale, (n, d)) for d, scale in ((3, 1), (4, 5), (2, 0.1))]
    for m, block in enumerate(blocks):
        block[:, :2] += np.std(block) * 0.8 * np.stack([y == m, y == (m + 1) % 3], axis=1)
    present = rng.random((n, 3)) < 0.75
    present[~present.any(axis=1), 0] = True
    if complete:
        present[:] = True
    if numbers:
        y = y + rng.normal(0, 0.2, n)
    return Problem(
        ("a", "b", "c"), blocks, present, y, () if numbers else CLASSES, [str(k) for k in range(n)]
    )


def recipe(name, normalize="none", **options):
    return Recipe(chain_of(normalize, "error", learns_missing=False), name, options)


def positive_share(scores):
    positive = np.maximum(scores, 0)
    return positive / positive.sum(axis=1, keepdims=True)


class OneHot:
    """Ridge regression of one-hot classes."""

    def fit(self, x, y):
        self.model = make_pipeline(StandardScaler(), Ridge(2.0)).fit(x, np.eye(3)[y])
        return self

    def predict_proba(self, x):
        return positive_share(self.model.predict(x))


KINDS = {
    "logistic": (
        recipe("logistic", "zscore"),
        lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    ),
    "lda": (recipe("lda"), lambda: LinearDiscriminantAnalysis(solver="lsqr")),
    "ridge": (recipe("ridge", "zscore", alpha=2.0), OneHot),
}


def by_hand(given, make, away):
    """What every model that is fitted without some folds predicts of all rows."""
    found = np.zeros((3, given.n, given.width))
    folds = given.folds(FOLDS, 0)
    for m in range(3):
        known = given.present[:, m] & ~np.isin(folds, list(away))
        fitted = make().fit(given.blocks[m][known], given.y[known])
        told = fitted.predict_proba if given.classes else fitted.predict
        found[m] = told(given.blocks[m]).reshape(given.n, -1)
    return np.where(given.present.T[:, :, None], found, 0)


def found_of(given, made, nested=True, threads=2):
    folds = given.folds(FOLDS, 0)
    return out_of_fold(given, [made] * 3, folds, 0, nested=nested, threads=threads)


def expected(given, make):
    """Out-of-fold predictions, and for every fold those that are without it as well."""
    folds = given.folds(FOLDS, 0)
    p = np.zeros((3, given.n, given.width))
    without = {k: p.copy() for k in range(FOLDS)}
    for k in range(FOLDS):
        p[:, folds == k] = by_hand(given, make, {k})[:, folds == k]
        for j in range(FOLDS):
            if j != k:
                without[k][:, folds == j] = by_hand(given, make, {j, k})[:, folds == j]
    return p, without


# --- out of fold ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_fold_is_predicted_by_models_of_the_others(kind):
    given = problem()
    made, make = KINDS[kind]
    found = found_of(given, made)
    p, without = expected(given, make)
    np.testing.assert_allclose(found.p, p, atol=1e-6)
    assert set(found.without) == set(range(FOLDS))
    for k in range(FOLDS):
        np.testing.assert_allclose(found.without[k], without[k], atol=1e-6)
        assert not found.without[k][:, found.folds == k].any()


def test_numbers_are_predicted_out_of_fold():
    given = problem(numbers=True)
    found = found_of(given, recipe("ridge", "zscore"), nested=False)
    p, _ = expected(given, lambda: make_pipeline(StandardScaler(), Ridge()))
    np.testing.assert_allclose(found.p, p, atol=1e-9)
    assert found.without == {}


def test_a_label_changes_no_prediction_of_its_own_fold():
    given = problem()
    folds = given.folds(FOLDS, 0)
    other = given.y.copy()
    own = np.flatnonzero(folds == 1)
    other[own] = np.roll(other[own], 1)
    changed = Problem(given.names, given.blocks, given.present, other, CLASSES, given.groups)
    made = recipe("lda", "zscore")
    one = out_of_fold(given, [made] * 3, folds, 0, nested=True, threads=1)
    two = out_of_fold(changed, [made] * 3, folds, 0, nested=True, threads=1)
    assert np.array_equal(one.p[:, own], two.p[:, own])
    assert not np.array_equal(one.p[:, folds == 0], two.p[:, folds == 0])
    assert np.array_equal(one.without[1], two.without[1])


@pytest.mark.parametrize("how", ["stack", "select", "learned weights"])
def test_what_a_rule_learned_for_a_fold_has_not_seen_its_labels(how):
    """Other labels of one fold leave what is fused there as it was, to the bit."""
    given = problem()
    folds = given.folds(FOLDS, 0)
    other = given.y.copy()
    own = np.flatnonzero(folds == 1)
    other[own] = (other[own] + 1) % 3
    changed = Problem(given.names, given.blocks, given.present, other, CLASSES, given.groups)
    learn = how == "learned weights"
    rule = rule_of("soft-vote" if learn else how, 3, learn_weights=learn)
    told = []
    for each in (given, changed):
        found = out_of_fold(each, [recipe("lda")] * 3, folds, 0, nested=rule.learns, threads=1)
        told.append(fused_out_of_fold(each, found, rule, np.ones(3), range(3)).p)
    assert np.array_equal(told[0][own], told[1][own])
    assert not np.array_equal(told[0][folds == 0], told[1][folds == 0])


def test_too_few_rows_of_a_modality_are_told():
    given = problem()
    folds = given.folds(FOLDS, 0)
    given.present[:, 2] = folds == 1
    with pytest.raises(InputError, match="no row of c is left to learn from without fold 1"):
        found_of(given, recipe("lda"))
    given.present[:, 2] = False
    with pytest.raises(InputError, match="no labelled row has c"):
        train(given, Plan([recipe("lda")] * 3, folds=0))


# --- what is fused, and its scores -------------------------------------------------------------


def score(given, labels, p, rows):
    """Accuracy and log loss: the mean over folds and its standard error."""
    folds = given.folds(FOLDS, 0)
    parts = [(folds == k) & rows for k in range(FOLDS)]
    values = [
        (accuracy_score(given.y[k], labels[k]), log_loss(given.y[k], p[k], labels=range(3)))
        for k in parts
    ]
    return np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / np.sqrt(FOLDS)


def assert_scored(told, given, labels, p, rows):
    means, errors = score(given, labels, p, rows)
    assert told.rows == rows.sum()
    assert [told.values["accuracy"], told.values["log_loss"]] == pytest.approx(means, abs=1e-6)
    assert [told.errors["accuracy"], told.errors["log_loss"]] == pytest.approx(errors, abs=1e-6)


def pooled(p, present, weights=(1, 1, 1)):
    own = present.T * np.array(weights, float)[:, None]
    return np.einsum("mn,mnc->nc", own / own.sum(axis=0), p)


def test_scores_are_those_of_predictions_out_of_fold():
    given = problem()
    made, make = KINDS["lda"]
    p, _ = expected(given, make)
    weights = np.array([1.0, 2.0, 0.5])
    found = found_of(given, made, nested=False)
    told, fused = evaluate(given, found, rule_of("soft-vote", 3), weights, None)
    every = np.ones(given.n, bool)
    assert [(one.of, one.name) for one in told.scores] == [
        *(("model", name) for name in "abc"),
        ("fused", ""),
        *(("without", name) for name in "abc"),
    ]
    for m in range(3):
        assert_scored(told.scores[m], given, p[m].argmax(axis=1), p[m], given.present[:, m])
        others = [k for k in range(3) if k != m]
        has = given.present[:, others].any(axis=1)
        rest = np.zeros_like(p[0])
        rest[has] = pooled(p[others][:, has], given.present[has][:, others], weights[others])
        assert_scored(told.scores[4 + m], given, rest.argmax(axis=1), rest, has)
    whole = pooled(p, given.present, weights)
    np.testing.assert_allclose(fused, whole, atol=1e-9)
    assert_scored(told.scores[3], given, whole.argmax(axis=1), whole, every)
    confusion = confusion_matrix(given.y, whole.argmax(axis=1))
    assert told.confusion == confusion.tolist()
    assert np.sum(told.confusion, axis=1).tolist() == np.bincount(given.y).tolist()
    assert sum(row[0] for row in told.reliability) == given.n


def test_a_stack_is_scored_by_what_learned_without_the_fold():
    given = problem(complete=True)
    made, make = KINDS["lda"]
    p, without = expected(given, make)
    folds = given.folds(FOLDS, 0)

    def side_by_side(q, models):
        return q[models].transpose(1, 0, 2).reshape(given.n, -1)

    told, _ = evaluate(given, found_of(given, made), rule_of("stack", 3), np.ones(3), None)
    for place, models in ((3, [0, 1, 2]), (4, [1, 2]), (5, [0, 2]), (6, [0, 1])):
        out = np.zeros((given.n, 3))
        for k in range(FOLDS):
            own, others = folds == k, folds != k
            final = LogisticRegression(max_iter=1000)
            final.fit(side_by_side(without[k], models)[others], given.y[others])
            out[own] = final.predict_proba(side_by_side(p, models)[own])
        assert_scored(told.scores[place], given, out.argmax(axis=1), out, np.ones(given.n, bool))


def test_calibration_is_scored_by_that_of_the_other_folds():
    given = problem(complete=True)
    made, make = KINDS["lda"]
    p = pooled(expected(given, make)[0], given.present)
    folds = given.folds(FOLDS, 0)
    out = np.zeros_like(p)
    for k in range(FOLDS):
        others, own = folds != k, folds == k
        for c in range(3):
            curve = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
            out[own, c] = curve.fit(p[others, c], given.y[others] == c).predict(p[own, c])
    out /= out.sum(axis=1, keepdims=True)
    found = found_of(given, made, nested=False)
    told, fused = evaluate(given, found, rule_of("soft-vote", 3), np.ones(3), "isotonic")
    assert_scored(told.scores[3], given, out.argmax(axis=1), out, np.ones(given.n, bool))
    np.testing.assert_allclose(fused, p, atol=1e-9)
    assert told.calibrated == "isotonic"


@pytest.mark.parametrize("fuse", ["weighted-mean", "inverse-variance", "bates-granger", "stack"])
def test_numbers_are_scored_and_fused_as_by_hand(fuse):
    given = problem(numbers=True, complete=True)
    p, without = expected(given, lambda: make_pipeline(StandardScaler(), Ridge()))
    p, folds = p[:, :, 0], given.folds(FOLDS, 0)
    weights = np.array([1.0, 3.0, 0.5]) if fuse == "weighted-mean" else None

    def combine(known, rows, q):
        if fuse == "stack":
            return RidgeCV().fit(known[:, rows].T, given.y[rows]).predict(q.T)
        S = np.cov(known[:, rows] - given.y[rows], ddof=0)
        w = {
            "weighted-mean": weights,
            "inverse-variance": 1 / np.diag(S),
            "bates-granger": np.linalg.solve(S, np.ones(3)),
        }[fuse]
        return w @ q / np.sum(w)

    plan = Plan([recipe("ridge", "zscore")] * 3, fuse, weights, folds=FOLDS)
    made = train(given, plan)
    out = np.zeros(given.n)
    for k in range(FOLDS):
        out[folds == k] = combine(without[k][:, :, 0], folds != k, p[:, folds == k])
    parts = [folds == k for k in range(FOLDS)]
    fused = made.evaluation.scores[3]
    r2 = [r2_score(given.y[k], out[k]) for k in parts]
    rmse = [np.sqrt(mean_squared_error(given.y[k], out[k])) for k in parts]
    assert fused.values == pytest.approx({"r2": np.mean(r2), "rmse": np.mean(rmse)}, rel=1e-6)
    assert fused.errors["r2"] == pytest.approx(np.std(r2, ddof=1) / 2, rel=1e-5)
    new = np.random.default_rng(9).normal(size=(3, 7, 1))
    got, beside = made.strategy.fused(new, np.ones((7, 3), bool))
    np.testing.assert_allclose(got[:, 0], combine(p, parts[0] | True, new[:, :, 0]), rtol=1e-6)
    assert beside == {}
    assert made.evaluation.classes == made.evaluation.confusion == []


@pytest.mark.parametrize("numbers", [False, True])
def test_a_selection_errs_no_more_than_the_best_model(numbers):
    given = problem(numbers=numbers, complete=True)
    made = train(given, Plan([recipe("ridge", "zscore")] * 3, "select", folds=FOLDS))
    weights = made.strategy.learned["weights"]
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    found = found_of(given, recipe("ridge", "zscore"), nested=False)

    def loss(p):
        return np.mean((p[:, 0] - given.y) ** 2) if numbers else log_loss(given.y, p)

    own = loss(pooled(found.p, given.present, weights))
    assert own <= min(map(loss, found.p)) + 1e-12


def test_final_models_are_of_all_rows():
    given = problem()
    made = train(given, Plan([recipe("lda", "zscore")] * 3, folds=FOLDS))
    for m, (chain, model) in enumerate(zip(made.chains, made.strategy.models, strict=True)):
        has = given.present[:, m]
        own = make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr"))
        own.fit(given.blocks[m][has], given.y[has])
        scaled = own[0].transform(given.blocks[m])
        (stage,) = chain
        x = given.blocks[m].copy()
        stage.normalization.normalize(x, stage.learned)
        np.testing.assert_allclose(x, scaled, atol=1e-12)
        np.testing.assert_allclose(model.predict(x), own[1].predict_proba(scaled), atol=1e-9)


def test_a_class_of_fewer_rows_than_folds_is_learned():
    given = problem(complete=True)
    y = np.where(given.y == 2, 1, given.y)
    y[[5, 40]] = 2
    rare = Problem(given.names, given.blocks, given.present, y, CLASSES, given.groups)
    for fuse in ("soft-vote", "stack", "select"):
        told = train(rare, Plan([recipe("logistic", "zscore")] * 3, fuse, folds=FOLDS)).evaluation
        assert np.sum(told.confusion, axis=1).tolist() == np.bincount(y).tolist()
        assert all(np.isfinite(list(one.values.values())).all() for one in told.scores)


def test_a_modality_that_some_folds_lack_is_scored_on_the_rows_that_have_it():
    """What the others predict there is nobody's: no score, and no row of it, is made up."""
    given = problem(complete=True)
    folds = given.folds(FOLDS, 0)
    present = np.column_stack([np.ones(given.n, bool), folds < 3])
    two = Problem(("a", "b"), given.blocks[:2], present, given.y, CLASSES, given.groups)
    for fuse in ("soft-vote", "select", "stack"):
        told = train(two, Plan([recipe("lda")] * 2, fuse, folds=FOLDS)).evaluation
        scores = {(one.of, one.name): one for one in told.scores}
        assert scores["without", "a"].rows == scores["model", "b"].rows == present[:, 1].sum()
        if fuse != "stack":  # which learns of one model as well
            assert scores["without", "a"].values == scores["model", "b"].values
        assert scores["fused", ""].rows == given.n


# --- plans that cannot be ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({"fuse": "stack", "folds": 0}, "stack learns of out-of-fold predictions"),
        ({"fuse": "select", "folds": 0}, "select learns"),
        ({"learn_weights": True, "folds": 0}, "soft-vote learns"),
        ({"calibration": "isotonic", "folds": 0}, "--calibrate learns"),
        ({"folds": 1}, "two at least"),
        ({"weights": np.array([1, 0, 1])}, "a weight must be a number above zero"),
        ({"weights": np.array([1, np.inf, 1])}, "a weight must be a number above zero"),
        ({"calibration": "platt"}, "calibrate is 'platt'; it must be one of temperature, isotonic"),
        ({"folds": 1000}, "of 120 groups of rows"),
        ({"fuse": "concat"}, "no fusion 'concat' of classes"),
        ({"fuse": "weighted-mean"}, "no fusion 'weighted-mean' of classes"),
        ({"learn_weights": True, "weights": np.array([1, 2, 1])}, "exclude each other"),
        ({"fuse": "median-rule", "learn_weights": True}, "does not take learned weights"),
        (
            {"fuse": "stack", "learn_weights": True},
            "stack does not take learned weights: it learns",
        ),
        ({"fuse": "select", "learn_weights": True}, "select does not take learned weights"),
        *(
            ({"fuse": fuse, "weights": np.array([1, 2, 1])}, f"{fuse} takes no weights")
            for fuse in ("stack", "select", "median-rule", "max-rule", "min-rule", "product-rule")
        ),
    ],
)
def test_plans_that_cannot_be(plan, told):
    with pytest.raises(UsageError, match=told):
        train(problem(), Plan([recipe("lda")] * 3, **plan))


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        ({"fuse": "soft-vote"}, "no fusion 'soft-vote' of numbers"),
        ({"fuse": "weighted-mean", "learn_weights": True}, "does not take learned weights"),
        ({"fuse": "weighted-mean", "calibration": "temperature"}, "is for probabilities"),
        ({"fuse": "bates-granger", "weights": np.array([1, 2, 1])}, "takes no weights"),
    ],
)
def test_plans_for_numbers_that_cannot_be(plan, told):
    with pytest.raises(UsageError, match=told):
        train(problem(numbers=True), Plan([recipe("ridge")] * 3, **plan))


@pytest.mark.parametrize("fuse", ["inverse-variance", "bates-granger"])
@pytest.mark.parametrize("whole", [0, 1])
def test_errors_are_learned_of_two_complete_rows_at_least(fuse, whole):
    given = problem(numbers=True)
    given.present[:, 0] = np.arange(given.n) < given.n / 2
    given.present[:, 1:] = ~given.present[:, :1]
    given.present[:whole] = True
    with pytest.raises(InputError, match="fewer than two rows have every model"):
        train(given, Plan([recipe("ridge")] * 3, fuse, folds=FOLDS))


# --- leakage ----------------------------------------------------------------------------------

PLANS = {
    "soft-vote": {},
    "stack": {"fuse": "stack"},
    "select": {"fuse": "select"},
    "learned weights": {"learn_weights": True},
    "isotonic": {"calibration": "isotonic"},
    "stack, isotonic": {"fuse": "stack", "calibration": "isotonic"},
}
SEEDS = 3
BOUND = 4  # standard deviations of what is right by chance


def shuffled(seed, n=200):
    """Real features, random ones, more than rows, and labels that tell of neither."""
    rng = np.random.default_rng(seed)
    x = load_digits(return_X_y=True)[0]
    real = x[rng.permutation(len(x))[:n]].astype(float)
    wide = rng.normal(size=(n, n + 50))
    y = rng.permutation(np.arange(n) % 2)
    ids = [str(k) for k in range(n)]
    return Problem(("real", "wide"), [real, wide], np.ones((n, 2), bool), y, ("0", "1"), ids)


@pytest.mark.parametrize("how", PLANS)
def test_nothing_is_learned_of_shuffled_labels(how):
    recipes = [recipe("forest", n_estimators=5), recipe("logistic", "zscore")]
    right = []
    for seed in range(SEEDS):
        given = shuffled(seed)
        plan = Plan(recipes, folds=4, seed=seed, threads=2, **PLANS[how])
        told = train(given, plan).evaluation
        right.append([one.values["accuracy"] for one in told.scores])
        assert len(right[-1]) == 5
    sd = 0.5 / np.sqrt(200)  # of a binomial share, n of 200, p of 1/2
    assert np.abs(np.array(right) - 0.5).max() < BOUND * sd
    assert np.abs(np.mean(right, axis=0) - 0.5).max() < BOUND * sd / np.sqrt(SEEDS)


def test_something_is_learned_of_labels_that_are_not_shuffled():
    """The same bound can be passed."""
    x, y = load_wine(return_X_y=True)
    ids = [str(k) for k in range(len(y))]
    given = Problem(("0", "1"), [x[:, :6], x[:, 6:]], np.ones((len(y), 2), bool), y, CLASSES, ids)
    recipes = [recipe("forest", n_estimators=5), recipe("logistic", "zscore")]
    for how in PLANS.values():
        told = train(given, Plan(recipes, folds=4, **how)).evaluation
        sd = np.sqrt(2 / 9 / len(y))
        assert min(one.values["accuracy"] for one in told.scores) > 1 / 3 + BOUND * sd


@pytest.mark.parametrize("how", ["soft-vote", "stack", "isotonic"])
def test_rows_of_a_group_are_not_told_from_each_other(how):
    """Labels are random by group and features tell the group: without groups all is known."""
    rng = np.random.default_rng(3)
    groups, each = 150, 3
    of = np.repeat(np.arange(groups), each)
    y = rng.permutation(np.arange(groups) % 2)[of]
    blocks = [rng.normal(size=(groups, 6))[of] + rng.normal(0, 0.01, (len(of), 6)) for _ in "ab"]
    present = np.ones((len(of), 2), bool)
    plan = Plan([recipe("knn", n_neighbors=1)] * 2, folds=5, **PLANS[how])

    def right(names):
        given = Problem(("a", "b"), blocks, present, y, ("0", "1"), names)
        return np.array([one.values["accuracy"] for one in train(given, plan).evaluation.scores])

    sd = 0.5 / np.sqrt(groups)  # rows of a group are right or wrong together
    assert np.abs(right([str(k) for k in of]) - 0.5).max() < BOUND * sd
    assert right([str(k) for k in range(len(of))]).min() > 0.9


# --- threads ----------------------------------------------------------------------------------


def pools():
    return [(one["user_api"], one["num_threads"]) for one in threadpool_info()]


def test_threads_change_nothing():
    given = problem()
    recipes = [recipe("logistic", "zscore"), recipe("forest", n_estimators=3), recipe("lda")]
    before = pools()
    one, two = (train(given, Plan(recipes, "stack", folds=FOLDS, threads=t)) for t in (1, 4))
    assert pools() == before
    assert one.evaluation == two.evaluation
    for a, b in zip(one.strategy.models, two.strategy.models, strict=True):
        assert {k: v.tobytes() for k, v in a.arrays().items()} == {
            k: v.tobytes() for k, v in b.arrays().items()
        }
    assert {k: v.tobytes() for k, v in one.strategy.learned.items()} == {
        k: v.tobytes() for k, v in two.strategy.learned.items()
    }


def test_a_warning_is_told_of_the_model_it_is_of():
    given = problem(complete=True)
    recipes = [
        recipe("logistic", "zscore", max_iter=1),
        recipe("logistic", "zscore"),
        recipe("logistic", "zscore", max_iter=1),
    ]
    for _ in range(5):
        told = train(given, Plan(recipes, folds=FOLDS, threads=4)).told
        assert [line.split(":")[0] for line in told] == ["a", "c"]
        assert all("logistic stopped before it converged" in line for line in told)


def test_libraries_have_one_thread_while_models_are_made_side_by_side():
    before = pools()
    ready = threading.Barrier(2, timeout=10)

    def work(_):
        ready.wait()
        found = [count for api, count in pools() if api == "blas"]
        ready.wait()
        return found

    with undisturbed():
        found = list(in_background(work, range(2), 2))
    assert {count for one in found for count in one} == {1}
    assert pools() == before
