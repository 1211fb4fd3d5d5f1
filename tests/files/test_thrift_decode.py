import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfuse.files import thrift
from mmfuse.files.thrift_decode import (
    I8,
    I32,
    I64,
    STRUCT,
    MalformedError,
    Parser,
    Reader,
    binary,
    each,
    flag,
    integer,
    present,
    struct,
)

LONGS = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.text(max_size=300)


def decode(parser: Parser, data: bytes, kind: int = STRUCT) -> object:
    reader = Reader(data)
    value = parser(reader, kind)
    assert reader.at == len(data)
    return value


@given(LONGS)
def test_integers_come_back(number: int) -> None:
    assert decode(integer, thrift.i64(number).body, I64) == number


@given(LONGS)
def test_an_integer_has_the_range_of_its_kind(number: int) -> None:
    body = thrift.i64(number).body
    if -(1 << 31) <= number < 1 << 31:
        assert decode(integer, body, I32) == number
    else:
        with pytest.raises(MalformedError, match="32 bits"):
            decode(integer, body, I32)


@pytest.mark.parametrize("number", [-128, -1, 0, 127])
def test_an_integer_of_8_bits_is_a_byte(number: int) -> None:
    assert decode(integer, number.to_bytes(1, signed=True), I8) == number


@pytest.mark.parametrize("body", [b"\xff" * 9 + b"\x02", b"\x80" * 10 + b"\x01"])
def test_a_number_longer_than_64_bits_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError, match="64 bits"):
        Reader(body).varint()


@given(st.dictionaries(st.integers(1, 15), LONGS), st.lists(TEXTS, max_size=40), TEXTS)
def test_structures_come_back(numbers: dict[int, int], names: list[str], text: str) -> None:
    inner = thrift.struct({key: thrift.i64(number) for key, number in numbers.items()})
    names_list = thrift.array([thrift.binary(name) for name in names])
    outer = thrift.struct({1: inner, 2: names_list, 9: thrift.binary(text)})
    element = binary if names else present  # the encoder says an empty list is of structures
    parser = struct({1: struct(dict.fromkeys(numbers, integer)), 2: each(element, 40), 9: binary})
    assert decode(parser, outer.body) == {
        1: numbers,
        2: [name.encode() for name in names],
        9: text.encode(),
    }
    assert decode(struct({9: binary}), outer.body) == {9: text.encode()}


def test_every_kind_is_skipped() -> None:
    fields = [
        (1, b""),  # true
        (2, b""),  # false
        (3, b"\x80"),  # 8 bits
        (4, b"\xff\xff\x03"),
        (5, b"\xff\xff\xff\xff\x0f"),
        (6, b"\xff" * 9 + b"\x01"),
        (7, bytes(8)),  # double
        (8, b"\x03abc"),
        (9, b"\x21\x01\x02"),  # list of two truth values
        (9, b"\xf5\x0f" + b"\x02" * 15),  # list of 15 numbers
        (10, b"\x18\x02xy"),  # set of one text
        (11, b"\x00"),  # empty map
        (11, b"\x02\x51\x02\x01\x04\x02"),  # map of two numbers to truth values
        (12, b"\x15\x02\x1c\x00\x00"),  # structure in a structure
        (13, bytes(16)),  # UUID
    ]
    data = b"".join(bytes([0x10 | kind]) + body for kind, body in fields)
    data += b"\x05\x90\x03" + b"\x54"  # a number of field 200, its id in long form
    assert decode(struct({200: integer}), data + b"\x00") == {200: 42}


def test_a_truth_value_is_its_kind() -> None:
    assert decode(struct({1: flag, 2: flag}), b"\x11\x12\x00") == {1: True, 2: False}


@pytest.mark.parametrize("parser", [integer, flag, binary, each(integer, 9), struct({})])
def test_a_value_of_another_kind_is_refused(parser: Parser) -> None:
    with pytest.raises(MalformedError, match="of kind 7"):
        parser(Reader(bytes(8)), 7)


@given(st.data())
def test_what_ends_early_is_refused(data: st.DataObject) -> None:
    items = [thrift.struct({1: thrift.i64(300), 2: thrift.binary("name")})] * 20
    body = thrift.struct({1: thrift.array(items), 3: thrift.i32(-70_000)}).body
    stop = data.draw(st.integers(0, len(body) - 1))
    for parser in (struct({}), struct({1: each(struct({1: integer, 2: binary}), 20), 3: integer})):
        with pytest.raises(MalformedError):
            parser(Reader(body[:stop]), STRUCT)


@pytest.mark.parametrize(
    "body",
    [
        b"\x18\xff\xff\xff\xff\x0f",  # a text of 4 GiB
        b"\x19\xfc\xff\xff\xff\xff\x0f",  # as many structures in a list
        b"\x1b\xff\xff\xff\xff\x0f\x55",  # in a map
        b"\x19\xf1\xff\xff\xff\xff\x0f",  # truth values
        b"\x1e\x00",  # a kind that there is not
        b"\x1c" * 1000 + bytes(1001),  # a thousand structures in each other
        b"\x19\x19" * 1000 + b"\x19\x00" + bytes(1000),
    ],
)
def test_hostile_values_are_not_skipped(body: bytes) -> None:
    with pytest.raises(MalformedError):
        struct({})(Reader(body), STRUCT)


def test_a_list_has_at_most_so_many_elements() -> None:
    body = thrift.array([thrift.i32(number) for number in range(5)]).body
    assert decode(each(integer, 5), body, 9) == [0, 1, 2, 3, 4]
    with pytest.raises(MalformedError, match="5 elements, more than 4"):
        decode(each(integer, 4), body, 9)
