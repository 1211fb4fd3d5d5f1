"""What rows without ids, and tests of features, mean for a person."""

from __future__ import annotations

from collections.abc import Sequence

from mmfuse.core.dependence import FEWEST, REACH, Dependence
from mmfuse.core.finding import Finding
from mmfuse.errors import count


def told_positions(
    names: tuple[str, str], rows: tuple[int, int], lacking: Sequence[str]
) -> Finding:
    """Two modalities of which one has no ids, or neither: `lacking` names those."""
    who = "neither has ids" if len(lacking) == 2 else f"{lacking[0]} has no ids"
    numbers: dict[str, float] = dict(zip(("rows", "other_rows"), rows, strict=True))
    if rows[0] != rows[1]:
        told = f"{who}, and they have {rows[0]:,} and {rows[1]:,} rows"
        return Finding(
            "row-counts", "wrong", names, told, numbers, command=f"--ids {lacking[0]}=FILE"
        )
    told = f"{who}; both have {rows[0]:,} rows, which can only be joined by position"
    if len(lacking) == 2:
        return Finding("no-ids", "note", names, told, numbers)
    return Finding("no-ids", "wrong", names, told, numbers, command=f"--ids {lacking[0]}=FILE")


def told_few(names: tuple[str, str], rows: int) -> Finding:
    """Too few rows to test features."""
    told = f"features are not tested: {count(rows, 'row')} paired, and it takes "
    told += f"{FEWEST + 2 * REACH:,} in a row"
    return Finding("features-untested", "note", names, told, {"rows": rows})


def told(names: tuple[str, str], by: str, test: Dependence) -> Finding:
    """What a test of the features of two modalities means."""
    sampled = f"{test.rows:,} rows joined by {by}"
    numbers: dict[str, float] = {
        "rows": test.rows,
        "rv": test.rv,
        "p_shuffle": test.p_shuffle,
        "p_far": test.p_far,
    }
    if test.verdict == "aligned":
        told = f"features of {sampled} belong together: RV {test.rv:.2f}, shuffled or shifted less"
        return Finding("features-aligned", "ok", names, told, numbers)
    if test.verdict == "shifted":
        told = f"features look shifted: {_moved(names, test)} (RV {test.rv_shift:.2f} then, "
        told += f"{test.rv:.2f} as given; {sampled})"
        numbers |= {"shift": test.shift, "rv_shift": test.rv_shift}
        return Finding("features-shifted", "wrong", names, told, numbers)
    if test.verdict == "unaligned":
        told = f"features of {sampled} look unaligned, or are independent: RV {test.rv:.3f} is no "
        told += f"more than that of shuffled rows (p = {test.p_shuffle:.2f})"
        return Finding("features-unaligned", "wrong", names, told, numbers)
    if test.rv == 0:
        told = "features cannot tell: one of the two has the same in every row"
        return Finding("features-unclear", "note", names, told, numbers)
    told = f"features of {sampled} cannot tell: shuffled they depend less on each other, shifted "
    told += f"as much (RV {test.rv:.2f}, p = {test.p_far:.2f}), for rows near each other are alike"
    return Finding("features-unclear", "note", names, told, numbers)


def _moved(names: tuple[str, str], test: Dependence) -> str:
    """Which rows belong together instead."""
    k = abs(test.shift)
    rows = f"{k} row{'s' if k > 1 else ''} {'later' if test.shift > 0 else 'earlier'}"
    if test.moved is not None:
        return f"those of {names[test.moved]} stand {rows} than their ids"
    return f"those of {names[1]} stand {rows} than those of {names[0]}"
