"""Alignment against a dictionary of every source, and every reason to refuse."""

import random
import re
import tracemalloc
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfuse.core.align import By, Joining, align
from mmfuse.core.alignment import Alignment
from mmfuse.core.ids import Ids, IntegerIds, TextIds
from mmfuse.core.join import Several
from mmfuse.errors import AlignmentError


@dataclass(frozen=True)
class Table:
    label: str
    rows: int
    ids: Ids | None
    several: Several | None = None


def table(label: str, ids: list[Any] | int) -> Table:
    """Ids of ints or of text, or a count of rows without ids."""
    if isinstance(ids, int):
        return Table(label, ids, None)
    if all(isinstance(value, int) for value in ids):
        return Table(label, len(ids), IntegerIds(np.array(ids, np.int64)))
    return Table(label, len(ids), TextIds.of(ids))


def taken(alignment: Alignment, sources: list[Table]) -> list[list[int]]:
    """The row numbers of every source, written out."""
    return [
        list(range(source.rows)) if rows is None else rows.tolist()
        for rows, source in zip(alignment.rows, sources, strict=True)
    ]


def oracle(listed: list[list[Any]]) -> list[tuple[str, tuple[int, ...]]]:
    """An inner join by dictionaries: (id, the row in every source), in the first one's order."""
    rows = [{str(value): row for row, value in enumerate(ids)} for ids in listed]
    return [
        (text, tuple(source[text] for source in rows))
        for text in rows[0]
        if all(text in source for source in rows)
    ]


def refused(sources: list[Table], by: By = "auto") -> AlignmentError:
    with pytest.raises(AlignmentError) as caught:
        align(sources, Joining(by))
    assert caught.value.exit_code == 4
    return caught.value


INTEGER_IDS = st.lists(st.integers(-9, 9) | st.just(2**53 + 1), unique=True, max_size=14)
TEXT_IDS = st.lists(
    st.integers(-9, 9).map(str) | st.text("xyé", min_size=1, max_size=2), unique=True, max_size=14
).map(lambda ids: [*ids, "text"])  # never integers only
TABLES = (
    st.lists(INTEGER_IDS, min_size=1, max_size=4)
    | st.lists(TEXT_IDS, min_size=1, max_size=4)
    | st.lists(INTEGER_IDS | TEXT_IDS, min_size=1, max_size=4)
)


@given(TABLES, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=200)
def test_inner_join(listed: list[list[Any]], rng: random.Random) -> None:
    sources = [table(f"t{k}", ids) for k, ids in enumerate(listed)]
    expected = oracle(listed)
    if not expected:
        assert "no id is common" in refused(sources).message
        return
    alignment = align(sources)
    assert alignment.by == "id"
    found = list(zip(alignment.ids, zip(*taken(alignment, sources), strict=True), strict=True))
    assert found == expected
    assert isinstance(alignment.ids, IntegerIds) == all(
        isinstance(source.ids, IntegerIds) for source in sources
    )
    # rows are conserved: read = kept + dropped
    assert alignment.read == tuple(len(ids) for ids in listed)
    for source, dropped in zip(listed, alignment.dropped, strict=True):
        assert dropped == len([v for v in source if str(v) not in dict(expected)])
    # None exactly where a source is taken whole, in order
    for rows, ids, numbers in zip(alignment.rows, listed, taken(alignment, sources), strict=True):
        assert (rows is None) == (numbers == list(range(len(ids))))

    # the rows of an id are the same rows wherever they stand
    shuffled = [rng.sample(ids, len(ids)) for ids in listed]
    others = [table(f"t{k}", ids) for k, ids in enumerate(shuffled)]
    again = align(others)
    assert sorted(again.ids) == sorted(alignment.ids)
    for ids, numbers in zip(shuffled, taken(again, others), strict=True):
        assert [str(ids[row]) for row in numbers] == list(again.ids)


