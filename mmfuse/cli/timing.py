"""The options of time, as one value or none."""

from __future__ import annotations

from collections.abc import Iterable

from mmfuse.cli.options import per_modality
from mmfuse.core.time_options import TimeOptions
from mmfuse.errors import UsageError


def time_options(
    align: str,
    column: Iterable[str] | None,
    times: Iterable[str] | None,
    unit: Iterable[str] | None,
    tolerance: str | None,
    window: str | None,
    direction: str | None,
    by: str | None,
) -> TimeOptions | None:
    """What `--align time` is told; None for `--align id`.

    Raises UsageError for options of time without it.
    """
    given = {
        "--time-column": column,
        "--times": times,
        "--time-unit": unit,
        "--tolerance": tolerance,
        "--window": window,
        "--direction": direction,
        "--by": by,
    }
    for option, value, known in (("--align", align, ("id", "time")), ("--by", by, (None, "id"))):
        if value not in known:
            told = " or ".join(name for name in known if name)
            raise UsageError(f"{option} is {value!r}; it must be {told}")
    if align == "id":
        said = next((option for option, value in given.items() if value), None)
        if said is not None:
            raise UsageError(f"{said} is for --align time")
        return None
    return TimeOptions(
        per_modality(column or (), str, "--time-column"),
        per_modality(times or (), str, "--times"),
        per_modality(unit or (), str, "--time-unit"),
        tolerance,
        window,
        direction,
        by == "id",
    )
