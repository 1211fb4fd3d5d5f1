"""Columns of ids behave as the plain lists of text that they stand for."""

import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfuse.core import words
from mmfuse.core.ids import Ids, IntegerIds, TextIds, concatenated, plain_integers
from mmfuse.core.ids import integer_ids as ids_of_any_width

LOW, HIGH = -(2**63), 2**63 - 1

# short ids of few letters meet each other often; 7 to 17 bytes cross the words that are compared
SHORT = st.text("ab0é\0", max_size=4)
LONG = st.text("ab", min_size=6, max_size=18)
ANY = st.text(st.characters(codec="utf-8"), max_size=12)
TEXTS = st.lists(SHORT | LONG | ANY, max_size=12)
INTEGERS = st.lists(st.integers(-3, 3) | st.integers(LOW, HIGH), max_size=12)
SLICES = st.builds(
    slice,
    st.none() | st.integers(-14, 14),
    st.none() | st.integers(-14, 14),
    st.sampled_from([None, 1, 2, 3, -1, -2]),
)


def integer_ids(values: list[int]) -> IntegerIds:
    return IntegerIds(np.array(values, np.int64))


def columns(texts: list[str], integers: list[int]) -> list[tuple[Ids, list[str]]]:
    """A column of either kind, each with the list that it stands for."""
    return [(TextIds.of(texts), texts), (integer_ids(integers), [str(i) for i in integers])]


@given(TEXTS, INTEGERS)
@settings(deadline=None, max_examples=60)
def test_a_column_is_a_sequence_of_text(texts: list[str], integers: list[int]) -> None:
    for ids, listed in columns(texts, integers):
        assert len(ids) == len(listed)
        assert list(ids) == listed
        assert list(ids.as_text()) == listed
        assert [ids[row] for row in range(len(ids))] == listed


@given(TEXTS, INTEGERS, st.data())
@settings(deadline=None, max_examples=60)
def test_take_rows_and_slices(texts: list[str], integers: list[int], data: st.DataObject) -> None:
    for ids, listed in columns(texts, integers):
        cut = data.draw(SLICES)
        assert list(ids.take(cut)) == listed[cut]
        chosen = data.draw(st.lists(st.integers(0, len(listed) - 1)) if listed else st.just([]))
        taken = ids.take(np.array(chosen, np.int64))
        assert list(taken) == [listed[row] for row in chosen]
        # what was taken is a column like any other
        assert list(taken.take(slice(1, None))) == [listed[row] for row in chosen][1:]


ALL = slice(None)


@given(TEXTS, INTEGERS)
@settings(deadline=None, max_examples=60)
def test_equal_keys_are_equal_ids(texts: list[str], integers: list[int]) -> None:
    for ids, listed in columns(texts, integers):
        keys = ids.keys(ALL)
        assert keys.dtype == np.uint64
        for i, j in product(range(len(ids)), repeat=2):
            assert (keys[i] == keys[j]) == (listed[i] == listed[j])


def test_keys_tell_apart_what_differs_little() -> None:
    """Only the pace depends on it, for texts are compared; but it does."""
    a, b = "a" * 8, "b" * 8
    texts = ["", "\0", "\0" * 8, "\0" * 9, "a", "a\0", a + b, b + a, a + a, b + b, a + a + b, a, b]
    assert len(set(TextIds.of(texts).keys(ALL).tolist())) == len(texts)


def test_keys_do_not_depend_on_the_column() -> None:
    ids = TextIds.of(["a", "a long id of many words", "", "b"])
    np.testing.assert_array_equal(ids.take(slice(1, 3)).keys(ALL), ids.keys(slice(1, 3)))


@given(TEXTS, TEXTS, INTEGERS, INTEGERS)
@settings(deadline=None, max_examples=60)
def test_same_compares_text(
    left: list[str], right: list[str], numbers: list[int], others: list[int]
) -> None:
    pairs = zip(columns(left, numbers), columns(right + left, others + numbers), strict=True)
    for (one, listed), (other, compared) in pairs:
        both = list(product(range(len(listed)), range(len(compared))))
        rows = np.array([i for i, _ in both], np.int64)
        other_rows = np.array([j for _, j in both], np.int64)
        expected = [listed[i] == compared[j] for i, j in both]
        assert one.same(rows, other, other_rows).tolist() == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "texts",
    [
        ["1"],
        ["0", "7", "-5"],
        ["10", "9007199254740993"],  # 2**53 + 1, which no float64 holds
        [str(LOW), str(HIGH)],
        ["123456789012345678", "-12345678901234567"],  # the most that is parsed by columns
        ["1234567890123456789", "5"],
        ["5", "5"],
    ],
)
def test_plain_integers(texts: list[str]) -> None:
    ids = plain_integers(TextIds.of(texts))
    assert isinstance(ids, IntegerIds)
    assert ids.values.tolist() == [int(text) for text in texts]
    assert list(ids) == texts


