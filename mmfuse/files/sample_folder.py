"""A folder of one npy file a sample: every file is a row, and named by its path."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Ids, Rows, TextIds
from mmfuse.core.natural import natural
from mmfuse.core.plan import Storage, Way
from mmfuse.core.source import Matrix, Part, Scratch, Source, Taken
from mmfuse.errors import InputError
from mmfuse.files.checks import check_features, ids_of_text
from mmfuse.files.feature_types import common
from mmfuse.files.formats import Reading
from mmfuse.files.ids import sidecar, sidecars
from mmfuse.files.inputs import as_bytes, open_input, read_all, reading, state_of
from mmfuse.files.npy_header import NpyHeader, read_header
from mmfuse.files.paths import files_below, fixed_folder, is_glob, matches, stem
from mmfuse.files.shards import FormatOf, Shards, may_hold_features, refuse_mixed

_PART_ROWS = 256


@dataclass(frozen=True)
class Samples:
    """Files of a vector each. folder: what their ids are relative to."""

    files: Shards
    folder: str

    @property
    def ids(self) -> Ids:
        """The files' paths below the folder, without their suffixes.

        Raises InputError for a name that is not UTF-8.
        """
        names = []
        for path in self.files.paths:
            name = os.path.splitext(path.removeprefix(os.path.join(self.folder, "")))[0]
            try:
                name.encode()
            except UnicodeEncodeError:
                raise InputError(
                    "its name is not valid UTF-8, so it is no id", where=path
                ) from None
            names.append(name.lstrip(os.sep))
        return ids_of_text(TextIds.of(names), "the file names")


def samples(value: object, format_of: FormatOf) -> Samples | None:
    """The files of a folder, those of folders in it too, or of a glob, if each is a sample.

    The first file tells: an npy array `(d,)` without ids beside it is a sample. Files in folders
    are looked at only where that file is in one, or is a sample. None: it is something else.
    Raises InputError: a file that is not npy beside samples, a first file that is damaged.
    """
    if not isinstance(value, str):
        return None
    if os.path.isdir(value):
        folder, direct = value, [os.path.join(value, name) for name in os.listdir(value)]
        if not any(map(may_hold_features, direct)):
            direct = files_below(value)
    elif is_glob(value):
        folder, direct = fixed_folder(value), matches(value)
    else:
        return None
    first = _first(direct)
    if first is None or not _is_sample(first, format_of):
        return None
    named = files_below(value) if os.path.isdir(value) else direct
    data = tuple(sorted(filter(may_hold_features, named), key=natural))
    refuse_mixed(value, data, format_of)
    skipped = tuple(name[len(os.path.join(folder, "")) :] for name in set(named).difference(data))
    return Samples(Shards(data, tuple(sorted(skipped, key=natural)), "natural order"), folder)


def _first(named: Iterable[str]) -> str | None:
    """The first file in natural order that is not the ids of another."""
    candidates = sorted(filter(may_hold_features, named), key=natural)
    for path in candidates:
        name = os.path.basename(path)
        # only a file whose stem the name begins with can have it for ids
        owners = (other for other in candidates if other != path and name.startswith(stem(other)))
        if not any(path in sidecars(owner) for owner in owners):
            return path
    return None


def _is_sample(path: str, format_of: FormatOf) -> bool:
    format = format_of(path)
    if format is None or format.__name__.rpartition(".")[2] != "npy":
        return False
    with reading(path):
        header = read_header(open_input(path, path))
    vector = len(header.shape) == 1 and header.dtype.names is None
    return vector and sidecar(path) is None  # ids are of several rows


@dataclass(kw_only=True)
class SampleFolder(Source):
    """A modality of a file a row, each open only while it is read.

    paths, states, offsets, stored: of every file where it is, what changes when the file does,
    where its values begin, and the place of its dtype in `dtypes`.
    """

    paths: Sequence[str]
    states: NDArray[np.int64]
    offsets: NDArray[np.int64]
    stored: NDArray[np.uint8]
    dtypes: Sequence[np.dtype[np.generic]]

    @property
    def storage(self) -> Storage:
        return "file"

    def blocks(self) -> Iterator[Matrix]:
        for part in self.parts():
            yield from part.blocks()

    def parts(self) -> Sequence[Part]:
        starts = range(0, self.rows, _PART_ROWS)
        counts = [min(_PART_ROWS, self.rows - start) for start in starts]
        return [
            Part(start, count, partial(self._part, start, count))
            for start, count in zip(starts, counts, strict=True)
        ]

    def _part(self, start: int, count: int) -> Iterator[Matrix]:
        block = np.empty((count, len(self.columns)), self.dtype)
        self.read(range(start, start + count), block)
        yield block

    def read(self, rows: Iterable[int], out: Matrix) -> None:
        """Fill `out`, shape `(k, d)`, with the rows. Raises InputError for a file that changed."""
        rooms = [np.empty(len(self.columns), dtype) for dtype in self.dtypes]
        for row, vector in zip(rows, out, strict=True):
            self._verify(row)
            room = rooms[self.stored[row]]
            label = self._label(row)
            with reading(label), open(self.paths[row], "rb", buffering=0) as stream:
                read_all(stream.fileno(), as_bytes(room), int(self.offsets[row]), label)
            vector[:] = room

    def verify(self) -> None:
        for row in range(self.rows):
            self._verify(row)

    def _verify(self, row: int) -> None:
        try:
            same = hash(state_of(self.paths[row])) == self.states[row]
        except OSError:
            same = False
        if not same:
            raise InputError("the file changed while it was read", where=self._label(row))

    def _label(self, row: int) -> str:
        return f"{self.name}={self.paths[row]}"

    def reader(self, rows: Rows | None, way: Way, scratch: Scratch) -> Taken:
        if way != "gather":
            return super().reader(rows, way, scratch)
        return Taken(_SampleReader(self), rows)


class _SampleReader:
    """Rows in any order."""

    def __init__(self, source: SampleFolder) -> None:
        self._source = source

    def read(self, rows: slice | Rows, out: Matrix) -> None:
        """Fill `out` with the rows."""
        numbers = range(rows.start, rows.stop) if isinstance(rows, slice) else rows.tolist()
        self._source.read(numbers, out)

    def close(self) -> None:
        """Raise InputError if a file changed meanwhile."""
        self._source.verify()


def sample_source(name: str, label: str, found: Samples, how: Reading) -> SampleFolder:
    """The source of samples, of which every header is read once.

    Raises InputError: a file that is no vector `(d,)` of real numbers, or of another d.
    """
    if how.columns or how.id_column is not None or how.time_column is not None:
        raise InputError(
            "these npy files have no named columns",
            hint="--times NAME=FILE names their times" if how.time_column is not None else None,
        )
    paths = found.files.paths
    states, offsets = np.empty(len(paths), np.int64), np.empty(len(paths), np.int64)
    stored, dtypes = np.empty(len(paths), np.uint8), dict[np.dtype[np.generic], int]()
    shape: tuple[int, ...] = ()
    for k, path in enumerate(paths):
        with reading(f"{name}={path}"):
            file = open_input(path, f"{name}={path}")
            header = read_header(file)
            _check(header, shape, paths[0])
        shape = header.shape
        states[k], offsets[k] = hash(file.state), header.offset
        stored[k] = dtypes.setdefault(header.dtype, len(dtypes))
    dtype, rounds = common(dtypes)
    return SampleFolder(
        name=name,
        label=label,
        columns=tuple(map(str, range(shape[0]))),
        rows=len(paths),
        dtype=dtype,
        rounds=rounds,
        ids=None if how.outside_ids else found.ids,
        id_source="" if how.outside_ids else "file names",
        notes=("a sample a file", *found.files.notes),
        paths=paths,
        states=states,
        offsets=offsets,
        stored=stored,
        dtypes=tuple(dtypes),
    )


def _check(header: NpyHeader, shape: tuple[int, ...], first: str) -> None:
    """Raise InputError unless the file is a sample, as all before it."""
    if len(header.shape) != 1 and header.dtype.names is None:
        raise InputError(
            f"an array of shape {header.shape}, and {os.path.basename(first)} is one vector, a "
            "sample",
            hint="keep samples (d,) and shards (n, d) in folders of their own",
        )
    check_features(header.dtype, header.shape)
    if shape and header.shape != shape:
        raise InputError(
            f"it has {header.shape[0]:,} values, and {os.path.basename(first)} has {shape[0]:,}",
            hint="shards of one column are read from a list: --inputs-from",
        )
