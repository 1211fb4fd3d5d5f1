"""Models of modalities fused into one: trained, predicted with, and learning on."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier
from sklearn.linear_model import LogisticRegression, Ridge, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mmfuse
from mmfuse.core.registry import STRATEGIES, strategy_class
from mmfuse.ensemble.folds import folds_of
from mmfuse.errors import (
    AlignmentError,
    InputError,
    MmfuseError,
    ModelError,
    ResourceError,
    UsageError,
)
from mmfuse.models import load

Matrix = NDArray[Any]
Rows = dict[str, Any]
N, DIMS = 150, {"a": 3, "b": 4, "c": 2}
IDS = np.arange(N)


def rows(seed: int = 0, n: int = N) -> tuple[dict[str, Matrix], Matrix]:
    """Three modalities that tell different pairs of three classes apart, and the classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    blocks = {}
    for k, (name, d) in enumerate(DIMS.items()):
        x = rng.normal(size=(n, d))
        x[:, 0] += 1.5 * (y == k)
        x[:, 1] += y == (k + 1) % 3
        blocks[name] = x * (1, 100, 0.01)[k] + k
    return blocks, y


def with_ids(blocks: dict[str, Matrix], ids: Matrix = IDS) -> Rows:
    return {name: (x, ids) for name, x in blocks.items()}


