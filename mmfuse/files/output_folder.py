"""A folder that files go into: made if it is missing, gone again if nothing comes of it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Self

from mmfuse.errors import OutputError, UsageError
from mmfuse.files.output import sync_folder, writing


class OutputFolder:
    """The folder at `path`; one that was made for this is removed again unless it is kept.

    Raises OutputError where it cannot be made, UsageError for standard output.
    """

    def __init__(self, path: str, *, dry_run: bool = False) -> None:
        self.path, self._made = path, False
        if path == "-":
            raise UsageError("several files cannot go to standard output", hint="name a folder")
        if os.path.lexists(path):
            if not os.path.isdir(path):
                raise OutputError(f"{path} is not a folder", hint="several files go into a folder")
        elif not dry_run:
            with writing(path):
                os.mkdir(path)
            self._made = True

    def file(self, name: str) -> str:
        """The path of a file in it. Raises UsageError for a name that would lead elsewhere."""
        if os.sep in name or "\0" in name:
            raise UsageError(f"an input is named {name!r}, and files are named like inputs")
        return os.path.join(self.path, name)

    def keep(self) -> None:
        """Let the folder stay."""
        if self._made:
            self._made = False
            with writing(self.path):
                sync_folder(os.path.dirname(os.path.realpath(self.path)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._made:
            with suppress(OSError):  # somebody else put something into it
                os.rmdir(self.path)
