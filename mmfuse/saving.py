"""Files that come of what was learned: a model, a picture of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from mmfuse.errors import UsageError
from mmfuse.files.output import OutputFile
from mmfuse.files.output_folder import OutputFolder
from mmfuse.files.paths import same_file

Path = str | os.PathLike[str]
_MODEL = "model.safetensors"


class Saving:
    """Such a file, opened before the work, so that what cannot be written fails at once.

    path: None saves nothing. what: it is, with an example of a name. Raises UsageError or
    OutputError.
    """

    def __init__(
        self,
        path: str | None,
        clobber: bool = True,
        *,
        dry_run: bool = False,
        what: str = "model",
        example: str = "model.safetensors",
    ) -> None:
        self._what = what
        folder = path is not None and path.endswith(os.sep) and what == "model"
        self.path = os.path.join(path, _MODEL) if folder and path is not None else path
        if path == "-":
            raise UsageError(f"a {what} goes to a file", hint=f"name one: {example}")
        self._file: OutputFile | None = None
        self._opened = ExitStack()
        if self.path is not None and not dry_run:
            with ExitStack() as opened:
                if folder:
                    opened.enter_context(OutputFolder(os.path.dirname(self.path)))
                self._file = opened.enter_context(OutputFile(self.path, clobber=clobber))
                self._opened = opened.pop_all()

    def protect(self, others: Iterable[str]) -> None:
        """Raise UsageError if it would replace one of these files, or the ids beside it."""
        if self.path is None:
            return
        for other in others:
            if os.path.isdir(other) or other.endswith(os.sep):
                refuse_within(self.path, other, self._what)
        for other in (place for path in others for place in (path, ids_beside(path))):
            same = os.path.realpath(other) == os.path.realpath(self.path)
            if same or same_file(self.path, other):
                raise UsageError(
                    f"the {self._what}'s file {self.path} is an input or the output",
                    hint="name another file",
                )

    def write(self, write: Callable[[OutputFile], None]) -> list[OutputFile]:
        """Write the file, if one is wanted; returns it, for it is still to appear."""
        if self._file is None:
            return []
        write(self._file)
        return [self._file]

    def close(self) -> None:
        """Give up what has not appeared."""
        self._opened.close()


def refuse_within(path: str, folder: str, what: str) -> None:
    """Raise UsageError for a file in a folder that is an input, or is written anew as a whole."""
    within = os.path.realpath(folder)
    if os.path.commonpath([within, os.path.realpath(path)]) == within:
        raise UsageError(
            f"the {what}'s file {path} is in {folder}, all of which is an input or the output",
            hint="name a place outside of it",
        )


def ids_beside(path: str) -> str:
    """Where the ids of an npy file stand."""
    return os.path.splitext(path)[0] + ".ids.txt"


def place_of(model: Path) -> str:
    """The file of a model that is named by it or by its folder."""
    path = os.fspath(model)
    within = os.path.join(path, _MODEL)
    return within if os.path.isfile(within) else path
