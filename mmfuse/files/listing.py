"""A list of files in a text file, one a line."""

from __future__ import annotations

import os

from mmfuse.errors import InputError
from mmfuse.files.inputs import looks_like, open_input, reading, refuse_no_lines


def listed_lines(path: str) -> list[str]:
    """The lines of a list, `-` is standard input; without blank ones and those that begin with #.

    Spaces around a line do not count; names may be any bytes but NUL. Raises InputError.
    """
    file = open_input(path, path)
    with reading(path), open(file.path, "rb") as stream:
        refuse_no_lines(file.head)
        data = stream.read()
        if b"\0" in data:
            raise InputError(f"NUL bytes; it looks like {looks_like(file.head)}")
    lines = (os.fsdecode(line.strip()) for line in data.split(b"\n"))
    return [line for line in lines if line and not line.startswith("#")]