def some(blocks: dict[str, Matrix], seed: int = 0) -> Rows:
    """70 % of the rows of every modality, in an order of its own."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, x in blocks.items():
        own = rng.permutation(len(x))[: len(x) * 7 // 10]
        found[name] = (x[own], own)
    return found


def scores(fused: mmfuse.Fused) -> Matrix:
    told = fused.summary.scores
    assert told is not None
    return np.array([list(one["values"].values()) for one in told["scores"]])


def trained(*what: Any, **how: Any) -> mmfuse.TrainedModel:
    model = mmfuse.train(*what, **how).model
    assert isinstance(model, mmfuse.TrainedModel)
    return model


def matrix(fused: mmfuse.Fused) -> Matrix:
    assert fused.matrix is not None
    return fused.matrix


def predicted(model: Any, modalities: Rows, **how: Any) -> mmfuse.Fused:
    return mmfuse.predict(model, modalities, dtype="float64", **how)


def by_id(fused: mmfuse.Fused, ids: Matrix = IDS) -> Matrix:
    return matrix(fused)[np.argsort(fused.ids)[np.searchsorted(np.sort(fused.ids), ids)]]


# --- as scikit-learn does it ------------------------------------------------------------------


def columns(models: dict[str, Any]) -> list[tuple[str, Any]]:
    """A pipeline for every modality, on its columns of all side by side, z-scored."""
    ends = np.cumsum([0, *DIMS.values()])
    return [
        (
            name,
            make_pipeline(
                ColumnTransformer([("own", StandardScaler(), np.arange(ends[k], ends[k + 1]))]),
                models[name],
            ),
        )
        for k, name in enumerate(DIMS)
    ]


def splits(labels: Matrix | None, folds: int = 5) -> list[tuple[Matrix, Matrix]]:
    fold = folds_of([str(k) for k in IDS], labels, folds, 0)
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(folds)]


CLASSIFIERS = {
    "a": LogisticRegression(max_iter=1000),
    "b": LinearDiscriminantAnalysis(solver="lsqr"),
    "c": LogisticRegression(max_iter=1000, C=0.1),
}
OURS: dict[str, Any] = {
    "estimator": {"a": "logistic", "b": "lda", "c": "logistic"},
    "normalize": "zscore",
}


def test_a_stack_is_that_of_scikit_learn() -> None:
    (x, y), (new, _) = rows(), rows(1, 60)
    models = {**CLASSIFIERS, "c": LogisticRegression(max_iter=1000)}
    peer = StackingClassifier(
        columns(models), LogisticRegression(max_iter=1000), cv=splits(y), stack_method="auto"
    ).fit(np.hstack(list(x.values())), y)
    model = trained(with_ids(x), (y, IDS), fuse="stack", **OURS)
    found = predicted(model, new)
    expected = peer.predict_proba(np.hstack(list(new.values())))
    np.testing.assert_allclose(matrix(found), expected, atol=1e-6)
    assert found.columns == ("0", "1", "2")
    assert found.labels is not None
    assert found.labels.tolist() == list(map(str, expected.argmax(axis=1)))


@pytest.mark.parametrize("voting", ["soft", "hard"])
def test_votes_are_those_of_scikit_learn(voting: Any) -> None:
    (x, y), (new, _) = rows(), rows(1, 60)
    weights = {"a": 1.0, "b": 0.9, "c": 0.8}  # of which no two tie
    models = {**CLASSIFIERS, "c": LogisticRegression(max_iter=1000)}
    peer = VotingClassifier(columns(models), voting=voting, weights=list(weights.values()))
    peer.fit(np.hstack(list(x.values())), y)
    model = trained(with_ids(x), (y, IDS), fuse=f"{voting}-vote", weight=weights, **OURS)
    found, wide = predicted(model, new), np.hstack(list(new.values()))
    if voting == "soft":
        np.testing.assert_allclose(matrix(found), peer.predict_proba(wide), atol=1e-6)
    assert found.labels is not None
    assert found.labels.tolist() == list(map(str, peer.predict(wide)))


def test_a_stack_of_numbers_is_that_of_scikit_learn() -> None:
    (x, y), (new, _) = rows(), rows(1, 60)
    target = y + np.random.default_rng(3).normal(0, 0.1, N)
    peer = StackingRegressor(
        columns({name: Ridge() for name in DIMS}), RidgeCV(), cv=splits(None)
    ).fit(np.hstack(list(x.values())), target)
    model = trained(with_ids(x), (target, IDS), fuse="stack")
    assert model.estimators == ("ridge",) * 3
    found = predicted(model, new)
    np.testing.assert_allclose(
        matrix(found)[:, 0], peer.predict(np.hstack(list(new.values()))), atol=1e-8
    )
    assert found.columns == ("prediction",)
    assert found.labels is None


RULES = [
    name
    for name in STRATEGIES.modules
    if strategy_class(name).panel == "Model-level fusion"
    and getattr(strategy_class(name), "of_predictions", False)
    and strategy_class(name)().predicts == "classes"
    and name != "dempster-shafer"  # which refuses models that are certain of different classes
]


@pytest.mark.parametrize("fuse", RULES)
def test_scores_are_those_of_training_without_a_fold_and_predicting_it(fuse: str) -> None:
    """With two models votes tie often; what wins then is what `predict` writes."""
    x, y = rows(2)
    two = {name: x[name] for name in "ab"}
    how: dict[str, Any] = {"fuse": fuse, "estimator": "lda"}
    told = mmfuse.train(with_ids(two), (y, IDS), **how)
    right = []
    for known, left in splits(y):
        model = trained(with_ids(two), (y[known], IDS[known]), folds=0, **how)
        found = predicted(model, {name: (two[name][left], left) for name in two})
        assert found.labels is not None
        right.append(np.mean(found.labels == y[left].astype(str)))
    assert told.summary.scores is not None
    assert told.summary.scores["scores"][2]["values"]["accuracy"] == pytest.approx(np.mean(right))


# --- rows that lack modalities ----------------------------------------------------------------


@pytest.mark.parametrize("fuse", ["soft-vote", "log-pool", "stack", "hard-vote", "select"])
def test_a_row_is_predicted_from_what_it_has(fuse: str) -> None:
    (x, y), (new, _) = rows(), rows(5)
    how: dict[str, Any] = {"estimator": "lda", "normalize": "zscore"}
    model = trained(some(x), (y, IDS), fuse=fuse, **how)
    assert model.rows == len(np.unique(np.concatenate([own for _, own in some(x).values()])))
    single = {
        name: trained({name: part}, (y, IDS), folds=0, **how) for name, part in some(x).items()
    }
    given = {name: part for name, part in some(new, 7).items() if name != "b"}
    found = predicted(model, given)
    assert found.models is not None
    p = np.zeros((3, N, 3))
    present = np.zeros((N, 3), bool)
    for m, name in enumerate(DIMS):
        if name in given:
            one = predicted(single[name], {name: given[name]})
            p[m, one.ids], present[one.ids, m] = matrix(one), True
    at = found.ids
    assert set(found.models.tolist()) == {1, 2}
    assert found.models.tolist() == present[at].sum(axis=1).tolist()
    expected, beside = model.models.fused(p[:, at], present[at])
    np.testing.assert_allclose(matrix(found), expected, atol=1e-9)
    assert found.labels is not None
    assert found.labels.tolist() == [str(k) for k in beside["label"]]
    if fuse == "soft-vote":
        mean = p.sum(axis=0)[at] / present[at].sum(axis=1)[:, None]
        np.testing.assert_allclose(matrix(found), mean, atol=1e-9)
    np.testing.assert_allclose(matrix(found).sum(axis=1), 1)


def test_rows_may_stand_in_any_order_and_modalities_too() -> None:
    (x, y), (new, _) = rows(), rows(5)
    model = trained(some(x), (y, IDS), fuse="stack", estimator="lda")
    one = predicted(model, some(new, 7))
    order = np.random.default_rng(0)
    mixed = {}
    for name, (part, own) in reversed(some(new, 7).items()):
        at = order.permutation(len(own))
        mixed[name] = (part[at], own[at])
    two = predicted(model, mixed)
    assert np.array_equal(np.sort(one.ids), np.sort(two.ids))
    assert by_id(one, np.sort(one.ids)).tobytes() == by_id(two, np.sort(one.ids)).tobytes()


def test_the_one_modality_of_a_model_may_have_any_name() -> None:
    x, y = rows()
    model = trained({"a": x["a"]}, y, estimator="lda")
    assert (
        matrix(predicted(model, {"q": x["a"]})).tobytes()
        == matrix(predicted(model, {"a": x["a"]})).tobytes()
    )
    told = model.evaluation
    assert told is not None
    assert [one["of"] for one in told["scores"]] == ["model", "fused"]


@pytest.mark.parametrize("use", ["predict", "train_on"])
def test_other_modalities_are_refused(use: str) -> None:
    x, y = rows()
    frames = {k: pd.DataFrame(v, columns=[f"{k}{j}" for j in range(DIMS[k])]) for k, v in x.items()}
    model = trained(frames, y, estimator="lda")

    def attempt(given: Rows) -> mmfuse.Fused:
        return predicted(model, given) if use == "predict" else mmfuse.train_on(model, given, y)

    for given, told in (
        ({**frames, "d": frames["a"]}, "d is no modality of the model"),
        ({"a": frames["a"][["a0", "a2", "a1"]]}, "stand in another order"),
        ({"a": frames["a"][["a0", "a1"]]}, "has 2 columns, and the model learned from 3"),
        ({"a": frames["b"]}, "has 4 columns, and the model learned from 3"),
        ({"a": frames["a"].rename(columns={"a0": "q"})}, "has other columns"),
    ):
        with pytest.raises(ModelError, match=told):
            attempt(given)


# --- leakage ----------------------------------------------------------------------------------


def test_the_rows_of_a_repeated_id_are_never_parted() -> None:
    """Labels are random by id: rows of it among the others would tell them."""
    rng = np.random.default_rng(4)
    n, times = 150, 3
    x = {name: rng.normal(size=(n, 5)) for name in "ab"}
    y = rng.permutation(np.arange(n) % 2)
    ids = np.repeat(np.arange(n), times)
    many = np.repeat(x["a"], times, axis=0) + rng.normal(0, 0.01, (n * times, 5))
    how: dict[str, Any] = {"estimator": "knn", "options": {"knn": {"n_neighbors": 1}}}
    given = {"a": (many, ids), "b": (x["b"], np.arange(n))}
    told = mmfuse.train(given, (y, np.arange(n)), duplicates="explode", **how)
    assert told.summary.learned == n * times
    bound = 4 * 0.5 / np.sqrt(n)  # standard deviations of what is right by chance
    assert np.abs(scores(told)[:, 0] - 0.5).max() < bound
    each = np.arange(n * times)
    wide = {"a": (many, each), "b": (np.repeat(x["b"], times, axis=0), each)}
    apart = mmfuse.train(wide, (np.repeat(y, times), each), **how)
    assert scores(apart)[:, 0].min() > 0.9
    grouped = mmfuse.train(wide, (np.repeat(y, times), each), groups=(ids, each), **how)
    assert np.abs(scores(grouped)[:, 0] - 0.5).max() < bound


# --- the same every time ----------------------------------------------------------------------


def saved(path: Path, **how: Any) -> bytes:
    x, y = rows()
    mmfuse.train(
        some(x),
        (y, IDS),
        path,
        fuse="stack",
        estimator={"a": "logistic", "b": "forest", "c": "lda"},
        options={"forest": {"n_estimators": 3}},
        calibrate="isotonic",
        folds=3,
        **how,
    )
    return path.read_bytes()


def test_threads_change_no_byte(tmp_path: Path) -> None:
    one, two = (saved(tmp_path / "model", threads=threads) for threads in (1, 2))
    assert one == two


def test_processes_write_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from test_training import saved\n"
        "saved(Path(sys.argv[1]))"
    )
    found = set()
    for seed in ("0", "1"):
        path = tmp_path / seed
        env = {"PYTHONHASHSEED": seed, "PYTHONPATH": "tests:.", "OPENBLAS_NUM_THREADS": "1"}
        where = Path(__file__).parent.parent
        subprocess.run([sys.executable, "-c", code, path], check=True, cwd=where, env=env)
        found.add(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(found) == 1


def test_a_saved_model_predicts_the_same_bytes(tmp_path: Path) -> None:
    saved(tmp_path / "model")
    model = load(tmp_path / "model")
    new = some(rows(5)[0], 3)
    x, y = rows()
    fresh = trained(
        some(x),
        (y, IDS),
        fuse="stack",
        estimator={"a": "logistic", "b": "forest", "c": "lda"},
        options={"forest": {"n_estimators": 3}},
        calibrate="isotonic",
        folds=3,
    )
    once = matrix(predicted(fresh, new)).tobytes()
    assert matrix(predicted(model, new)).tobytes() == once
    assert matrix(predicted(tmp_path / "model", new, threads=1)).tobytes() == once
    assert isinstance(model, mmfuse.TrainedModel)
    assert model.evaluation == fresh.evaluation
    assert model.options == fresh.options == ({}, {"n_estimators": 3}, {})


def test_the_order_of_rows_changes_rounding_alone() -> None:
    x, y = rows()
    at = np.random.default_rng(0).permutation(N)
    how: dict[str, Any] = {"estimator": "lda", "fuse": "stack", "normalize": "zscore"}
    one = mmfuse.train(with_ids(x), (y, IDS), **how)
    two = mmfuse.train({k: (v[at], at) for k, v in x.items()}, (y, IDS), **how)
    np.testing.assert_allclose(scores(one), scores(two), atol=1e-5)
    assert one.summary.scores is not None
    assert two.summary.scores is not None
    assert one.summary.scores["confusion"] == two.summary.scores["confusion"]
    soft = [
        scores(mmfuse.train(given, (y, IDS), estimator="lda"))
        for given in (with_ids(x), {k: (v[at], at) for k, v in x.items()})
    ]
    np.testing.assert_allclose(*soft, atol=1e-9)


def test_a_seed_changes_the_folds() -> None:
    x, y = rows()
    one, two, again = (
        scores(mmfuse.train(with_ids(x), (y, IDS), estimator="lda", seed=seed))
        for seed in (0, 1, 0)
    )
    assert one.tobytes() == again.tobytes() != two.tobytes()


# --- learning goes on -------------------------------------------------------------------------


def cut(given: Rows, ids: Matrix) -> Rows:
    """The rows of these ids."""
    return {k: (x[np.isin(own, ids)], own[np.isin(own, ids)]) for k, (x, own) in given.items()}


@pytest.mark.parametrize("kind", ["lda", "ridge", "ridge of numbers"])
def test_linear_models_go_on_as_if_trained_at_once(kind: str, tmp_path: Path) -> None:
    x, y = rows()
    target = y + np.sin(IDS) if "numbers" in kind else y
    given = some(x)
    how: dict[str, Any] = {"estimator": kind.split()[0], "normalize": "none", "folds": 0}
    model = tmp_path / "model"
    mmfuse.train(cut(given, IDS[:60]), (target, IDS), model, **how)
    for part in (IDS[60:100], IDS[100:]):
        mmfuse.train_on(model, cut(given, part), (target, IDS), model)
    once = trained(given, (target, IDS), **how)
    on = load(model)
    assert isinstance(on, mmfuse.TrainedModel)
    assert on.rows == once.rows
    assert len(on.training) == 3
    assert on.evaluation is None
    new = some(rows(5)[0], 2)
    np.testing.assert_allclose(
        matrix(predicted(on, new)), matrix(predicted(once, new)), rtol=1e-9, atol=1e-9
    )


def test_what_is_left_out_learns_nothing() -> None:
    x, y = rows()
    model = trained(with_ids(x), (y, IDS), estimator="ridge")
    more, labels = rows(1)
    on = mmfuse.train_on(model, {"b": more["b"]}, labels).model
    both = mmfuse.train_on(model, {"b": more["b"], "c": more["c"]}, labels).model
    assert isinstance(on, mmfuse.TrainedModel)
    assert isinstance(both, mmfuse.TrainedModel)
    bytes_of = [
        [model.models.models[m].arrays()["coef"].tobytes() for m in range(3)]
        for model in (model, on, both)
    ]
    assert [bytes_of[0][m] == bytes_of[1][m] for m in range(3)] == [True, False, True]
    assert [bytes_of[1][m] == bytes_of[2][m] for m in range(3)] == [True, True, False]
    assert on.schema == model.schema


@pytest.mark.parametrize("estimator", ["sgd", "mlp"])
def test_gradients_go_on(estimator: str, tmp_path: Path) -> None:
    x, y = rows()
    more, labels = rows(1)
    options = {"mlp": {"hidden_layer_sizes": [4], "max_iter": 20}} if estimator == "mlp" else None
    model = trained(x, y, estimator=estimator, options=options, folds=0)
    before = matrix(predicted(model, more))
    on = mmfuse.train_on(model, more, labels, tmp_path / "on").model
    after = matrix(predicted(on, more))
    assert not np.allclose(before, after)
    np.testing.assert_allclose(after.sum(axis=1), 1)
    assert matrix(predicted(tmp_path / "on", more)).tobytes() == after.tobytes()
    assert matrix(predicted(model, more)).tobytes() == before.tobytes()


@pytest.mark.parametrize("estimator", ["knn", "forest", "boosting", "logistic"])
def test_others_do_not_go_on(estimator: str) -> None:
    x, y = rows()
    options = {"forest": {"n_estimators": 2}, "boosting": {"max_iter": 2}}
    own = {k: v for k, v in options.items() if k == estimator}
    model = trained(x, y, estimator={"a": "lda", "b": estimator, "c": "lda"}, options=own, folds=0)
    with pytest.raises(ModelError) as raised:
        mmfuse.train_on(model, x, y)
    assert f"the model of b, of the estimator {estimator}" in raised.value.message
    assert raised.value.hint is not None
    assert "lda, mlp, ridge, sgd" in raised.value.hint


def test_labels_that_a_model_does_not_know() -> None:
    x, y = rows()
    model = trained(x, y, estimator="lda", folds=0)
    with pytest.raises(ModelError, match="the model has no class '3'"):
        mmfuse.train_on(model, x, y + 1)
    numbers = trained(x, y + 0.5, folds=0)
    with pytest.raises(InputError, match="these are no numbers"):
        mmfuse.train_on(numbers, x, np.array(list("xyz"), object)[y])
    assert mmfuse.train_on(numbers, x, y).model is not None  # whole numbers are numbers


def test_models_that_do_not_predict() -> None:
    x, _ = rows()
    model = mmfuse.fit("concat", x).model
    with pytest.raises(ModelError, match="fuses features and predicts nothing"):
        mmfuse.predict(model, x)  # type: ignore[arg-type]


# --- what labels are --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "task", "classes"),
    [
        (np.arange(N) % 2, "auto", ("0", "1")),
        (np.arange(N) % 2, "regression", ()),
        (np.arange(N) % 2 + 0.5, "auto", ()),
        (np.where(np.arange(N) % 5, np.arange(N) / 3, np.nan), "auto", ()),
        (np.array(["x", "y"], object)[np.arange(N) % 2], "auto", ("x", "y")),
        (np.arange(N) % 2 == 0, "auto", ("False", "True")),
        ((np.arange(N) % 2).astype(float), "regression", ()),
        (np.arange(N) % 2, "classification", ("0", "1")),
    ],
)
def test_tasks(labels: Matrix, task: Any, classes: tuple[str, ...]) -> None:
    x, _ = rows()
    model = trained(x, labels, task=task, estimator="ridge", folds=2)
    assert model.schema.classes == classes
    known = N if labels.dtype.kind != "f" else np.isfinite(labels).sum()
    assert model.rows == known


def test_labels_of_files(here: Path) -> None:
    x, y = rows()
    numbers = y + 0.25
    pd.DataFrame({"id": IDS[::-1], "label": y[::-1], "number": numbers[::-1]}).to_csv("y.csv")
    pd.DataFrame({"id": IDS, "target": numbers}).to_parquet("y.parquet")
    np.save("y.npy", numbers)
    np.save("whole.npy", y)
    of_arrays = trained(with_ids(x), (numbers, IDS), folds=0)
    for spec, given in (
        ("y.csv:number", with_ids(x)),
        ("y.parquet", with_ids(x)),
        ("y.npy", x),
    ):
        of_file = trained(given, spec, folds=0)
        assert matrix(predicted(of_file, x)).tobytes() == matrix(predicted(of_arrays, x)).tobytes()
    for spec, given in (("y.csv", with_ids(x)), ("whole.npy", x)):
        assert trained(given, spec, estimator="lda").schema.classes == ("0", "1", "2")


# --- calls that cannot be ---------------------------------------------------------------------

X, Y = rows()
GIVEN: dict[str, tuple[dict[str, Any], type[MmfuseError], str]] = {
    "one class": ({"labels": Y * 0}, InputError, "all 150 labels are '0'"),
    "no number known": ({"labels": np.full(N, np.nan)}, InputError, "no row has a label"),
    "an infinite number": ({"labels": np.full(N, np.inf)}, InputError, "is infinite"),
    "whole floats": ({"labels": Y.astype(float)}, InputError, "--task regression takes"),
    "floats as classes": (
        {"labels": Y + 0.5, "task": "classification"},
        InputError,
        "labels are float64",
    ),
    "text as numbers": (
        {"labels": np.array(["x", "y"])[Y % 2], "task": "regression"},
        InputError,
        "no numbers",
    ),
    "labels of no row": ({"labels": (Y, IDS + 1000)}, AlignmentError, "no row has a label"),
    "labels without ids": (
        {"modalities": some(X), "labels": Y},
        AlignmentError,
        "labels without ids for",
    ),
    "fewer labels": ({"labels": Y[:5]}, AlignmentError, "5 labels without ids for 150 rows"),
    "no memory": ({"memory": 1000}, ResourceError, "--fuse sum"),
    "no such fusion": ({"fuse": "soft-vot"}, UsageError, "soft-vote"),
    "features' fusion": ({"fuse": "concat"}, UsageError, "no fusion 'concat'"),
    "no such estimator": ({"estimator": "fores"}, UsageError, "did you mean 'forest'"),
    "no such normalisation": ({"normalize": "zscor"}, UsageError, "did you mean 'zscore'"),
    "no such modality": ({"estimator": {"q": "lda"}}, UsageError, "--estimator names 'q'"),
    "no such option": (
        {"estimator": "forest", "options": {"forest": {"n_estimator": 3}}},
        UsageError,
        "did you mean 'n_estimators'",
    ),
    "options of none": ({"options": {"forest": {}}}, UsageError, "the estimator of no modality"),
    "an option that no file holds": (
        {"estimator": "logistic", "options": {"logistic": {"C": float("inf")}}},
        UsageError,
        "not of the kind that a model can keep",
    ),
    "an option of another kind": (
        {"estimator": "logistic", "options": {"logistic": {"C": object()}}},
        UsageError,
        "not of the kind that a model can keep",
    ),
    "classes' estimator": ({"labels": Y + 0.5, "estimator": "lda"}, UsageError, "classes only"),
    "one fold": ({"folds": 1}, UsageError, "two at least"),
    "fewer folds than none": ({"folds": -1}, UsageError, "two at least"),
    "many folds": ({"folds": 151}, UsageError, "of 150 groups of rows"),
    "few groups": ({"groups": IDS // 50}, UsageError, "of 3 groups of rows"),
    "no such task": ({"task": "guess"}, UsageError, "--task is 'guess'; it must be one of auto,"),
    "no such calibration": ({"calibrate": "no"}, UsageError, "one of temperature, isotonic"),
    "a seed below none": ({"seed": -1}, UsageError, "--seed is -1"),
    "a seed too large": ({"seed": 1 << 32}, UsageError, "from 0 to 4294967295"),
    "a picture of nothing": ({"plot": "x.svg", "folds": 0}, UsageError, "--folds 5"),
    "a picture of no kind": ({"plot": "x.gif"}, UsageError, "no picture can be written"),
    "NaN": ({"modalities": {"a": np.where(X["a"] > 2, np.nan, X["a"])}}, InputError, "NaN"),
    **{
        f"weight {weight}": ({"weight": {"a": weight}}, UsageError, "a number above zero")
        for weight in (0, -1, float("inf"), float("nan"))
    },
    "weight 0 of a sum": ({"weight": 0, "fuse": "sum"}, UsageError, "a number above zero"),
}


@pytest.mark.parametrize("what", GIVEN)
def test_calls_that_cannot_be(what: str, here: Path) -> None:
    how, kind, told = GIVEN[what]
    how = {"modalities": X, "labels": Y, **how}
    if isinstance(how["labels"], tuple):
        how["modalities"] = with_ids(X)
    with pytest.raises(kind) as raised:
        mmfuse.train(how.pop("modalities"), how.pop("labels"), "model", **how)
    assert told in str(raised.value)
    assert not list(here.iterdir())


def test_without_folds_there_are_no_scores(tmp_path: Path) -> None:
    found = mmfuse.train(X, Y, tmp_path / "model", estimator="lda", folds=0)
    assert found.summary.scores is None
    model = load(tmp_path / "model")
    assert isinstance(model, mmfuse.TrainedModel)
    assert model.evaluation is None
    scored = trained(X, Y, estimator="lda")
    assert matrix(predicted(model, X)).tobytes() == matrix(predicted(scored, X)).tobytes()


def test_unlabelled_rows_are_left_out() -> None:
    half = trained(with_ids(X), (Y[:75], IDS[:75]), estimator="lda", normalize="zscore")
    cut_off = {name: (x[:75], IDS[:75]) for name, x in X.items()}
    alone = trained(cut_off, (Y[:75], IDS[:75]), estimator="lda", normalize="zscore")
    assert half.evaluation == alone.evaluation
    assert matrix(predicted(half, X)).tobytes() == matrix(predicted(alone, X)).tobytes()


@pytest.mark.parametrize("nan", ["mean", "zero"])
def test_values_that_are_mended_are_mended_without_the_fold(nan: Any) -> None:
    x = np.where(X["a"] > 2, np.nan, X["a"])
    told = mmfuse.train({"a": (x, IDS)}, (Y, IDS), estimator="lda", nan=nan)
    right = []
    for known, left in splits(Y):
        filling = np.nanmean(x[known], axis=0) if nan == "mean" else 0.0
        mended = np.where(np.isnan(x), filling, x)
        own = LinearDiscriminantAnalysis(solver="lsqr").fit(mended[known], Y[known])
        right.append(own.score(mended[left], Y[left]))
    assert scores(told)[0, 0] == pytest.approx(np.mean(right))
