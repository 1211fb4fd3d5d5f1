"""A table of what sets have in common, with bars, as UpSet draws it."""

from __future__ import annotations

from collections.abc import Sequence

_MOST = 20
_EIGHTHS = " ▏▎▍▌▋▊▉"
_NARROWEST = 10  # characters that a bar has at least
_SHORTEST = 3  # characters of a name


def upset(
    names: Sequence[str],
    combinations: Sequence[tuple[tuple[str, ...], int]],
    width: int,
    *,
    plain: bool = False,
) -> list[str]:
    """A line a combination: a mark below each name that is in it, the count, a bar.

    width: of the lines, in characters. plain: ASCII only.
    """
    shown, rest = combinations[:_MOST], combinations[_MOST:]
    counts = [f"{count:,}" for _, count in shown]
    digits = max(map(len, [*counts, "ids"]))
    titles = _titles(names, width - digits - _NARROWEST - 2)
    bar = max(_NARROWEST, width - sum(len(title) + 2 for title in titles) - digits - 2)
    most = max((count for _, count in shown), default=1)
    lines = ["  ".join([*titles, "ids".rjust(digits)])]
    has, lacks = ("x", ".") if plain else ("●", "·")
    for (members, count), told in zip(shown, counts, strict=True):
        marks = [
            (has if name in members else lacks).center(len(title))
            for name, title in zip(names, titles, strict=True)
        ]
        drawn = _bar(count / most * bar, plain=plain)
        lines.append("  ".join([*marks, told.rjust(digits), drawn]).rstrip())
    if rest:
        total = sum(count for _, count in rest)
        lines.append(f"{len(rest):,} other combinations: {total:,} ids")
    return lines


def _titles(names: Sequence[str], width: int) -> list[str]:
    """The names, the longest cut so that all fit beside each other."""
    longest = max(map(len, names), default=0)
    while longest > _SHORTEST and sum(min(len(name), longest) + 2 for name in names) > width:
        longest -= 1
    return [name[:longest] for name in names]


def _bar(length: float, *, plain: bool) -> str:
    if plain:
        return "#" * max(1, round(length))
    eighths = max(1, round(8 * length))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
