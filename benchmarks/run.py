"""Time mmfuse beside its peers, in interleaved rounds.

`python benchmarks/run.py [--rows N] [--rounds R] [--jobs 'wide-*,help'] [--growth]`

Prints a table for every job and keeps the raw numbers as JSON, which `report.py` makes into
RESULTS.md. Imports no library itself: what it holds in memory, a child's peak would count.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from contestants import Contestant, Job, Role
from jobs import growth, standard
from learned import learned
from machine import machine, versions
from measure import measure
from summary import Line, summarize

_HERE = Path(__file__).resolve().parent
_WARM_MEGABYTES = 12_288
_SHORT = 3  # times the rounds, for jobs of a fraction of a second


def main() -> None:
    """Make what is missing of the data, then run the jobs asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--learned-rows", type=int, default=200_000, help="of learn-*, at most")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", default="*", help="names or globs, with commas")
    parser.add_argument("--peers", default="*", help="of each job, names or globs, with commas")
    parser.add_argument("--growth", action="store_true", help="also a quarter to twice the rows")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds for one run")
    parser.add_argument("--json", type=Path, help="by default results-ROWS.json beside the data")
    options = parser.parse_args()
    base = Path(tempfile.gettempdir()) / "mmfuse-bench"
    base.mkdir(exist_ok=True)
    place = options.json or base / f"results-{options.rows}.json"
    results = _resume(place, options.rows, base)
    # growth first: what it needs of the disk is free again for the others
    found = growth(base, options.rows) if options.growth else []
    few = min(options.rows, options.learned_rows)
    for job in found + standard(base, options.rows) + learned(base, few):
        if not _matches(job.name, options.jobs):
            continue
        job.contestants[:] = [
            one
            for one in job.contestants
            if one.role is not Role.PEER or _matches(one.name, options.peers)
        ]
        results["jobs"][job.name] = _compete(job, options.rounds, options.timeout)
        _keep(place, results)
        title = f"{job.title} ({job.name}, {results['jobs'][job.name]['rows']:,} ids)"
        print(_table(title, summarize(results["jobs"][job.name])), flush=True)
        if job in found and job.data[0].rows != options.rows:
            shutil.rmtree(job.data[0].folder)
    print(f"\nraw numbers: {place}")


def _matches(name: str, patterns: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns.split(","))


def _resume(place: Path, rows: int, base: Path) -> dict[str, Any]:
    """What is known of the same code on the same machine, to be completed; else a new start."""
    about = {"rows": rows, "machine": machine(base), "versions": versions()}
    if place.exists():
        known: dict[str, Any] = json.loads(place.read_text())
        if all(known[key] == value for key, value in about.items()):
            return known
    limits = _script("limits.py", base)
    limits.check_returncode()
    return about | {"limits": json.loads(limits.stdout), "jobs": {}}


def _keep(place: Path, results: dict[str, Any]) -> None:
    part = place.with_name("part." + place.name)
    part.write_text(json.dumps(results, indent=1))
    os.replace(part, place)


def _compete(job: Job, rounds: int, timeout: float) -> dict[str, Any]:
    """Every contestant once a round; the first output of each is verified, or its times void."""
    for data in job.data:
        made = _script("data.py", data.folder, data.kind, data.rows, ",".join(data.formats))
        made.check_returncode()
        shutil.rmtree(data.folder / "out", ignore_errors=True)
        (data.folder / "out").mkdir()
    runs: dict[str, list[dict[str, Any]]] = {one.name: [] for one in job.contestants}
    failures: dict[str, str] = {}
    size = 0
    copied = any(one.role is Role.LIMIT for one in job.contestants)
    for round in range(rounds * (_SHORT if job.short else 1)):
        for one in job.contestants:
            if one.name in failures:
                continue
            _progress(f"{job.name}, round {round + 1}: {one.name}")
            _remove(one)
            _settle(job)
            run = measure(one.command, timeout)
            failure = run.failure or (_wrong(one, job) if round == 0 else None)
            if failure:
                failures[one.name] = failure
            else:
                figures = asdict(run)
                del figures["failure"]
                runs[one.name].append(figures)
            if one.role is Role.MMFUSE and one.out and one.out.exists():
                size = one.out.stat().st_size
            if not (copied and one.role is Role.MMFUSE):
                _remove(one)
    _progress("")
    for data in job.data:
        shutil.rmtree(data.folder / "out")
    return {
        "title": job.title,
        "date": datetime.now(UTC).date().isoformat(),
        "rows": job.data[0].rows if job.data else 0,
        "output": size,
        "contestants": [
            {
                "name": one.name,
                "role": one.role,
                "runs": runs[one.name],
                "failure": failures.get(one.name),
            }
            for one in job.contestants
        ],
    }


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def _settle(job: Job) -> None:
    """The same state before every run, as far as it goes; short jobs touch little memory."""
    if not job.short:
        size = sum(file.stat().st_size for file in job.inputs) / (1 << 20)
        _script("settle.py", min(_WARM_MEGABYTES, 2 * size), *job.inputs)


def _wrong(one: Contestant, job: Job) -> str | None:
    """What is wrong with an output."""
    if one.out is None or one.check is None:
        return None
    check = _script(one.verifier, one.out.parent.parent, one.out, *one.check)
    if check.returncode == 0:
        return None
    lines = check.stderr.strip().splitlines() or ["no message"]
    return f"wrong output: {next((line for line in lines if 'Error' in line), lines[-1])}"


def _remove(one: Contestant) -> None:
    """An output and what stands beside it."""
    if one.out:
        for file in one.out.parent.glob(f"{one.out.stem}.*"):
            file.unlink()


def _script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a script of this folder."""
    command = [sys.executable, str(_HERE / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _table(title: str, lines: Iterable[Line]) -> str:
    rows = [
        f"\n{title}\n{'':27}{'wall s':>9}{'CPU s':>9}{'private MB':>12}{'resident MB':>13}"
        f"{'wall':>9}{'CPU':>8}{'private':>9}"
    ]
    for line in lines:
        if line.failure:
            rows.append(f"{line.name:27}  failed: {line.failure}")
            continue
        figures, ratios = line.figures, line.ratios
        cells = [f"{ratios[key]:.2f}x" if key in ratios else "" for key in ("wall", "cpu")]
        private = f"{ratios['private']:.1f}x" if "private" in ratios else ""
        rows.append(
            f"{line.name:27}{figures['wall']:9.3f}{figures['cpu']:9.3f}"
            f"{figures['private']:12.0f}{figures['resident']:13.0f}"
            f"{cells[0]:>9}{cells[1]:>8}{private:>9}"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()
