import pytest

from mmfuse.files import thrift


@pytest.mark.parametrize(
    ("number", "encoded"),
    [(0, b"\0"), (127, b"\x7f"), (128, b"\x80\1"), (300, b"\xac\2"), (1 << 14, b"\x80\x80\1")],
)
def test_varint(number: int, encoded: bytes) -> None:
    assert thrift.varint(number) == encoded


@pytest.mark.parametrize(
    ("number", "encoded"),
    [
        (0, b"\0"),
        (-1, b"\1"),
        (1, b"\2"),
        ((1 << 63) - 1, b"\xfe" + b"\xff" * 8 + b"\1"),
        (-(1 << 63), b"\xff" * 9 + b"\1"),
    ],
)
def test_i64_is_zigzag(number: int, encoded: bytes) -> None:
    assert thrift.i64(number) == (thrift.I64, encoded)


@pytest.mark.parametrize("number", [1 << 31, -(1 << 31) - 1])
def test_i32_refuses_what_it_cannot_hold(number: int) -> None:
    with pytest.raises(OverflowError, match="32 bits"):
        thrift.i32(number)


def test_binary_counts_bytes_not_characters() -> None:
    assert thrift.binary("né").body == b"\3n\xc3\xa9"


@pytest.mark.parametrize(
    ("count", "head"), [(0, b"\x0c"), (1, b"\x15"), (14, b"\xe5"), (15, b"\xf5\x0f")]
)
def test_array_headers(count: int, head: bytes) -> None:
    assert thrift.array([thrift.i32(1)] * count).body == head + b"\2" * count


def test_struct_writes_fields_by_ascending_id() -> None:
    encoded = thrift.struct({15: thrift.i64(1), 1: thrift.i32(-1), 3: thrift.struct({})})
    assert encoded == (thrift.STRUCT, b"\x15\1\x2c\0\xc6\2\0")


def test_fields_continue_after_others() -> None:
    whole = {2: thrift.i32(7), 5: thrift.binary("x")}
    parts = thrift.fields({2: whole[2]}) + thrift.fields({5: whole[5]}, after=2)
    assert parts == thrift.fields(whole)


def test_a_distance_too_long_for_the_header_is_refused() -> None:
    with pytest.raises(ValueError, match="byte must be in range"):
        thrift.fields({16: thrift.i32(0)})


def test_levels_of_lists() -> None:
    prefix = thrift.page_prefix(2, 3, 24)
    repetition = b"\x02\0\x04\1" * 2
    assert prefix.endswith(b"\x08\0\0\0" + repetition + b"\x02\0\0\0" + b"\x0c\1")


def test_pages_beyond_two_gigabytes_are_refused() -> None:
    with pytest.raises(OverflowError):
        thrift.page_prefix(1, None, 1 << 31)
