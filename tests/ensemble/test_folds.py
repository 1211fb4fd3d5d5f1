"""Folds: the same for the same rows, groups together, strata spread evenly."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfuse.ensemble.folds import folds_of
from mmfuse.errors import UsageError

names = st.text(max_size=3)
rows = st.lists(st.tuples(names, st.integers(-1, 4)), min_size=6, max_size=80)
seeds = st.integers(-(2**40), 2**40)


def ids(n: int) -> list[str]:
    return [f"row {k}" for k in range(n)]


@given(rows, seeds, st.randoms(use_true_random=False))
def test_the_order_of_rows_is_nothing_to_folds(rows, seed, random):
    groups, strata = zip(*rows, strict=True)
    if len(set(groups)) < 2:
        return
    order = list(range(len(rows)))
    random.shuffle(order)
    folds = folds_of(groups, np.array(strata), 2, seed)
    mixed = folds_of([groups[k] for k in order], np.array(strata)[order], 2, seed)
    np.testing.assert_array_equal(folds[order], mixed)


@given(rows, seeds, st.integers(2, 5))
def test_a_group_is_never_cut_and_no_fold_is_empty(rows, seed, count):
    groups, strata = zip(*rows, strict=True)
    if len(set(groups)) < count:
        return
    folds = folds_of(groups, np.array(strata), count, seed)
    assert folds.dtype == np.int64
    assert len(set(zip(groups, folds.tolist(), strict=True))) == len(set(groups))
    assert set(folds) == set(range(count))


@given(st.lists(st.integers(0, 4), min_size=10, max_size=80), seeds, st.integers(2, 10))
def test_every_stratum_is_spread_evenly(strata, seed, count):
    strata = np.array(strata)
    folds = folds_of(ids(len(strata)), strata, count, seed)
    for stratum in np.unique(strata):
        assert np.ptp(np.bincount(folds[strata == stratum], minlength=count)) <= 1
    alike = folds_of(ids(len(strata)), None, count, seed)
    assert np.ptp(np.bincount(alike, minlength=count)) <= 1


def test_leftovers_are_spread_too():
    folds = folds_of(ids(50), np.arange(50), 5, 0)  # nothing but leftovers
    np.testing.assert_array_equal(np.bincount(folds), 10)


def test_rows_of_a_repeated_id_weigh_what_they_are():
    groups = ["many"] * 10 + ids(10)
    folds = folds_of(groups, None, 2, 3)
    np.testing.assert_array_equal(np.bincount(folds), [10, 10])
    np.testing.assert_array_equal(folds[10:], 1 - folds[0])


def test_a_group_goes_where_its_most_frequent_stratum_is_rare():
    groups = ["a"] * 6 + ["b"] * 5 + ["c"] * 4
    strata = np.array([0] * 6 + [1, 1, 1, 0, 0] + [0, 0, 0, 1])
    folds = folds_of(groups, strata, 2, 0)
    assert folds[0] == 0  # the largest, into the first of equals
    assert folds[6] == 1  # both folds lack stratum 1, the second has fewer rows
    assert folds[11] == 1  # of stratum 0 the folds have 6 and 2


def test_another_seed_draws_anew():
    drawn = [tuple(folds_of(ids(100), None, 5, seed)) for seed in range(4)]
    assert len(set(drawn)) == 4
    # as often together as chance has it: two draws agree on a fifth of the rows
    agree = np.mean(np.array(drawn[0]) == np.array(drawn[1]))
    assert agree == pytest.approx(1 / 5, abs=4 * np.sqrt(0.2 * 0.8 / 100))


def test_folds_do_not_depend_on_the_process():
    code = (
        "from mmfuse.ensemble.folds import folds_of;"
        "print(*folds_of([str(k) for k in range(30)], None, 3, 7))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


@pytest.mark.parametrize("folds", [1, 0, -3, 4])
def test_folds_that_cannot_be(folds):
    with pytest.raises(UsageError, match="folds are asked for"):
        folds_of(["a", "b", "c", "c"], None, folds, 0)
