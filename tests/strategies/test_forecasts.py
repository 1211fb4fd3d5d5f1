"""Rules over predicted numbers: averages by hand and by the papers' formulas."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import mmfuse
from mmfuse.errors import InputError, MmfuseError, UsageError

Matrix = NDArray[np.float64]
N, NAMES = 80, ("ann", "bob", "cat")
LEARNED = ["inverse-variance", "bates-granger"]
IDS = np.array([f"day {k:02}" for k in range(N)], object)


def forecasts() -> tuple[dict[str, Matrix], Matrix]:
    """Three forecasters whose errors are biased, correlated and of several sizes; the truth."""
    rng = np.random.default_rng(0)
    truth = rng.normal(20, 5, N)
    common = rng.normal(size=N)
    shapes = ((0.5, 1.0, 1.0), (1.0, 0.5, -2.0), (-0.3, 2.0, 0.3))
    return {
        name: truth + bias + shared * common + own * rng.normal(size=N)
        for name, (shared, own, bias) in zip(NAMES, shapes, strict=True)
    }, truth


def table(values: Matrix, rows: Any = slice(None), name: str = "forecast") -> pd.DataFrame:
    return pd.DataFrame({"id": IDS[rows], name: values[rows]})


def tables(given: dict[str, Matrix]) -> dict[str, pd.DataFrame]:
    """Each in an order of its own, its column called otherwise."""
    rng = np.random.default_rng(1)
    return {
        name: table(values, np.arange(N) if k == 0 else rng.permutation(N), f"by {name}")
        for k, (name, values) in enumerate(given.items())
    }


def fuse(rule: str, modalities: Any, **how: Any) -> mmfuse.Fused:
    return mmfuse.fuse(rule, modalities, dtype="float64", threads=1, **how)


def weights_of(rule: str, errors: Matrix) -> Matrix:
    """By the papers, of the covariance of the errors `(n, M)` about their means."""
    s = np.cov(errors.T, ddof=0).reshape(errors.shape[1], -1)
    if rule == "inverse-variance":
        return (1 / np.diag(s)) / (1 / np.diag(s)).sum()
    ones = np.ones(len(s))
    return np.linalg.solve(s, ones) / (ones @ np.linalg.solve(s, ones))


# --- weighted-mean ----------------------------------------------------------------------------


def test_a_weighted_mean_is_that_of_numpy() -> None:
    given, _ = forecasts()
    weights = {"ann": 2.0, "bob": 0.5, "cat": 1.0}
    fused = fuse("weighted-mean", tables(given), weight=weights)
    assert fused.ids.tolist() == IDS.tolist()
    assert fused.columns == ("prediction",)
    expected = np.average(list(given.values()), axis=0, weights=list(weights.values()))
    np.testing.assert_allclose(fused.matrix, expected[:, None], rtol=1e-12)
    assert fused.labels is None


def test_a_row_that_lacks_a_model_is_averaged_over_the_others() -> None:
    given, _ = forecasts()
    rng = np.random.default_rng(2)
    has = rng.random((N, 3)) < 0.6
    has[:, 0] |= ~has.any(axis=1)
    weight = dict(zip(NAMES, (2.0, 0.5, 1.0), strict=True))
    models = {
        name: table(x, np.flatnonzero(has[:, m])) for m, (name, x) in enumerate(given.items())
    }
    fused = fuse("weighted-mean", models, weight=weight, join="outer")
    assert fused.matrix is not None
    assert fused.models is not None
    for i, (found,), n in zip(fused.ids, fused.matrix.tolist(), fused.models, strict=True):
        row = IDS.tolist().index(i)
        own = [name for m, name in enumerate(NAMES) if has[row, m]]
        expected = sum(weight[name] * given[name][row] for name in own)
        assert found == pytest.approx(expected / sum(weight[name] for name in own))
        assert n == len(own)


def test_several_numbers_are_averaged_by_their_names() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, N, 3))
    one = pd.DataFrame(x, columns=["low", "mid", "high"]).assign(id=IDS)
    other = pd.DataFrame(y, columns=["high", "low", "mid"]).assign(id=IDS)
    fused = fuse("weighted-mean", {"x": one, "y": other}, weight={"y": 3})
    assert fused.columns == ("low", "mid", "high")
    np.testing.assert_allclose(fused.matrix, (x + 3 * y[:, [1, 2, 0]]) / 4, rtol=1e-12)
    with pytest.raises(UsageError, match="z predicts other columns than x"):
        fuse("weighted-mean", {"x": one, "z": other.rename(columns={"mid": "middle"})})


@pytest.mark.parametrize("weight", [0, -2])
def test_weights_are_above_zero(weight: float) -> None:
    with pytest.raises(UsageError, match="it must be above zero"):
        fuse("weighted-mean", tables(forecasts()[0]), weight={"bob": weight})


# --- weights that are learned -----------------------------------------------------------------


@pytest.mark.parametrize("rule", LEARNED)
@pytest.mark.parametrize("models", [1, 2, 3])
def test_learned_weights_are_those_of_the_formula(rule: str, models: int) -> None:
    given, truth = forecasts()
    given = dict(list(given.items())[:models])
    x = np.column_stack(list(given.values()))
    expected = x @ weights_of(rule, x - truth[:, None])
    fused = fuse(rule, tables(given), labels=(truth, IDS))
    assert fused.columns == ("prediction",)
    np.testing.assert_allclose(fused.matrix, expected[:, None], rtol=1e-10)


def test_no_other_weights_err_less() -> None:
    given, truth = forecasts()
    error = {
        rule: fuse(rule, tables(given), labels=(truth, IDS)).matrix[:, 0] - truth  # type: ignore
        for rule in LEARNED
    }
    least = error["bates-granger"].var()
    assert least < error["inverse-variance"].var()
    rng = np.random.default_rng(4)
    for _ in range(200):
        w = rng.dirichlet(np.ones(3)) * 3 - 2 / 3
        assert least <= (np.column_stack(list(given.values())) @ w - truth).var() + 1e-12
    assert least < min((x - truth).var() for x in given.values())


@pytest.mark.parametrize("rule", LEARNED)
def test_a_row_that_lacks_a_model_has_the_weights_of_the_others(rule: str) -> None:
    given, truth = forecasts()
    patterns = [own for k in (1, 2, 3) for own in combinations(range(3), k)]
    has = np.array([[m in patterns[row % 7] for m in range(3)] for row in range(N)])
    models = {
        name: table(x, np.flatnonzero(has[:, m])) for m, (name, x) in enumerate(given.items())
    }
    fused = fuse(rule, models, labels=(truth, IDS), join="outer")
    x = np.column_stack(list(given.values()))
    whole = has.all(axis=1)
    s = np.cov((x - truth[:, None])[whole].T, ddof=0)
    assert fused.matrix is not None
    assert len(fused.matrix) == N
    for i, (found,) in zip(fused.ids, fused.matrix.tolist(), strict=True):
        row = IDS.tolist().index(i)
        own = np.flatnonzero(has[row])
        part, ones = s[np.ix_(own, own)], np.ones(len(own))
        if rule == "inverse-variance":
            part = np.diag(np.diag(part))
        w = np.linalg.solve(part, ones)
        assert found == pytest.approx(x[row, own] @ w / w.sum(), rel=1e-10)
    lacking = N - int(whole.sum())
    note = f"{lacking} rows lack a modality or a label: nothing is learned from them"
    assert note in fused.summary.notes


def test_models_that_are_alike_share_their_weight() -> None:
    given, truth = forecasts()
    twice = {**given, "bob again": given["bob"]}
    once = fuse("bates-granger", tables(given), labels=(truth, IDS)).matrix
    again = fuse("bates-granger", tables(twice), labels=(truth, IDS)).matrix
    np.testing.assert_allclose(again, once, rtol=1e-8)


@pytest.mark.parametrize("rule", LEARNED)
def test_a_model_that_is_always_as_far_off_takes_all(rule: str) -> None:
    given, truth = forecasts()
    fused = fuse(rule, tables({**given, "sure": truth + 3}), labels=(truth, IDS))
    np.testing.assert_allclose(fused.matrix, truth[:, None] + 3, rtol=1e-6)


@pytest.mark.parametrize("rule", LEARNED)
def test_what_learned_weights_refuse(rule: str) -> None:
    given, truth = forecasts()
    with pytest.raises(UsageError, match="this rule learns the weights of the models"):
        fuse(rule, tables(given), labels=(truth, IDS), weight={"bob": 2})
    with pytest.raises(UsageError, match=f"{rule} learns from labels"):
        fuse(rule, tables(given))
    wide = pd.DataFrame(np.ones((N, 2)), columns=["a", "b"]).assign(id=IDS)
    with pytest.raises(UsageError, match="one number a model is needed"):
        fuse(rule, {"x": wide, **tables(given)}, labels=(truth, IDS))
    with pytest.raises(InputError, match="fewer than two rows"):
        fuse(rule, tables(given), labels=(truth[:1], IDS[:1]))
    with pytest.raises(InputError, match="these are no numbers"):
        fuse(rule, tables(given), labels=(np.full(N, "high"), IDS))


# --- where the numbers stand ------------------------------------------------------------------


@pytest.fixture
def files(here: Path) -> tuple[dict[str, Matrix], Matrix]:
    """The truth in files of every kind, in an order of its own."""
    given, truth = forecasts()
    order = np.random.default_rng(5).permutation(N)
    found = pd.DataFrame({"id": IDS, "target": truth, "sales": truth}).iloc[order]
    found.drop(columns="sales").to_csv("t.csv", index=False)
    found.drop(columns="target").to_csv("s.csv", index=False)
    found.to_parquet("t.parquet")
    found.to_feather("t.feather")
    found.to_json("t.jsonl", orient="records", lines=True, double_precision=15)
    np.save("t.npy", truth[order])
    Path("t.ids.txt").write_text("\n".join(IDS[order]) + "\n")
    np.save("column.npy", truth[order, None])
    Path("column.ids.txt").write_text("\n".join(IDS[order]) + "\n")
    return given, truth


@pytest.mark.parametrize(
    "spec",
    ["t.csv", "t.csv:target", "s.csv:sales", "t.parquet:sales", "t.parquet", "t.feather:sales",
     "t.jsonl:target", "t.npy", "column.npy"],
)  # fmt: skip
def test_numbers_of_every_kind_of_file(spec: str, files: tuple[dict[str, Matrix], Matrix]) -> None:
    given, truth = files
    fused = fuse("bates-granger", tables(given), labels=spec)
    expected = fuse("bates-granger", tables(given), labels=(truth, IDS))
    np.testing.assert_allclose(fused.matrix, expected.matrix, rtol=1e-9)
    assert any(path.startswith(spec.partition(":")[0]) for path in fused.summary.reads)


@pytest.mark.parametrize("form", ["fewer", "nan", "twice", "parquet"])
def test_rows_without_a_number_are_predicted_and_not_learned_from(
    form: str, files: tuple[dict[str, Matrix], Matrix]
) -> None:
    given, truth = files
    known = np.arange(N) % 4 != 0
    x = np.column_stack(list(given.values()))
    expected = x @ weights_of("bates-granger", (x - truth[:, None])[known])
    labels: Any = (truth[known], IDS[known])
    if form == "nan":
        labels = (np.where(known, truth, np.nan), IDS)
    elif form == "twice":  # the same id without a number again is no contradiction
        labels = (np.where(known, truth, np.nan).repeat(2), IDS.repeat(2))
    elif form == "parquet":
        frame = pd.DataFrame({"id": IDS, "y": np.where(known, truth, np.nan)})
        frame.to_parquet("some.parquet")
        labels = "some.parquet"
    fused = fuse("bates-granger", tables(given), labels=labels)
    np.testing.assert_allclose(fused.matrix, expected[:, None], rtol=1e-9)
    assert "20 rows lack a modality or a label: nothing is learned from them" in fused.summary.notes


def test_arrays_without_ids_go_by_position(files: tuple[dict[str, Matrix], Matrix]) -> None:
    given, truth = files
    fused = fuse("bates-granger", given, labels=truth)
    expected = fuse("bates-granger", tables(given), labels=(truth, IDS))
    np.testing.assert_allclose(fused.matrix, expected.matrix, rtol=1e-12)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ("gone.csv", "no such file"),
        ("t.parquet:profit", "no column 'profit'"),
        ("s.csv", "no column of labels"),
        ("two.npy", "2 columns; one number a row is needed"),
        ((np.ones((N, 2)), IDS), "one a row is needed"),
        ((np.ones(N), [f"no {k}" for k in range(N)]), "no row has a label"),
        ((np.arange(2.0), [IDS[0], IDS[0]]), "'day 00' has several labels"),
        (np.ones(N), "80 labels without ids for 80 rows"),
    ],
)
def test_what_is_refused(labels: Any, told: str, files: Any) -> None:
    np.save("two.npy", np.ones((N, 2)))
    with pytest.raises(MmfuseError) as caught:
        fuse("bates-granger", tables(files[0]), labels=labels)
    assert told in str(caught.value)
    assert caught.value.exit_code in (3, 4)


# --- models -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", LEARNED)
def test_parts_are_the_whole(rule: str, tmp_path: Path) -> None:
    given, truth = forecasts()
    cuts = [np.arange(0, 30), np.arange(30, 50), np.arange(50, N)]
    x = np.column_stack(list(given.values()))

    def part(rows: Matrix) -> dict[str, pd.DataFrame]:
        return {name: table(values, rows) for name, values in given.items()}

    def fit(rows: Matrix) -> mmfuse.Model:
        model = mmfuse.fit(rule, part(rows), labels=(truth[rows], IDS[rows]), dtype="float64").model
        assert model is not None
        return model

    expected = x @ weights_of(rule, x - truth[:, None])
    models = [fit(rows) for rows in cuts]
    merged = mmfuse.merge(models, tmp_path / "merged")
    further = models[0]
    for rows in cuts[1:]:
        done = mmfuse.go_on(further, part(rows), labels=(truth[rows], IDS[rows])).model
        assert done is not None
        further = done
    for model in (merged, further, fit(np.arange(N)), tmp_path / "merged"):
        assert model is not None
        applied = mmfuse.apply(model, part(np.arange(N)))
        np.testing.assert_allclose(applied.matrix, expected[:, None], rtol=1e-9)
    alone = mmfuse.apply(merged, {"bob": part(np.arange(N))["bob"]})
    np.testing.assert_allclose(alone.matrix, given["bob"][:, None], rtol=1e-12)
