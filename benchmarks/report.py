"""RESULTS.md and growth.svg from raw numbers: `report.py [--folder FOLDER] RESULTS.json...`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from growth import Panel, Series, draw
from summary import Line, summarize

_HEAD = """\
# Results

Made from the raw numbers by `report.py`. Times are medians over rounds in which every contestant
runs once in turn; a ratio is the median of every round's ratio to the first line of its table,
with the smallest and the largest of wall seconds. Above 1 the first line is better. *Private* is
a process's own memory at its peak; *resident* counts the input pages that it maps from the page
cache too. mmfuse flushes its output to the disk before the output appears; of the others only
`cp and fsync` does.
"""


def report(results: list[dict[str, Any]]) -> str:
    """The text: a section for every run."""
    parts = [_HEAD]
    for result in sorted(results, key=lambda one: int(one["rows"])):
        parts.append(f"## {result['rows']:,} ids\n\n{_about(result)}")
        growing = _growing(result)
        if growing:
            parts.append(_growth(growing))
        parts += [_job(job) for name, job in result["jobs"].items() if name not in growing]
    return "\n".join(parts)


def picture(result: dict[str, Any]) -> str | None:
    """Time and private memory against n, or None if the run did not look at growth."""
    growing = _growing(result)
    if not growing:
        return None
    panels = []
    for title, unit, key in (("Wall time", "s", "wall"), ("Private memory", "GB", "private")):
        found: dict[str, list[tuple[float, float]]] = {}
        for job in growing.values():
            for line in summarize(job):
                if not line.failure:
                    value = line.figures[key] / (1024 if key == "private" else 1)
                    found.setdefault(line.name, []).append((job["rows"], value))
        panels.append(Panel(title, unit, [Series(*item) for item in found.items()]))
    return draw(panels)


def _growing(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    jobs = result["jobs"].items()
    found = [(job["rows"], name, job) for name, job in jobs if name.startswith("growth-")]
    return {name: job for _, name, job in sorted(found, key=lambda item: item[0])}


def _about(result: dict[str, Any]) -> str:
    days = sorted({job["date"] for job in result["jobs"].values()})
    lines = [f"- {name}: {value}" for name, value in result["machine"].items()]
    lines.append("- " + ", ".join(f"{name} {value}" for name, value in result["versions"].items()))
    lines.append("- " + (days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"))
    speeds = [f"{name} {value:.1f} GB/s" for name, value in result["limits"].items()]
    lines.append("- what the machine can do: " + ", ".join(speeds))
    return "\n".join(lines) + "\n"


def _job(job: dict[str, Any]) -> str:
    lines = summarize(job)
    about = [f"{job['rows']:,} ids"] if job["rows"] else []
    about += [f"{job['output'] / 1e6:,.0f} MB out"] if job["output"] > 1e6 else []
    about.append(f"{max(line.rounds for line in lines)} rounds")
    text = f"### {job['title']}\n\n{', '.join(about)}.\n\n{_table(lines)}\n"
    sentences = " ".join(comparison(lines))
    return text + (f"\n{sentences}\n" if sentences else "")


def _table(lines: list[Line]) -> str:
    rows = [
        "| | wall s | CPU s | private MB | resident MB | wall ratio | CPU ratio | private ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        if line.failure:
            reason = line.failure.replace("|", "\\|").replace("<", "&lt;")
            rows.append(f"| {line.name} | failed: {reason} | | | | | | |")
            continue
        figures, ratios = line.figures, line.ratios
        wall = ""
        if line.spread:
            low, high = line.spread
            wall = f"{ratios['wall']:.2f} ({low:.2f}–{high:.2f})"
        others = [f"{ratios[key]:.2f}" if key in ratios else "" for key in ("cpu", "private")]
        rows.append(
            f"| {line.name} | {figures['wall']:.3f} | {figures['cpu']:.3f} "
            f"| {figures['private']:,.0f} | {figures['resident']:,.0f} "
            f"| {wall} | {others[0]} | {others[1]} |"
        )
    return "\n".join(rows)


def comparison(lines: list[Line]) -> Iterator[str]:
    """Sentences: who is faster, who is as fast, who takes less; nothing without peers."""
    peers = [line for line in lines if line.role == "peer" and line.spread]
    if not peers:
        return
    peers.sort(key=lambda line: line.ratios["wall"])
    faster = [line for line in peers if line.spread and line.spread[1] < 1]
    alike = [line for line in peers if line.spread and line.spread[0] <= 1 <= line.spread[1]]
    slower = [line for line in peers if line.spread and line.spread[0] > 1]
    if faster:
        yield f"Faster than mmfuse: {_listed(faster, 'wall', 'of its time')}."
    if alike:
        yield f"As fast within the noise: {_listed(alike, 'wall', 'of its time')}."
    if slower and not faster and not alike:
        yield f"mmfuse is the fastest; next comes {_listed(slower[:1], 'wall', 'times its time')}."
    for key, what in (("cpu", "CPU time"), ("private", "private memory")):
        less = [line for line in peers if line.ratios.get(key, 1) < 1]
        if less:
            less.sort(key=lambda line: line.ratios[key])
            yield f"Less {what}: {_listed(less, key, 'of it')}."


def _listed(lines: list[Line], key: str, unit: str) -> str:
    named = [f"{line.name} ({line.ratios[key]:.2f} {unit})" for line in lines]
    return " and ".join([", ".join(named[:-1]), named[-1]] if len(named) > 1 else named)


def _growth(growing: dict[str, dict[str, Any]]) -> str:
    """A table of wall seconds and private memory, and by how much each contestant grows."""
    jobs = list(growing.values())
    found: dict[str, dict[int, Line]] = {}
    for job in jobs:
        for line in summarize(job):
            found.setdefault(line.name, {})[job["rows"]] = line
    counts = [job["rows"] for job in jobs]
    rows = [
        "| s; private MB | " + " | ".join(f"{n:,} ids" for n in counts) + " |",
        "|---|" + "---|" * len(counts),
    ]
    sentences = []
    for name, lines in found.items():
        cells = [_cell(lines[n]) if n in lines else "" for n in counts]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
        done = [n for n in counts if n in lines and not lines[n].failure]
        if len(done) > 1:
            first, last = lines[done[0]].figures, lines[done[-1]].figures
            sentences.append(
                f"{name}: {done[-1] / done[0]:g} times the ids take "
                f"{last['wall'] / first['wall']:.1f} times the time and "
                f"{last['private'] / first['private']:.1f} times the memory."
            )
        sentences += [
            f"{name} failed at {n:,}: {line.failure}." for n, line in lines.items() if line.failure
        ]
    return (
        f"### Growth, {jobs[0]['title']}\n\n"
        "![Time and private memory against the number of ids](growth.svg)\n\n"
        + "\n".join(rows)
        + "\n\n"
        + "\n".join(f"- {sentence}" for sentence in sentences)
        + "\n"
    )


def _cell(line: Line) -> str:
    if line.failure:
        return "failed"
    return f"{line.figures['wall']:.2f}; {line.figures['private']:,.0f}"


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parent)
    options = parser.parse_args()
    results = [json.loads(place.read_text()) for place in options.results]
    (options.folder / "RESULTS.md").write_text(report(results))
    for result in sorted(results, key=lambda one: int(one["rows"])):
        drawn = picture(result)
        if drawn:
            (options.folder / "growth.svg").write_text(drawn)


if __name__ == "__main__":
    main()
