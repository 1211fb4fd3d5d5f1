"""Rules over predictions of classes, through the public functions, beside other libraries."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import softmax
from scipy.stats import gmean
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

import mmfuse
from mmfuse.errors import InputError, UsageError

Matrix = NDArray[np.float64]
CLASSES = ["ant", "bee", "cow", "dog"]
RULES = [
    "soft-vote", "log-pool", "product-rule", "max-rule", "min-rule", "median-rule", "hard-vote",
    "borda-vote", "dempster-shafer",
]  # fmt: skip
WEIGHING = ["soft-vote", "log-pool", "hard-vote", "borda-vote"]


def table(p: Any, classes: Any = None, ids: Any = None) -> pd.DataFrame:
    """A model's probabilities, a column a class."""
    p = np.asarray(p, float)
    classes = CLASSES[: p.shape[1]] if classes is None else classes
    return pd.DataFrame(p, columns=classes).assign(id=range(len(p)) if ids is None else ids)


def random(models: int = 3, rows: int = 50, classes: int = 4, seed: int = 0) -> list[Matrix]:
    rng = np.random.default_rng(seed)
    return [rng.dirichlet(np.ones(classes), rows) for _ in range(models)]


def fuse(name: str, /, *tables: Any, **more: Any) -> mmfuse.Fused:
    """Models m0, m1, …, in float64; what is no keyword of `fuse` is an option of the rule."""
    known = ("weight", "join", "input_format", "ids", "column", "by", "sort_ids", "nan", "dtype")
    how = {"dtype": "float64", **{k: more.pop(k) for k in known if k in more}}
    models = {f"m{k}": x for k, x in enumerate(tables)}
    return mmfuse.fuse(name, models, options=more, threads=1, **how)


def matrix(*given: Any, **more: Any) -> Matrix:
    found = fuse(*given, **more).matrix
    assert found is not None
    return found


# --- as scikit-learn votes --------------------------------------------------------------------


def fitted(data: Any, voting: str, weights: Any) -> tuple[VotingClassifier, Matrix]:
    """Three classifiers that vote, fitted on every other row, and the other rows."""
    x, y = data(return_X_y=True)
    named = [
        ("tree", DecisionTreeClassifier(max_depth=4, random_state=0)),
        ("bayes", GaussianNB(var_smoothing=1e-2)),
        ("near", KNeighborsClassifier(7)),
    ]
    return VotingClassifier(named, voting=voting, weights=weights).fit(x[::2], y[::2]), x[1::2]


def tables(voting: VotingClassifier, x: Matrix) -> list[pd.DataFrame]:
    return [table(one.predict_proba(x), map(str, voting.classes_)) for one in voting.estimators_]


@pytest.mark.parametrize("data", [load_iris, load_digits])
@pytest.mark.parametrize("weights", [None, [1, 2.5, 0.5]])
def test_soft_vote_is_that_of_scikit_learn(data: Any, weights: Any) -> None:
    voting, x = fitted(data, "soft", weights)
    given = None if weights is None else {f"m{k}": w for k, w in enumerate(weights)}
    fused = fuse("soft-vote", *tables(voting, x), weight=given)
    assert fused.columns == tuple(map(str, voting.classes_))
    np.testing.assert_allclose(fused.matrix, voting.predict_proba(x), atol=1e-12)
    assert fused.labels is not None
    assert fused.labels.tolist() == [str(label) for label in voting.predict(x)]


@pytest.mark.parametrize("data", [load_iris, load_digits])
@pytest.mark.parametrize("weights", [[1, 1, 1], [1, 2.5, 0.7]])
def test_hard_vote_is_that_of_scikit_learn(data: Any, weights: Any) -> None:
    voting, x = fitted(data, "hard", weights)
    models = tables(voting, x)
    fused = fuse("hard-vote", *models, weight={f"m{k}": w for k, w in enumerate(weights)})
    shares = np.zeros((len(x), len(voting.classes_)))
    for weight, votes in zip(weights, voting.transform(x).T, strict=True):
        shares[np.arange(len(x)), votes] += weight / sum(weights)
    np.testing.assert_allclose(fused.matrix, shares, atol=1e-12)
    best = np.isclose(shares, shares.max(axis=1, keepdims=True))
    ties = best.sum(axis=1) > 1  # scikit-learn takes the first, and the larger sum wins here
    assert (~ties).any()
    assert fused.labels is not None
    predicted = np.array([str(label) for label in voting.predict(x)], object)
    assert fused.labels[~ties].tolist() == predicted[~ties].tolist()
    p = sum(w * m.drop(columns="id").to_numpy() for w, m in zip(weights, models, strict=True))
    likeliest = np.where(best, p, -1).argmax(axis=1)
    assert fused.labels[ties].tolist() == [str(voting.classes_[k]) for k in likeliest[ties]]


def test_there_are_ties_to_break() -> None:
    voting, x = fitted(load_digits, "hard", [1, 1, 1])
    shares = fuse("hard-vote", *tables(voting, x)).matrix
    assert shares is not None
    assert np.isclose(shares.max(axis=1), 1 / 3).any()


# --- by their formulas ------------------------------------------------------------------------


def test_the_log_pool_is_a_geometric_mean() -> None:
    p, weights = random(), [1.0, 3.0, 0.25]
    weight = {f"m{k}": w for k, w in enumerate(weights)}
    expected = gmean(p, axis=0, weights=np.array(weights)[:, None, None] * np.ones((3, 50, 4)))
    expected /= expected.sum(axis=1, keepdims=True)
    found = matrix("log-pool", *map(table, p), weight=weight)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_without_the_clip_a_zero_vetoes() -> None:
    sure, other = table([[0.0, 1.0]]), table([[1.0, 0.0]])
    mild = table([[0.6, 0.4]])
    np.testing.assert_allclose(matrix("log-pool", sure, mild, eps=0), [[0, 1]])
    np.testing.assert_allclose(matrix("log-pool", sure, other, eps=0), [[0.5, 0.5]])
    for eps in (1e-12, 1e-3):
        a, b = (math.sqrt(eps * 0.6), math.sqrt(0.4))
        found = matrix("log-pool", sure, mild, eps=eps)
        np.testing.assert_allclose(found, [[a / (a + b), b / (a + b)]], rtol=1e-9)


@pytest.mark.parametrize("rule", ["log-pool", "product-rule"])
def test_an_absent_model_vetoes_nothing(rule: str) -> None:
    p = random(1, 4)[0]
    found = matrix(rule, table(p), table(p[:1], ids=[0]), eps=0, join="outer")
    np.testing.assert_allclose(found[1:], p[1:], rtol=1e-12)


@pytest.mark.parametrize("models", [1, 2, 4])
def test_the_product_rule_is_kittler_s(models: int) -> None:
    p, priors = random(models), np.array([0.1, 0.2, 0.3, 0.4])
    text = ",".join(f"{name}={10 * prior}" for name, prior in zip(CLASSES, priors, strict=True))
    expected = priors ** (1 - models) * np.prod(p, axis=0)
    found = matrix("product-rule", *map(table, p), priors=text)
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), rtol=1e-9)
    plain = np.prod(p, axis=0)
    plain /= plain.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(matrix("product-rule", *map(table, p)), plain, rtol=1e-9)


def test_priors_count_once_less_than_the_models_that_a_row_has() -> None:
    p, priors = random(3, 4), np.array([0.1, 0.2, 0.3, 0.4])
    given = [table(p[0]), table(p[1][:2], ids=[0, 1]), table(p[2][:1], ids=[0])]
    text = ",".join(f"{name}={prior}" for name, prior in zip(CLASSES, priors, strict=True))
    found = matrix("product-rule", *given, priors=text, join="outer")
    for row, models in enumerate((3, 2, 1, 1)):
        expected = priors ** (1.0 - models) * np.prod([one[row] for one in p[:models]], axis=0)
        np.testing.assert_allclose(found[row], expected / expected.sum(), rtol=1e-9)


@pytest.mark.parametrize(
    "priors",
    ["ant=1", "ant=1,bee=1,cow=1", "ant=1,bee=1,cow=1,dog=0", "ant=1,bee=1,cow=1,dog=x",
     "ant=1,bee=1,cow=1,dog=1,elk=1", "ant=1,bee=1,cow=1,dog=inf", "ant,bee,cow,dog"],
)  # fmt: skip
def test_priors_of_other_classes_are_refused(priors: str) -> None:
    with pytest.raises(UsageError, match="it names every class with a number above zero"):
        fuse("product-rule", *map(table, random()), priors=priors)


OPERATIONS: dict[str, Any] = {"max-rule": np.max, "min-rule": np.min, "median-rule": np.median}


