"""What a model tells, and how new rows differ from it, as tables for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmfuse.cli.report import aligned
from mmfuse.files.paths import short, show

_MOST = 10
_TOP = 2


def report_table(told: Mapping[str, Any]) -> list[str]:
    """The lines of a `report.Report`, given as plain data."""
    options = " ".join(
        f"{name.replace('_', '-')}={show(str(value))}" for name, value in told["options"].items()
    )
    lines = [
        f"{told['strategy']}{f' ({options})' if options else ''}, "
        f"learned from {told['rows']:,} rows: {told['columns']:,} columns",
        "",
        *_modalities(told["modalities"]),
    ]
    if told["components"]:
        lines += ["", *_components(told)]
    return lines


def _modalities(modalities: Sequence[Mapping[str, Any]]) -> list[str]:
    kept = [m["kept"] is not None for m in modalities]
    head = ["modality", "rows", "columns", "energy", "share", "normalised", "energy", "share"]
    rows = [head + ["kept"] * all(kept)]
    for m in modalities:
        weight = "" if m["weight"] == 1 else f" x {m['weight']:g}"
        rows.append(
            [
                short(m["name"]),
                f"{m['rows']:,}",
                f"{m['columns']:,}",
                f"{m['energy']:.4g}",
                _percent(m["share"]),
                (",".join(m["normalize"]) or "none") + weight,
                f"{m['energy_after']:.4g}",
                _percent(m["share_after"]),
                *([_percent(m["kept"])] if all(kept) else []),
            ]
        )
    note = "energy: mean square length of a row"
    note += "; kept: of a modality's variance by the output" if all(kept) else ""
    return [*aligned(rows, right={1, 2, 3, 4, 6, 7, 8}), note]


def _components(told: Mapping[str, Any]) -> list[str]:
    components = told["components"]
    names = list(components[0]["kept"])
    chance = told["chance"] is not None
    rows = [
        ["component", told["measure"], *["by chance"] * chance, *map(short, names), "most like"]
    ]
    for one in components[:_MOST]:
        by_chance = "" if one["chance"] is None else f"{one['chance']:.4g}"
        rows.append(
            [
                short(one["name"]),
                "" if one["strength"] is None else f"{one['strength']:.4g}",
                *[by_chance] * chance,
                *(_percent(one["kept"][name]) for name in names),
                ", ".join(f"{short(m)} {short(c)} {r:+.2f}" for m, c, r in one["top"][:_TOP]),
            ]
        )
    right = set(range(len(rows[0]) - 1))
    more = len(components) - _MOST
    notes = ["of a modality: share of its variance; most like: columns with their correlation"]
    if more > 0:
        notes.insert(0, f"and {more:,} more components")
    if chance:
        notes.append("by chance: the same of rows in a random order")
    return [*aligned(rows, right=right), *notes]


def drift_table(told: Mapping[str, Any]) -> list[str]:
    """The lines of a `drift.Drift`, given as plain data."""
    lines = []
    for m in told["modalities"]:
        if not m["rows"]:
            continue
        top = ", ".join(f"{short(name)} {step:+.2f}" for name, step in m["columns"])
        lines.append(
            [
                _word(m),
                short(m["name"]),
                f"columns moved by {m['moved']:.3f} sd ({m['chance']:.3f} by chance), "
                f"spread x {m['spread']:.3f}" + (f"; farthest: {top}" if m["drifted"] else ""),
            ]
        )
    lines += [
        [
            _word(p),
            ", ".join(map(short, p["modalities"])),
            f"{_percent(p['agreement'])} of their correlations as the model knows them "
            f"(± {_percent(p['error'])})",
        ]
        for p in told["pairs"]
    ]
    if not told["pairs"] and len(told["modalities"]) > 1:
        lines.append(["note", "", "no correlations between modalities to compare"])
    return aligned(lines, right=())


def _word(one: Mapping[str, Any]) -> str:
    return "DRIFT" if one["drifted"] else "ok"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