def test_the_order_is_the_first_source_s() -> None:
    alignment = align([table("a", ["z", "m", "a", "q"]), table("b", ["a", "m", "z"])])
    assert list(alignment.ids) == ["z", "m", "a"]
    assert taken(alignment, [table("a", 4), table("b", 3)]) == [[0, 1, 2], [2, 1, 0]]


def test_integers_meet_their_own_text() -> None:
    alignment = align([table("a", [7, -1, 12]), table("b", ["12", "x", "7"])])
    assert list(alignment.ids) == ["7", "12"]
    assert [rows.tolist() for rows in alignment.rows if rows is not None] == [[0, 2], [2, 0]]


def test_integers_beyond_float64_stay_apart() -> None:
    alignment = align([table("a", [2**53, 2**53 + 1]), table("b", [2**53 + 1, 2**53 + 2])])
    assert list(alignment.ids) == [str(2**53 + 1)]


def test_keep() -> None:
    sources = [table("a", [1, 2, 3]), table("b", [3, 1, 2])]
    alignment = align(sources)
    assert alignment.rows[0] is None
    kept = alignment.take(np.array([0, 2], np.int32))
    assert list(kept.ids) == ["1", "3"]
    assert taken(kept, sources) == [[0, 2], [1, 0]]
    assert kept.dropped == (1, 1)
    assert {rows.dtype for rows in kept.rows if rows is not None} == {np.dtype(np.int32)}


@pytest.mark.parametrize("by", ["auto", "position"])
def test_without_ids_rows_are_taken_by_position(by: By) -> None:
    alignment = align([table("a", 3), table("b", 3)], Joining(by))
    assert alignment.by == "position"
    assert alignment.rows == (None, None)
    assert list(alignment.ids) == ["0", "1", "2"]
    assert alignment.dropped == (0, 0)


def test_by_position_takes_the_first_ids_along() -> None:
    alignment = align([table("a", ["x", "y"]), table("b", ["y", "x"])], Joining("position"))
    assert list(alignment.ids) == ["x", "y"]
    assert alignment.rows == (None, None)
    second = align(
        [table("a", 2), table("b", ["y", "x"]), table("c", ["p", "q"])], Joining("position")
    )
    assert list(second.ids) == ["y", "x"]
    numbered = align([table("a", 2), table("b", 2)], Joining("position"))
    assert list(numbered.ids) == ["0", "1"]


@pytest.mark.parametrize("by", ["auto", "position"])
def test_unequal_counts_without_ids(by: By) -> None:
    error = refused([table("a=x.npy", 3), table("b=y.npy", 1200)], by)
    assert error.message == (
        "row counts differ, so rows cannot be joined by position: a=x.npy 3, b=y.npy 1,200"
    )
    assert error.hint is not None
    assert "--ids" in error.hint


def test_ids_in_some_inputs_only() -> None:
    error = refused([table("a", ["x"]), table("b", 1), table("c", 1)])
    assert error.message == "b has no row ids, but other inputs have"
    assert error.where == "b"
    assert error.hint is not None
    assert "--by-position" in error.hint


