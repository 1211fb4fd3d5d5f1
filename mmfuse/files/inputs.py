"""Input files before their format is known: is it there, what is it, did it stay the same."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.errors import InputError, MmfuseError, ResourceError
from mmfuse.files.unnamed import unnamed_file

if TYPE_CHECKING:
    import pyarrow as pa

_LOOKS = (
    (b"\x93NUMPY", "an npy file"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"FEA1", "a Feather file of version 1"),
    (b"PK\x03\x04", "a zip archive, as npz files are"),
    (b"\x1f\x8b", "gzip data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"\x80", "a pickle; mmfuse never unpickles"),
    (b"\x89HDF", "an HDF5 file"),
    (b"version https://git-lfs", "a git-lfs pointer: the data were not pulled (git lfs pull)"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)


def looks_like(head: bytes) -> str:
    """What the first bytes of a file say it is, for people."""
    for magic, name in _LOOKS:
        if head.startswith(magic):
            return name
    text = head.lstrip().lower()
    if text.startswith((b"<!doctype", b"<html")):
        return "an HTML page"
    if b"\0" not in head and head.isascii():
        return "plain text"
    return "something else"


def refuse_no_lines(head: bytes) -> None:
    """Raise InputError for what is text too, but not the lines that it should be."""
    told = looks_like(head)
    if told.startswith(("an HTML", "a git-lfs")):
        raise InputError(f"it looks like {told}")


class _Held:
    """The unnamed file of a stream, open as long as it may be read again."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self) -> None:
        os.close(self.fd)


@dataclass(frozen=True)
class InputFile:
    """A file that is there, can be read and holds something.

    name: as the user gave it. path: where it is read from. label: how messages name it.
    head: its first bytes.
    """

    name: str
    path: str
    label: str
    head: bytes
    _state: tuple[int, ...]
    _held: _Held | None = None

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._state[2]

    @property
    def state(self) -> tuple[int, ...]:
        """What changes when the file does; see `state_of`."""
        return self._state

    def verify(self) -> None:
        """Raise InputError if the file is not what it was when it was opened."""
        try:
            same = state_of(self.path) == self._state
        except OSError:
            same = False
        if not same:
            raise InputError("the file changed while it was read", where=self.label)


def open_input(path: str, label: str) -> InputFile:
    """Look at a file; `-` and pipes are first copied to an unnamed temporary file.

    Raises InputError: missing, a folder, a device, not allowed, empty.
    """
    with reading(label):
        if path == "-":
            return spooled(sys.stdin.buffer, path, label)
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise InputError("this is a folder, not a file", where=label)
        if stat.S_ISFIFO(mode):
            with open(path, "rb") as stream:
                return spooled(stream, path, label)
        if not stat.S_ISREG(mode):
            raise InputError("this is not a regular file", where=label)
        with open(path, "rb") as file:
            return _looked_at(file, path, path, label)


def _looked_at(
    file: IO[bytes], name: str, path: str, label: str, held: _Held | None = None
) -> InputFile:
    state = _state(os.fstat(file.fileno()))
    head = file.read(512)
    if not head:
        raise InputError("the file is empty", where=label)
    return InputFile(name, path, label, head, state, held)


def spooled(stream: IO[bytes], name: str, label: str) -> InputFile:
    """The rest of a stream as a file that can be read anywhere, and has no name."""
    with unnamed_file() as file:
        shutil.copyfileobj(stream, file, 1 << 20)
        file.flush()
        file.seek(0)
        held = _Held(os.dup(file.fileno()))
        return _looked_at(file, name, f"/proc/self/fd/{held.fd}", label, held)


def state_of(path: str) -> tuple[int, ...]:
    """What changes when the file at a path does."""
    return _state(os.stat(path))


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def open_arrow(file: InputFile, compression: str | None = None) -> pa.NativeFile:
    """The file for pyarrow, decompressed; its name may be any bytes."""
    import pyarrow as pa

    stream = pa.OSFile(os.fsencode(file.path))
    return stream if compression is None else pa.input_stream(stream, compression=compression)


def as_bytes(array: NDArray[Any]) -> memoryview:
    """The bytes of a C-ordered array, without a copy."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


def read_all(fd: int, view: memoryview, place: int, label: str) -> None:
    """Fill `view` with the bytes at `place`. Raises InputError if the file has become shorter."""
    while len(view):
        try:
            done = os.preadv(fd, [view], place)
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=label) from error
        if not done:
            raise InputError("the file changed while it was read", where=label)
        view, place = view[done:], place + done


@contextmanager
def unchanged(verify: Callable[[], None]) -> Iterator[None]:
    """Where reading fails of a file that has changed meanwhile, say that: `verify` does."""
    try:
        yield
    except Exception:
        verify()
        raise


@contextmanager
def reading(label: str) -> Iterator[None]:
    """One boundary around every loader: whatever it raises is told as one clear message."""
    try:
        yield
    except MmfuseError as error:
        error.where = error.where or label
        raise
    except FileNotFoundError:
        raise InputError("no such file", where=label) from None
    except PermissionError:
        raise InputError("not allowed to read this file", where=label) from None
    except MemoryError:
        raise _no_memory(label) from None
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise InputError(f"not valid UTF-8: {error.reason}", where=label) from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise _no_memory(label) from None
        told = str(error).strip().splitlines()
        raise InputError(told[0] if told else type(error).__name__, where=label) from error


def _no_memory(label: str) -> ResourceError:
    return ResourceError("not enough memory to read this file", where=label)