@pytest.mark.parametrize("rule", OPERATIONS)
@pytest.mark.parametrize("models", [2, 3, 4])
def test_order_statistics(rule: str, models: int) -> None:
    p = random(models)
    expected = OPERATIONS[rule](p, axis=0)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(matrix(rule, *map(table, p)), expected, atol=1e-12)


# --- Dempster and Shafer ----------------------------------------------------------------------


def beside(tmp_path: Any, rule: str, *tables: Any, **more: Any) -> pd.DataFrame:
    """What is written of a fusion, by id."""
    out = tmp_path / "beside.parquet"
    modalities = {f"m{k}": x for k, x in enumerate(tables)}
    mmfuse.fuse(rule, modalities, out, dtype="float64", **more)
    return pd.read_parquet(out).set_index("id")


def test_zadeh_s_paradox(tmp_path: Any) -> None:
    experts = table([[0.99, 0.01, 0.0]]), table([[0.0, 0.01, 0.99]])
    row = beside(tmp_path, "dempster-shafer", *experts).iloc[0]
    assert row[["ant", "bee", "cow"]].tolist() == pytest.approx([0, 1, 0], abs=1e-12)
    assert row["conflict"] == pytest.approx(0.9999, abs=1e-12)
    assert row["unknown"] == pytest.approx(0, abs=1e-12)
    assert row["label"] == "bee"
    row = beside(tmp_path, "dempster-shafer", *experts, options={"rule": "yager"}).iloc[0]
    assert row["conflict"] == pytest.approx(0.9999, abs=1e-12)
    assert row["unknown"] == pytest.approx(0.9999, abs=1e-12)
    assert row["bee"] == pytest.approx(0.0001 + 0.9999 / 3, abs=1e-12)
    assert row["ant"] == row["cow"] == pytest.approx(0.9999 / 3, abs=1e-12)


def test_discounted_beliefs_by_hand(tmp_path: Any) -> None:
    # reliable to 0.8 and 0.5: masses 0.48, 0.32 and 0.2 unknown; 0.15, 0.35 and 0.5 unknown
    models = table([[0.6, 0.4]]), table([[0.3, 0.7]])
    weight = {"m0": 0.8, "m1": 0.5}
    a = 0.48 * 0.15 + 0.48 * 0.5 + 0.2 * 0.15
    b = 0.32 * 0.35 + 0.32 * 0.5 + 0.2 * 0.35
    frame, conflict = 0.2 * 0.5, 0.48 * 0.35 + 0.32 * 0.15
    assert a + b + frame + conflict == pytest.approx(1)
    row = beside(tmp_path, "dempster-shafer", *models, weight=weight).iloc[0]
    assert row["conflict"] == pytest.approx(conflict)
    assert row["unknown"] == pytest.approx(frame / (1 - conflict))
    assert row["ant"] == pytest.approx((a + frame / 2) / (1 - conflict))
    assert row["bee"] == pytest.approx((b + frame / 2) / (1 - conflict))
    yager = {"rule": "yager"}
    row = beside(tmp_path, "dempster-shafer", *models, weight=weight, options=yager).iloc[0]
    assert row["unknown"] == pytest.approx(frame + conflict)
    assert row["ant"] == pytest.approx(a + (frame + conflict) / 2)


def subsets(models: list[Matrix], alphas: list[float], row: int) -> dict[frozenset[int], float]:
    """Dempster's conjunction over sets of classes, set by set; the empty set is the conflict."""
    frame = frozenset(range(models[0].shape[1]))
    total = {frame: 1.0}
    for p, alpha in zip(models, alphas, strict=True):
        own = {frozenset([c]): alpha * p[row, c] for c in frame}
        own[frame] = 1 - alpha
        product: dict[frozenset[int], float] = {}
        for one, m in total.items():
            for other, n in own.items():
                product[one & other] = product.get(one & other, 0.0) + m * n
        total = product
    return total


def test_dempster_s_rule_over_sets(tmp_path: Any) -> None:
    p, alphas = random(3, 20), [0.9, 0.6, 0.75]
    weight = {f"m{k}": alpha for k, alpha in enumerate(alphas)}
    found = beside(tmp_path, "dempster-shafer", *map(table, p), weight=weight)
    for row in range(20):
        masses = subsets(p, alphas, row)
        conflict, frame = masses[frozenset()], masses[frozenset(range(4))]
        assert found["conflict"][row] == pytest.approx(conflict, abs=1e-12)
        assert found["unknown"][row] == pytest.approx(frame / (1 - conflict), abs=1e-12)
        for c, name in enumerate(CLASSES):
            expected = (masses[frozenset([c])] + frame / 4) / (1 - conflict)
            assert found[name][row] == pytest.approx(expected, abs=1e-12)


