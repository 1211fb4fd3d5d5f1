"""What a user calls a file: `NAME=PATH`, suffixes, and how either is shown safely."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

COMPRESSED = (".gz", ".zst")

_NAMED = re.compile(r"([^=/]+)=(.*)", re.DOTALL)


def split_name(text: str) -> tuple[str | None, str]:
    """`NAME=PATH` as (NAME, PATH); a bare path, or one like `./a=b.npy`, as (None, PATH).

    Names go into the output, so they are made printable: argument bytes need not be text.
    """
    named = _NAMED.fullmatch(text)
    return (show(named[1]), named[2]) if named else (None, text)


def default_name(path: str) -> str:
    """What a modality without a name of its own is called: its file's stem, printable."""
    return show(stem(path))


def stem(path: str) -> str:
    """The file's name without its suffixes of format and compression."""
    name = Path(path)
    if name.suffix.lower() in COMPRESSED:
        name = name.with_suffix("")
    return name.stem


def suffix(path: str) -> str:
    """The suffix that tells the format, lower case, whatever compression is around it."""
    name = Path(path)
    if name.suffix.lower() in COMPRESSED:
        name = name.with_suffix("")
    return name.suffix.lower()


def show(text: str) -> str:
    """Untrusted text for a terminal or a log: controls, bidi marks and surrogates escaped."""
    return "".join(
        char if char == " " or unicodedata.category(char)[0] not in "CZ" else _escape(char)
        for char in text
    )


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def same_file(a: str, b: str) -> bool:
    """Whether both names lead to one file, through links of any kind."""
    try:
        return os.path.samefile(a, b)
    except OSError:
        return False
