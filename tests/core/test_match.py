"""Matching against a dictionary: narrow and wide integers, text, and keys made to collide."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmfuse.core import match, words
from mmfuse.core.ids import Ids, IntegerIds, TextIds
from mmfuse.core.match import ABSENT, in_order, index

LOW, HIGH = -(2**63), 2**63 - 1
NARROW = st.integers(-20, 20)
WIDE = st.one_of(NARROW, st.integers(LOW, HIGH), st.sampled_from([LOW, LOW + 1, HIGH - 1, HIGH]))
AT_LOW, AT_HIGH = st.integers(LOW, LOW + 30), st.integers(HIGH - 30, HIGH)
TEXT = st.text("ab", max_size=3) | st.text("ab", min_size=8, max_size=17)


def column(listed: Sequence[Any]) -> Ids:
    if all(isinstance(value, int) for value in listed):
        return IntegerIds(np.array(listed, np.int64))
    return TextIds.of(listed)


def check(listed: Sequence[Any], sought: Sequence[Any]) -> None:
    """Against a dictionary."""
    found = index(column(listed))
    rows: dict[Any, list[int]] = {}
    for row, value in enumerate(listed):
        rows.setdefault(value, []).append(row)
    first, second = (side.tolist() for side in found.duplicates())
    # every pair is one id; each id of k rows has k - 1 pairs, which connect them all
    assert all(a < b and listed[a] == listed[b] for a, b in zip(first, second, strict=True))
    for places in rows.values():
        pairs = [(a, b) for a, b in zip(first, second, strict=True) if a in places]
        assert len(pairs) == len(places) - 1
        assert {row for pair in pairs for row in pair} == (set(places) if pairs else set())
    if not first:
        answer = found.find(column(sought))
        assert answer.dtype == np.int32
        assert answer.tolist() == [rows.get(value, [ABSENT])[0] for value in sought]


@given(
    st.sampled_from([NARROW, WIDE, AT_LOW, AT_HIGH]).flatmap(
        lambda kind: st.tuples(
            st.lists(kind, max_size=20) | st.lists(kind, max_size=20, unique=True),
            st.lists(kind | WIDE, max_size=20),
        )
    )
)
@example(([LOW, LOW + 3], [LOW, LOW + 1, HIGH, 0]))  # a narrow range at either end
@example(([HIGH - 3, HIGH], [HIGH, HIGH - 1, LOW, 0]))
@example(([LOW, HIGH], [HIGH, LOW, 0, -1]))
@example(([5], []))
@example(([], [5]))
@settings(deadline=None, max_examples=200)
def test_integers(case: tuple[list[int], list[int]]) -> None:
    check(*case)


@given(
    st.lists(TEXT, max_size=20) | st.lists(TEXT, max_size=20, unique=True),
    st.lists(TEXT, max_size=20),
)
@settings(deadline=None, max_examples=100)
def test_text(listed: list[str], sought: list[str]) -> None:
    check([*listed, "é"], [*sought, "é"])


def test_many_of_either_kind() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.permutation(30_000)
    check(numbers[:20_000].tolist(), numbers[5_000:].tolist())
    spread = (numbers * 1_000_003 - 2**33).tolist()
    check(spread[:20_000], spread[5_000:])
    texts = [f"row-{number}" for number in numbers]
    check(texts[:20_000], texts[5_000:])


WORDS = st.lists(TEXT, max_size=24) | st.lists(TEXT, max_size=24, unique=True)


@pytest.mark.parametrize("kinds", [1, 2, 5])
@given(listed=WORDS, sought=WORDS)
@settings(deadline=None, max_examples=50)
def test_keys_that_collide(kinds: int, listed: list[str], sought: list[str]) -> None:
    keys = TextIds.keys

    def weak(ids: TextIds, part: slice) -> np.ndarray[Any, np.dtype[np.uint64]]:
        return keys(ids, part) % np.uint64(kinds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextIds, "keys", weak)
        patch.setattr(match, "_FEW", 0)
        check([*listed, "é"], [*sought, "é"])


@given(listed=WORDS, sought=WORDS, numbers=st.lists(WIDE, max_size=40))
@settings(deadline=None, max_examples=100)
def test_tables_alone_find_every_id(
    listed: list[str], sought: list[str], numbers: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(match, "_FEW", 0)
        patch.setattr(match, "_TABLE_FACTOR", -(10**6))
        patch.setattr(words, "_PART", 5)  # the last part is a short one
        check([*listed, "é"], [*sought, "é"])
        check(numbers, [*numbers, 1, 2, 3])


def test_many_ids_of_one_key_are_found_by_the_dictionary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextIds, "keys", lambda ids, part: ids.lengths[part].view(np.uint64))
    listed = [f"{number:03d}" for number in range(300)]
    found = index(TextIds.of(listed))
    assert isinstance(found, match._Hashed)
    assert len(found._rest) > match._FEW
    check(listed, [*listed[::-1], "absent", "300"])
    check([*listed, "007"], [])


def test_the_index_suits_the_ids() -> None:
    assert isinstance(index(column([5, 1005, -18])), match._Table)
    assert isinstance(index(column([5, 10**9])), match._Hashed)
    assert isinstance(index(column(["5", "6"])), match._Hashed)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], True),
        ([0], True),
        ([0, 1, 2], True),
        ([1], False),
        ([0, 2], False),
        ([0, 2, 1, 3], False),
        ([1, 2, 3], False),
        ([0, 0, 2], False),
    ],
)
def test_in_order(rows: list[int], expected: bool) -> None:
    assert in_order(np.array(rows, np.int64)) is expected
