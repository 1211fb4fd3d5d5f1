"""Whether the levels of a Parquet page say that every row is there and as long as the others.

Levels are stored in Parquet's hybrid of runs (a count and a level) and of bit-packed groups of
eight.  They are not decoded into arrays: runs are held one by one against what they should be,
and runs that repeat byte for byte are compared in one go.

Spec: Apache Parquet format, ``Encodings.md``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.files.thrift_decode import MalformedError, Reader

# Each try compares all the bytes that are left, so that hostile levels must not have many.
_TRIES = 8


def all_defined(levels: bytes, count: int, highest: int) -> bool:
    """Whether `count` definition levels all are the highest, so that no value is null.

    Raises MalformedError if that is not how many levels there are.
    """
    bits = highest.bit_length()
    reader = Reader(levels)
    done = 0
    while done < count:
        length, level, packed = _run(reader, count - done, bits)
        if packed is None:
            if level != highest:
                return False
        elif (_unpack(packed, length, bits) != highest).any():
            return False
        done += length
    _at_end(reader)
    return True


def all_as_long(levels: bytes, count: int, width: int, place: int = 0) -> bool:
    """Whether `count` repetition levels are those of rows of `width` values each.

    The first value is at `place`, 0 ≤ place < width, of its row.  A level is 0 where a row
    begins and else 1.  Raises MalformedError if that is not how many levels there are.
    """
    reader = Reader(levels)
    done, tries = 0, _TRIES
    seen: dict[int, tuple[int, int]] = {}
    while done < count:
        if place in seen and tries:
            # What was right from this place of a row on is right again as often as the same
            # bytes follow, because it ended at the same place.
            at, before = seen[place]
            size, values = reader.at - at, done - before
            times = min(_repeats(levels, reader.at, size), (count - done) // values)
            reader.at += times * size
            done += times * values
            tries -= 1
            seen = {}
            if done == count:
                break
        seen[place] = reader.at, done
        length, level, packed = _run(reader, count - done, 1)
        if packed is not None:
            zeros = np.flatnonzero(_unpack(packed, length, 1) == 0)
            if not np.array_equal(zeros, np.arange(-place % width, length, width)):
                return False
        elif level == 0:
            if place != 0 or (length > 1 and width > 1):
                return False
        elif level != 1 or place == 0 or place + length > width:
            return False
        place = (place + length) % width
        done += length
    _at_end(reader)
    return True


def _run(reader: Reader, most: int, bits: int) -> tuple[int, int, bytes | None]:
    """Read a run: how many levels it has, and the level of all or the packed bytes of them.

    Packed levels may be filled up, by some writers to more than a group; that is not counted.
    """
    head = reader.varint()
    length = 8 * (head >> 1) if head & 1 else head >> 1
    if length == 0 or (length > most and not head & 1):
        raise MalformedError(f"{length} levels, {most} are left")
    if head & 1:
        return min(length, most), 0, reader.take(length // 8 * bits)
    return length, int.from_bytes(reader.take((bits + 7) // 8), "little"), None


def _unpack(packed: bytes, length: int, bits: int) -> NDArray[np.uint8]:
    """The first `length` levels of bit-packed ones, of at most 8 bits each."""
    each = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little").reshape(-1, bits)
    levels: NDArray[Any] = np.packbits(each[:length], axis=1, bitorder="little")
    return levels[:, 0]


def _repeats(data: bytes, at: int, size: int) -> int:
    """How often the `size` bytes before `at` follow again, one after the other."""
    values = np.frombuffer(data, np.uint8)
    differ = values[at:] != values[at - size : len(values) - size]
    same = int(differ.argmax()) if differ.any() else len(differ)
    return same // size


def _at_end(reader: Reader) -> None:
    if reader.at != len(reader.data):
        raise MalformedError("more levels than values")
