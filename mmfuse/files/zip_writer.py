"""A zip archive of entries that are not compressed, written from its beginning to its end.

Unlike the standard library's it writes nothing when it is given up, and nothing that differs
from run to run. Spec: PKWARE, APPNOTE.TXT 6.3, sections 4.3 and 4.5.3 (zip64).
"""

from __future__ import annotations

import struct
import zlib

from mmfuse.files.output import write_all

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_VERSION, _UTF8 = 45, 1 << 11
_TIME, _DATE = 0, 1 << 5 | 1  # the first day of zip's calendar
_LIMIT = 0xFFFF_FFFF
_MODE = 0o600 << 16


class ZipWriter:
    """Writes entries whose sizes are known into a file."""

    def __init__(self, fd: int) -> None:
        self._fd, self._at = fd, 0
        self._directory: list[bytes] = []
        self._start = self._size = self._crc = 0
        self._name = b""

    def begin(self, name: str, size: int) -> None:
        """Begin an entry of so many bytes."""
        self._name, self._size, self._crc, self._start = name.encode(), size, 0, self._at
        self._at += len(self._local())

    def write(self, data: bytes | memoryview) -> None:
        """The next bytes of the entry."""
        self._crc = zlib.crc32(data, self._crc)
        write_all(self._fd, data, self._at)
        self._at += len(data)

    def end(self) -> None:
        """End the entry; what stands before its bytes holds their checksum."""
        local = self._local()
        assert self._at == self._start + len(local) + self._size
        write_all(self._fd, local, self._start)
        sizes = [self._size] * 2 if self._size >= _LIMIT else []
        extra = _extra([*sizes, *([self._start] if self._start >= _LIMIT else [])])
        fields = (_VERSION, _VERSION, _UTF8, 0, _TIME, _DATE, self._crc, *self._sizes())
        lengths = (len(self._name), len(extra), 0, 0, 0)
        place = (_MODE, min(self._start, _LIMIT))
        head = _CENTRAL.pack(b"PK\1\2", *fields, *lengths, *place)
        self._directory.append(head + self._name + extra)

    def _local(self) -> bytes:
        extra = _extra([self._size] * 2 if self._size >= _LIMIT else [])
        fields = (_VERSION, _UTF8, 0, _TIME, _DATE, self._crc, *self._sizes())
        return _LOCAL.pack(b"PK\3\4", *fields, len(self._name), len(extra)) + self._name + extra

    def _sizes(self) -> tuple[int, int]:
        """Compressed and not, which are the same; those that do not fit are in the extra field."""
        return min(self._size, _LIMIT), min(self._size, _LIMIT)

    def close(self) -> None:
        """Write the directory."""
        directory, count, start = b"".join(self._directory), len(self._directory), self._at
        ending = b""
        if start >= _LIMIT:
            ending = _END_64.pack(
                *(b"PK\6\6", _END_64.size - 12, _VERSION, _VERSION, 0, 0),
                *(count, count, len(directory), start),
            ) + _LOCATOR.pack(b"PK\6\7", 0, start + len(directory), 1)
        ending += _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), min(start, _LIMIT), 0)
        write_all(self._fd, directory + ending, start)


def _extra(values: list[int]) -> bytes:
    """The extra field of what is too large for 32 bits."""
    return struct.pack(f"<2H{len(values)}Q", 1, 8 * len(values), *values) if values else b""