def test_models_that_exclude_each_other(tmp_path: Any) -> None:
    ids = [f"r{k}" for k in range(5)]
    one = table([[1.0, 0], [0.5, 0.5], [1.0, 0], [0.5, 0.5], [0, 1.0]], ids=ids)
    other = table([[1.0, 0], [0.5, 0.5], [0, 1.0], [0.5, 0.5], [1.0, 0]], ids=ids)
    with pytest.raises(InputError) as caught:
        fuse("dempster-shafer", one, other)
    assert caught.value.exit_code == 3
    assert "their conflict is 1" in caught.value.message
    assert "the first ids: 'r2', 'r4'" in caught.value.message
    assert "--rule yager" in str(caught.value.hint)
    found = matrix("dempster-shafer", one, other, rule="yager")
    np.testing.assert_allclose(found[[2, 4]], 0.5)
    np.testing.assert_allclose(found[[0, 1]], [[1, 0], [0.5, 0.5]])
    np.testing.assert_allclose(
        matrix("dempster-shafer", one, other, weight=0.99)[2], [0.5, 0.5], atol=1e-12
    )


@pytest.mark.parametrize("bad", [0, 1023, 1024, 2900, 4999])
def test_the_rows_that_are_named_are_those_of_the_output(bad: int) -> None:
    p = np.tile([[0.4, 0.6]], (5000, 1))
    q = p.copy()
    p[bad], q[bad] = [1, 0], [0, 1]
    with pytest.raises(InputError, match=f"the first ids: '{bad}'\n"):
        fuse("dempster-shafer", table(p), table(q))
    q[bad] = [1, 1]
    with pytest.raises(InputError, match=f"rows that sum to 2; the first ids: '{bad}'\n"):
        fuse("dempster-shafer", table(p), table(q))


def test_reliability_is_at_most_one() -> None:
    with pytest.raises(UsageError, match=r"m1 is 1\.5; here it says how reliable a model is"):
        fuse("dempster-shafer", *map(table, random(2)), weight={"m1": 1.5})


# --- weights, and rows that lack a model ------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("weight", [0, -1, -0.5])
def test_weights_are_above_zero(rule: str, weight: float) -> None:
    with pytest.raises(UsageError, match=f"the weight of m1 is {weight:g}; it must"):
        fuse(rule, *map(table, random()), weight={"m1": weight})


@pytest.mark.parametrize("rule", [*OPERATIONS, "product-rule"])
def test_rules_without_weights_refuse_them(rule: str) -> None:
    with pytest.raises(UsageError, match="this rule takes no weights"):
        fuse(rule, *map(table, random()), weight={"m1": 2})
    matrix(rule, *map(table, random()), weight=1)


def opinion(rule: str, p: list[float]) -> list[float]:
    """What one model adds to the pool, class by class."""
    if rule == "soft-vote":
        return p
    if rule == "log-pool":
        return [math.log(one) for one in p]
    if rule == "hard-vote":
        return [float(k == p.index(max(p))) for k in range(len(p))]
    points = [sum(o < one for o in p) + (p.count(one) - 1) / 2 for one in p]
    return [one / sum(points) for one in points]


def pooled(rule: str, models: dict[str, list[float]], weights: dict[str, float]) -> list[float]:
    """The rule over the models that a row has, in plain Python."""
    total = sum(weights[name] for name in models)
    classes = range(len(next(iter(models.values()))))
    own = {name: opinion(rule, p) for name, p in models.items()}
    found = [sum(weights[m] / total * own[m][c] for m in models) for c in classes]
    if rule == "log-pool":
        found = [math.exp(one) for one in found]
        found = [one / sum(found) for one in found]
    return found


