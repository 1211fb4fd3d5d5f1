"""Rows of different rates: for every row of the first source those of the others at its time.

Times are whole nanoseconds, so that every comparison is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.aligned import Pool
from mmfuse.core.alignment import Alignment
from mmfuse.core.comparable import Identified, comparable
from mmfuse.core.durations import duration
from mmfuse.core.ids import Ids, IntegerIds, Rows
from mmfuse.core.join import Join, first_rows
from mmfuse.core.match import ABSENT, in_order, index, numbers
from mmfuse.core.ranges import ranges
from mmfuse.errors import AlignmentError

Direction = Literal["nearest", "backward", "forward"]
WindowPool = Literal["mean", "max", "std", "last"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
WINDOW_POOLS: tuple[WindowPool, ...] = get_args(WindowPool)

Times = NDArray[np.int64]
"""Nanoseconds, one a row."""


@dataclass(frozen=True)
class TimeJoining:
    """How rows meet in time; one of tolerance and window is there, in nanoseconds.

    tolerance: how far the one row that is taken may be away. window: how long the interval is
    whose rows are all taken, to become one by `pools`, one operation a source.
    direction: of a row at time t, see `_one` and `_interval`. by_id: only rows of the same id meet.
    how: inner keeps the rows of the first source that all others have a row for, left all of them.
    """

    direction: Direction
    tolerance: int | None = None
    window: int | None = None
    pools: tuple[WindowPool, ...] = ()
    by_id: bool = False
    how: Join = "inner"

    def __str__(self) -> str:
        if self.window is not None:
            return f"{self.direction} window of {duration(self.window)}"
        return f"{self.direction} within {duration(self.tolerance or 0)}"


class Timed(Identified, Protocol):
    """What alignment in time needs to know of a source."""

    @property
    def times(self) -> Times | None:
        """One time a row, or None where the source has none."""


def align_in_time(sources: Sequence[Timed], joining: TimeJoining) -> Alignment:
    """Join the others to the first source in time.

    The output's rows are the first source's, in its order and with its ids (row numbers if it has
    none); an id may stand in several of them.

    Raises AlignmentError: a source has no times, or with `by_id` no ids; nothing meets.
    """
    times = [_times_of(source) for source in sources]
    groups = _groups(sources, joining.by_id)
    order = np.lexsort((times[0], groups[0]))  # sought in this order, neighbours lie in the cache
    rows: list[Rows | None] = [None]
    ends: list[Rows | None] = [None]
    unmatched = [0]
    met = np.ones(len(times[0]), np.bool_)
    for m, source in enumerate(sources[1:], 1):
        timeline = Timeline(groups[m], times[m])
        first, counts = np.empty((2, len(order)), np.int64)
        first[order], last = _taken(timeline, groups[0][order], times[0][order], joining, m)
        counts[order] = last - first[order]
        met &= counts > 0
        unmatched.append(int((counts == 0).sum()))
        found = timeline.rows[ranges(first, counts)]
        each = bool((counts == 1).all()) and _pool(joining, m) != "std"
        whole = each and len(found) == source.rows and in_order(found)
        rows.append(None if whole else found)
        ends.append(None if each else np.cumsum(counts))
    if not met.any():
        raise _nothing_meets(sources, times, unmatched, joining)
    found_ids: Ids = IntegerIds(np.arange(len(times[0])))
    alignment = Alignment(
        found_ids if sources[0].ids is None else sources[0].ids,
        tuple(rows),
        tuple(source.rows for source in sources),
        "time",
        joining.how,
        tuple(ends),
        pools=tuple(_pool(joining, m) for m in range(len(sources))),
        times=times[0],
        unmatched=tuple(unmatched),
    )
    keep = joining.how == "left" or bool(met.all())
    return alignment if keep else alignment.take(np.flatnonzero(met).astype(numbers(0).dtype))


class Timeline:
    """The rows of a source by group, and within a group by time; rows of no group are left out.

    rows: in that order; those of one time as they stand in the source. times: theirs.
    """

    def __init__(self, groups: Rows, times: Times) -> None:
        self._known = np.unique(times)
        order = np.lexsort((times, groups))
        order = order[np.searchsorted(groups[order], 0) :]  # ABSENT sorts first
        # a place for every time and one behind them all, in every group
        self._places = len(self._known) + 1
        self.times = times[order]
        ranks = np.searchsorted(self._known, self.times)
        self._keys = groups[order].astype(np.int64) * self._places + ranks
        self.rows: Rows = order.astype(numbers(len(times)).dtype)

    def first(self, groups: Rows, times: Times, *, later: bool = False) -> NDArray[np.int64]:
        """Where in `rows` each group's rows from a time on begin; `later`: those after it.

        Where the group has none, where its rows end.
        """
        ranks = np.searchsorted(self._known, times, "right" if later else "left")
        keys = groups.astype(np.int64) * self._places + ranks
        return np.searchsorted(self._keys, keys).astype(np.int64)


def _taken(
    timeline: Timeline, groups: Rows, times: Times, joining: TimeJoining, m: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For every row the run of the timeline's rows that it takes: where it begins and ends."""
    if joining.window is None:
        assert joining.tolerance is not None
        return _one(timeline, groups, times, joining.tolerance, joining.direction)
    first, last = _interval(timeline, groups, times, joining.window, joining.direction)
    if joining.pools[m] == "last":
        first = np.maximum(first, last - 1)
    return first, last


