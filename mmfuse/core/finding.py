"""What a check finds, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

Severity = Literal["ok", "note", "wrong"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True)
class Finding:
    """One thing that is so.

    code: its name, for programs. sentence: for people. modalities: which it is about.
    numbers: those in the sentence. examples: ids, three at most.
    command: the options of mmfuse that mend it.
    """

    code: str
    severity: Severity
    modalities: tuple[str, ...]
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    command: str | None = None
