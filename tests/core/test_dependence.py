"""Rows told to belong together, or not, by their features."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfuse.core.condense import Condenser
from mmfuse.core.dependence import (
    REACH,
    Dependence,
    around,
    dependence,
    rv,
    sample,
)  # fmt: skip

N = 400


def compared(x: np.ndarray, y: np.ndarray, seed: int = 0) -> Dependence:
    """Rows as they stand."""
    rows = np.arange(min(len(x), len(y)))
    kept = sample(rows, rows, len(x), len(y))
    a, b = (Condenser.of(side)(side)[around(rows[kept])] for side in (x, y))
    return dependence(a, b, by_position=True, seed=seed)


def views(rng: np.random.Generator, common: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two noisy linear views of common rows, of width 8 and 5."""
    dim = common.shape[1]
    x, y = (common @ rng.normal(size=(dim, d)) + rng.normal(size=(len(common), d)) for d in (8, 5))
    return x, y


def trail(rng: np.random.Generator, dim: int, keep: float) -> np.ndarray:
    """Rows of which each resembles the one before: x[t] = keep x[t-1] + noise."""
    x = rng.normal(size=(N, dim))
    for t in range(1, N):
        x[t] += keep * x[t - 1]
    return x


def test_rv_is_the_formula():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 6))
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    k, m = a @ a.T, b @ b.T
    expected = np.trace(k @ m) / np.sqrt(np.trace(k @ k) * np.trace(m @ m))
    assert rv(x.astype(np.float32), y.astype(np.float32)) == pytest.approx(expected, rel=1e-4)
    turned = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    assert rv(x.astype(np.float32), (3 * x @ turned).astype(np.float32)) == pytest.approx(1)
    assert rv(np.ones((30, 2), np.float32), y.astype(np.float32)) == 0


@pytest.mark.parametrize("keep", [0, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_rows_that_belong_together(keep, seed):
    rng = np.random.default_rng(seed)
    x, y = views(rng, trail(rng, 4, keep))
    assert compared(x, y).verdict == "aligned"
    for k in (1, 3):
        found = compared(x[k:], y[:-k])
        assert (found.verdict, found.shift) == ("shifted", k)
        found = compared(x[:-k], y[k:])
        assert (found.verdict, found.shift) == ("shifted", -k)
    assert compared(x, rng.permutation(y)).verdict in ("unaligned", "unclear")


def test_independent_rows_are_seldom_said_to_belong_together():
    """At a level of 1 %, 60 tests give more than 3 false alarms once in 300 times."""
    rng = np.random.default_rng(0)
    found = Counter(
        compared(rng.normal(size=(N, 8)), rng.normal(size=(N, 5)), seed).verdict
        for seed in range(60)
    )
    assert found["aligned"] <= 3
    assert found["shifted"] == 0
    assert found["unaligned"] >= 50


@pytest.mark.parametrize("keep", [0.5, 0.9, 0.99])
def test_rows_like_their_neighbours_are_no_evidence(keep):
    """Shuffles alone would call most of these aligned."""
    rng = np.random.default_rng(0)
    found = [compared(trail(rng, 8, keep), trail(rng, 5, keep), seed) for seed in range(30)]
    told = Counter(test.verdict for test in found)
    assert told["aligned"] + told["shifted"] <= 3
    assert sum(test.p_shuffle <= 0.05 for test in found) > 15


def test_rows_that_are_all_the_same_say_nothing():
    found = compared(np.ones((N, 3)), np.random.default_rng(0).normal(size=(N, 3)))
    assert (found.verdict, found.rv, found.p_shuffle) == ("unclear", 0, 1)


def test_sorted_by_class_but_shuffled_within():
    rng = np.random.default_rng(0)
    classes = np.repeat(rng.normal(size=(8, 4)) * 3, N // 8, axis=0)
    x, y = views(rng, classes)
    assert compared(x, y).verdict == "unclear"
    x, y = views(rng, classes + rng.normal(size=(N, 4)))
    assert compared(x, y).verdict == "aligned"


@given(st.integers(0, 6000), st.integers(0, 5), st.integers(0, 5))
def test_a_sample_has_neighbours_on_both_sides(rows, late, more):
    own = np.arange(rows)
    theirs = own + late
    kept = sample(own, theirs, rows, rows + late + more)
    assert len(kept) <= 2000
    assert len(np.unique(kept)) == len(kept)
    for taken, total in ((own[kept], rows), (theirs[kept], rows + late + more)):
        near = around(taken)
        assert near.shape == (2 * REACH + 1, len(kept))
        assert ((near >= 0) & (near < total)).all()
        assert (near[REACH] == taken).all()
    if 2 * REACH < rows <= 2000:
        first, last = REACH, min(rows - REACH, rows + more - REACH)
        assert kept.tolist() == list(range(first, last))


def test_the_same_seed_gives_the_same_answer():
    rng = np.random.default_rng(0)
    x, y = views(rng, rng.normal(size=(N, 4)))
    assert compared(x, y, 3) == compared(x, y, 3)
    assert compared(x, y, 3) != compared(x, rng.normal(size=(N, 5)), 3)
