"""Where the times of every input are, and what is to be pooled."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfuse.core.align import Joining
from mmfuse.core.source import Source
from mmfuse.core.steps import STEP_POOLS
from mmfuse.core.time_align import TimeJoining
from mmfuse.core.time_options import TimeOptions
from mmfuse.errors import AlignmentError, UsageError
from mmfuse.files.inputs import InputFile
from mmfuse.files.paths import file_name
from mmfuse.files.sequences import SequenceSource
from mmfuse.files.times import read_times, times_of_array
from mmfuse.request import ALL, PerModality

_UNITS = ("s", "ms", "us", "ns")


@dataclass(frozen=True)
class Timing:
    """The options of times, each by modality; none where rows do not meet in time."""

    columns: PerModality[str | None]
    times: PerModality[Any]
    units: PerModality[str]

    @classmethod
    def of(cls, options: TimeOptions | None, names: Sequence[str]) -> Timing:
        """Raises UsageError for the name of no modality, or an unknown unit."""
        options = options or TimeOptions()
        units = PerModality.of("--time-unit", options.unit, names)
        for unit in units.values.values():
            if unit not in _UNITS:
                raise UsageError(f"--time-unit is {unit!r}; it must be one of {', '.join(_UNITS)}")
        return cls(
            PerModality.of("--time-column", options.column, names),
            PerModality.of("--times", options.times, names),
            units,
        )

    def column_of(self, name: str) -> str | None:
        """The column of times in the file itself."""
        return None if self.times.get(name, None) is not None else self.columns.get(name, None)

    def unit_of(self, name: str) -> str:
        """The unit of times that are numbers."""
        return self.units.get(name, "s")

    def attach(self, source: Source, open_file: Callable[[str, str], InputFile]) -> str | None:
        """Give a source the times that are outside its file, if any; returns the file's path.

        open_file: opens it, by its path and what messages call it.
        Raises InputError, or AlignmentError for times that are not one a row.
        """
        given, path = self.times.get(source.name, None), None
        if given is None:
            return None
        if isinstance(given, str | os.PathLike):
            given = os.fspath(given)
            file = open_file(given, f"{source.label} (times {os.path.basename(given)})")
            source.times = read_times(file, self.unit_of(source.name))
            source.time_source, path = file_name(given), file.path
            file.verify()
        else:
            source.times = times_of_array(np.asarray(given), self.unit_of(source.name), "the array")
            source.time_source = "given"
        if len(source.times) != source.rows:
            raise AlignmentError(
                f"{len(source.times):,} times for {source.rows:,} rows "
                f"(times from {source.time_source})"
            )
        return path


def in_time(
    options: TimeOptions | None, joining: Joining, pool: Any, names: Sequence[str]
) -> TimeJoining | None:
    """How rows meet in time; None where they do not. Raises UsageError; see `TimeOptions`."""
    if options is None:
        return None
    pools = PerModality.of("--pool", pool, names)
    return options.joining(joining, [pools.get(name, "mean") for name in names])


def assign_pools(
    sources: Sequence[Source], pool: PerModality[Any], mask_zeros: bool, time: TimeOptions | None
) -> None:
    """Say of every source whose ids may stand in several rows what these become.

    pool: what is asked for. Sequences have been pooled, the rows of a window will be.
    Raises UsageError where an input is to be pooled that has nothing to pool.
    """
    for given in pool.values.values():
        if given not in STEP_POOLS:
            raise UsageError(f"--pool is {given!r}; it must be one of {', '.join(STEP_POOLS)}")
    sequences = [source for source in sources if isinstance(source, SequenceSource)]
    if mask_zeros and (not sequences or all(source.pool == "flatten" for source in sequences)):
        raise UsageError("--pool-mask-zeros is for sequences (n, t, d) that --pool pools")
    windows = time is not None and time.window is not None
    pools = [
        isinstance(source, SequenceSource)
        or (windows and m > 0 and pool.get(source.name, None) != "flatten")
        for m, source in enumerate(sources)
    ]
    for source, pooled in zip(sources, pools, strict=True):
        said = source.name in pool.values or (ALL in pool.values and not any(pools))
        if pooled or not said:
            continue
        how = pool.get(source.name, None)
        if how == "flatten" or time is not None or source.ids is None:
            raise UsageError(
                f"--pool {how} has nothing to pool",
                where=source.label,
                hint="it is for sequences (n, t, d), the rows that --window takes, and, but for "
                "flatten, several rows of one id",
            )
        source.several = how