def _one(
    timeline: Timeline, groups: Rows, times: Times, tolerance: int, direction: Direction
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The row next to each time, at most `tolerance` away.

    backward: the last row not after the time. forward: the first not before it. nearest: the
    closer one of the two, backward's if they are as close.
    """
    after = timeline.first(groups, times, later=True)
    back = after > timeline.first(groups, _moved(times, -tolerance))
    if direction == "backward":
        return after - back, after
    at = timeline.first(groups, times)
    ahead = timeline.first(groups, _moved(times, tolerance), later=True) > at
    if direction == "forward":
        return at, at + ahead
    own = timeline.times if len(timeline.times) else times[:1]
    # differences of what is within the tolerance only, which cannot overflow
    behind = np.where(back, times - own[after - 1], tolerance)
    distance = np.where(ahead, own[np.minimum(at, len(own) - 1)] - times, tolerance)
    back &= ~ahead | (behind <= distance)
    first = np.where(back, after - 1, at)
    return first, first + (back | ahead)


def _interval(
    timeline: Timeline, groups: Rows, times: Times, window: int, direction: Direction
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of each time's window.

    backward: (t - window, t]. forward: [t, t + window). nearest: (t - window/2, t + window/2].
    """
    # in whole nanoseconds, with both ends: then an end of what int64 holds can belong to it
    ahead = {"backward": 0, "nearest": window // 2, "forward": window - 1}[direction]
    return (
        timeline.first(groups, _moved(times, ahead + 1 - window)),
        timeline.first(groups, _moved(times, ahead), later=True),
    )


def _moved(times: Times, by: int) -> Times:
    """Times moved by so many nanoseconds, up to the ends of what int64 holds."""
    ends = np.iinfo(np.int64)
    return np.clip(times, ends.min - min(by, 0), ends.max - max(by, 0)) + by


def _times_of(source: Timed) -> Times:
    if source.times is None:
        raise AlignmentError(
            f"{source.label} has no times",
            where=source.label,
            hint="name them with --time-column NAME=COLUMN or --times NAME=FILE",
        )
    return source.times


def _groups(sources: Sequence[Timed], by_id: bool) -> list[Rows]:
    """For every row of every source the number of its group, ABSENT where the first has no such."""
    if not by_id:
        return [np.zeros(source.rows, np.int32) for source in sources]
    columns = comparable(sources)
    found = index(columns[0])
    first = first_rows(columns[0], found)
    groups = [first]
    for ids in columns[1:]:
        places = found.find(ids)
        groups.append(np.where(places == ABSENT, ABSENT, first[places]))
    return groups


def _pool(joining: TimeJoining, m: int) -> Pool:
    pool = joining.pools[m] if joining.window is not None and m else "mean"
    return "mean" if pool == "last" else pool  # the mean of the one row that is taken


def _nothing_meets(
    sources: Sequence[Timed], times: Sequence[Times], unmatched: Sequence[int], joining: TimeJoining
) -> AlignmentError:
    m = int(np.argmax(unmatched))
    told = "; ".join(
        f"{sources[k].label} from {times[k].min() / 1e9:.9g} s to {times[k].max() / 1e9:.9g} s"
        for k in (0, m)
    )
    every = unmatched[m] == len(times[0])
    return AlignmentError(
        (f"no row of {sources[m].label} meets" if every else "no row of all others together meets")
        + f" one of {sources[0].label} ({joining}): {told}",
        hint="widen --tolerance or --window, or say --time-unit where the numbers are no seconds",
    )
