"""Time mmfuse beside its peers, in interleaved rounds: `python benchmarks/run.py [--rows N]`."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
MODALITIES = ("image", "text", "audio")
_SAMPLE_SECONDS = 0.01
_SUFFIX = {"npy": "npy", "vector": "vector.parquet", "wide": "wide.parquet", "csv": "csv"}


@dataclass
class Contestant:
    """One way of doing a job, and what its runs took."""

    name: str
    command: list[str]
    out: Path
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    private: list[float] = field(default_factory=list)
    resident: list[float] = field(default_factory=list)

    def run(self) -> None:
        """Once, as a process of its own."""
        start = time.perf_counter()
        process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        private = 0.0
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            private = max(private, _private_megabytes(process.pid))
            time.sleep(_SAMPLE_SECONDS)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{self.name} failed: {' '.join(self.command)}")
        self.wall.append(time.perf_counter() - start)
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        self.private.append(private)
        self.resident.append(usage.ru_maxrss / 1024)

    def forget(self) -> None:
        """Start counting anew: the warm-up is over."""
        for figures in (self.wall, self.cpu, self.private, self.resident):
            figures.clear()


def _private_megabytes(pid: int) -> float:
    """Memory that is a process's own; what it maps of files is the page cache's."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    own = [line for line in status.splitlines() if line.startswith("RssAnon")]
    return int(own[0].split()[1]) / 1024 if own else 0.0


def script(name: str, *arguments: object) -> None:
    """Run a script of this folder as a process: what it holds in memory, a child would count."""
    subprocess.run([sys.executable, str(HERE / name), *map(str, arguments)], check=True)


def contestants(folder: Path, kind: str, suffix: str, layout: str) -> list[Contestant]:
    """mmfuse first, then the peers that can do the job."""
    files = [str(folder / f"{name}.{_SUFFIX[kind]}") for name in MODALITIES]
    named = [f"{name}={file}" for name, file in zip(MODALITIES, files, strict=True)]
    own = folder / f"out.mmfuse.{suffix}"
    program = str(Path(sys.executable).parent / "mmfuse")
    layouts = ["--layout", layout] if suffix == "parquet" else []
    found = [Contestant("mmfuse", [program, "concat", "-q", *named, "-o", str(own), *layouts], own)]
    for peer in _PEERS[kind, suffix, layout]:
        out = folder / f"out.{peer}.{suffix}"
        command = [sys.executable, str(HERE / "peers" / f"{peer}.py"), str(folder), kind, str(out)]
        found.append(Contestant(peer, command, out))
    return found


_PEERS = {
    ("npy", "npy", "vector"): ["numpy_by_hand"],
    ("npy", "parquet", "vector"): ["numpy_by_hand", "polars_join"],
    ("wide", "parquet", "wide"): ["pyarrow_take", "polars_join", "duckdb_join", "pandas_merge"],
    ("vector", "parquet", "vector"): ["pyarrow_take", "polars_join"],
    ("csv", "parquet", "wide"): ["pyarrow_take", "polars_join", "pandas_merge"],
}


def compete(folder: Path, kind: str, suffix: str, layout: str, rounds: int) -> None:
    """Run one job's contestants in turn and print what they took."""
    field_ = contestants(folder, kind, suffix, layout)
    for contestant in field_:  # also the warm-up
        contestant.run()
        script("verify.py", folder, contestant.out)
        contestant.forget()
    copied = field_[0].out.with_suffix(".copy")
    limit = Contestant("cp of the output", ["cp", str(field_[0].out), str(copied)], copied)
    for _ in range(rounds):
        for contestant in (*field_, limit):
            contestant.out.unlink(missing_ok=True) if contestant is limit else None
            contestant.run()
    print(
        f"\n{kind} -> {suffix} ({layout})\n{'':18}{'wall s':>9}{'CPU s':>9}"
        f"{'private MB':>12}{'resident MB':>12}{'wall':>9}"
    )
    for contestant in (*field_, limit):
        pairs = zip(contestant.wall, field_[0].wall, strict=True)
        ratio = statistics.median(other / own for other, own in pairs)
        wall, cpu, private, resident = map(
            statistics.median,
            (contestant.wall, contestant.cpu, contestant.private, contestant.resident),
        )
        print(
            f"{contestant.name:18}{wall:9.2f}{cpu:9.2f}{private:12.0f}{resident:12.0f}{ratio:8.2f}x",
            flush=True,
        )
        contestant.out.unlink(missing_ok=True)


def main() -> None:
    """Make what is missing of the data, then run the jobs asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", default="npy,vector,wide,csv", help="formats of the inputs")
    options = parser.parse_args()
    wanted = options.jobs.split(",")
    base = Path(tempfile.gettempdir()) / "mmfuse-bench"
    for job in (job for job in _PEERS if job[0] in wanted):
        # text is slow to parse: an eighth of the rows tells as much
        rows = options.rows // 8 if job[0] == "csv" else options.rows
        folder = base / str(rows)
        script("data.py", folder, rows, f"npy,{job[0]}")
        compete(folder, *job, options.rounds)
    shutil.rmtree(base / "out", ignore_errors=True)


if __name__ == "__main__":
    main()