@pytest.mark.parametrize(
    "odd",
    [
        "001",
        "00",
        "-0",
        "-01",
        "+1",
        "1e5",
        "1.0",
        " 1",
        "1 ",
        "",
        "-",
        "--5",
        "5-",
        "1_000",
        "a",
        "٣",
        "１",
        "1\n",
        "\x00",
        str(HIGH + 1),
        str(LOW - 1),
        "9" * 20,
        "-" + "9" * 20,
        "1" * 40,
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_odd_id_keeps_the_column_text(odd: str, place: int) -> None:
    texts = ["1", "-22"]
    texts.insert(place, odd)
    ids = plain_integers(TextIds.of(texts))
    assert isinstance(ids, TextIds)
    assert list(ids) == texts


def test_no_ids_are_text() -> None:
    assert isinstance(plain_integers(TextIds.of([])), TextIds)


PLAIN = re.compile("0|-?[1-9][0-9]*")


@given(st.lists(st.integers(LOW, HIGH).map(str) | st.text("-+01 9", max_size=4), max_size=6))
@settings(deadline=None, max_examples=150)
def test_plain_integers_lose_nothing(texts: list[str]) -> None:
    ids = plain_integers(TextIds.of(texts))
    plain = bool(texts) and all(PLAIN.fullmatch(text) for text in texts)
    assert isinstance(ids, IntegerIds) == plain
    assert list(ids) == texts


@pytest.mark.parametrize("length", [7, 8, 9, 16, 17, 30, 600])
def test_every_byte_of_a_long_id_counts(length: int) -> None:
    base = "a" * length
    others = [base[:place] + "b" + base[place + 1 :] for place in range(length)]
    ids = TextIds.of([base, *others, base])
    expected = [True, *(False for _ in others), True]
    rows = np.arange(len(ids))
    assert ids.same(np.zeros_like(rows), ids, rows).tolist() == expected
    assert (ids.keys(ALL) == ids.keys(ALL)[0]).tolist() == expected


def test_text_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        TextIds.of(["\ud800"])


@pytest.mark.parametrize("digits", range(1, 20))
@pytest.mark.parametrize("sign", [1, -1])
def test_integers_of_every_length_to_text_and_back(digits: int, sign: int) -> None:
    ends = [sign * int("9" * digits), sign * 10 ** (digits - 1)]
    listed = [value for value in ends if LOW <= value <= HIGH]
    ids = integer_ids([*listed, 0, 5])
    text = ids.as_text()
    assert list(text) == [*map(str, listed), "0", "5"]
    back = plain_integers(text)
    assert isinstance(back, IntegerIds)
    assert back.values.tolist() == ids.values.tolist()


@given(TEXTS, INTEGERS)
@settings(deadline=None, max_examples=60)
def test_columns_of_many_parts(texts: list[str], integers: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "_PART", 2)
        patch.setattr(words, "_BLOCK_BYTES", 16)
        for ids, listed in columns(texts, integers):
            assert list(ids.take(np.arange(len(ids))[::-1])) == listed[::-1]
            assert list(ids.as_text()) == listed
        numbers = plain_integers(TextIds.of(map(str, [7, *integers])))
        assert isinstance(numbers, IntegerIds)
        assert numbers.values.tolist() == [7, *integers]


@pytest.mark.parametrize("kind", "bhilqBHILQ")
def test_integers_of_any_width_keep_their_values(kind: str) -> None:
    limits = np.iinfo(kind)
    values = np.array([limits.min, 0, 7, limits.max], kind)
    ids = ids_of_any_width(values)
    assert list(ids) == [str(int(value)) for value in values]
    assert isinstance(ids, IntegerIds) == (limits.max <= HIGH)
    assert list(ids_of_any_width(values[:0])) == []
    assert isinstance(ids_of_any_width(values[:0]), IntegerIds)


def test_unsigned_integers_become_text_only_where_they_must() -> None:
    for value in (HIGH - 1, HIGH, HIGH + 1):
        ids = ids_of_any_width(np.array([5, value], np.uint64))
        assert isinstance(ids, IntegerIds) == (value <= HIGH)
        assert list(ids) == ["5", str(value)]


@given(st.lists(st.tuples(TEXTS, INTEGERS, st.booleans()), min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_columns_one_after_the_other(some: list[tuple[list[str], list[int], bool]]) -> None:
    chosen = [columns(texts, integers)[integer] for texts, integers, integer in some]
    found = concatenated(*(ids for ids, _ in chosen))
    assert list(found) == [text for _, listed in chosen for text in listed]
    assert isinstance(found, IntegerIds) == all(integer for *_, integer in some)
