"""The hashes of input files, made on a thread of their own beside the work."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Self

from mmfuse.errors import InputError, MmfuseError
from mmfuse.files.inputs import reading
from mmfuse.files.paths import file_name

_PIECE_BYTES = 1 << 20
_STREAMS = "/proc/self/fd/"


@dataclass(frozen=True)
class FileDigest:
    """A file's name without its folder (`-` for a stream), its bytes, and their SHA-256."""

    file: str
    size: int
    sha256: str


class Digests:
    """Hashes the files of every input; as a context manager it stops when it is no longer needed.

    parts: paths by the input's name. `found` waits for the result.
    """

    def __init__(self, parts: Mapping[str, Sequence[str]]) -> None:
        self._parts = parts
        self._states = {path: _state(path) for paths in parts.values() for path in paths}
        self._digests: dict[str, FileDigest] = {}
        self._error: MmfuseError | None = None
        self._stop = Event()
        self._thread = Thread(target=self._run)

    def found(self) -> dict[str, list[FileDigest]]:
        """The digests of every input's files. Raises InputError for one that changed meanwhile."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return {
            name: [self._digests[path] for path in paths] for name, paths in self._parts.items()
        }

    def _run(self) -> None:
        try:
            for path, state in self._states.items():
                with reading(path):
                    self._digests[path] = self._digest(path)
                    if _state(path) != state:
                        raise InputError("the file changed while it was read")
        except MmfuseError as error:
            self._error = error

    def _digest(self, path: str) -> FileDigest:
        from hashlib import sha256  # which is slow to import

        digest, size = sha256(), 0
        with open(path, "rb", buffering=0) as file:
            while not self._stop.is_set() and (piece := file.read(_PIECE_BYTES)):
                digest.update(piece)
                size += len(piece)
        return FileDigest(_name(path), size, digest.hexdigest())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def _name(path: str) -> str:
    if path.startswith(_STREAMS):
        return "-"
    return file_name(path)


def _state(path: str) -> tuple[int, int, int]:
    with reading(path):
        status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns
