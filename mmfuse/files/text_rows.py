"""Text read row by row, none of which takes more memory than a row may."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from mmfuse.errors import InputError
from mmfuse.files.inputs import InputFile, open_arrow

_SAMPLE_ROWS = 50
_CELL_CHARACTERS = 64 << 20  # what an unclosed quote may take into memory before it is noticed
_LINE_CHARACTERS = 64 << 20  # and what a line that does not end


def lines_of(text: io.TextIOBase) -> Iterator[str]:
    """Its lines. Raises InputError for one that takes too much memory."""
    read = partial(text.readline, _LINE_CHARACTERS + 1)
    for number, line in enumerate(iter(read, ""), 1):
        if len(line) > _LINE_CHARACTERS:
            raise InputError(f"line {number:,} is longer than {_LINE_CHARACTERS:,} characters")
        yield line


def sample_of(rows: Iterator[list[str]]) -> list[list[str]]:
    """The first rows, as many as are needed and fit into memory."""
    sample: list[list[str]] = []
    size = 0
    for row in filter(None, rows):
        sample.append(row)
        size += len(row) + sum(map(len, row))
        if len(sample) == _SAMPLE_ROWS or size > _LINE_CHARACTERS:
            break
    return sample


def open_text(file: InputFile, compression: str | None, encoding: str) -> io.TextIOBase:
    """A file as text; bytes that are no UTF-8 become surrogates."""
    stream = open_arrow(file, compression)
    return io.TextIOWrapper(stream, encoding, errors="surrogateescape", newline="")


@contextmanager
def long_cells() -> Iterator[None]:
    """Let the csv module read cells as long as a vector written as text."""
    before = csv.field_size_limit(_CELL_CHARACTERS)
    try:
        yield
    finally:
        csv.field_size_limit(before)
