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
    assert alignment.rows == alignment.ends == (None, None)
    assert alignment.pools == ("mean", "mean")
    assert list(alignment.ids) == ["0", "1", "2"]
    assert (alignment.dropped, alignment.absent, alignment.unmatched) == ((0, 0),) * 3
    assert alignment.complete


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


def test_one_source_alone() -> None:
    for one, ids in ((table("a", 3), ["0", "1", "2"]), (table("a", ["x", "y"]), ["x", "y"])):
        alignment = align([one])
        assert (list(alignment.ids), alignment.rows, alignment.dropped) == (ids, (None,), (0,))


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


# --- other joins, and how much must meet ----------------------------------------------------------

IDS_HINT = "name its ids with --ids NAME=FILE or --id-column NAME=COLUMN"
A, B = table("a", ["p", "q", "r", "q"]), table("b", ["q", "p", "t"])


def test_a_join_of_rows_that_repeat() -> None:
    found = align([A, B], Joining(how="outer", duplicates="max"))
    assert list(found.ids) == ["p", "q", "r", "t"]
    assert (found.by, found.how, found.read) == ("id", "outer", (4, 3))
    assert found.pools == ("max", "max")
    assert [ends.tolist() for ends in found.ends if ends is not None] == [
        [1, 3, 4, 4],
        [1, 2, 2, 3],
    ]
    assert taken(found, [A, B]) == [[0, 1, 3, 2], [1, 0, 2]]
    assert found.overlap == (2 / 3, 2 / 3)
    assert (found.dropped, found.absent, found.complete) == ((0, 0), (1, 1), False)
    assert found.suggestion is None
    mean = align([A, B], Joining(duplicates="mean"))
    assert (mean.how, mean.pools) == ("inner", ("mean", "mean"))
    first = align([A, B], Joining(how="left", duplicates="first"))
    assert (first.how, first.pools) == ("left", ("mean", "mean"))
    assert taken(first, [A, B]) == [[0, 1, 2], [1, 0]]
    assert first.ends[0] is None
    assert (first.dropped, first.unused(0).tolist()) == ((1, 1), [3])


def test_a_join_that_takes_a_source_as_it_stands_needs_no_numbers() -> None:
    a, b, c = table("a", ["x", "y"]), table("b", ["y", "x"]), table("c", ["x", "y", "z"])
    found = align([a, b, c], Joining(how="left"))
    assert found.rows[0] is None
    assert [rows.tolist() for rows in found.rows[1:] if rows is not None] == [[1, 0], [0, 1]]
    assert found.ends == (None, None, None)
    assert found.complete


@pytest.mark.parametrize("how", ["inner", "left", "outer"])
def test_rows_in_the_natural_order(how: Any) -> None:
    sources = [table("a", ["f10", "f9", "f2"]), table("b", ["f2", "f10", "f9"])]
    assert list(align(sources, Joining(how=how, sort=True)).ids) == ["f2", "f9", "f10"]
    assert list(align(sources, Joining(how=how)).ids) == ["f10", "f9", "f2"]
    assert taken(align(sources, Joining(how=how, sort=True)), sources) == [[2, 1, 0], [0, 2, 1]]
    by_position = align(sources, Joining("position", sort=True))
    assert list(by_position.ids) == ["f2", "f9", "f10"]
    assert taken(by_position, sources) == [[2, 1, 0], [2, 1, 0]]


@pytest.mark.parametrize("how", ["left", "outer"])
@pytest.mark.parametrize("place", [0, 1])
def test_rows_that_repeat_are_refused_in_every_join(how: Any, place: int) -> None:
    sources = [table("other", ["x", "y"])]
    sources.insert(place, table("mine", ["y", "x", "y"]))
    with pytest.raises(AlignmentError) as caught:
        align(sources, Joining(how=how))
    assert caught.value.message == "1 row repeats an id; the first is 'y' in rows 1 and 3"
    assert caught.value.where == "mine"
    assert caught.value.hint == (
        "--duplicates first, mean, max or explode says what several rows of an id become"
    )


