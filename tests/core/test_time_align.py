"""Alignment in time against pandas.merge_asof, and against a double loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mmfuse.core.ids import Ids, IntegerIds, TextIds
from mmfuse.core.time_align import DIRECTIONS, WINDOW_POOLS, TimeJoining, align_in_time
from mmfuse.errors import AlignmentError

LAST = np.iinfo(np.int64).max


@dataclass
class Rows:
    label: str
    times: np.ndarray | None
    ids: Ids | None = None

    @property
    def rows(self) -> int:
        return len(self.times) if self.times is not None else 1


def source(label: str, rows: list[tuple[int, int]], text: bool = False) -> Rows:
    """A source of (time, id) pairs."""
    times, ids = np.array(rows, np.int64).reshape(-1, 2).T
    kept = TextIds.of(f"s{i}" for i in ids) if text else IntegerIds(ids)
    return Rows(label, times, kept)


def given_rows(alignment: Any, m: int) -> list[list[int]]:
    """For every output row the rows of source `m`."""
    rows, ends = alignment.rows[m], alignment.ends[m]
    rows = np.arange(alignment.read[m]) if rows is None else rows
    ends = np.arange(1, len(alignment) + 1) if ends is None else ends
    return [part.tolist() for part in np.split(rows, ends[:-1])]


ROWS = st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 3)), min_size=1, max_size=25)


@given(ROWS, ROWS, st.sampled_from(DIRECTIONS), st.integers(1, 15), st.booleans(), st.booleans())
@settings(deadline=None, max_examples=400)
def test_as_merge_asof(
    a: list[tuple[int, int]],
    b: list[tuple[int, int]],
    direction: Any,
    tolerance: int,
    by_id: bool,
    text: bool,
) -> None:
    left = pd.DataFrame(a, columns=["t", "id"]).rename_axis("row").reset_index()
    right = pd.DataFrame(b, columns=["t", "id"]).rename_axis("other").reset_index()
    merged = pd.merge_asof(
        left.sort_values("t", kind="stable"),
        right.sort_values("t", kind="stable")[["t", "other", *(["id"] if by_id else [])]],
        on="t",
        by="id" if by_id else None,
        direction=direction,
        tolerance=tolerance,
    ).sort_values("row")
    expected = [[] if np.isnan(row) else [int(row)] for row in merged["other"]]
    assume(any(expected))
    pair = [source("a", a, text), source("b", b, text)]
    found = align_in_time(pair, TimeJoining(direction, tolerance, by_id=by_id, how="left"))
    assert given_rows(found, 0) == [[row] for row in range(len(a))]
    assert given_rows(found, 1) == expected
    assert list(found.ids) == list(pair[0].ids or ())
    assert found.times is not None
    assert found.times.tolist() == [t for t, _ in a]
    assert found.unmatched == (0, expected.count([]))
    inner = align_in_time(pair, TimeJoining(direction, tolerance, by_id=by_id))
    kept = [row for row, own in enumerate(expected) if own]
    assert given_rows(inner, 0) == [[row] for row in kept]
    assert given_rows(inner, 1) == [own for own in expected if own]
    assert inner.times is not None
    assert inner.times.tolist() == [a[row][0] for row in kept]
    assert inner.unmatched == found.unmatched


def within(t: int, u: int, window: int, direction: str) -> bool:
    if direction == "backward":
        return t - window < u <= t
    if direction == "forward":
        return t <= u < t + window
    return 2 * t - window < 2 * u <= 2 * t + window


@given(
    ROWS,
    ROWS,
    st.sampled_from(DIRECTIONS),
    st.integers(1, 15),
    st.booleans(),
    st.sampled_from(WINDOW_POOLS),
)
@settings(deadline=None, max_examples=400)
def test_windows(
    a: list[tuple[int, int]],
    b: list[tuple[int, int]],
    direction: Any,
    window: int,
    by_id: bool,
    pool: Any,
) -> None:
    expected = []
    for t, i in a:
        rows = [
            row
            for row, (u, j) in enumerate(b)
            if within(t, u, window, direction) and (i == j or not by_id)
        ]
        rows.sort(key=lambda row: b[row][0])
        expected.append(rows[-1:] if pool == "last" else rows)
    assume(any(expected))
    joining = TimeJoining(direction, None, window, ("mean", pool), by_id, "left")
    found = align_in_time([source("a", a), source("b", b)], joining)
    assert given_rows(found, 1) == expected
    assert found.pools == ("mean", "mean" if pool == "last" else pool)
    if pool == "std":  # the deviation of one row is no copy of it
        assert found.ends[1] is not None


def test_three_sources_at_the_ends_of_time() -> None:
    ends = [(-LAST, 0), (LAST, 0)]
    found = align_in_time(
        [source("a", ends), source("b", ends), source("c", [(LAST - 5, 0)])],
        TimeJoining("nearest", 10, how="left"),
    )
    assert [given_rows(found, m) for m in (1, 2)] == [[[0], [1]], [[], [0]]]
    assert found.absent == (0, 0, 1)


@pytest.mark.parametrize("pools", WINDOW_POOLS)
def test_rows_that_stand_as_they_are_need_no_numbers(pools: Any) -> None:
    rows = [(t, 0) for t in range(5)]
    joining = TimeJoining("backward", None, 1, ("mean", pools))
    found = align_in_time([source("a", rows), source("b", rows)], joining)
    assert (found.rows[1] is None) == (found.ends[1] is None) == (pools != "std")


def test_what_cannot_be_joined() -> None:
    a = source("a", [(0, 0)])
    for other, joining, told in (
        (Rows("b", None), TimeJoining("nearest", 1), "b has no times"),
        (Rows("b", np.zeros(1, np.int64)), TimeJoining("nearest", 1, by_id=True), "no row ids"),
        (source("b", [(10**9, 0)]), TimeJoining("nearest", 1), "no row of b meets one of a"),
        (source("b", [(0, 1)]), TimeJoining("nearest", 1, by_id=True), "no row of b meets"),
    ):
        with pytest.raises(AlignmentError, match=told):
            align_in_time([a, other], joining)
    halves = [source("a", [(0, 0), (9, 0)]), source("b", [(0, 0)]), source("c", [(9, 0)])]
    with pytest.raises(AlignmentError, match="no row of all others together meets one of a"):
        align_in_time(halves, TimeJoining("nearest", 1, how="left"))
