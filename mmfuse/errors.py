"""What can go wrong, as exceptions a person can act on.

    MmfuseError            exit code 1
    ├── UsageError                   2   the call itself: an option, a name, a combination
    ├── InputError                   3   a file that cannot be read, or values that cannot be used
    ├── AlignmentError               4   rows that cannot be matched without a guess
    ├── OutputError                  5   a result that cannot be written
    ├── ResourceError                6   not enough memory, or a size past its limit
    └── ModelError                   7   a saved model that cannot be used

Every one carries a message, and where they help: `where` (the input, as `NAME=PATH`) and
`hint` (what to do). The command line prints the three and exits with the code; no other place
in mmfuse decides on an exit code.
"""

from typing import ClassVar


def count(number: int, noun: str) -> str:
    """`1 value is`, `2 values are`: a number with its noun and verb."""
    return f"{number:,} {noun} is" if number == 1 else f"{number:,} {noun}s are"


def told_bytes(number: int) -> str:
    """`512 MiB`, and below one of them `1 KiB` or `100 bytes`."""
    if number < 1 << 10:
        return f"{number:,} bytes"
    return f"{number / 2**20:,.0f} MiB" if number >= 1 << 20 else f"{number / 2**10:,.0f} KiB"


class MmfuseError(Exception):
    """An error with one cause, told to a person; `exit_code` is what the command returns."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.message]
        if self.where is not None:
            lines.append(f"  in: {self.where}")
        if self.hint is not None:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class UsageError(MmfuseError):
    """The call is wrong: an unknown name, a value out of range, options that exclude each other."""

    exit_code = 2


class InputError(MmfuseError):
    """An input cannot be read, or holds values that cannot be used as features."""

    exit_code = 3


class AlignmentError(MmfuseError):
    """Rows cannot be matched: duplicate ids, no common id, unequal rows without ids."""

    exit_code = 4


class OutputError(MmfuseError):
    """The result cannot be written; what stood at the output's place before still stands."""

    exit_code = 5


class ResourceError(MmfuseError):
    """The work does not fit: memory, or a size past its limit."""

    exit_code = 6


class ModelError(MmfuseError):
    """A saved model is damaged, of another version, or does not fit the data."""

    exit_code = 7
