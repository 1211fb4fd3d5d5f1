"""The npy members of a zip archive, as npz files have them: read without trust."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.errors import InputError
from mmfuse.files.inputs import InputFile, as_bytes, looks_like
from mmfuse.files.machine import refuse_beyond_memory
from mmfuse.files.npy_header import NpyHeader, header_of, sound

_LOCAL = struct.Struct("<4s22xHH")  # the magic, and the lengths of name and extra field
_ENCRYPTED = 1
_MOST_DEFLATED = 1032  # bytes that deflate can make of one


@dataclass(frozen=True)
class Member:
    """An array of an archive.

    file: the archive. entry: its name there. size: of the npy data, in bytes.
    header: what it says of itself. start: where the npy data begin in the file, if they lie
    there as they are; None: they are compressed.
    """

    file: InputFile
    entry: str
    size: int
    header: NpyHeader
    start: int | None

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        shape = self.header.shape
        return int(np.prod(shape[1:], dtype=np.int64)) * self.header.dtype.itemsize

    @property
    def plain(self) -> NpyHeader | None:
        """The header as of the whole file, where the values lie in it as they are."""
        if self.start is None:
            return None
        return replace(self.header, offset=self.start + self.header.offset)

    @contextmanager
    def stream(self) -> Iterator[IO[bytes]]:
        """The npy data from their beginning."""
        with archive(self.file) as found, found.open(self.entry) as stream:
            yield stream

    def whole(self) -> NDArray[Any]:
        """All of the array."""
        header = self.header
        refuse_beyond_memory(self.size)
        array = np.empty(header.shape, header.dtype, "F" if header.fortran_order else "C")
        with self.stream() as stream:
            stream.read(header.offset)
            fill(stream, array.T if header.fortran_order else array)
            ended(stream)
        return sound(array)


def archive(file: InputFile) -> zipfile.ZipFile:
    """The archive that a file is. Raises InputError for another kind of file."""
    if not file.head.startswith(b"PK"):
        raise InputError(f"not an npz file: it looks like {looks_like(file.head)}")
    try:
        return zipfile.ZipFile(file.path)
    except zipfile.BadZipFile as error:
        raise InputError("the zip archive is damaged, or cut short") from error


def members(file: InputFile) -> dict[str, Member | InputError]:
    """The arrays of an archive by their keys; in place of one that cannot be read, why.

    Raises InputError: not an archive, damaged as a whole, a key twice, no arrays.
    """
    found: dict[str, Member | InputError] = {}
    with archive(file) as opened:
        for info in opened.infolist():
            key = info.filename.removesuffix(".npy")
            if key == info.filename:
                continue
            if key in found:
                raise InputError(f"two arrays are named {key!r}")
            try:
                found[key] = _member(file, opened, info)
            except InputError as error:
                found[key] = InputError(f"array {key!r}: {error.message}", hint=error.hint)
            except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
                found[key] = InputError(f"array {key!r}: the archive is damaged: {error}")
    if not found:
        raise InputError("the archive holds no arrays")
    return found


def _member(file: InputFile, opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    stored = info.compress_type == zipfile.ZIP_STORED
    if info.flag_bits & _ENCRYPTED:
        raise InputError("it is encrypted")
    if not stored and info.compress_type != zipfile.ZIP_DEFLATED:
        raise InputError("it is compressed in a way that npz files are not")
    most = info.compress_size * (1 if stored else _MOST_DEFLATED)
    if info.file_size > most or info.compress_size > file.size:
        raise InputError(
            f"the archive is damaged: {info.compress_size:,} bytes cannot hold {info.file_size:,}"
        )
    with opened.open(info) as stream:
        header = header_of(stream, info.file_size)
    start = _start(file, info) if stored else None
    return Member(file, info.filename, info.file_size, header, start)


def _start(file: InputFile, info: zipfile.ZipInfo) -> int:
    """Where the data of an entry begin. `zipfile` has read its local header, and found it sound."""
    with open(file.path, "rb") as stream:
        stream.seek(info.header_offset)
        _, name, extra = _LOCAL.unpack(stream.read(_LOCAL.size))
    start: int = info.header_offset + _LOCAL.size + name + extra
    if start + info.file_size > file.size:
        raise InputError("the archive is cut short")
    return start


def fill(stream: IO[bytes], array: NDArray[Any]) -> None:
    """Fill a C-ordered array with the next bytes. Raises InputError if they end too early."""
    view = as_bytes(array)
    while len(view):
        done = stream.readinto(view)  # type: ignore[attr-defined]
        if not done:
            raise InputError("the archive is cut short")
        view = view[done:]


def ended(stream: IO[bytes]) -> None:
    """Read past the last byte, which is when the checksum is looked at.

    Raises InputError, or BadZipFile, for an archive that is damaged.
    """
    if stream.read(1):
        raise InputError("the archive is damaged: an array is longer than its header says")
