"""Where a model is saved."""

from __future__ import annotations

import os
from collections.abc import Iterable

from mmfuse.errors import UsageError
from mmfuse.files.output import OutputFile
from mmfuse.files.paths import same_file
from mmfuse.model import Model
from mmfuse.model_file import write_model


class Saving:
    """A model's file, opened before the work, so that what cannot be written fails at once.

    path: None saves nothing. Raises UsageError or OutputError.
    """

    def __init__(self, path: str | None, clobber: bool = True, *, dry_run: bool = False) -> None:
        self._path = path
        if path == "-":
            raise UsageError("a model goes to a file", hint="name one: model.safetensors")
        wanted = path is not None and not dry_run
        self._file = OutputFile(path, clobber=clobber) if wanted and path is not None else None

    def protect(self, others: Iterable[str]) -> None:
        """Raise UsageError if it would replace one of these files, or the ids beside it."""
        if self._path is None:
            return
        for other in (place for path in others for place in (path, ids_beside(path))):
            same = os.path.realpath(other) == os.path.realpath(self._path)
            if same or same_file(self._path, other):
                raise UsageError(
                    f"the model's file {self._path} is an input or the output",
                    hint="name another file",
                )

    def write(self, model: Model | None) -> list[OutputFile]:
        """Write the model; returns the file that is to appear."""
        if self._file is None:
            return []
        assert model is not None
        write_model(model, self._file)
        return [self._file]

    def close(self) -> None:
        """Give up what has not appeared."""
        if self._file is not None:
            self._file.discard()


def ids_beside(path: str) -> str:
    """Where the ids of an npy file stand."""
    return os.path.splitext(path)[0] + ".ids.txt"
