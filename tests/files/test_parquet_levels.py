from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mmfuse.files.parquet_levels import all_as_long, all_defined
from mmfuse.files.thrift import varint
from mmfuse.files.thrift_decode import MalformedError


def rows(count: int, width: int, place: int = 0) -> list[int]:
    """Repetition levels: 0 where a row begins."""
    return [int((place + value) % width != 0) for value in range(count)]


def run(level: int, length: int) -> bytes:
    return varint(length << 1) + bytes([level])


def packed(levels: Sequence[int], bits: int) -> bytes:
    """Levels in groups of eight, the last one filled up with zeros."""
    groups = -(-len(levels) // 8)
    number = sum(level << bits * place for place, level in enumerate(levels))
    return varint(groups << 1 | 1) + number.to_bytes(groups * bits, "little")


def encode(levels: Sequence[int], bits: int, cuts: Sequence[int]) -> bytes:
    """Levels in runs where they are equal and else packed, from one cut to the next."""
    encoded, start = b"", 0
    while start < len(levels):
        stop = min([cut for cut in cuts if cut > start], default=len(levels))
        same = 1
        while start + same < stop and levels[start + same] == levels[start]:
            same += 1
        if same >= 8 or start + same == len(levels):
            encoded += run(levels[start], same)
            start += same
        else:  # whole groups of eight, unless they are the last
            group = levels[start : start + 8]
            encoded += packed(group, bits)
            start += len(group)
    return encoded


def decode(data: bytes, count: int, bits: int) -> list[int] | None:
    """The plainest decoder; None if the bytes do not hold just so many levels."""
    levels: list[int] = []
    at = 0
    while len(levels) < count:
        head = shift = 0
        while True:
            if at >= len(data):
                return None
            head |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not data[at - 1] & 0x80:
                break
        if head >> 1 == 0:
            return None
        size = (head >> 1) * bits if head & 1 else 1
        body = data[at : at + size]
        if len(body) < size:
            return None
        at += size
        if head & 1:
            number = int.from_bytes(body, "little")
            count_here = 8 * (head >> 1)
            levels += [number >> bits * i & ((1 << bits) - 1) for i in range(count_here)]
            levels = levels[:count]
        elif head >> 1 > count - len(levels):
            return None
        else:
            levels += [body[0]] * (head >> 1)
    return levels if at == len(data) else None


@given(st.integers(1, 40), st.integers(1, 400), st.data())
def test_full_rows_are_told_however_they_are_cut(
    width: int, count: int, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, width - 1))
    cuts = data.draw(st.lists(st.integers(1, count), max_size=6))
    encoded = encode(rows(count, width, place), 1, cuts)
    assert all_as_long(encoded, count, width, place)
    other = data.draw(st.integers(0, width - 1))
    assert all_as_long(encoded, count, width, other) == (
        rows(count, width, place) == rows(count, width, other)
    )


@given(st.integers(1, 40), st.integers(1, 400), st.data())
def test_one_wrong_level_is_found(width: int, count: int, data: st.DataObject) -> None:
    levels = rows(count, width)
    levels[data.draw(st.integers(0, count - 1))] ^= 1
    assert not all_as_long(encode(levels, 1, ()), count, width)


@given(st.integers(1, 20), st.integers(1, 300), st.data())
def test_changed_bytes_mean_what_they_mean(width: int, count: int, data: st.DataObject) -> None:
    """Compare with a decoder that knows no shortcut, where bytes are changed after many runs."""
    encoded = bytearray(encode(rows(count, width), 1, ()))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    levels = decode(bytes(encoded), count, 1)
    try:
        regular = all_as_long(bytes(encoded), count, width)
    except MalformedError:
        regular = False
    assert regular == (levels == rows(count, width))


def test_repeated_runs_need_not_end_with_a_row() -> None:
    levels = (run(0, 1) + run(1, 767)) * 300
    assert all_as_long(levels + run(0, 1) + run(1, 12), 300 * 768 + 13, 768)
    assert all_as_long(run(1, 256) + levels, 256 + 300 * 768, 768, place=512)
    assert not all_as_long(levels + run(0, 1) + run(1, 12) + run(0, 1), 300 * 768 + 14, 768)


@pytest.mark.parametrize(
    "row", [[(0, 1), (1, 766)], [(0, 1), (1, 768)], [(1, 768)], [(0, 768)], [(0, 1), (0, 767)]]
)
@pytest.mark.parametrize("place", [0, 1, 2, 150, 299, 300])
def test_one_wrong_row_among_many_is_found(row: list[tuple[int, int]], place: int) -> None:
    good, wrong = run(0, 1) + run(1, 767), b"".join(run(*part) for part in row)
    count = 300 * 768 + sum(length for _, length in row)
    assert not all_as_long(good * place + wrong + good * (301 - place), count + 768, 768)


@pytest.mark.parametrize("highest", [1, 2, 3])
@given(st.integers(1, 500), st.data())
def test_the_highest_level_says_that_all_is_defined(
    highest: int, count: int, data: st.DataObject
) -> None:
    bits = highest.bit_length()
    full = [highest] * count
    filled = packed(full + [0] * 100, bits)
    for encoded in (run(highest, count), packed(full, bits), filled, encode(full, bits, ())):
        assert all_defined(encoded, count, highest)
    hole = data.draw(st.integers(0, count - 1))
    full[hole] = data.draw(st.integers(0, highest - 1))
    for encoded in (packed(full, bits), encode(full, bits, ())):
        assert not all_defined(encoded, count, highest)


@given(st.binary(max_size=20), st.integers(1, 100))
def test_any_bytes_are_decoded_as_a_plain_decoder_does(data: bytes, count: int) -> None:
    levels = decode(data, count, 2)
    assume(levels is None or max(levels) < 4)
    try:
        regular = all_defined(data, count, 3)
    except MalformedError:
        regular = False
    assert regular == (levels == [3] * count)


@pytest.mark.parametrize(
    "levels",
    [
        b"",
        run(1, 7),  # too few
        run(1, 9),  # too many
        run(1, 8) + run(1, 1),
        run(1, 0) + run(1, 8),  # a run of none
        b"\x01" + run(1, 8),  # no group
        packed([1] * 8, 1)[:-1],  # cut off
        run(1, 8)[:-1],
        b"\x80" * 11,
    ],
)
def test_levels_are_just_as_many_as_values(levels: bytes) -> None:
    with pytest.raises(MalformedError):
        all_defined(levels, 8, 1)
    with pytest.raises(MalformedError):
        all_as_long(levels, 8, 9, place=1)


def test_a_huge_run_is_not_laid_out() -> None:
    assert all_defined(run(1, 1 << 60), 1 << 60, 1)


def test_more_repeated_rows_than_values_are_refused() -> None:
    row = run(0, 1) + run(1, 767)
    assert all_as_long(row * 300, 300 * 768, 768)
    with pytest.raises(MalformedError, match="more levels"):
        all_as_long(row * 301, 300 * 768, 768)
