"""Greedy ensemble selection, against the same thing written out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfuse.ensemble.selection import selected_weights
from mmfuse.errors import InputError

seeds = st.integers(0, 2**32)


def models(seed: int, lacking: float = 0.0, numbers: bool = False):
    rng = np.random.default_rng(seed)
    m, n, classes = 4, 25, 1 if numbers else 3
    y = rng.normal(size=n) if numbers else rng.integers(0, classes, n)
    if numbers:
        p = (y + rng.normal(size=(m, n)) * rng.uniform(0.5, 1.5, (m, 1)))[:, :, None]
    else:
        p = rng.dirichlet(np.ones(classes), size=(m, n))
        p[:, np.arange(n), y] += 0.4
        p /= p.sum(axis=2, keepdims=True)
    present = rng.random((n, m)) >= lacking
    present[~present.any(axis=1), 0] = True
    return p * present.T[:, :, None], present, y


def loss_of(bag, p, present, y) -> float:
    """Of the average over the models in the bag, row by row."""
    total = 0.0
    for i, label in enumerate(y):
        own = [k for k in bag if present[i, k]] or np.flatnonzero(present[i])
        average = np.mean(p[own, i], axis=0)
        numbers = isinstance(label, float)
        total += (average[0] - label) ** 2 if numbers else -np.log(max(average[label], 1e-12))
    return total / len(y)


def written_out(p, present, y, rounds: int):
    bags = [()]
    for _ in range(rounds):
        bags.append(min(((*bags[-1], k) for k in range(len(p))),
                        key=lambda bag: loss_of(bag, p, present, y)))  # fmt: skip
    best = min(bags[1:], key=lambda bag: loss_of(bag, p, present, y))
    counts = Counter(best)
    return [counts[k] / len(best) for k in range(len(p))]


@settings(max_examples=25, deadline=None)
@given(seeds, st.sampled_from([0.0, 0.5]), st.booleans())
def test_as_written_out(seed, lacking, numbers):
    p, present, y = models(seed, lacking, numbers)
    weights = selected_weights(p, present, y, rounds=6)
    np.testing.assert_allclose(weights, written_out(p, present, y, 6))
    assert weights.sum() == pytest.approx(1)


@given(seeds, st.booleans())
def test_rows_have_no_order_and_more_rounds_do_no_harm(seed, numbers):
    p, present, y = models(seed, 0.3, numbers)
    weights = selected_weights(p, present, y, rounds=10)
    order = np.random.default_rng(seed).permutation(len(y))
    again = selected_weights(p[:, order], present[order], y[order], rounds=10)
    np.testing.assert_allclose(again, weights)
    size = next(k for k in range(1, 11) if np.allclose(weights * k, np.rint(weights * k)))
    bag = np.repeat(np.arange(4), np.rint(weights * size).astype(int))
    alone = min(loss_of((k,), p, present, y) for k in range(4))
    assert loss_of(bag, p, present, y) <= alone + 1e-12


@pytest.mark.parametrize("numbers", [False, True])
def test_a_perfect_model_takes_all_and_the_first_of_equals(numbers):
    p, present, y = models(0, numbers=numbers)
    p[1] = p[3] = y[:, None] if numbers else np.eye(3)[y]
    np.testing.assert_array_equal(selected_weights(p, present, y), [0, 1, 0, 0])


def test_a_model_that_no_row_has_is_never_chosen():
    p, present, y = models(1)
    p[0], present[:, 0] = 0, False
    weights = selected_weights(p, present, y)
    others = selected_weights(p[1:], present[:, 1:], y)
    np.testing.assert_array_equal(weights, [0, *others])


def test_rows_without_a_model_are_left_out():
    p, present, y = models(2, 0.3)
    padded = selected_weights(
        np.concatenate([p, np.zeros((4, 2, 3))], axis=1),
        np.concatenate([present, np.zeros((2, 4), bool)]),
        np.append(y, [0, 1]),
    )
    np.testing.assert_array_equal(padded, selected_weights(p, present, y))
    with pytest.raises(InputError, match="no row has both a label and a prediction"):
        selected_weights(p * 0, present & False, y)
