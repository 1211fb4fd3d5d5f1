"""What `check` found, in lines for people."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from mmfuse.cli.report import aligned
from mmfuse.cli.upset import upset
from mmfuse.files.paths import short, show

if TYPE_CHECKING:
    from mmfuse.core.finding import Finding
    from mmfuse.examine import Check

_WELL = {
    "same-order": "ids in common, in the same order",
    "reordered": "ids in common, in another order; only joined by id they meet",
    "missing": "some ids that one has and the other has not, in no pattern",
    "features-aligned": "features that belong together, row by row",
}
_WIDEST = 100
_INDENT = " " * 7


def check_report(found: Check, *, verbose: bool = False) -> Iterator[str]:
    """The files, what they have in common, the findings, the verdict; not a stable format.

    verbose: what is well is told pair by pair, not only how many pairs it is true of.
    """
    width = min(_WIDEST, shutil.get_terminal_size().columns)
    yield from _files(found)
    if found.overlap:
        names = [item["name"] for item in found.modalities if item["ids"] != "none"]
        yield ""
        yield from upset(names, found.overlap, width, plain=not _draws_blocks())
    yield ""
    for (severity, code), group in groupby(found.findings, attrgetter("severity", "code")):
        findings = list(group)
        if severity == "ok" and len(findings) > 1 and not verbose:
            pairs = len({frozenset(finding.modalities) for finding in findings})
            yield f"ok     {pairs:,} pair{'s' if pairs > 1 else ''}: {_WELL[code]}"
        else:
            for finding in findings:
                yield from _lines(finding, width)
    yield ""
    yield _verdict(found)


def _files(found: Check) -> list[str]:
    rows = [
        [
            show(item["name"]),
            show(os.path.basename(item["file"])),
            f"{item['rows']:,} x {item['columns']:,}",
            "no ids" if item["ids"] == "none" else f"ids {show(item['ids'])}",
        ]
        for item in found.modalities
    ]
    return aligned(rows, right=(2,))


def _lines(finding: Finding, width: int) -> Iterator[str]:
    """One finding: what is so, examples, and what mends it."""
    told = f"{finding.severity:<5}  {show(', '.join(finding.modalities))}: {show(finding.sentence)}"
    yield from textwrap.wrap(
        told, width, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False
    )
    if finding.examples:
        yield from _examples([short(repr(text), _WIDEST) for text in finding.examples], width)
    if finding.command is not None:
        yield f"{_INDENT}mend: {finding.command}"


def _examples(texts: list[str], width: int) -> list[str]:
    """Examples in a line, or where it would be too long, in one each: a break would change them."""
    head = f"{_INDENT}such as "
    line = head + ", ".join(texts)
    return (
        [line] if len(line) <= width else (head + f",\n{' ' * len(head)}".join(texts)).split("\n")
    )


def _draws_blocks() -> bool:
    """Whether the output can carry block characters."""
    try:
        "█●".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _verdict(found: Check) -> str:
    wrong = sum(finding.severity == "wrong" for finding in found.findings)
    notes = sum(finding.severity == "note" for finding in found.findings)
    told = f"{wrong:,} wrong" if wrong else "nothing wrong"
    return told + (f", {notes:,} note{'s' if notes > 1 else ''}" if notes else "")
