"""How rows meet in time, as a user says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmfuse.core.align import Joining
from mmfuse.core.durations import nanoseconds
from mmfuse.core.time_align import DIRECTIONS, WINDOW_POOLS, TimeJoining
from mmfuse.errors import UsageError


@dataclass(frozen=True)
class TimeOptions:
    """Align in time: rows of the other inputs join the first input's rows; see `docs/time.md`.

    column: the column of times. times: a file of them, one a row, or the times themselves.
    unit: of times that are numbers: s (the default), ms, us or ns.
    Each is a value for all modalities, or a mapping of their names.
    tolerance: how far the one row that is taken may be away, `"20ms"` or a number of seconds.
    window: how long the interval is whose rows are pooled; one of the two.
    direction: nearest, backward or forward; by default nearest, of windows backward.
    by_id: only rows of the same id meet.
    """

    column: Mapping[str, str] | str | None = None
    times: Mapping[str, Any] | Any | None = None
    unit: Mapping[str, str] | str | None = None
    tolerance: str | float | None = None
    window: str | float | None = None
    direction: str | None = None
    by_id: bool = False

    def joining(self, others: Joining, pools: Sequence[str]) -> TimeJoining:
        """The same, checked. pools: what several rows of each source become.

        Raises UsageError for what is unknown, excludes each other, or is about joins of ids.
        """
        if (self.tolerance is None) == (self.window is None):
            raise UsageError(
                "alignment in time takes --tolerance or --window, one of them",
                hint="--tolerance 20ms takes the nearest row, --window 1s pools several",
            )
        for said, name in (
            (others.by != "auto", "--by-position or --require-ids"),
            (others.how == "outer", "--join outer; inner and left do"),
            (others.duplicates != "error", "--duplicates; --window pools several rows"),
            (others.sort, "--sort-ids"),
            (others.strict, "--strict; --join left --missing error refuses rows without a match"),
            (others.min_overlap > 0, "--min-overlap"),
        ):
            if said:
                raise UsageError(f"alignment in time does not go with {name}")
        direction = self.direction or ("nearest" if self.window is None else "backward")
        for known in DIRECTIONS:
            if known == direction:
                return TimeJoining(
                    known,
                    _nanoseconds(self.tolerance, "--tolerance"),
                    _nanoseconds(self.window, "--window"),
                    # a sequence that is flattened is one row, and several of those have a mean
                    tuple(next((p for p in WINDOW_POOLS if p == pool), "mean") for pool in pools),
                    self.by_id,
                    others.how,
                )
        raise UsageError(f"--direction is {direction!r}; it must be one of {', '.join(DIRECTIONS)}")


def _nanoseconds(given: str | float | None, option: str) -> int | None:
    return None if given is None else nanoseconds(str(given), option)
