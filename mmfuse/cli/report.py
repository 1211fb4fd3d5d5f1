"""The short summary on stderr: what was read, what was joined, what was written."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Container, Sequence
from unicodedata import east_asian_width

from mmfuse.files.paths import show
from mmfuse.summary import AlignSummary, InputSummary, Summary

_WAYS = {
    "gather": "its rows are picked where they are",
    "sequential": "streamed, for the output has its order",
    "memory": "decoded into memory, picked there",
    "partitioned": "decoded into a temporary file in the output's order",
    "columns": "a few columns at a time",
}


_FILLED = {
    "zero": "zeros instead",
    "mean": "the mean of the others instead",
    "nan": "NaN instead",
    "present": "fused from the others",
}


def summary_table(summary: Summary, *, verbose: bool = False) -> list[str]:
    """A few lines for people; not a stable format."""
    lines = aligned([_input_row(item) for item in summary.inputs], right=(2,))
    lines += [f"note: {note}" for note in summary.notes]
    lines += [] if summary.command == "convert" else [_join_line(summary)]
    lines.append(_output_line(summary))
    if verbose:
        lines += aligned([[show(i.name), i.way, _WAYS[i.way]] for i in summary.inputs], right=())
        lines.append(
            f"reads {_bytes(summary.read)}, writes {_bytes(summary.bytes)}"
            + (f", {_bytes(summary.temporary)} of temporary files" if summary.temporary else "")
        )
    if verbose or summary.dry_run:
        told = "dry run: nothing was written; " if summary.dry_run else ""
        lines.append(
            f"{told}{_bytes(summary.memory)} of working memory on "
            f"{summary.threads} thread{'s' if summary.threads > 1 else ''}"
        )
    return lines


def align_table(summary: AlignSummary) -> list[str]:
    """The same for modalities that are not fused."""
    lines = aligned([_input_row(item) for item in summary.inputs], right=(2,))
    lines += [f"note: {note}" for note in summary.notes]
    lines.append(_join_line(summary))
    if summary.anti and summary.empty:
        names = ", ".join(map(show, summary.empty))
        lines.append(f"every row has a match, so no file is written: {names}")
    lines += [_output_line(file) for file in summary.files]
    if summary.dry_run:
        lines.append("dry run: nothing was written")
    return lines


def aligned(rows: Sequence[Sequence[str]], right: Container[int]) -> list[str]:
    """Lines of cells in columns, two spaces apart; those in `right` end together."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            _filled(cell, wide, right=j in right)
            for j, (cell, wide) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def width(text: str) -> int:
    """How many places a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(char) in ("Mn", "Me") else 1 + (east_asian_width(char) in "WF")
        for char in text
    )


def _filled(cell: str, wide: int, *, right: bool) -> str:
    blanks = " " * (wide - width(cell))
    return blanks + cell if right else cell + blanks


def _input_row(item: InputSummary) -> list[str]:
    norm = f"norm {item.norm[0]:.2f} ±{item.norm[1]:.2f}" if item.norm else ""
    return [
        show(item.name),
        show(os.path.basename(item.file)),
        f"{item.rows:,} x {item.columns:,}",
        item.dtype,
        _met_by(item),
        norm,
    ]


def _met_by(item: InputSummary) -> str:
    if item.ids == "position":
        return "by position"
    told = "" if item.times is None or item.ids == "none" else f", ids {show(item.ids)}"
    return f"ids {show(item.ids)}" if item.times is None else f"times {show(item.times)}{told}"


def _join_line(summary: Summary | AlignSummary) -> str:
    if summary.by == "position":
        return f"by position: {summary.rows:,} rows"
    if isinstance(summary, Summary) and summary.time is not None:
        return _time_line(summary)
    dropped = [f"{item.dropped:,} of {show(item.name)}" for item in summary.inputs if item.dropped]
    lacking = [f"{item.absent:,} lack {show(item.name)}" for item in summary.inputs if item.absent]
    told = "; ".join(
        [
            *([f"dropped: {', '.join(dropped)}"] if dropped else []),
            *([f"{', '.join(lacking)}: {_FILLED[summary.missing or '']}"] if lacking else []),
        ]
    )
    told = f" ({told})" if told else ""
    return f"{summary.join} join: {summary.rows:,} rows{' kept' * (summary.join == 'inner')}{told}"


def _time_line(summary: Summary) -> str:
    alone = [
        f"{i.unmatched:,} meet no row of {show(i.name)}" for i in summary.inputs if i.unmatched
    ]
    pivot = summary.inputs[0]
    filled = "" if summary.missing is None else f": {_FILLED[summary.missing]}"
    told = f" ({', '.join(alone)}{filled})" if alone else ""
    kept = f"{summary.rows:,} of {pivot.rows:,} rows of {show(pivot.name)} kept"
    return f"{summary.time}: {kept}{told}"


def _output_line(summary: Summary) -> str:
    parts = [" ".join(filter(None, (summary.command, summary.options.get("fuse"))))]
    estimators = summary.options.get("estimators", {})
    for item in summary.inputs:
        own = ",".join([*item.normalize, *filter(None, [estimators.get(item.name)])])
        weight = "" if item.weight == 1 else f"{item.weight:g}"
        told = " x ".join(filter(None, (own, weight)))
        if told:
            parts.append(f"{show(item.name)}={told}")
    place = "stdout" if summary.output == "-" else show(summary.output or "memory")
    shape = f"{summary.rows:,} x {summary.columns:,} {summary.dtype}"
    if summary.format == "model":
        rows = summary.rows if summary.learned is None else summary.learned
        shape = f"learned from {rows:,} rows, {summary.columns:,} columns"
    return f"{', '.join(parts)} -> {place}   {shape}   {_bytes(summary.bytes)}"


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
