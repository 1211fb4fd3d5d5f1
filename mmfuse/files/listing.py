"""A list of files in a text file, one a line."""

from __future__ import annotations

import os
import sys

from mmfuse.errors import InputError
from mmfuse.files.inputs import looks_like, reading, refuse_no_lines


def listed_lines(path: str) -> list[str]:
    """The lines of a list, `-` is standard input; without blank ones and those that begin with #.

    Spaces around a line do not count; names may be any bytes but NUL. Raises InputError.
    """
    with reading(path):
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                data = file.read()
        refuse_no_lines(data[:512])
        if b"\0" in data:
            raise InputError(f"NUL bytes; it looks like {looks_like(data[:512])}")
    lines = (os.fsdecode(line.strip()) for line in data.split(b"\n"))
    return [line for line in lines if line and not line.startswith("#")]
