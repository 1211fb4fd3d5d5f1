"""Files that come of what was learned: a model, a picture of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from mmfuse.errors import UsageError
from mmfuse.files.output import OutputFile, writing
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
        self._path, self._what = path, what
        if path == "-":
            raise UsageError(f"a {what} goes to a file", hint=f"name one: {example}")
        wanted = path is not None and not dry_run
        self._file = OutputFile(path, clobber=clobber) if wanted and path is not None else None

    def protect(self, others: Iterable[str]) -> None:
        """Raise UsageError if it would replace one of these files, or the ids beside it."""
        if self._path is None:
            return
        for other in others:
            if os.path.isdir(other) or other.endswith(os.sep):
                refuse_within(self._path, other, self._what)
        for other in (place for path in others for place in (path, ids_beside(path))):
            same = os.path.realpath(other) == os.path.realpath(self._path)
            if same or same_file(self._path, other):
                raise UsageError(
                    f"the {self._what}'s file {self._path} is an input or the output",
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
        if self._file is not None:
            self._file.discard()


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
    return os.path.join(path, _MODEL) if os.path.isdir(path) or path.endswith(os.sep) else path


def placed(output: Path | None) -> str | None:
    """Where a model is to be written; a folder that is named with a slash is made if it has to
    be."""
    if output is None:
        return None
    path = place_of(output)
    if os.fspath(output).endswith(os.sep):
        with writing(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
    return path