def test_large_numbers_are_told_with_their_thousands() -> None:
    many = [*range(1500), *range(1500)]
    assert refused([table("a", many)]).message == (
        "1,500 rows repeat an id; the first is '0' in rows 1 and 1,501"
    )
    far = [*range(1000, 3000), 1500]
    assert refused([table("a", far)]).message.endswith("'1500' in rows 501 and 2,001")
    assert refused([table("a", [*far[1500:], *far])]).message.endswith("in rows 1 and 2,002")


@pytest.mark.parametrize("how", ["inner", "left", "outer"])
def test_nothing_in_common_is_refused_in_every_join(how: Any) -> None:
    with pytest.raises(AlignmentError) as caught:
        align([table("a", ["x"]), table("b", ["y", "z", "w"])], Joining(how=how))
    assert caught.value.message == ("no id is common to all inputs: a has 'x'; b has 'y', 'z', …")
    assert caught.value.hint == (
        "--ids or --id-column names the right ids; mmfuse inspect shows where they are"
    )
    with pytest.raises(AlignmentError) as caught:
        align([table("a", ["x1.jpg", "x2.jpg"]), table("b", ["x1", "x2"])], Joining(how=how))
    assert caught.value.hint == "2 of 2 ids match with --id-transform stem"


def some(label: str, common: int, alone: int, form: str = "{}") -> Table:
    ids = [f"c{k}" for k in range(common)] + [form.format(f"o{k}") for k in range(alone)]
    return table(label, ids)


@pytest.mark.parametrize("how", ["inner", "left", "outer"])
def test_a_spelling_is_suggested_where_less_than_half_meets(how: Any) -> None:
    half = align([some("a", 5, 5), some("b", 5, 5, "{}.x")], Joining(how=how))
    assert half.suggestion is None
    assert half.overlap == (0.5, 0.5)
    less = align([some("a", 4, 5), some("b", 4, 5, "{}.x")], Joining(how=how))
    assert str(less.suggestion) == "9 of 9 ids match with --id-transform stem"
    one = align([some("a", 4, 5), some("b", 4, 0)], Joining(how=how))
    assert (one.overlap, one.suggestion) == ((4 / 9, 1.0), None)


@pytest.mark.parametrize("how", ["inner", "left"])
def test_less_overlap_than_is_asked_for(how: Any) -> None:
    sources = [some("a", 3, 0), some("b", 3, 1)]
    assert len(align(sources, Joining(how=how, min_overlap=0.75))) == 3
    with pytest.raises(AlignmentError) as caught:
        align(sources, Joining(how=how, min_overlap=0.76))
    assert caught.value.message == (
        "75.0% of the ids are in all inputs, and --min-overlap asks for 76.0%"
    )
    assert (caught.value.where, caught.value.hint) == ("b", None)
    with pytest.raises(AlignmentError) as caught:
        align([some("a", 1, 2), some("b", 1, 2, "{}.x")], Joining(how=how, min_overlap=0.5))
    assert caught.value.hint == "3 of 3 ids match with --id-transform stem"


def test_strict_forbids_to_drop_a_row() -> None:
    def told(sources: list[Table], **how: Any) -> tuple[str, str | None, str | None]:
        with pytest.raises(AlignmentError) as caught:
            align(sources, Joining(strict=True, **how))
        return caught.value.message, caught.value.where, caught.value.hint

    whole = [some("a", 3, 0), some("b", 3, 0)]
    assert len(align(whole, Joining(strict=True))) == 3
    outer = "--join outer keeps the rows that others lack"
    assert told([some("a", 1200, 0), some("b", 1200, 1100)]) == (
        "1,100 of 2,300 rows would be dropped, and --strict forbids it; "
        "the first are those of 'o0', 'o1', 'o2'",
        "b",
        outer,
    )
    assert told([some("a", 3, 0), some("b", 3, 1)], how="left")[2] == outer
    repeated = [table("a", ["x", "y", "x"]), table("b", ["y", "x"])]
    assert told(repeated, how="outer", duplicates="first") == (
        "1 of 3 rows would be dropped, and --strict forbids it; the first are those of 'x'",
        "a",
        "--duplicates mean, max or explode takes all rows of an id",
    )
    spelled = told([some("a", 1, 2), some("b", 1, 2, "{}.x")])
    assert spelled[2] == "3 of 3 ids match with --id-transform stem"
    # nothing is dropped where everything is kept
    assert len(align([some("a", 3, 1), some("b", 3, 2, "{}.x")], Joining(how="outer", strict=True)))


