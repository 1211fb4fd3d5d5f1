"""Linear models that add up: equal to ridge regression on all columns, in parts or at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.metrics import accuracy_score, log_loss, r2_score

import mmfuse
from mmfuse.ensemble.folds import folds_of
from mmfuse.errors import UsageError

Matrix = NDArray[Any]
N = 120
IDS = np.arange(N)


def rows(seed: int = 0) -> tuple[dict[str, Matrix], Matrix]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, N)
    x = {"a": rng.normal(3, 2, (N, 3)), "b": rng.normal(size=(N, 2))}
    x["a"][:, 0] += 2 * (y == 0)
    x["b"][:, 0] += y == 2
    return x, y


def shares(scores: Matrix) -> Matrix:
    positive = np.maximum(scores, 0)
    return positive / positive.sum(axis=1, keepdims=True)


def predicted(model: Any, x: Any) -> Matrix:
    found = mmfuse.predict(model, x, dtype="float64").matrix
    assert found is not None
    return found


def told(fused: mmfuse.Fused) -> list[dict[str, Any]]:
    assert fused.summary.scores is not None
    found: list[dict[str, Any]] = fused.summary.scores["scores"]
    return found


def sides(x: dict[str, Matrix], weights: dict[str, float] | None = None) -> Matrix:
    return np.hstack([(weights or {}).get(k, 1.0) * v for k, v in x.items()])


@pytest.mark.parametrize("weights", [None, {"a": 0.3, "b": 5.0}])
def test_it_is_ridge_regression_on_all_columns(weights: dict[str, float] | None) -> None:
    (x, y), (new, _) = rows(), rows(1)
    how: dict[str, Any] = {"fuse": "sum", "normalize": "none", "weight": weights}
    alpha = {"sum": {"alpha": 4}}
    model = mmfuse.train(x, y, options=alpha, **how).model
    peer = Ridge(4.0).fit(sides(x, weights), np.eye(3)[y])
    expected = shares(peer.predict(sides(new, weights)))
    np.testing.assert_allclose(predicted(model, new), expected, atol=1e-9)
    model = mmfuse.train(x, y + 0.5, options=alpha, **how).model
    numbers = Ridge(4.0).fit(sides(x, weights), y).predict(sides(new, weights)) + 0.5
    np.testing.assert_allclose(predicted(model, new)[:, 0], numbers, atol=1e-9)


@pytest.mark.parametrize("weights", [None, {"a": 0.05, "b": 3.0}])
def test_scores_are_cross_validated(weights: dict[str, float] | None) -> None:
    x, y = rows()
    fused = mmfuse.train(
        {k: (v, IDS) for k, v in x.items()}, (y, IDS), fuse="sum", weight=weights, folds=4
    )
    fold = folds_of([str(k) for k in IDS], y, 4, 0)
    for one, names in zip(told(fused), ("a", "b", "ab", "b", "a"), strict=True):
        values = []
        for k in range(4):
            known, own = fold != k, fold == k
            scaled = {
                name: (x[name] - x[name][known].mean(axis=0)) / x[name][known].std(axis=0)
                for name in names
            }
            wide = sides(scaled, weights)
            p = shares(Ridge(1.0).fit(wide[known], np.eye(3)[y[known]]).predict(wide[own]))
            values.append((accuracy_score(y[own], p.argmax(axis=1)), log_loss(y[own], p)))
        mean, error = np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / 2
        assert [one["values"][k] for k in ("accuracy", "log_loss")] == pytest.approx(mean)
        assert [one["errors"][k] for k in ("accuracy", "log_loss")] == pytest.approx(error)


def test_scores_of_numbers() -> None:
    x, y = rows()
    target = y + 0.5
    fused = mmfuse.train(
        {k: (v, IDS) for k, v in x.items()}, (target, IDS), fuse="sum", normalize="none", folds=4
    )
    fold = folds_of([str(k) for k in IDS], None, 4, 0)
    right = [
        r2_score(
            target[fold == k],
            Ridge().fit(sides(x)[fold != k], target[fold != k]).predict(sides(x)[fold == k]),
        )
        for k in range(4)
    ]
    assert told(fused)[2]["values"]["r2"] == pytest.approx(np.mean(right))


def test_a_modality_that_a_fold_lacks_is_scored_on_the_rows_that_have_it() -> None:
    x, y = rows()
    has = folds_of([str(k) for k in IDS], y, 4, 0) < 3
    given = {"a": (x["a"], IDS), "b": (x["b"][has], IDS[has])}
    scores = told(mmfuse.train(given, (y, IDS), fuse="sum", join="outer", folds=4))
    of = {(one["of"], one["name"]): one for one in scores}
    assert of["without", "a"]["rows"] == of["model", "b"]["rows"] == has.sum()
    assert of["without", "a"]["values"] == of["model", "b"]["values"]
    assert of["fused", ""]["rows"] == N


@pytest.mark.parametrize("normalize", ["none", "zscore"])
@pytest.mark.parametrize("numbers", [False, True])
def test_parts_are_as_all_at_once(numbers: bool, normalize: str, tmp_path: Path) -> None:
    (x, y), (new, _) = rows(), rows(1)
    target = y + 0.5 if numbers else y
    model = tmp_path / "model"

    def part(start: int, end: int) -> tuple[Any, Any]:
        at = IDS[start:end]
        return {k: (v[at], at) for k, v in x.items()}, (target[at], at)

    mmfuse.train(*part(0, 50), model, fuse="sum", normalize=normalize)
    mmfuse.train_on(model, *part(50, 90), model)
    mmfuse.train_on(model, *part(90, N), model)
    once = mmfuse.train(*part(0, N), fuse="sum", normalize=normalize).model
    np.testing.assert_allclose(predicted(model, new), predicted(once, new), atol=1e-8)


def test_a_modality_that_a_row_lacks_adds_nothing() -> None:
    (x, y), (new, _) = rows(), rows(1)
    model = mmfuse.train(x, y, fuse="sum", normalize="none").model
    peer = Ridge().fit(sides(x), np.eye(3)[y])
    mean = np.tile(x["b"].mean(axis=0), (N, 1))
    expected = shares(peer.predict(np.hstack([new["a"], mean])))
    np.testing.assert_allclose(predicted(model, {"a": new["a"]}), expected, atol=1e-9)


def test_what_does_not_fit_into_memory_is_learned_without_scores() -> None:
    rng = np.random.default_rng(0)
    x, y = {"a": rng.normal(size=(20_000, 20))}, np.arange(20_000) % 2
    fused = mmfuse.train(x, y, fuse="sum", folds=2, memory=4 << 20)
    assert fused.summary.scores is None
    assert any("no scores: training holds all rows in memory" in n for n in fused.summary.notes)
    whole = mmfuse.train(x, y, fuse="sum", folds=2)
    assert whole.summary.scores is not None
    new = {"a": rng.normal(size=(5, 20))}
    assert predicted(fused.model, new).tobytes() == predicted(whole.model, new).tobytes()


def test_a_stream_is_learned_without_scores(here: Path, mmfuse: Any) -> None:
    x, y = rows()
    np.save("a.npy", x["a"])
    np.save("y.npy", y)
    with open("a.npy", "rb") as stream:
        done = mmfuse(
            *("train", "a=-", "--labels", "y.npy", "--fuse", "sum", "-o", "model", "--from", "npy"),
            stdin=stream,
        )
    assert done.code == 0, done.err
    assert "no scores: an input is a stream, which can be read once" in done.out + done.err
    assert os.path.exists("model")


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"estimator": "lda"}, "--estimator does not go with"),
        ({"learn_weights": True}, "--learn-weights does not go with"),
        ({"calibrate": "isotonic"}, "--calibrate does not go with"),
        ({"options": {"sum": {"beta": 1}}}, "sum has one option: alpha"),
        ({"options": {"ridge": {"alpha": 1}}}, "options are set of ridge"),
        ({"options": {"sum": {"alpha": "much"}}}, "it must be a number"),
        ({"options": {"sum": {"alpha": -1}}}, "at least 0"),
        ({"folds": 1}, "two at least"),
    ],
)
def test_what_a_sum_does_not_take(how: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        mmfuse.train(*rows(), fuse="sum", **how)
