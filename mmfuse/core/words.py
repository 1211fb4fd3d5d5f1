"""Texts as 64-bit words, so that many are hashed and compared at once.

The words of a text are its bytes, 8 a word, and zeros to the end of the last one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Bytes = NDArray[np.uint8]
Counts = NDArray[np.int64]

_PART = 1 << 16
_BLOCK_BYTES = 1 << 20
_NARROW = 64  # columns of a block that are folded one by one

# by how many bytes of its last word belong to a text: those stand at the word's low end
_MASKS = np.array([256**size - 1 for size in range(9)], np.uint64)


def parts(rows: int) -> Iterator[slice]:
    """All rows, so many at a time that what is known of them for a moment is small."""
    return (slice(start, min(start + _PART, rows)) for start in range(0, rows, _PART))


def groups(counts: Counts, item_bytes: int) -> Iterator[tuple[int, NDArray[np.intp] | slice]]:
    """Texts of as many items, as (items, which texts); no more than a megabyte of them at once.

    Texts of no items are left out.
    """
    if not len(counts):
        return
    if counts.min() == counts.max():
        yield from _cut(int(counts[0]), len(counts), item_bytes)
        return
    order = np.argsort(counts)
    ends = np.flatnonzero(np.diff(counts[order])) + 1
    for group in np.split(order, ends):
        for count, part in _cut(int(counts[group[0]]), len(group), item_bytes):
            yield count, group[part]


def _cut(count: int, texts: int, item_bytes: int) -> Iterator[tuple[int, slice]]:
    if count:
        step = max(_BLOCK_BYTES // (item_bytes * count), 1)
        for start in range(0, texts, step):
            yield count, slice(start, start + step)


def by_words(lengths: Counts) -> Iterator[tuple[int, NDArray[np.intp] | slice]]:
    """Texts grouped by how many words they take."""
    return groups((lengths + 7) >> 3, 8)


def every(data: Bytes, size: int) -> NDArray[np.void]:
    """The `size` bytes from every byte of `data` on, as one value: one index moves a whole text."""
    return as_strided(data[:size].view(f"V{size}"), (len(data) - size + 1,), (1,))


def move(data: Bytes, starts: Counts, lengths: Counts, out: Bytes, places: Counts) -> None:
    """Copy the texts at `starts` of `data` to `places` of `out`."""
    for part in parts(len(starts)):
        for length, which in groups(lengths[part], 1):
            every(out, length)[places[part][which]] = every(data, length)[starts[part][which]]


def words(data: Bytes, starts: Counts, lengths: Counts, count: int) -> Words:
    """The words of the texts in `data`, `count` of them each, shape `(len(starts), count)`."""
    size = 8 * count
    last = len(data) - size  # what starts behind it would be read beyond the end
    if last < 0 or starts.max() > last:
        cut, behind = max(last, 0), starts > last
        block = np.empty((len(starts), count), np.uint64)
        ending = np.concatenate([data[cut:], np.zeros(size, np.uint8)])
        block[behind] = _gathered(ending, starts[behind] - cut, count)
        if not behind.all():
            block[~behind] = _gathered(data, starts[~behind], count)
    else:
        block = _gathered(data, starts, count)
    block[:, -1] &= _MASKS[lengths - (size - 8)]
    return block


def _gathered(data: Bytes, starts: Counts, count: int) -> Words:
    return every(data, 8 * count)[starts].view(np.uint64).reshape(len(starts), count)


def folded(operation: np.ufunc, block: Words) -> Words:
    """The columns of a block, `(n, count)`, joined by an operation, shape `(n,)`."""
    if block.shape[1] > _NARROW:
        wide: Words = operation.reduce(block, axis=1)
        return wide
    first, *others = block.T
    result: Words = first.copy()
    for column in others:  # three times as fast as along rows so short
        operation(result, column, out=result)
    return result
