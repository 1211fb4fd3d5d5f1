"""What holds for the models of every estimator."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.linear_model import LogisticRegression

import mmfuse.ensemble.stored as stored
from mmfuse.ensemble.estimator import ESTIMATORS, estimator_of
from mmfuse.ensemble.trained import Trained
from mmfuse.errors import InputError, ModelError, UsageError

NAMES = list(ESTIMATORS.modules)
OF_NUMBERS = [name for name in NAMES if name not in ("lda", "logistic")]
GOING_ON = [name for name in NAMES if estimator_of(name).goes_on]
SMALL = {"boosting": {"max_iter": 20}, "forest": {"n_estimators": "20"}}

each = pytest.mark.parametrize("name", NAMES)


def zscores(x):
    return (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)


def mixed(load, n: int, seed: int = 0):
    x, y = load(return_X_y=True)
    rows = np.random.default_rng(seed).permutation(len(x))[:n]
    return zscores(x)[rows], y[rows]


IRIS = mixed(load_iris, 150)
DIGITS = mixed(load_digits, 700)
DIABETES = mixed(load_diabetes, 442)


def fit(name: str, data, rows: slice, classes: int = 0, seed: int = 0, **options) -> Trained:
    x, y = data
    return Trained.fit(name, x[rows], y[rows], classes, seed, {**SMALL.get(name, {}), **options})


def again(model: Trained) -> Trained:
    return Trained.restored(model.name, model.arrays(), model.dim, model.classes)


def same(one: Trained, other: Trained) -> bool:
    a, b = one.arrays(), other.arrays()
    return a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() for k in a)


@each
@pytest.mark.parametrize(("data", "n", "classes"), [(IRIS, 100, 3), (DIGITS, 500, 10)])
def test_probabilities(name, data, n, classes):
    model = fit(name, data, slice(n), classes)
    p = model.predict(data[0][n:])
    assert p.shape == (len(data[0]) - n, classes)
    assert p.dtype == np.float64
    assert (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert (p.argmax(axis=1) == data[1][n:]).mean() > 0.7
    np.testing.assert_array_equal(again(model).predict(data[0][n:]), p)
    assert same(again(model), model)


@pytest.mark.parametrize("name", OF_NUMBERS)
def test_numbers(name):
    x, y = DIABETES
    model = fit(name, DIABETES, slice(300))
    found = model.predict(x[300:])
    assert found.shape == (142, 1)
    assert ((found[:, 0] - y[300:]) ** 2).mean() < 0.95 * y[300:].var()
    np.testing.assert_array_equal(again(model).predict(x[300:]), found)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(OF_NUMBERS)))
def test_one_for_classes_only_says_so(name):
    with pytest.raises(
        UsageError, match=r"(?s)is for classes only, and these labels are numbers.*ridge"
    ):
        fit(name, DIABETES, slice(300))


@each
def test_a_row_is_predicted_alike_beside_any_others(name):
    x, _ = DIGITS
    model = fit(name, DIGITS, slice(300), 10)
    parts = [model.predict(part) for part in np.split(x, [1, 3, 8, 300, 301, 301, 557])]
    np.testing.assert_array_equal(np.concatenate(parts), model.predict(x))


@each
def test_the_seed_tells_what_is_learned(name):
    assert same(fit(name, DIGITS, slice(200), 10, 7), fit(name, DIGITS, slice(200), 10, 7))


@each
def test_an_absent_class_has_probability_zero(name):
    x, y = IRIS
    model = fit(name, (x, y * 2 + 1), slice(100), 7)
    p = again(model).predict(x)
    assert (p[:, [0, 2, 4, 6]] == 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert (p.argmax(axis=1) == y * 2 + 1).mean() > 0.7


@each
def test_two_classes(name):
    x, y = IRIS
    two = x[y > 0], y[y > 0] - 1
    p = fit(name, two, slice(70), 2).predict(two[0][70:])
    assert (p.argmax(axis=1) == two[1][70:]).mean() > 0.7


@each
def test_one_class_only_is_certain(name):
    x, _ = IRIS
    model = Trained.fit(name, x, np.full(len(x), 2), 4, 0)
    expected = np.tile([0.0, 0, 1, 0], (len(x), 1))
    np.testing.assert_array_equal(model.predict(x), expected)
    np.testing.assert_array_equal(again(model).predict(x), expected)


@each
def test_single_precision_rows_are_taken(name):
    x, y = IRIS
    model = Trained.fit(name, x.astype(np.float32), y, 3, 0, SMALL.get(name))
    assert model.predict(x.astype(np.float32)).dtype == np.float64


@each
def test_what_cannot_be_learned_from_or_applied_to(name):
    x, y = IRIS
    model = fit(name, IRIS, slice(100), 3)
    assert model.predict(x[:0]).shape == (0, 3)
    with pytest.raises(ModelError, match="a model of 4 columns, and rows of 3"):
        model.predict(x[:, :3])
    with pytest.raises(InputError, match="there are NaN or infinite values among the features"):
        model.predict(np.full((1, 4), np.nan))
    with pytest.raises(InputError, match="there are NaN or infinite values among the features"):
        Trained.fit(name, np.full((2, 4), np.inf), y[:2], 3, 0)
    with pytest.raises(InputError, match="there are no rows to learn from"):
        Trained.fit(name, x[:0], y[:0], 3, 0)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(GOING_ON)))
def test_one_that_does_not_go_on_names_those_that_do(name):
    x, y = IRIS
    model = fit(name, IRIS, slice(100), 3)
    with pytest.raises(
        ModelError, match=r"(?s)cannot learn from further rows.*lda, mlp, ridge, sgd"
    ):
        model.went_on(x[100:], y[100:])


@pytest.mark.parametrize("name", GOING_ON)
@pytest.mark.parametrize(("data", "classes"), [(DIGITS, 10), (DIABETES, 0)])
def test_going_on(name, data, classes):
    if name not in OF_NUMBERS and not classes:
        pytest.skip("for classes only")
    (x, y), n = data, 250
    model = fit(name, data, slice(n), classes)
    before = model.predict(x)
    further = model.went_on(x[n:], y[n:])
    np.testing.assert_array_equal(model.predict(x), before)
    assert not np.array_equal(further.predict(x), before)
    assert same(again(model).went_on(x[n:], y[n:]), further)
    assert same(again(further).went_on(x[:n], y[:n]), further.went_on(x[:n], y[:n]))
    assert same(model.went_on(x[:0], y[:0]), model)


@pytest.mark.parametrize(
    ("name", "data", "classes"),
    [("ridge", DIGITS, 10), ("ridge", DIABETES, 0), ("lda", DIGITS, 11)],
)
def test_parts_give_what_all_rows_give(name, data, classes):
    x, y = data
    whole = fit(name, data, slice(None), classes)
    parts = fit(name, data, slice(30), classes).went_on(x[30:200], y[30:200])
    np.testing.assert_allclose(
        parts.went_on(x[200:], y[200:]).predict(x), whole.predict(x), atol=1e-10
    )


@pytest.mark.parametrize("name", GOING_ON)
def test_classes_that_only_come_later(name):
    x, y = IRIS
    for first in (y < 2, y == 0):
        model = Trained.fit(name, x[first], y[first], 3, 0)
        assert model.went_on(x[y == 0], y[y == 0]).predict(x)[:, 2].max() == 0
        if estimator_of(name).keeps == "statistics":
            p = model.went_on(x[~first], y[~first]).predict(x)
            np.testing.assert_allclose(p, fit(name, IRIS, slice(None), 3).predict(x), atol=1e-10)
        else:
            told = r"(?s)first learned without a row of class number [12],.*lda and ridge"
            with pytest.raises(ModelError, match=told):
                model.went_on(x[~first], y[~first])


def test_logistic_is_scikit_learns():
    for (x, y), classes in ((IRIS, 3), ((IRIS[0], (IRIS[1] > 1).astype(int)), 2)):
        peer = LogisticRegression(max_iter=1000).fit(x, y).predict_proba(x)
        found = Trained.fit("logistic", x, y, classes, 0).predict(x)
        np.testing.assert_allclose(found, peer, atol=1e-12)


def test_lda_is_scikit_learns():
    x, y = IRIS
    lda = estimator_of("lda").with_options({"shrinkage": 0.3})
    peer = lda.unfitted(3, 0).fit(x[:100], y[:100]).predict_proba(x)
    found = fit("lda", IRIS, slice(100), 3, shrinkage=0.3).predict(x)
    np.testing.assert_allclose(found, peer, atol=1e-9)


def test_ridge_of_classes_is_scikit_learns_of_one_hot_numbers():
    x, y = IRIS
    ridge = estimator_of("ridge").with_options({"alpha": 3})
    scores = ridge.unfitted(3, 0).fit(x[:100], np.eye(3)[y[:100]]).predict(x)
    clipped = np.maximum(scores, 0)
    found = fit("ridge", IRIS, slice(100), 3, alpha=3).predict(x)
    np.testing.assert_allclose(found, clipped / clipped.sum(axis=1, keepdims=True), atol=1e-9)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"lda", "logistic", "ridge"}))
def test_an_object_predicts_as_scikit_learns(name):
    x, y = DIGITS
    estimator = estimator_of(name).with_options(SMALL.get(name, {}))
    peer = estimator.unfitted(10, 0).fit(x[:300], y[:300])
    found = fit(name, DIGITS, slice(300), 10).predict(x)
    np.testing.assert_allclose(found, peer.predict_proba(x), atol=1e-9)


def test_what_scikit_learn_warns_of_is_told():
    assert "converge" in fit("mlp", IRIS, slice(100), 3, max_iter="2").told[0]
    assert fit("lda", IRIS, slice(100), 3).told == ()
    (told,) = fit("mlp", IRIS, slice(50), 3, batch_size=60, solver="adam", max_iter=2000).told
    assert told.startswith("scikit-learn warns of mlp: Got `batch_size` less than 1 or larger than")


@each
def test_an_unknown_option_lists_those_there_are(name):
    with pytest.raises(
        UsageError, match=rf"(?s)the estimator {name} has no option 'depth_of'.*there are "
    ):
        estimator_of(name).with_options({"depth_of": 3})
    with pytest.raises(UsageError):
        estimator_of(name).with_options({"random_state": 3})


def test_options_are_read_as_json_or_text():
    forest = estimator_of("forest").with_options(
        {"n_estimators": "50", "max_features": "sqrt", "bootstrap": "false", "max_depth": "null"}
    )
    assert forest.options == {
        "n_estimators": 50,
        "max_features": "sqrt",
        "bootstrap": False,
        "max_depth": None,
    }
    made = forest.with_options({"min_samples_leaf": 2}).unfitted(3, 5)
    assert (made.n_estimators, made.min_samples_leaf, made.random_state) == (50, 2, 5)
    layers = estimator_of("mlp").with_options({"hidden_layer_sizes": "[20, 10]"})
    assert layers.unfitted(3, 0).hidden_layer_sizes == [20, 10]


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("forest", {"n_estimators": "many"}, "n_estimators"),
        ("ridge", {"alpha": "-1"}, "from 0 on"),
        ("ridge", {"alpha": "true"}, "from 0 on"),
        ("lda", {"shrinkage": "2"}, "from 0 to 1"),
        ("sgd", {"loss": "hinge"}, "with these options the estimator sgd gives no prob"),
        ("knn", {"metric": "precomputed"}, "knn cannot learn"),
        ("knn", {"metric": "canberra"}, "no model of the estimator knn with these options can be"),
        ("knn", {"n_neighbors": "101"}, "n_neighbors"),
        ("logistic", {"solver": "liblinear"}, "liblinear"),
        (
            "boosting",
            {"quantile": 0.5},
            "the estimator boosting has no option 'quantile' for classes",
        ),
    ],
)
def test_options_that_cannot_be(name, options, told):
    with pytest.raises(UsageError, match=told):
        Trained.fit(name, IRIS[0][:100], IRIS[1][:100], 3, 0, options)


@pytest.mark.parametrize(
    ("name", "classes", "options"),
    [
        ("boosting", 0, {"loss": "poisson"}),
        ("boosting", 0, {"loss": "absolute_error", "max_features": "0.5"}),
        ("boosting", 0, {"loss": "quantile", "quantile": 0.5}),
        ("boosting", 3, {"early_stopping": "true"}),
        ("forest", 3, {"n_jobs": "2", "class_weight": "balanced", "max_samples": "0.5"}),
        ("forest", 0, {"criterion": "absolute_error"}),
        ("knn", 3, {"metric": "cosine", "weights": "distance"}),
        ("knn", 0, {"p": "1"}),
        ("mlp", 3, {"solver": "lbfgs", "activation": "tanh"}),
        ("mlp", 3, {"solver": "sgd", "hidden_layer_sizes": "[8, 8]"}),
        ("sgd", 3, {"penalty": "elasticnet", "class_weight": "balanced"}),
        ("sgd", 3, {"loss": "modified_huber"}),
        ("lda", 3, {"shrinkage": "0.1"}),
    ],
)
def test_options_that_can_be(name, classes, options):
    data = IRIS if classes else DIABETES
    model = fit(name, data, slice(90), classes, **options)
    np.testing.assert_array_equal(again(model).predict(data[0]), model.predict(data[0]))


def test_an_unknown_estimator_names_the_nearest():
    with pytest.raises(UsageError, match=r"(?s)no estimator 'forrest'.*forest"):
        Trained.fit("forrest", *IRIS, 3, 0)


@each
def test_its_manual_says_what_it_is_and_its_source(name):
    text = ESTIMATORS.summary(name)
    assert "scikit-learn's" in text
    assert re.search(r"\((19|20)\d\d\)", (estimator_of(name).__doc__ or "").split("\n\n")[-1])
    assert ESTIMATORS.attribute(name, "normalize") in ("none", "zscore")


@pytest.mark.parametrize("name", ["logistic", "ridge", "lda"])
@pytest.mark.parametrize("array", ["coef", "mean", "intercept", "gathered.counts", "penalty"])
def test_linear_models_are_read_without_trust(name, array):
    arrays = fit(name, IRIS, slice(100), 3).arrays()
    if array not in arrays:
        pytest.skip("it has none")
    good = arrays[array]
    copies = [{k: v for k, v in arrays.items() if k != array}]
    bad = [good.astype(np.float32), good[..., None], np.full_like(good, np.nan)]
    bad += [] if array == "intercept" else [good - np.inf]
    copies += [{**arrays, array: one} for one in bad] + [{**arrays, "more": good}]
    for copy in copies:
        with pytest.raises(ModelError):
            Trained.restored(name, copy, 4, 3)


def test_linear_models_predict_with_numpy_alone(tmp_path):
    arrays = fit("lda", IRIS, slice(100), 3).arrays()
    np.savez(tmp_path / "m.npz", **arrays)
    code = (
        "import sys, numpy as np\n"
        "from mmfuse.ensemble.trained import Trained\n"
        f"arrays = dict(np.load({str(tmp_path / 'm.npz')!r}))\n"
        "model = Trained.restored('lda', arrays, 4, 3)\n"
        "model.predict(np.zeros((2, 4)))\n"
        "assert not {'sklearn', 'skops', 'scipy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_its_libraries_an_object_says_what_to_install(monkeypatch):
    arrays = fit("knn", IRIS, slice(100), 3).arrays()
    for missing in ("skops", "sklearn"):
        monkeypatch.setattr(
            stored.importlib.util, "find_spec", lambda name, m=missing: None if name == m else True
        )
        with pytest.raises(UsageError) as told:
            Trained.restored("knn", arrays, 4, 3)
        assert told.value.hint == "pip install 'mmfuse[learn]'"