@pytest.mark.parametrize("rule", WEIGHING)
@settings(deadline=None, max_examples=25)
@given(
    has=st.lists(st.sets(st.sampled_from("xyz"), min_size=1), min_size=3, max_size=20),
    weights=st.tuples(*[st.floats(0.01, 100)] * 3),
    seed=st.integers(0, 999),
)
def test_weights_are_those_of_the_models_that_a_row_has(
    rule: str, has: list[set[str]], weights: tuple[float, ...], seed: int
) -> None:
    has = [set("xyz"), *has]
    rng = np.random.default_rng(seed)
    p = {name: rng.dirichlet(np.ones(4), len(has)) for name in "xyz"}
    models = {}
    for name in "xyz":
        rows = rng.permutation([row for row, own in enumerate(has) if name in own])
        models[name] = table(p[name][rows], ids=rows)
    weight = dict(zip("xyz", weights, strict=True))
    fused = mmfuse.fuse(rule, models, weight=weight, join="outer", dtype="float64", threads=1)
    assert fused.matrix is not None
    assert fused.models is not None
    assert sorted(fused.ids.tolist()) == list(range(len(has)))
    for row, found, n in zip(fused.ids.tolist(), fused.matrix, fused.models, strict=True):
        own = {name: p[name][row].tolist() for name in sorted(has[row])}
        np.testing.assert_allclose(found, pooled(rule, own, weight), atol=1e-9)
        assert n == len(own)


# --- classes by name --------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES)
def test_the_order_of_columns_and_rows_and_models_is_nothing(rule: str) -> None:
    p = random()
    plain = fuse(rule, *map(table, p))
    rng = np.random.default_rng(1)
    turned = [table(p[0])]
    for one in p[1:]:
        shuffled = table(one).sample(frac=1, random_state=3)
        turned.append(shuffled[rng.permutation(shuffled.columns)])
    other = fuse(rule, *turned)
    assert other.columns == plain.columns == tuple(CLASSES)
    assert other.matrix is not None
    assert plain.matrix is not None
    assert other.matrix.tobytes() == plain.matrix.tobytes()
    assert other.labels is not None
    assert other.labels.tolist() == plain.labels.tolist()  # type: ignore[union-attr]
    first = fuse(rule, *reversed(turned), sort_ids=True)
    assert first.matrix is not None
    order = [first.columns.index(name) for name in CLASSES]
    np.testing.assert_allclose(first.matrix[:, order], plain.matrix, atol=1e-12)
    assert first.labels is not None
    assert first.labels.tolist() == plain.labels.tolist()  # type: ignore[union-attr]


def test_a_class_that_a_model_lacks_has_no_probability_there() -> None:
    p, q = random(2, 30, 3)
    fused = fuse("soft-vote", table(p), table(q, ["cow", "dog", "ant"]))
    assert fused.columns == ("ant", "bee", "cow", "dog")
    expected = np.zeros((30, 4))
    expected[:, [0, 1, 2]] += p / 2
    expected[:, [2, 3, 0]] += q / 2
    np.testing.assert_allclose(fused.matrix, expected, atol=1e-12)
    assert "m0 does not know 'dog': their probability there is 0" in fused.summary.notes
    assert "m1 does not know 'bee': their probability there is 0" in fused.summary.notes
    complete = fuse("soft-vote", table(p), table(q, ["cow", "bee", "ant"]))
    assert not any("does not know" in note for note in complete.summary.notes)


@pytest.mark.parametrize("rule", RULES)
def test_models_without_a_class_in_common_are_refused(rule: str) -> None:
    p, q = random(2, 30, 3)
    with pytest.raises(UsageError) as caught:
        fuse(rule, table(p), table(q, ["0", "1", "2"]))
    assert caught.value.message == (
        "m0 has no class in common with the others: it has 'ant', 'bee', 'cow', m1 '0', '1', '2'"
    )
    with pytest.raises(UsageError, match="m2 has no class in common"):
        fuse(rule, table(p), table(q), table(q, ["0", "1", "2"]))


def test_a_class_named_as_what_stands_beside_is_refused() -> None:
    p, q = random(2, 30, 3)
    names = ["ant", "n_models", "cow"]
    with pytest.raises(UsageError, match="two output columns would be named 'n_models'"):
        fuse("soft-vote", *(table(x, names) for x in (p, q)), column=names)


# --- what is no probability -------------------------------------------------------------------


LOGITS = np.random.default_rng(5).normal(0, 4, (30, 4))
COUNTS = np.random.default_rng(6).integers(1, 9, (30, 4)).astype(float)


