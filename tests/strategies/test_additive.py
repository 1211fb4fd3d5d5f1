"""`additive`: ridge regression of all modalities at once, beside scikit-learn's, and its parts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_wine
from sklearn.linear_model import LinearRegression, Ridge

import mmfuse
from mmfuse.errors import InputError, UsageError

Matrix = NDArray[np.float64]
NAMES = ("acid", "colour", "rest")
CUTS = (slice(0, 4), slice(4, 9), slice(9, 13))
X, Y = load_wine(return_X_y=True)
ROWS = np.random.default_rng(0).permutation(len(X))
X, Y = X[ROWS] / X.std(axis=0) + 7, Y[ROWS]
N = len(X)
IDS = np.arange(N) * 3
CLASSES = np.array(["red", "amber", "rosé"])  # in the order of letters: amber, red, rosé
ORDER = [1, 0, 2]
NUMBERS = X[:, 12] ** 2 + X[:, 0]


def modalities(rows: Any = slice(None), names: Any = NAMES, dtype: str = "float64") -> Any:
    """Three modalities of some rows, each in an order of its own."""
    ids, found = IDS[rows], {}
    for k, (name, cut) in enumerate(zip(NAMES, CUTS, strict=True)):
        order = np.arange(len(ids)) if k == 0 else np.random.default_rng(k).permutation(len(ids))
        found[name] = (X[rows][order, cut].astype(dtype), ids[order])
    return {name: found[name] for name in names}


def labels(task: str, rows: Any = slice(None)) -> Any:
    values = CLASSES[Y] if task == "classification" else NUMBERS
    return values[rows], IDS[rows]


def options(task: str, **more: Any) -> dict[str, Any]:
    return {"task": task, **more}


def fuse(task: str, given: Any = None, **more: Any) -> mmfuse.Fused:
    how = {k: more.pop(k) for k in list(more) if k in ("labels", "join", "weight", "normalize")}
    how = {"labels": labels(task), **how}
    given = modalities() if given is None else given
    return mmfuse.fuse(
        "additive", given, options=options(task, **more), dtype="float64", threads=1, **how
    )


def fit(task: str, rows: Any = slice(None), *output: Any, **more: Any) -> mmfuse.Model:
    how = {"labels": labels(task, rows), "options": options(task), "dtype": "float64", **more}
    model = mmfuse.fit("additive", modalities(rows), *output, threads=1, **how).model
    assert isinstance(model, mmfuse.Model)
    return model


def one_hot() -> Matrix:
    """A column a class, in the order of letters."""
    return np.eye(3)[Y][:, ORDER]


def shares(scores: Matrix) -> Matrix:
    """By the definition: without what is negative, divided by the sum."""
    positive = np.where(scores > 0, scores, 0)
    return positive / positive.sum(axis=1, keepdims=True)


tasks = pytest.mark.parametrize("task", ["classification", "regression"])


def formula(model: mmfuse.Model, names: Any, rows: Any = slice(None)) -> Matrix:
    """b + Σ W_mᵀ (x_m − μ_m) over the modalities named."""
    learned: Mapping[str, Matrix] = model.fusion.learned or {}
    total = np.tile(learned["intercept"], (len(IDS[rows]), 1))
    for m, (name, cut) in enumerate(zip(NAMES, CUTS, strict=True)):
        if name in names:
            total += (X[rows][:, cut] - learned[f"mean_{m}"]) @ learned[f"weights_{m}"]
    return total


# --- as scikit-learn has it -------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.01, 1.0, 300.0])
def test_of_classes_it_is_ridge_of_one_hot_vectors(alpha: float) -> None:
    theirs = Ridge(alpha).fit(X, one_hot()).predict(X)
    assert (theirs < 0).any()
    np.testing.assert_allclose(theirs.sum(axis=1), 1)
    fused = fuse("classification", alpha=alpha)
    assert fused.columns == ("amber", "red", "rosé")
    np.testing.assert_allclose(fused.matrix, shares(theirs), atol=1e-8)
    assert fused.labels is not None
    assert fused.labels.tolist() == [fused.columns[k] for k in theirs.argmax(axis=1)]


@pytest.mark.parametrize("alpha", [0.01, 1.0, 300.0])
def test_of_numbers_it_is_ridge(alpha: float) -> None:
    fused = fuse("regression", alpha=alpha)
    assert fused.columns == ("prediction",)
    expected = Ridge(alpha).fit(X, NUMBERS).predict(X)
    np.testing.assert_allclose(fused.matrix, expected[:, None], atol=1e-8)
    assert fused.labels is None


def test_coefficients_are_those_of_ridge() -> None:
    model = fit("regression")
    theirs = Ridge(1.0).fit(X, NUMBERS)
    assert model.fusion.learned is not None
    ours = np.concatenate([model.fusion.learned[f"weights_{m}"] for m in range(3)])
    np.testing.assert_allclose(ours[:, 0], theirs.coef_, atol=1e-8)


def test_without_a_penalty_it_is_least_squares() -> None:
    fused = fuse("regression", alpha=0)
    expected = LinearRegression().fit(X, NUMBERS).predict(X)
    np.testing.assert_allclose(fused.matrix, expected[:, None], atol=1e-6)
    twice = {**modalities(), "again": modalities()["acid"]}  # which leaves no single solution
    np.testing.assert_allclose(fuse("regression", twice, alpha=0).matrix, fused.matrix, atol=1e-6)


def test_a_weight_is_a_smaller_penalty() -> None:
    fused = fuse("regression", weight={"colour": 5.0}, alpha=20)
    scaled = X.copy()
    scaled[:, CUTS[1]] *= 5
    expected = Ridge(20).fit(scaled, NUMBERS).predict(scaled)
    np.testing.assert_allclose(fused.matrix, expected[:, None], atol=1e-8)


def test_after_a_normalisation() -> None:
    fused = fuse("regression", normalize="zscore", alpha=20)
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    expected = Ridge(20).fit(z, NUMBERS).predict(z)
    np.testing.assert_allclose(fused.matrix, expected[:, None], atol=1e-8)


@tasks
def test_rows_without_a_label_are_predicted_and_not_learned_from(task: str) -> None:
    known = np.arange(N) % 3 != 1
    fused = fuse(task, labels=labels(task, known))
    target = one_hot() if task == "classification" else NUMBERS[:, None]
    theirs = Ridge(1.0).fit(X[known], target[known]).predict(X)
    expected = shares(theirs) if task == "classification" else theirs.reshape(-1, 1)
    np.testing.assert_allclose(fused.matrix, expected, atol=1e-8)
    told = f"{(~known).sum()} rows lack a modality or a label: nothing is learned from them"
    assert told in fused.summary.notes


# --- what a row lacks -------------------------------------------------------------------------


@tasks
@pytest.mark.parametrize("given", [("acid", "rest"), ("colour",), ("rest", "colour")])
def test_what_is_absent_adds_nothing(task: str, given: tuple[str, ...]) -> None:
    model = fit(task)
    found = mmfuse.apply(model, modalities(names=given), sort_ids=True)
    expected = formula(model, given)
    expected = shares(expected) if task == "classification" else expected
    np.testing.assert_allclose(found.matrix, expected, atol=1e-10)
    assert found.models is not None
    assert set(found.models.tolist()) == {len(given)}


@tasks
def test_rows_that_lack_a_modality_teach_nothing(task: str) -> None:
    whole = np.arange(N) % 4 != 2
    some = modalities()
    x, ids = some["colour"]
    has = np.isin(ids, IDS[whole])
    some["colour"] = (x[has], ids[has])
    fused = fuse(task, some, join="outer")
    model = fit(task, whole)
    assert fused.matrix is not None
    complete = np.isin(fused.ids, IDS[whole])
    place = np.searchsorted(IDS, fused.ids)
    for rows, names in ((complete, NAMES), (~complete, ("acid", "rest"))):
        expected = formula(model, names)[place[rows]]
        expected = shares(expected) if task == "classification" else expected
        np.testing.assert_allclose(fused.matrix[rows], expected, atol=1e-9)
    assert fused.models is not None
    np.testing.assert_array_equal(fused.models, np.where(complete, 3, 2))


# --- merge, go on, save -----------------------------------------------------------------------


def assert_same(one: mmfuse.Model, other: mmfuse.Model) -> None:
    assert (one.rows, one.learned_from) == (other.rows, other.learned_from)
    assert one.columns == other.columns
    assert one.fusion.learned is not None
    assert other.fusion.learned is not None
    for name, array in other.fusion.learned.items():
        scale = np.abs(array).max(initial=1)
        found = one.fusion.learned[name]
        np.testing.assert_allclose(found, array, rtol=0, atol=1e-10 * scale)
    ours, theirs = (mmfuse.apply(model, modalities()).matrix for model in (one, other))
    assert ours is not None
    assert theirs is not None
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


PARTS = [np.arange(0, 50), np.arange(50, 130), np.arange(130, N)]


@tasks
@pytest.mark.parametrize("normalize", [None, "zscore"])
def test_parts_are_the_whole(task: str, normalize: Any) -> None:
    models = [fit(task, rows, normalize=normalize) for rows in PARTS]
    whole = fit(task, normalize=normalize)
    assert_same(mmfuse.merge(models), whole)
    assert_same(mmfuse.merge(models[::-1]), whole)
    further: Any = models[0]
    for rows in PARTS[1:]:
        done = mmfuse.go_on(further, modalities(rows), labels=labels(task, rows), threads=1)
        further = done.model
    assert_same(further, whole)


def test_going_on_with_a_class_that_is_not_known() -> None:
    model = fit("classification", np.flatnonzero(Y != 1))
    with pytest.raises(mmfuse.errors.ModelError, match="the model has no class 'amber'"):
        mmfuse.go_on(model, modalities(), labels=labels("classification"))
    part = np.flatnonzero(Y == 2)  # one class alone is enough to go on with
    done = mmfuse.go_on(model, modalities(part), labels=labels("classification", part)).model
    assert done is not None
    assert done.columns == ("red", "rosé")


@tasks
def test_a_saved_model_gives_the_same_bytes(task: str, tmp_path: Path) -> None:
    model = fit(task, slice(None), tmp_path / "m.safetensors")
    loaded = mmfuse.load(tmp_path / "m.safetensors")
    fused = fuse(task)
    assert fused.matrix is not None
    for one in (model, loaded, tmp_path / "m.safetensors"):
        applied = mmfuse.apply(one, modalities(), threads=1)
        assert applied.matrix is not None
        assert applied.matrix.tobytes() == fused.matrix.tobytes()
        assert applied.columns == fused.columns
        if task == "classification":
            assert applied.labels is not None
            assert applied.labels.tolist() == fused.labels.tolist()  # type: ignore[union-attr]
    halves = [fit(task, rows, tmp_path / str(k)) for k, rows in enumerate(PARTS)]
    merged = mmfuse.merge([tmp_path / str(k) for k in range(3)])
    assert_same(merged, mmfuse.merge(halves))


@tasks
def test_threads_and_memory_change_no_byte(task: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    given = {name: rng.normal(size=(9000, 4)).astype(np.float32) for name in NAMES}
    target: Any = given["acid"][:, 0] * 2 + rng.normal(size=9000)
    if task == "classification":
        target = np.digitize(target, [-1, 1])
    written = set()
    for k, how in enumerate(({"threads": 1}, {"threads": 2}, {"threads": 2, "memory": 4 << 20})):
        path = tmp_path / f"{k}.csv"
        mmfuse.fuse("additive", given, path, labels=target, options=options(task), **how)  # type: ignore[arg-type]
        written.add(path.read_bytes())
    assert len(written) == 1


# --- what is refused --------------------------------------------------------------------------


def test_labels_of_the_other_kind_are_refused() -> None:
    with pytest.raises(InputError, match="these are no numbers") as caught:
        fuse("regression", labels=labels("classification"))
    assert caught.value.hint == "--task classification"
    with pytest.raises(InputError, match="labels are float64"):
        fuse("classification", labels=labels("regression"))
    with pytest.raises(UsageError, match="additive learns from labels"):
        fuse("regression", labels=None)


def test_no_row_to_learn_from() -> None:
    lacking, half = modalities(), slice(0, N // 2)
    lacking["colour"] = modalities(slice(N // 2, N))["colour"]
    with pytest.raises(InputError, match="and a label: there is nothing to learn from"):
        fuse("regression", lacking, labels=labels("regression", half), join="outer")


def test_on_the_command_line(here: Path, call: Any) -> None:
    for name, (x, ids) in modalities().items():
        pd.DataFrame(x, columns=[f"{name}{j}" for j in range(x.shape[1])]).assign(id=ids).to_csv(
            f"{name}.csv", index=False
        )
    pd.DataFrame({"id": IDS, "label": CLASSES[Y]}).to_csv("classes.csv", index=False)
    pd.DataFrame({"id": IDS, "y": NUMBERS}).to_csv("numbers.csv", index=False)
    inputs = [f"{name}.csv" for name in NAMES]
    done = call("additive", *inputs, "--labels", "classes.csv", "-o", "c.csv", "--dtype", "float64")
    assert done.code == 0, done.err
    found = pd.read_csv("c.csv")
    assert list(found.columns) == ["id", "amber", "red", "rosé", "n_models", "label"]
    expected = fuse("classification")
    np.testing.assert_allclose(found[["amber", "red", "rosé"]], expected.matrix, atol=1e-9)
    how = ("--labels", "numbers.csv", "--task", "regression", "--alpha", 3, "-o", "n.parquet")
    done = call("additive", *inputs, *how, "--dtype", "float64")
    assert done.code == 0, done.err
    found = pd.read_parquet("n.parquet")
    assert list(found.columns) == ["id", "prediction", "n_models"]
    expected = fuse("regression", alpha=3)
    np.testing.assert_allclose(found[["prediction"]], expected.matrix, atol=1e-9)