def test_a_source_of_which_it_is_said_what_several_rows_become() -> None:
    ids = TextIds.of(["p", "q", "p"])
    sources = [table("a", ["p", "q"]), Table("b", 3, ids, "std")]
    found = align(sources)
    assert found.pools == ("mean", "std")
    assert taken(found, sources) == [[0, 1], [0, 2, 1]]
    assert align([sources[0], Table("b", 3, ids, "max")]).pools == ("mean", "max")
    last = align([sources[0], Table("b", 3, ids, "last")])
    assert (last.pools, taken(last, sources)) == (("mean", "mean"), [[0, 1], [2, 1]])
    # what is said of one source does not let the rows of another repeat
    with pytest.raises(AlignmentError, match="1 row repeats an id") as caught:
        align([table("mine", ["p", "p"]), Table("b", 3, ids, "mean")])
    assert caught.value.where == "mine"


@pytest.mark.parametrize("several", ["mean", "max", "last"])
def test_nothing_to_pool(several: Any) -> None:
    single = Table("b", 2, TextIds.of(["x", "y"]), several)
    pooled = Table("c", 2, TextIds.of(["x", "x"]), several)
    for sources, by, reason in (
        ([table("a", ["x"]), single], "auto", "no id stands in several rows"),
        ([table("a", 2), Table("b", 2, None, several)], "auto", "rows are joined by position"),
        ([table("a", 2), single], "position", "rows are joined by position"),
    ):
        with pytest.raises(AlignmentError) as caught:
            align(sources, Joining(by))  # type: ignore[arg-type]
        assert caught.value.message == f"--pool {several} has nothing to pool: {reason}"
        assert caught.value.where == "b"
    assert len(align([table("a", ["x"]), single, pooled])) == 1  # one of the two has


def test_messages_that_name_a_cure() -> None:
    lacking = [table("a", ["x"]), table("b", 1)]
    assert refused(lacking).hint == f"{IDS_HINT}, or join row by row with --by-position"
    assert refused(lacking, "id").hint == IDS_HINT
    assert refused([table("a", 1), table("b", 2)]).hint == (
        "give every input its row ids: --ids NAME=FILE or --id-column NAME=COLUMN"
    )
    assert refused([table("a", [7]), table("b", ["07", "x"])]).hint == (
        "write the ids of all inputs the same way, or take these for integers with "
        "--id-transform int"
    )
    assert refused([table("a", [7]), table("b", ["07", "x"])]).message == (
        "1 text ids look like integers but are not written like them ('07'), "
        "and another input has integer ids"
    )


# --- what an alignment tells ----------------------------------------------------------------------


def test_some_output_rows_of_a_join() -> None:
    found = align([A, B], Joining(how="outer", duplicates="mean"))
    kept = found.take(np.array([3, 1]))
    assert list(kept.ids) == ["t", "q"]
    assert taken(kept, [A, B]) == [[1, 3], [2, 0]]
    assert kept.ends[0] is not None
    assert kept.ends[0].tolist() == [0, 2]
    assert (kept.absent, kept.dropped) == ((1, 0), (2, 1))
    has = kept.present(0)
    assert has is not None
    assert has.tolist() == [False, True]
    assert kept.present(1) is None
    assert (kept.complete, kept.take(np.array([1])).complete) == (False, True)


def test_the_same_rows_of_other_sources() -> None:
    found = align([A, B], Joining(how="outer", duplicates="max"))
    other = found.of([1, None, 0])
    assert list(other.ids) == list(found.ids)
    assert (other.read, other.pools, other.unmatched) == (
        (3, 0, 4),
        ("max", "mean", "max"),
        (0,) * 3,
    )
    assert taken(other, [B, table("none", 0), A]) == [[1, 0, 2], [], [0, 1, 3, 2]]
    assert other.absent == (1, 4, 1)
    assert other.dropped == (0, 0, 0)
    assert [rows.dtype.kind for rows in other.rows if rows is not None] == ["i"] * 3
