"""A decoder of Thrift's compact protocol that takes the fields it is asked for and skips the rest.

What is wanted is said by parsers that nest as the structures do:
``struct({1: integer, 2: each(struct({4: binary}), most=100)})``.  Nothing is allocated on the
word of a length or a count: each is held against the bytes that are there.

Spec: Apache Thrift, ``thrift-compact-protocol.md``.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

TRUE, FALSE, I8, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(1, 14)

_INTEGERS = {I8: 8, I16: 16, I32: 32, I64: 64}
_FIXED = {I8: 1, DOUBLE: 8, UUID: 16}
_DEPTH = 32


class MalformedError(ValueError):
    """Bytes that are not what they should be, or end too early."""


class Reader:
    """Bytes, and how far they are read.  Every method raises MalformedError."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def byte(self) -> int:
        try:
            value = self.data[self.at]
        except IndexError:
            raise MalformedError("the bytes end too early") from None
        self.at += 1
        return value

    def take(self, length: int) -> bytes:
        """The next bytes."""
        start = self.at
        self._pass(length)
        return self.data[start : self.at]

    def varint(self) -> int:
        """A natural number below 2^64."""
        data, at = self.data, self.at
        try:
            value = data[at]
            if value > 0x7F:
                value &= 0x7F
                for shift in range(7, 70, 7):
                    at += 1
                    value |= (data[at] & 0x7F) << shift
                    if data[at] <= 0x7F:
                        break
                if data[at] > 0x7F or value >> 64:
                    raise MalformedError("a number is longer than 64 bits")
        except IndexError:
            raise MalformedError("the bytes end too early") from None
        self.at = at + 1
        return value

    def signed(self) -> int:
        """A zigzag number of at most 64 bits."""
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def field(self, before: int) -> tuple[int, int]:
        """The id and the kind of the next field, (0, 0) at the structure's end."""
        head = self.byte()
        if not head:
            return 0, 0
        return (before + (head >> 4) if head >> 4 else self.signed()), head & 15

    def elements(self) -> tuple[int, int]:
        """The kind of a list's elements and how many there are; each takes a byte or more."""
        head = self.byte()
        count = head >> 4 if head < 0xF0 else self.varint()
        self._holds(count)
        return head & 15, count

    def skip(self, kind: int, depth: int = 0) -> None:
        """Pass over a field's value."""
        if depth > _DEPTH:
            raise MalformedError("structures nest too deeply")
        if kind in (I16, I32, I64):
            self.varint()
        elif kind == BINARY:
            self._pass(self.varint())
        elif kind in _FIXED:
            self._pass(_FIXED[kind])
        elif kind == STRUCT:
            key, kind = self.field(0)
            while kind or key:
                self.skip(kind, depth + 1)
                key, kind = self.field(key)
        elif kind in (LIST, SET):
            self._skip_elements(*self.elements(), depth)
        elif kind == MAP:
            count = self.varint()
            self._holds(count)
            kinds = self.byte() if count else 0
            for _ in range(count):
                self._skip_elements(kinds >> 4, 1, depth)
                self._skip_elements(kinds & 15, 1, depth)
        elif kind not in (TRUE, FALSE):
            raise MalformedError(f"there is no kind {kind}")

    def _skip_elements(self, kind: int, count: int, depth: int) -> None:
        if kind in (TRUE, FALSE):  # a byte each, where a field's value is in its header
            self._pass(count)
            return
        for _ in range(count):
            self.skip(kind, depth + 1)

    def _pass(self, length: int) -> None:
        self._holds(length)
        self.at += length

    def _holds(self, length: int) -> None:
        if length > len(self.data) - self.at:
            raise MalformedError(f"{length} bytes are announced, not so many are left")


Parser: TypeAlias = Callable[[Reader, int], Any]
"""Reads the value of a field, or of a list's element, of the kind that is told."""


def integer(reader: Reader, kind: int) -> int:
    """A signed number, in the range of its kind."""
    bits = _INTEGERS.get(kind)
    if bits is None:
        raise MalformedError(f"a number is of kind {kind}")
    if bits == 8:
        return int.from_bytes(reader.take(1), signed=True)
    value = reader.varint()
    if value >> bits:
        raise MalformedError(f"a number does not fit in {bits} bits")
    return (value >> 1) ^ -(value & 1)


def flag(reader: Reader, kind: int) -> bool:
    """A field's truth value, which is its kind."""
    if kind not in (TRUE, FALSE):
        raise MalformedError(f"a truth value is of kind {kind}")
    return kind == TRUE


def binary(reader: Reader, kind: int) -> bytes:
    """Bytes, or a text still encoded."""
    if kind != BINARY:
        raise MalformedError(f"bytes are of kind {kind}")
    return reader.take(reader.varint())


def present(reader: Reader, kind: int) -> bool:
    """That there is a value, whatever it is."""
    reader.skip(kind)
    return True


def struct(members: Mapping[int, Parser]) -> Parser:
    """A structure, as a dictionary by field id of what it has of the members."""

    def parse(reader: Reader, kind: int) -> dict[int, Any]:
        if kind != STRUCT:
            raise MalformedError(f"a structure is of kind {kind}")
        found = {}
        key, kind = reader.field(0)
        while kind or key:
            member = members.get(key)
            if member is None:
                reader.skip(kind)
            else:
                found[key] = member(reader, kind)
            key, kind = reader.field(key)
        return found

    return parse


def each(element: Parser, most: int) -> Parser:
    """A list of at most so many elements."""

    def parse(reader: Reader, kind: int) -> list[Any]:
        if kind != LIST:
            raise MalformedError(f"a list is of kind {kind}")
        kind, count = reader.elements()
        if count > most:
            raise MalformedError(f"a list has {count} elements, more than {most}")
        return [element(reader, kind) for _ in range(count)]

    return parse