@pytest.mark.parametrize(
    ("wrong", "told", "hint"),
    [
        (LOGITS, "values from", "--from m1=logits takes them for logits, and their softmax"),
        (-np.abs(LOGITS), "values from", "--from m1=logits takes them for logits"),
        (COUNTS, "rows that sum to", "--from m1=scores divides every row by its sum"),
        (np.full((30, 4), 0.5), "rows that sum to 2", "--from m1=scores divides"),
        (np.tile([1.5, -0.5, 0, 0], (30, 1)), "values from -0.5 to 1.5", "--from m1=logits takes"),
        (np.zeros((30, 4)), "rows of zeros alone", "leave such rows out"),
        (100 * np.full((30, 4), 0.25), "rows that sum to 100", "--from m1=scores divides"),
    ],
)
@pytest.mark.parametrize("rule", ["soft-vote", "min-rule", "dempster-shafer"])
def test_what_is_no_probability_is_refused(rule: str, wrong: Matrix, told: str, hint: str) -> None:
    right = random(1, 30)[0]
    ids = [f"r{k}" for k in range(30)]
    some = np.where(np.arange(30)[:, None] % 7 == 3, wrong, right)
    with pytest.raises(InputError) as caught:
        fuse(rule, table(right, ids=ids), table(some, ids=ids))
    assert caught.value.exit_code == 3
    assert caught.value.message.startswith(f"these are no probabilities: {told}")
    assert caught.value.message.endswith("; the first ids: 'r3', 'r10', 'r17'")
    assert str(caught.value.where).startswith("m1")
    assert str(caught.value.hint).startswith(hint)


def test_a_column_that_was_left_out_is_told_where_probabilities_do_not_sum_to_one() -> None:
    p, q = random(2, 30, 3)
    with pytest.raises(InputError, match=r"rows that sum to 0\..* \(left out: 'y'\)"):
        fuse("soft-vote", table(p, ["n", "y", "m"]), table(q, ["n", "y", "m"]))
    named = fuse("soft-vote", *(table(x, ["n", "y", "m"]) for x in (p, q)), column=["n", "y", "m"])
    np.testing.assert_allclose(named.matrix, (p + q) / 2)


def test_probabilities_of_few_digits_are_such() -> None:
    rough = np.round(random(1, 30)[0], 3)
    assert (rough.sum(axis=1) != 1).any()
    np.testing.assert_allclose(matrix("soft-vote", table(rough)), rough, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_logits_and_scores_become_probabilities(rule: str) -> None:
    p = random(1, 30)[0]
    wanted = matrix(rule, table(p), table(softmax(LOGITS, axis=1)))
    found = matrix(rule, table(p), table(LOGITS), input_format={"m1": "logits"})
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    shares = COUNTS / COUNTS.sum(axis=1, keepdims=True)
    wanted = matrix(rule, table(p), table(shares))
    found = matrix(rule, table(p), table(COUNTS), input_format={"m1": "scores"})
    np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("negative", [LOGITS, -COUNTS])
def test_scores_are_not_negative(negative: Matrix) -> None:
    with pytest.raises(InputError, match="these are no probabilities: values from -"):
        fuse("soft-vote", table(negative), input_format="scores")


def test_all_of_them_may_be_logits() -> None:
    found = matrix("soft-vote", table(LOGITS), table(LOGITS / 2), input_format="logits")
    expected = (softmax(LOGITS, axis=1) + softmax(LOGITS / 2, axis=1)) / 2
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_what_predictions_are_is_for_rules_over_them(here: Any) -> None:
    table(LOGITS).to_csv("m0.csv", index=False)
    with pytest.raises(UsageError, match="logits"):
        fuse("concat", "m0.csv", input_format={"m0": "logits"})


@pytest.mark.parametrize("nan", ["error", "drop", "keep"])
def test_a_prediction_that_is_not_finite(nan: Any) -> None:
    p, q = random(2, 30)
    p[4, 1] = np.nan
    if nan == "error":
        with pytest.raises(InputError, match="1 value is NaN or infinite; the first ids: '4'"):
            fuse("soft-vote", table(p), table(q))
        return
    if nan == "keep":
        with pytest.raises(UsageError, match="would fuse predictions that are none"):
            fuse("soft-vote", table(p), table(q), nan=nan)
        return
    fused = fuse("soft-vote", table(p), table(q), nan=nan)
    assert fused.matrix is not None
    kept = np.delete(np.arange(30), 4)
    assert list(map(int, fused.ids)) == kept.tolist()
    np.testing.assert_allclose(fused.matrix, ((p + q) / 2)[kept], atol=1e-12)
