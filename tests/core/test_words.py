"""Texts as 64-bit words: every text once, every byte of it, and not too much memory at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfuse.core import words as module
from mmfuse.core.words import by_words, folded, groups, move, parts, words

TEXTS = st.lists(st.binary(max_size=40), max_size=30)


def laid(texts: list[bytes], gap: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Texts in one array, with some bytes of others between them: data, starts, lengths."""
    between = b"\xff" * gap
    data = np.frombuffer(between.join(texts), np.uint8)
    lengths = np.array([len(text) for text in texts], np.int64)
    return data, np.cumsum(lengths + gap) - lengths - gap, lengths


@pytest.mark.parametrize("rows", [0, 1, (1 << 16) - 1, 1 << 16, (1 << 16) + 1, 200_000])
def test_parts_are_all_rows_once_and_no_more_than_65536_each(rows: int) -> None:
    cut = list(parts(rows))
    assert [row for part in cut for row in range(part.start, part.stop)] == list(range(rows))
    assert all(0 < part.stop - part.start <= 1 << 16 for part in cut)
    assert len(cut) == -(-rows // (1 << 16))


@given(st.lists(st.integers(0, 5) | st.integers(0, 90), max_size=60), st.sampled_from([1, 8]))
@settings(deadline=None)
def test_groups_are_of_one_count_and_of_little_memory(counts: list[int], item: int) -> None:
    array, seen = np.array(counts, np.int64), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_BYTES", 64)
        for count, which in groups(array, item):
            some = np.arange(len(array))[which]
            assert (array[some] == count).all()
            assert len(some) == 1 or len(some) * count * item <= 64
            seen += some.tolist()
    assert sorted(seen) == [k for k, count in enumerate(counts) if count]


def test_groups_are_as_large_as_they_may_be() -> None:
    (one,) = groups(np.full(1 << 17, 8), 1)  # a megabyte
    assert one == (8, slice(0, 1 << 17))
    assert len(list(groups(np.full((1 << 17) + 1, 8), 1))) == 2
    assert [count for count, _ in groups(np.array([3, 1, 3, 2, 1]), 1)] == [1, 2, 3]


@given(st.lists(st.integers(0, 40), max_size=30))
def test_a_text_takes_as_many_words_as_hold_its_bytes(lengths: list[int]) -> None:
    found = {
        int(row): count
        for count, which in by_words(np.array(lengths, np.int64))
        for row in np.arange(len(lengths))[which]
    }
    assert found == {row: -(-size // 8) for row, size in enumerate(lengths) if size}


@given(TEXTS, st.integers(0, 9))
@settings(deadline=None)
def test_words_are_the_bytes_and_zeros_behind_them(texts: list[bytes], gap: int) -> None:
    data, starts, lengths = laid(texts, gap)
    for count, which in by_words(lengths):
        found = words(data, starts[which], lengths[which], count)
        expected = [texts[row].ljust(8 * count, b"\0") for row in np.arange(len(texts))[which]]
        assert [row.tobytes() for row in found] == expected


@given(TEXTS, st.integers(0, 3), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_texts_are_moved_whole_and_nothing_else_is(texts: list[bytes], gap: int, rng) -> None:
    data, starts, lengths = laid(texts, gap)
    order = rng.sample(range(len(texts)), len(texts))
    places = np.zeros(len(texts), np.int64)
    end = 2
    for row in order:
        places[row], end = end, end + len(texts[row]) + 1
    out = np.full(end + 1, 7, np.uint8)
    move(data, starts, lengths, out, places)
    expected = b"\7\7" + b"".join(texts[row] + b"\7" for row in order) + b"\7"
    assert out.tobytes() == expected


@pytest.mark.parametrize("width", [1, 2, 63, 64, 65, 200])
@pytest.mark.parametrize("operation", [np.add, np.bitwise_or])
def test_columns_are_folded_into_one(width: int, operation: np.ufunc) -> None:
    block = np.random.default_rng(0).integers(0, 2**64, (5, width), np.uint64, endpoint=False)
    before = block.copy()
    expected = [0] * 5
    for column in range(width):
        for row in range(5):
            value = int(block[row, column])
            one = expected[row] + value if operation is np.add else expected[row] | value
            expected[row] = one % 2**64
    assert folded(operation, block).tolist() == expected
    np.testing.assert_array_equal(block, before)
