"""Row ids: exact, compact, and comparable by the million.

An id is text or a 64-bit integer. Text is kept as UTF-8 bytes with offsets (Arrow's layout), so
that one long id does not widen every row. Ids are found through 64-bit keys; a key of a text id
is a hash, so equality of the text itself is always checked.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.decimals import parsed, written
from mmfuse.core.randomness import mix
from mmfuse.core.words import Bytes, Counts, by_words, folded, move, parts, words

Rows: TypeAlias = NDArray[np.signedinteger]
"""Row numbers, in the narrowest of int32 and int64 that holds them."""

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_INT64 = np.iinfo(np.int64)


class Ids(ABC):
    """A column of row ids; two ids are the same row exactly when their text is the same."""

    kind: str

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, row: int) -> str:
        """The id of one row, as text."""

    @abstractmethod
    def take(self, rows: Rows | slice) -> Self:
        """The ids of `rows`, in that order."""

    @abstractmethod
    def keys(self, part: slice) -> NDArray[np.uint64]:
        """One 64-bit key for every row of a part; equal ids have equal keys."""

    @abstractmethod
    def same(self, rows: Rows, other: Self, other_rows: Rows) -> NDArray[np.bool_]:
        """Whether the id at `rows[i]` equals the other's at `other_rows[i]`, for every i."""

    @abstractmethod
    def as_text(self) -> TextIds:
        """The same ids as text."""

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))


@dataclass(frozen=True, eq=False)
class IntegerIds(Ids):
    """Ids that are 64-bit integers, shape `(n,)`."""

    values: NDArray[np.int64]
    kind = "integer"

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, row: int) -> str:
        return str(int(self.values[row]))

    def take(self, rows: Rows | slice) -> IntegerIds:
        return IntegerIds(self.values[rows])

    def keys(self, part: slice) -> NDArray[np.uint64]:
        return self.values[part].view(np.uint64)

    def same(self, rows: Rows, other: IntegerIds, other_rows: Rows) -> NDArray[np.bool_]:
        return np.asarray(self.values[rows] == other.values[other_rows])

    def as_text(self) -> TextIds:
        lengths = np.empty(len(self), np.int64)
        texts = [np.empty(0, np.uint8)]
        for part in parts(len(self)):
            data, starts, lengths[part] = written(self.values[part])
            texts.append(TextIds.packed(data, starts, lengths[part]).data)
        return TextIds(np.concatenate(texts), np.concatenate([[0], np.cumsum(lengths)]))


@dataclass(frozen=True, eq=False)
class TextIds(Ids):
    """Ids that are text: row `i` is `data[offsets[i]:offsets[i + 1]]` in UTF-8."""

    data: Bytes
    offsets: Counts
    kind = "text"

    @classmethod
    def of(cls, ids: Iterable[str]) -> TextIds:
        """From Python strings. Raises UnicodeEncodeError for text that is not Unicode."""
        encoded = [text.encode() for text in ids]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(text) for text in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    @classmethod
    def packed(cls, data: Bytes, starts: Counts, lengths: Counts) -> TextIds:
        """From texts that stand anywhere in `data`, in UTF-8."""
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        own = np.empty(offsets[-1], np.uint8)
        move(data, starts, lengths, own, offsets[:-1])
        return cls(own, offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> str:
        return self.data[self.offsets[row] : self.offsets[row + 1]].tobytes().decode()

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Bytes of every id, shape `(n,)`."""
        return np.diff(self.offsets)

    def spans(self, rows: Rows | slice) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the ids of `rows` begin, and their lengths, in bytes."""
        starts = self.offsets[:-1][rows]
        return starts, self.offsets[1:][rows] - starts

    def take(self, rows: Rows | slice) -> TextIds:
        if isinstance(rows, slice) and (rows.step or 1) == 1:
            start, stop, _ = rows.indices(len(self))
            offsets = self.offsets[start : max(start, stop) + 1]
            return TextIds(self.data[offsets[0] : offsets[-1]], offsets - offsets[0])
        return TextIds.packed(self.data, *self.spans(rows))

    def keys(self, part: slice) -> NDArray[np.uint64]:
        starts, lengths = self.spans(part)
        keys = mix(lengths.view(np.uint64))
        for count, rows in by_words(lengths):
            block = words(self.data, starts[rows], lengths[rows], count)
            block ^= np.arange(1, count + 1, dtype=np.uint64) * _MULTIPLIER
            keys[rows] += folded(np.add, mix(block))
        return keys

    def same(self, rows: Rows, other: TextIds, other_rows: Rows) -> NDArray[np.bool_]:
        starts, lengths = self.spans(rows)
        others, other_lengths = other.spans(other_rows)
        equal: NDArray[np.bool_] = lengths == other_lengths
        left = np.flatnonzero(equal)
        starts, lengths, others = starts[left], lengths[left], others[left]
        for count, part in by_words(lengths):
            block = words(self.data, starts[part], lengths[part], count)
            block ^= words(other.data, others[part], lengths[part], count)
            equal[left[part]] = folded(np.bitwise_or, block) == 0
        return equal

    def as_text(self) -> TextIds:
        return self


def concatenated(*columns: Ids) -> Ids:
    """The ids of several columns, one after the other: integers where all are, else text."""
    if len(columns) == 1:
        return columns[0]
    integers = [ids.values for ids in columns if isinstance(ids, IntegerIds)]
    if len(integers) == len(columns):
        return IntegerIds(np.concatenate(integers))
    texts = [ids.as_text() for ids in columns]
    lengths = np.concatenate([text.lengths for text in texts])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return TextIds(np.concatenate([text.data for text in texts]), offsets)


def integer_ids(values: NDArray[Any]) -> Ids:
    """Ids that are integers of any width; as text where one is more than int64 holds."""
    if values.dtype == np.uint64 and len(values) and values.max() > _INT64.max:
        return TextIds.of(map(str, values.tolist()))
    return IntegerIds(values.astype(np.int64))


def plain_integers(ids: TextIds) -> Ids:
    """Ids of a format that has only text: integers if every one is a plain decimal int64.

    `1`, `-5` and `0` are plain; `001`, `+1`, `1e5` and ` 1` are not, and one such id keeps the
    whole column text. Nothing is lost either way: a plain integer's text is its decimal form.
    """
    values = np.empty(len(ids), np.int64)
    for part in parts(len(ids)):
        found = parsed(ids.data, *ids.spans(part))
        if found is None:
            return ids
        values[part] = found
    return IntegerIds(values) if len(ids) else ids
