"""Rules over votes as published examples, and their own formulas, have them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import rankdata

from mmfuse.core.prediction_rule import PredictionRule
from mmfuse.core.registry import STRATEGIES, strategy_class
from mmfuse.core.votes import Votes, exp_normalized, first_best, likeliest, normalized

Matrix = NDArray[np.float64]
RULES = [n for n in STRATEGIES.modules if issubclass(strategy_class(n), PredictionRule)]

# Kuncheva (2004), Combining Pattern Classifiers, section 5.2: five classifiers, three classes
PROFILE = [[0.1, 0.5, 0.4], [0, 0, 1], [0.4, 0.3, 0.4], [0.2, 0.7, 0.1], [0.1, 0.8, 0.2]]
SUPPORTS = {
    "soft-vote": (0.16, 0.46, 0.42),
    "min-rule": (0, 0, 0.1),
    "max-rule": (0.4, 0.8, 1.0),
    "median-rule": (0.1, 0.5, 0.4),
    "product-rule": (0, 0, 0.0032),
}


def rule(name: str, **options: Any) -> PredictionRule:
    found = strategy_class(name)(**options)
    assert isinstance(found, PredictionRule)
    return found


def votes(p: Any, present: Any = None, weights: Any = None) -> Votes:
    """Of `(M, k, C)`; what is absent is zeros."""
    p = np.array(p, float)
    has = np.ones(p.shape[:2], bool) if present is None else np.asarray(present)
    p[~has] = 0
    return Votes(p, has, np.ones(len(p)) if weights is None else np.asarray(weights, float))


def random(models: int, rows: int, classes: int, seed: int = 0) -> Matrix:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), (models, rows))


@pytest.mark.parametrize("name", SUPPORTS)
def test_the_decision_profile_of_a_textbook(name: str) -> None:
    options = {"eps": 0.0} if name == "product-rule" else {}
    found = rule(name, **options).combine(votes(np.array(PROFILE)[:, None]))
    expected = np.array(SUPPORTS[name])
    np.testing.assert_allclose(found[0] / found.sum(), expected / expected.sum(), atol=1e-12)
    assert likeliest(found)[0] == expected.argmax()


def test_the_majority_of_a_textbook() -> None:
    # by the likeliest of each, of two equal ones the first: 2, 3, 1, 2, 2
    found = rule("hard-vote").combine(votes(np.array(PROFILE)[:, None]))
    np.testing.assert_allclose(found, [[1 / 5, 3 / 5, 1 / 5]])


@pytest.mark.parametrize("name", RULES)
def test_one_model_is_its_own_opinion(name: str) -> None:
    p = random(1, 30, 4)
    found = rule(name).combine(votes(p))
    if name == "hard-vote":
        expected = np.eye(4)[p[0].argmax(axis=1)]
    elif name == "borda-vote":
        expected = (rankdata(p[0], axis=1) - 1) / 6
    else:
        expected = p[0]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("name", RULES)
@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 9999),
    models=st.integers(1, 5),
    classes=st.integers(2, 6),
    sharp=st.sampled_from([0.05, 1.0, 20.0]),
)
def test_what_every_rule_keeps(
    name: str, seed: int, models: int, classes: int, sharp: float
) -> None:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(classes, sharp), (models, 12)) * 0.98 + 0.02 / classes
    has = rng.random((models, 12)) < 0.7
    has[rng.integers(models, size=12), np.arange(12)] = True
    weights = rng.uniform(0.2, 1, models) if rule(name).weighs else np.ones(models)
    found = rule(name).combine(votes(p, has, weights))
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)

    order = rng.permutation(models)  # of the models
    turned = rule(name).combine(votes(p[order], has[order], weights[order]))
    np.testing.assert_allclose(turned, found, atol=1e-12)
    order = rng.permutation(classes)
    turned = rule(name).combine(votes(p[:, :, order], has, weights))
    np.testing.assert_allclose(turned, found[:, order], atol=1e-12)

    for row in range(12):  # an absent model is one that is not there
        own = has[:, row]
        alone = rule(name).combine(votes(p[own, row : row + 1], None, weights[own]))
        np.testing.assert_allclose(found[row], alone[0], atol=1e-12)


@pytest.mark.parametrize("name", [*RULES])
def test_models_that_agree_are_believed(name: str) -> None:
    p = np.tile([[0.5, 0.3, 0.2]], (4, 1))[:, None]
    found = rule(name).combine(votes(p))[0]
    assert found.argmax() == 0
    assert found.tolist() == sorted(found, reverse=True)
    if name in ("soft-vote", "log-pool", "max-rule", "min-rule", "median-rule"):
        np.testing.assert_allclose(found, [0.5, 0.3, 0.2])


@pytest.mark.parametrize("name", ["hard-vote", "borda-vote"])
def test_a_tie_goes_to_the_larger_sum_then_to_the_first(name: str) -> None:
    # two models of two classes, one vote each: the sum decides, then the order
    p = np.array([[[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]], [[0.4, 0.6], [0.1, 0.9], [0.3, 0.7]]])
    found = rule(name).decide(votes(p), np.empty((3, 2)))
    assert found["label"].tolist() == [0, 1, 0]
    turned = rule(name).decide(votes(p[:, :, ::-1]), np.empty((3, 2)))
    assert turned["label"].tolist() == [1, 0, 0]  # 0.3 + 0.7 and 0.7 + 0.3 are equal


def test_a_weighted_majority_beats_the_sum() -> None:
    p = [[[0.51, 0.49]], [[0.0, 1.0]], [[0.0, 1.0]]]
    for weights, label in (([1, 1, 1], 1), ([2.5, 1, 1], 0), ([2, 1, 1], 1)):
        found = rule("hard-vote").decide(votes(p, None, weights), np.empty((1, 2)))
        assert found["label"].tolist() == [label]


def test_borda_counts_are_ranks() -> None:
    p = random(3, 40, 5, seed=4)
    p[0, :10] = [0.3, 0.3, 0.2, 0.1, 0.1]  # equal ones share their points
    weights = np.array([1.0, 3.0, 0.5])
    points = (rankdata(p, method="average", axis=2) - 1) / 10  # of 5 classes 0 + 1 + 2 + 3 + 4
    expected = np.einsum("m,mkc->kc", weights / weights.sum(), points)
    found = rule("borda-vote").combine(votes(p, None, weights))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_rounding_makes_no_winner() -> None:
    scores = np.array([[0.3, 0.1 + 0.2, 0.1], [0.2, 0.2, 0.6]])
    assert scores[0, 1] > scores[0, 0]
    assert first_best(scores).tolist() == [0, 2]
    assert first_best(scores, np.array([[0.1, 0.2, 0.9], [0, 0, 0]])).tolist() == [1, 2]


def test_rows_without_any_support_get_equal_shares() -> None:
    assert normalized(np.zeros((1, 4))).tolist() == [[0.25] * 4]
    assert exp_normalized(np.full((1, 4), -np.inf)).tolist() == [[0.25] * 4]
    p = [[[1.0, 0, 0]], [[0, 1.0, 0]]]
    np.testing.assert_allclose(rule("min-rule").combine(votes(p)), [[1 / 3] * 3])
    np.testing.assert_allclose(rule("log-pool", eps=0.0).combine(votes(p)), [[1 / 3] * 3])


def test_logs_of_any_size() -> None:
    logs = np.array([[-1e4, -1e4 - np.log(3)], [700.0, 700 + np.log(4)]])
    np.testing.assert_allclose(exp_normalized(logs), [[0.75, 0.25], [0.2, 0.8]])
