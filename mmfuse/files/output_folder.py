"""A folder that files go into: made if it is missing, gone again if nothing comes of it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Self

from mmfuse.errors import OutputError, UsageError
from mmfuse.files.folders import sync_folder
from mmfuse.files.output import writing


class OutputFolder:
    """The folder at `path`; one that was made for this is removed again if it stays empty.

    Raises OutputError where it cannot be made, UsageError for standard output.
    """

    def __init__(self, path: str, *, dry_run: bool = False) -> None:
        self.path, self._made = path, False
        if path == "-":
            raise UsageError("several files cannot go to standard output", hint="name a folder")
        if os.path.lexists(path.rstrip(os.sep) or path):
            if not os.path.isdir(path):
                raise OutputError(f"{path} is not a folder", hint="name a folder, or a new one")
        elif not dry_run:
            with writing(path):
                os.mkdir(path)
                self._made = True
            try:
                with writing(path):
                    sync_folder(os.path.dirname(os.path.realpath(path)))
            except BaseException:
                self.__exit__()
                raise

    def file(self, name: str) -> str:
        """The path of a file in it. Raises UsageError for a name that would lead elsewhere."""
        if os.sep in name or "\0" in name:
            raise UsageError(f"an input is named {name!r}, and files are named like inputs")
        return os.path.join(self.path, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._made:
            with suppress(OSError):  # something is in it
                os.rmdir(self.path)
