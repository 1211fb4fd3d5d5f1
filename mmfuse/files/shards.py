"""Which files an input names: those of a folder, of a glob, or of a list."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmfuse.core.natural import natural
from mmfuse.errors import InputError, UsageError
from mmfuse.files.formats import Format
from mmfuse.files.ids import sidecars
from mmfuse.files.inputs import reading
from mmfuse.files.paths import is_glob, matches, suffix

_TOLD = 3

FormatOf = Callable[[str], Format | None]
"""Tells the format of a file by its path, where that is known."""


@dataclass(frozen=True)
class Shards:
    """The files that are one modality together, in the order of its rows.

    skipped: what lies beside them and is of no use, by name. order: how the files were ordered.
    """

    paths: tuple[str, ...]
    skipped: tuple[str, ...]
    order: str

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of them."""
        first, last = (os.path.basename(path) for path in (self.paths[0], self.paths[-1]))
        files = f"{len(self.paths):,} file{'s' * (len(self.paths) > 1)}"
        told = f"{files} in {self.order}, {first} to {last}" if first != last else f"{files}"
        if not self.skipped:
            return (told,)
        return told, f"{len(self.skipped):,} beside them skipped: {_listed(self.skipped)}"


def shards(value: object, format_of: FormatOf) -> Shards | None:
    """The shards that a folder, a glob, or a list of these and of files names; None: a file.

    Raises InputError: no files, files of two formats or of none. UsageError: stdin in a list.
    """
    if isinstance(value, str):
        return _found(value, format_of)
    if not isinstance(value, list) or not all(isinstance(path, str) for path in value):
        return None
    if "-" in value:
        raise UsageError("standard input cannot be one of several files")
    found = []
    for path in value:
        with reading(path):
            found.append(_found(path, format_of) or Shards((path,), (), ""))
    return Shards(
        tuple(path for each in found for path in each.paths),
        tuple(name for each in found for name in each.skipped),
        "the order listed",
    )


def named_files(value: object) -> list[str]:
    """Every file that an input may be read of, without a look at any."""
    if isinstance(value, list):
        return [path for each in value for path in named_files(each)]
    path = str(value)
    if os.path.isdir(path):
        beside = [os.path.join(path, name) for name in os.listdir(path)]
        below = (os.path.join(place, name) for place, _, names in os.walk(path) for name in names)
        # of the folders in it only samples are read
        return [*beside, *(name for name in below if suffix(name) == ".npy")]
    return matches(path) if is_glob(path) else [path]


def _found(path: str, format_of: FormatOf) -> Shards | None:
    if os.path.isdir(path):
        named = [os.path.join(path, name) for name in os.listdir(path)]
    elif is_glob(path):
        named = matches(path)
        if not named:
            raise InputError("no file matches this pattern")
    else:
        return None
    candidates = sorted(filter(may_hold_features, named), key=natural)
    beside = {sidecar for name in candidates for sidecar in sidecars(name)}
    data = tuple(name for name in candidates if name not in beside)
    refuse_mixed(path, data, format_of)
    skipped = tuple(
        os.path.basename(name) for name in sorted(set(named).difference(data, beside), key=natural)
    )
    if not data:
        folders = any(map(os.path.isdir, named))
        raise InputError(
            "no file of features in this folder"
            + (f"; there are {_listed(skipped)}" if skipped else ", which is empty"),
            hint="name one of the folders in it" if folders else None,
        )
    return Shards(data, skipped, "natural order")


def may_hold_features(path: str) -> bool:
    """Whether a path is a file, and not of a kind that lies beside data."""
    name = os.path.basename(path)
    idle = name.startswith((".", "_SUCCESS", "README")) or name.endswith(".json")
    return not idle and not os.path.isdir(path)


def refuse_mixed(path: str, data: Sequence[str], format_of: FormatOf) -> None:
    """Raise InputError unless all files are of one format that is known."""
    formats = list(map(format_of, data))
    if len(set(formats)) <= 1 and None not in formats:
        return
    if len(set(formats)) == 1:
        raise InputError(
            f"cannot tell the format of {_listed(list(map(os.path.basename, data)))}",
            hint="name it with --from",
        )
    examples = [data[formats.index(format)] for format in dict.fromkeys(formats)]
    known = next(name for name in examples if format_of(name) is not None)
    glob_of_known = os.path.join(os.path.dirname(known), "*" + os.path.splitext(known)[1])
    raise InputError(
        f"files of several formats: {_listed(list(map(os.path.basename, examples)))}",
        hint=f"name those that you mean by a glob: '{glob_of_known}'",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_TOLD]) + ", …" * (len(names) > _TOLD)
