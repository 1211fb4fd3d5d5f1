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


def refused(sources: list[Rows], joining: TimeJoining) -> AlignmentError:
    with pytest.raises(AlignmentError) as caught:
        align_in_time(sources, joining)
    assert caught.value.exit_code == 4
    return caught.value


def test_nothing_that_meets_is_told_with_the_times() -> None:
    second = 10**9
    a = source("a", [(2 * second, 0), (second, 0)])
    near, far = source("near", [(second, 0)]), source("far", [(90 * second, 0), (3 * 10**8, 1)])
    error = refused([a, near, far], TimeJoining("nearest", second // 50))
    assert error.message == (
        "no row of far meets one of a (nearest within 20 ms): "
        "a from 1 s to 2 s; far from 0.3 s to 90 s"
    )
    assert error.hint == (
        "widen --tolerance or --window, or say --time-unit where the numbers are no seconds"
    )
    joining = TimeJoining("forward", None, second // 4, ("mean",) * 3)
    assert (
        "no row of far meets one of a (forward window of 250 ms): "
        in refused([a, near, far], joining).message
    )
    other = source("other", [(2 * second, 0)])
    error = refused([a, near, other], TimeJoining("backward", 0))
    assert error.message.startswith("no row of all others together meets one of a (backward ")


def test_a_source_without_times_is_named() -> None:
    for sources in ([source("a", [(0, 0)]), Rows("b", None)], [Rows("b", None), Rows("c", None)]):
        error = refused(sources, TimeJoining("nearest", 1))
        assert (error.message, error.where) == ("b has no times", "b")
        assert error.hint == "name them with --time-column NAME=COLUMN or --times NAME=FILE"


def test_a_source_without_ids_is_named_where_rows_meet_by_id() -> None:
    pair = [source("a", [(0, 0)]), Rows("b", np.zeros(1, np.int64))]
    error = refused(pair, TimeJoining("nearest", 1, by_id=True))
    assert (error.message, error.where) == ("b has no row ids", "b")
    # --by-position is no way out of it
    assert error.hint == "name its ids with --ids NAME=FILE or --id-column NAME=COLUMN"


def test_the_nearer_of_two_rows_is_taken_and_of_equally_near_ones_the_earlier() -> None:
    others = [(10, 0), (0, 0)]
    for t, row in ((-3, 1), (0, 1), (4, 1), (5, 1), (6, 0), (10, 0), (13, 0)):
        pair = [source("a", [(t, 0)]), source("b", others)]
        assert given_rows(align_in_time(pair, TimeJoining("nearest", 20)), 1) == [[row]], t


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("how", [{"tolerance": 99}, {"window": 199, "pools": ("mean", "mean")}])
def test_the_ends_of_time_do_not_meet(direction: Any, how: Any) -> None:
    """The times of the other source are 5 ns away, inwards and outwards."""
    low, high = -LAST - 1, LAST
    a = source("a", [(low + 5, 0), (high - 5, 0)])
    outwards, inwards = [(low, 0), (high, 0)], [(low + 10, 0), (high - 10, 0)]
    for others, met in ((outwards, (1, 0)), (inwards, (0, 1))):
        joining = TimeJoining(direction, how="left", **how)
        found = align_in_time([a, source("b", others)], joining)
        # backward meets the row that is earlier, forward the later one
        wanted = {"backward": met, "forward": met[::-1], "nearest": (1, 1)}[direction]
        assert given_rows(found, 1) == [[k] if there else [] for k, there in enumerate(wanted)]


def test_ids_are_those_of_the_first_source() -> None:
    times, ids = np.array([5, 7]), TextIds.of(["x", "y"])
    with_ids, without = Rows("a", times, ids), Rows("b", times)
    joining = TimeJoining("nearest", 1)
    assert list(align_in_time([with_ids, without], joining).ids) == ["x", "y"]
    assert list(align_in_time([without, with_ids], joining).ids) == ["0", "1"]


def test_rows_without_ids_are_numbered() -> None:
    times = np.array([5, 7, 9])
    found = align_in_time([Rows("a", times), Rows("b", times[1:])], TimeJoining("nearest", 1))
    assert list(found.ids) == ["1", "2"]
    assert (found.by, found.how, found.read) == ("time", "inner", (3, 2))
    assert (found.unmatched, found.dropped) == ((0, 1), (1, 0))
    assert found.times is not None
    assert found.times.tolist() == [7, 9]
    left = align_in_time(
        [Rows("a", times), Rows("b", times[1:])], TimeJoining("nearest", 1, how="left")
    )
    assert (list(left.ids), left.how, left.absent) == (["0", "1", "2"], "left", (0, 1))


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("how", [{"tolerance": 3}, {"window": 4, "pools": ("mean", "mean")}])
def test_rows_of_ids_that_the_first_source_lacks_meet_nothing(direction: Any, how: Any) -> None:
    pair = [source("a", [(1, 0), (2, 0)]), source("b", [(1, 7), (2, 8)])]
    error = refused(pair, TimeJoining(direction, by_id=True, **how))
    assert error.message.startswith("no row of b meets one of a")


def test_a_tolerance_of_nothing_takes_rows_of_the_very_time() -> None:
    pair = [source("a", [(1, 0), (2, 0)]), source("b", [(3, 0), (2, 0), (2, 0)])]
    for direction, row in (("nearest", 2), ("backward", 2), ("forward", 1)):
        found = align_in_time(pair, TimeJoining(direction, 0, how="left"))  # type: ignore[arg-type]
        # of rows of one time backward takes the last, forward the first
        assert given_rows(found, 1) == [[], [row]], direction


def test_pools_are_of_their_own_source() -> None:
    rows = [(0, 0), (1, 0), (2, 0)]
    joining = TimeJoining("backward", None, 2, ("max", "std", "last", "max"))
    found = align_in_time([source(name, rows) for name in "abcd"], joining)
    assert found.pools == ("mean", "std", "mean", "max")
    assert given_rows(found, 1) == given_rows(found, 3) == [[0], [0, 1], [1, 2]]
    assert given_rows(found, 2) == [[0], [1], [2]]
    near = align_in_time([source(name, rows) for name in "ab"], TimeJoining("nearest", 1))
    assert near.pools == ("mean", "mean")


def test_row_numbers_are_as_narrow_as_they_may_be() -> None:
    pair = [source("a", [(1, 0), (2, 0), (3, 0)]), source("b", [(3, 0), (2, 0)])]
    found = align_in_time(pair, TimeJoining("nearest", 0))
    assert [rows.dtype for rows in found.rows if rows is not None] == [np.int32, np.int32]


def test_the_same_rows_of_other_sources() -> None:
    pair = [source("a", [(1, 0), (2, 0), (3, 0)]), source("b", [(3, 0), (2, 0)])]
    found = align_in_time(pair, TimeJoining("nearest", 0, how="left")).of([1, None, 0])
    assert (found.unmatched, found.absent, found.read) == ((1, 0, 0), (1, 3, 0), (2, 0, 3))
    assert given_rows(found, 0) == [[], [1], [0]]
    assert found.times is not None
    assert found.times.tolist() == [1, 2, 3]


@pytest.mark.parametrize("window", [4, 5])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_nanosecond_counts_after_a_century(direction: Any, window: int) -> None:
    t = 3_155_760_000_000_000_001
    others = [(t + k, 0) for k in range(-9, 10)]
    joining = TimeJoining(direction, None, window, ("mean", "mean"))
    found = align_in_time([source("a", [(t, 0)]), source("b", others)], joining)
    expected = [k for k, (u, _) in enumerate(others) if within(t, u, window, direction)]
    assert given_rows(found, 1) == [expected]


def test_a_row_a_nanosecond_too_far_away_does_not_meet() -> None:
    t = 3_155_760_000_000_000_001
    others = [(t - 6, 0), (t + 6, 0), (t - 5, 0)]
    found = align_in_time([source("a", [(t, 0)]), source("b", others)], TimeJoining("nearest", 5))
    assert given_rows(found, 1) == [[2]]
    error = refused([source("a", [(t, 0)]), source("b", others[:2])], TimeJoining("nearest", 5))
    assert error.message.startswith("no row of b meets")


def test_how_rows_meet_is_told() -> None:
    assert str(TimeJoining("nearest", 20_000_000)) == "nearest within 20 ms"
    assert str(TimeJoining("forward", 1)) == "forward within 1 ns"
    assert str(TimeJoining("backward", None, 10**9)) == "backward window of 1 s"
