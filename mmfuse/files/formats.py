"""What a format module offers, and which format a file has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids
from mmfuse.core.named import Flag, Named
from mmfuse.core.registry import FORMATS
from mmfuse.core.source import Matrix, Source
from mmfuse.errors import UsageError
from mmfuse.files.inputs import InputFile
from mmfuse.files.paths import suffix

Layout = Literal["vector", "wide"]


@dataclass(frozen=True)
class Reading:
    """How one input is to be read.

    id_column: the user's id column. columns: the user's feature columns, names or globs.
    outside_ids: ids come from elsewhere, so that the file's own are not looked at.
    time_column: the column of times, which is no feature. time_unit: of times that are numbers.
    pool: what the steps of a sequence become. mask_zeros: steps of zeros alone are padding.
    """

    id_column: str | None = None
    columns: tuple[str, ...] = ()
    outside_ids: bool = False
    time_column: str | None = None
    time_unit: str = "s"
    pool: str | None = None
    mask_zeros: bool = False


@dataclass(frozen=True)
class Table:
    """What is known of the output before its rows: everything but the numbers.

    path: where it goes, as the user named it. columns: names of the features.
    metadata: the record that `inspect` prints, as JSON text.
    flags: further columns, `(n,)` each, of numbers, and behind them those of names. Values are
        there no earlier than the features of their rows.
    """

    path: str
    ids: Ids
    columns: Sequence[str]
    dtype: np.dtype[Any]
    layout: Layout
    metadata: str
    compression: str | None = None
    flags: Mapping[str, Flag] = field(default_factory=dict)

    @property
    def numbers(self) -> dict[str, NDArray[Any]]:
        """The flags that are numbers or booleans."""
        return {k: flag for k, flag in self.flags.items() if not isinstance(flag, Named)}

    @property
    def names(self) -> dict[str, Named]:
        """Those that are names."""
        return {k: flag for k, flag in self.flags.items() if isinstance(flag, Named)}


class FileSink(Protocol):
    """A sink (see `core.source.Sink`) that ends in a file."""

    positional: bool

    def write(self, start: int, block: Matrix) -> None:
        """Rows from `start` on."""

    def close(self) -> None:
        """Write what comes after the rows."""


class ColumnSink(FileSink, Protocol):
    """One that takes columns too."""

    def write_column(self, j: int, values: Matrix) -> None:
        """Column `j` of all rows, from any thread."""


class Format(Protocol):
    """A module below `mmfuse/formats`; its name is the format's name.

    suffixes: what files of the format end with. layouts: what the writer offers, default first.
    column_layouts: those of which an uncompressed file has a `ColumnSink`.
    keeps_flags: whether the writer has room for `Table.flags`.
    is_text: whether a terminal may see the output, and a pipe gets it as it is written.
    """

    __name__: str
    suffixes: ClassVar[Sequence[str]]
    layouts: ClassVar[Sequence[Layout]]
    column_layouts: ClassVar[Sequence[Layout]]
    keeps_flags: ClassVar[bool]
    is_text: ClassVar[bool]

    def open(self, file: InputFile, name: str, how: Reading) -> Source:
        """One modality in a file. Raises InputError or AlignmentError."""

    def read_ids(self, file: InputFile, column: str | None) -> Ids:
        """Only the ids of a file, or of one of its columns."""

    def sink(self, fd: int, table: Table) -> FileSink:
        """A writer of `table` into an open file."""

    def companions(self, table: Table) -> Mapping[str, bytes]:
        """Files that belong to an output at `path`, with their content."""

    def metadata(self, file: InputFile) -> str | None:
        """The record that mmfuse wrote into a file, if there is one."""


def by_name(name: str) -> Format:
    """The format of that name. Raises UsageError for an unknown one."""
    return cast(Format, FORMATS.module(name))


def by_suffix(path: str) -> Format | None:
    """The format of a file by its suffix, or None."""
    wanted = suffix(path)
    # the format that is named like the suffix first, so that no other is loaded for nothing
    names = sorted(FORMATS.modules, key=lambda name: f".{name}" != wanted)
    modules = (by_name(name) for name in names)
    return next((module for module in modules if wanted in module.suffixes), None)


def known_format(path: str, named: str | None, option: str) -> Format:
    """The format of a file by its name or its suffix. Raises UsageError where neither tells."""
    if named is not None:
        return by_name(named)
    found = by_suffix(path)
    if found is None:
        told = suffix(path) or "no suffix"
        raise UsageError(
            f"cannot tell the format of {path!r} ({told})",
            hint=f"name it with {option}: " + ", ".join(FORMATS.modules),
        )
    return found
