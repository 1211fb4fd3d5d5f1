"""What a user calls a file: `NAME=PATH`, suffixes, and how either is shown safely."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

COMPRESSED = (".gz", ".zst")

_WILDCARD = re.compile(r"[*?]")
_NAMED = re.compile(r"([^=/]+)=(.*)", re.DOTALL)


def split_name(text: str) -> tuple[str | None, str]:
    """`NAME=PATH` as (NAME, PATH); a bare path, or one like `./a=b.npy`, as (None, PATH).

    Names go into the output, so they are made printable: argument bytes need not be text.
    """
    named = _NAMED.fullmatch(text)
    return (show(named[1]), named[2]) if named else (None, text)


def default_name(path: str) -> str:
    """What a modality without a name of its own is called, printable.

    The stem of a file, the name of a folder; of a glob what comes before its first wildcard
    without the marks at its end, or else the name of the folder.
    """
    if os.path.isdir(path):
        return show(os.path.basename(os.path.abspath(path)))
    if not is_glob(path):
        return show(stem(path))
    folder, name = os.path.split(path)
    before = _WILDCARD.split(name)[0]
    if before == name:
        return show(stem(name))
    return show(before.rstrip("-_. ")) or default_name(folder or os.curdir)


def is_glob(path: str) -> bool:
    """Whether this is a pattern; a file of that very name comes first."""
    return _WILDCARD.search(path) is not None and not os.path.lexists(path)


def matches(pattern: str) -> list[str]:
    """The paths that match, in no order; `*` and `?` are wildcards, brackets are themselves."""
    return glob.glob(pattern.replace("[", "[[]"))


def fixed_folder(pattern: str) -> str:
    """The folder that is named before the first wildcard; empty: the one we are in."""
    return os.path.dirname(_WILDCARD.split(pattern)[0])


def files_below(folder: str, above: frozenset[tuple[int, int] | None] = frozenset()) -> list[str]:
    """The files of a folder and of those in it, in no order; hidden folders are left aside.

    Links are followed, but not back into a folder `above`. Raises OSError.
    """
    if (own := identity(folder)) in above:
        return []
    with os.scandir(folder) as listing:
        entries = list(listing)
    found = [entry.path for entry in entries if not entry.is_dir()]
    for entry in entries:
        if entry.is_dir() and not entry.name.startswith("."):
            found += files_below(entry.path, above | {own})
    return found


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


def file_name(path: str) -> str:
    """The last part of a path as text; bytes that are no text are escaped."""
    return os.fsencode(os.path.basename(path)).decode("utf-8", "backslashreplace")


def show(text: str) -> str:
    """Untrusted text for a terminal or a log: what cannot be seen is escaped.

    Controls, line breaks, bidi marks, spaces but the plain one, surrogates, unassigned characters.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def short(name: str, most: int = 24) -> str:
    """A name, shown, of which a long one loses its end."""
    shown = show(name[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def identity(path: str) -> tuple[int, int] | None:
    """What all names of one file have in common; None where there is no file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def same_file(a: str, b: str) -> bool:
    """Whether both names lead to one file, through links of any kind."""
    try:
        return os.path.samefile(a, b)
    except OSError:
        return False