@pytest.mark.parametrize("first", [["x"], 1])
def test_by_id_insists_on_ids(first: list[str] | int) -> None:
    error = refused([table("a", first), table("b", 1)], "id")
    assert error.message == f"{'b' if first == ['x'] else 'a'} has no row ids"
    assert error.hint is not None
    assert "--by-position" not in error.hint


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (["a", "b", "c", "b"], "1 row repeats an id; the first is 'b' in rows 2 and 4"),
        ([5, 7, 6, 5], "1 row repeats an id; the first is '5' in rows 1 and 4"),
        (
            [5, 10**12, 6, 10**12],
            "1 row repeats an id; the first is '1000000000000' in rows 2 and 4",
        ),
        # whatever order their keys are in
        ([*"zyxwvutsrq", *"qrstuvwxyz"], "10 rows repeat an id; the first is 'z' in rows 1 and 20"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_duplicates(ids: list[Any], told: str, place: int) -> None:
    sources = [table("other", sorted(set(ids)))]
    sources.insert(place, table("mine", ids))
    error = refused(sources)
    assert error.message == told
    assert error.where == "mine"


def test_the_same_id_three_times_is_two_rows_too_many() -> None:
    assert refused([table("a", ["x", "y", "x", "x"])]).message.startswith("2 rows repeat an id")


@pytest.mark.parametrize("lookalikes", [["007", "+7"], ["7.0", " 7"], ["-0", "7 "], ["00", "-07"]])
@pytest.mark.parametrize("place", [0, 1])
def test_text_that_looks_like_integers_beside_integers(lookalikes: list[str], place: int) -> None:
    sources = [table("numbers", [7, 8])]
    sources.insert(place, table("texts", ["8", "x", *lookalikes]))
    error = refused(sources)
    assert error.message.startswith("2 text ids look like integers")
    assert all(repr(text) in error.message for text in lookalikes)
    assert error.where == "texts"


@given(
    st.lists(st.text("01+-. \u0663ax", min_size=1, max_size=4), min_size=1, max_size=8, unique=True)
)
@settings(deadline=None, max_examples=150)
def test_only_lookalikes_are_refused(texts: list[str]) -> None:
    looks = [
        text
        for text in texts
        if re.fullmatch(r"\s*[+-]?\d+(\.0*)?\s*", text)
        and not re.fullmatch("0|-?[1-9][0-9]*", text)
    ]
    sources = [table("numbers", [777]), table("texts", [*texts, "777"])]
    if looks:
        assert refused(sources).message.startswith(f"{len(looks)} text id")
    else:
        assert list(align(sources).ids) == ["777"]


@pytest.mark.parametrize("repeated", [["z", "z"], ["b", "b"], ["b", "z", "b", "z"]])
def test_what_repeats_is_refused_whether_the_first_has_it_or_not(repeated: list[str]) -> None:
    error = refused([table("a", ["b", "c"]), table("mine", ["c", *repeated])])
    second = repeated.index(repeated[0], 1) + 2
    count = len(repeated) // 2
    assert error.message == (
        f"{count} row{'s repeat' if count > 1 else ' repeats'} an id; "
        f"the first is {repeated[0]!r} in rows 2 and {second}"
    )


def test_text_beside_text_may_look_like_anything() -> None:
    alignment = align([table("a", ["007", "7", "x"]), table("b", ["7", "y"])])
    assert list(alignment.ids) == ["7"]


def test_lookalikes_are_told_by_two_examples() -> None:
    error = refused([table("numbers", [7]), table("texts", ["001", "002", "003", "7"])])
    assert error.message.startswith("3 text ids")
    assert "'001' and '002'" in error.message
    assert "'003'" not in error.message


def test_no_id_in_common() -> None:
    error = refused([table("a", ["1.txt", "2.txt", "3.txt"]), table("b", [1, 2])])
    assert error.message == (
        "no id is common to all inputs: a has '1.txt', '2.txt', …; b has '1', '2'"
    )
    assert error.hint is not None


def test_an_empty_source_has_no_id_in_common() -> None:
    assert "no id is common" in refused([table("a", []), table("b", [])]).message
    assert "no id is common" in refused([table("a", ["x"]), table("b", [])]).message


def test_an_alignment_of_many_rows_is_small() -> None:
    rng, n = np.random.default_rng(0), 400_000
    ids = rng.integers(-(2**62), 2**62, n)
    sources = [Table(label, n, IntegerIds(rng.permutation(ids))) for label in "abc"]
    sources.append(table("d", ids[:-1].tolist()))
    tracemalloc.start()
    try:
        alignment = align(sources)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(alignment) == n - 1
    # an int64 id, and an int32 a source; at most as much again to find them
    assert kept < 25 * n
    assert peak < 60 * n
