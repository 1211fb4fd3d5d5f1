"""Where rows lie: each at its place, near its neighbours of the output."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfuse.core.layout import DROPPED, lay_out, runs


@st.composite
def taken(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    """Some rows of a source in any order, some of them more than once, and how many it has."""
    total = draw(st.integers(1, 60))
    return np.array(draw(st.lists(st.integers(0, total - 1), min_size=1, max_size=80))), total


@given(taken(), st.integers(1, 70))
def test_every_row_has_its_place(rows: tuple[np.ndarray, int], bucket: int) -> None:
    wanted, total = rows
    places, targets = lay_out(wanted, total, bucket)
    assert places is not None
    distinct = np.unique(wanted)
    assert np.flatnonzero(targets != DROPPED).tolist() == distinct.tolist()
    assert sorted(targets[distinct]) == list(range(len(distinct)))
    stored = np.empty(len(distinct), int)
    stored[targets[distinct]] = distinct
    np.testing.assert_array_equal(stored[places], wanted)


@given(st.permutations(range(40)), st.integers(1, 40), st.integers(1, 50))
def test_neighbours_of_the_output_lie_together(order: list[int], count: int, bucket: int) -> None:
    wanted = np.array(order[:count])
    places, _ = lay_out(wanted, 40, bucket)
    assert places is not None
    np.testing.assert_array_equal(places // bucket, np.arange(count) // bucket)
    stored = wanted[np.argsort(places)]
    for start in range(0, count, bucket):  # in a bucket, rows lie as in the source
        assert (np.diff(stored[start : start + bucket]) > 0).all()


def test_all_rows_as_they_stand() -> None:
    places, targets = lay_out(None, 5, 2)
    assert places is None
    assert targets.tolist() == [0, 1, 2, 3, 4]


@given(taken(), st.integers(1, 70), st.integers(1, 60))
def test_runs_are_written_where_the_rows_belong(
    rows: tuple[np.ndarray, int], bucket: int, step: int
) -> None:
    wanted, total = rows
    _, targets = lay_out(wanted, total, bucket)
    stored = np.full(len(np.unique(wanted)), -7)
    pieces = 0
    for start in range(0, total, step):
        part = targets[start : start + step]
        order, found = runs(part)
        for first, last, place in found:
            assert first < last
            stored[place : place + last - first] = start + order[first:last]
            pieces += 1
    np.testing.assert_array_equal(np.unique(wanted), np.sort(stored))
    np.testing.assert_array_equal(targets[stored], np.arange(len(stored)))
    # never more pieces than buckets a step
    assert pieces <= -(-total // step) * -(-len(wanted) // bucket)


@pytest.mark.parametrize("targets", [[], [-1, -1]])
def test_nothing_to_write(targets: list[int]) -> None:
    order, found = runs(np.array(targets, np.int64))
    assert len(order) == 0
    assert found == []
