"""Medians and ratios of a job's runs, as they stand in the JSON of `run.py`."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

FIGURES = ("wall", "cpu", "private", "resident")


@dataclass(frozen=True)
class Line:
    """One contestant of a job. `figures` are medians over the rounds.

    `ratios` are medians of every round's ratio to the job's first contestant; `spread` is the
    smallest and the largest ratio of wall seconds. All are empty where there is a `failure`.
    """

    name: str
    role: str
    rounds: int
    figures: dict[str, float]
    ratios: dict[str, float]
    spread: tuple[float, float] | None
    failure: str | None


def summarize(job: dict[str, Any]) -> list[Line]:
    """A line for every contestant, in the order of the job."""
    first = job["contestants"][0]
    return [_line(contestant, first) for contestant in job["contestants"]]


def _line(contestant: dict[str, Any], first: dict[str, Any]) -> Line:
    name, role, runs = contestant["name"], contestant["role"], contestant["runs"]
    failure = contestant["failure"]
    if failure or not runs:
        return Line(name, role, len(runs), {}, {}, None, failure or "did not run")
    figures = {key: statistics.median(run[key] for run in runs) for key in FIGURES}
    # one that failed in a later round has fewer runs: compare the rounds that both have
    pairs = list(zip(runs, first["runs"], strict=False)) if not first["failure"] else []
    each = {key: [own[key] / ref[key] for own, ref in pairs if ref[key]] for key in FIGURES}
    ratios = {key: statistics.median(values) for key, values in each.items() if values}
    walls = each["wall"]
    return Line(
        name, role, len(runs), figures, ratios, (min(walls), max(walls)) if walls else None, None
    )
