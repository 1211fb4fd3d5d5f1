"""Who takes part in a job: what every file of jobs says it with."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

MMFUSE = str(Path(sys.executable).parent / "mmfuse")


class Role(StrEnum):
    """What a contestant's ratio to the first one says."""

    MMFUSE = "mmfuse"
    PEER = "peer"
    LIMIT = "limit"
    OTHER = "other"


@dataclass(frozen=True)
class Data:
    """Inputs that a job needs: a set of `data.py` in some formats."""

    base: Path
    kind: str
    rows: int
    formats: tuple[str, ...] = ("npy",)

    @property
    def folder(self) -> Path:
        return self.base / f"{self.kind}-{self.rows}"

    def files(self, format: str) -> list[Path]:
        """The modalities in a format."""
        names = ("image", "text") if self.kind == "narrow" else ("image", "text", "audio")
        suffix = format if format in ("npy", "csv") else f"{format}.parquet"
        return [self.folder / f"{name}.{suffix}" for name in names]


@dataclass(frozen=True)
class Contestant:
    """One way of doing a job; `check` are the arguments of `verifier`, None for no output."""

    name: str
    role: Role
    command: list[str]
    out: Path | None = None
    check: list[str] | None = None
    verifier: str = "verify.py"


@dataclass(frozen=True)
class Job:
    """Contestants that run in turn; the ratios are to the first. `short` ones run more often."""

    name: str
    title: str
    data: list[Data]
    contestants: list[Contestant]
    inputs: list[Path] = field(default_factory=list)
    short: bool = False


def mmfuse(
    name: str,
    data: Data,
    kind: str = "npy",
    layout: str = "vector",
    strategy: str = "concat",
    normalize: str = "none",
    threads: int | None = None,
    role: Role = Role.MMFUSE,
) -> Contestant:
    """One call of mmfuse."""
    suffix = suffix_of(layout)
    out = data.folder / "out" / f"{name.replace(' ', '-')}{suffix}"
    files = [f"{file.name.partition('.')[0]}={file}" for file in data.files(kind)]
    command = [MMFUSE, strategy, "-q", *files, "-o", str(out)]
    if suffix == ".parquet":
        command += ["--layout", layout]
    if normalize != "none":
        command += ["--normalize", normalize]
    if threads:
        command += ["--threads", str(threads)]
    check = ["--strategy", strategy, "--normalize", normalize]
    return Contestant(name, role, command, out, check)


def suffix_of(layout: str) -> str:
    return ".npy" if layout == "npy" else ".parquet"
