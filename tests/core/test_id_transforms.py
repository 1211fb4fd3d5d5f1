"""Ids rewritten as the user says, step by step; and the step that is suggested."""

import re
import unicodedata
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfuse.core import suggest as suggesting
from mmfuse.core.id_transforms import NAMED, parse, transformed
from mmfuse.core.ids import Ids, IntegerIds, TextIds
from mmfuse.core.suggest import sampled, suggest
from mmfuse.errors import AlignmentError, UsageError


def rewritten(text: str, *ids: str) -> list[str]:
    return list(transformed(TextIds.of(ids), parse(text)))


@pytest.mark.parametrize(
    ("steps", "before", "after"),
    [
        ("strip", " a\t", "a"),
        ("lower", "ÀB", "àb"),
        ("nfc", "e\u0301", "\u00e9"),
        ("basename", "a/b/c.jpg", "c.jpg"),
        ("basename", "a\\b\\c.jpg", "c.jpg"),
        ("stem", "a/b.c/d.tar.gz", "d.tar"),
        ("stem", ".hidden", ".hidden"),
        ("int", " +007.0 ", "7"),
        ("int", "-0", "0"),
        ("int", "9" * 30, "9" * 30),
        ("strip,lower,stem", " A/B.JPG ", "b"),
        (r"s/_(\d+)$/[\1]/", "vanvan_10", "vanvan[10]"),
        (r"s/a\/b/c/", "a/b", "c"),
        ("s|/|,|,strip", " a/b", "a,b"),
        ("s/x//,s/y/z/", "xyy", "zz"),
        ("lower,s/a,b/c/,strip", "A,B ", "c"),
    ],
)
def test_a_step(steps: str, before: str, after: str) -> None:
    assert rewritten(steps, before, "1")[0] == after


@given(st.lists(st.text("aB/.1é ", min_size=1).filter(lambda text: "..." not in text), min_size=1))
def test_steps_are_what_others_compute(ids: list[str]) -> None:
    ids = [text.replace("..", ".") + "x" for text in ids]
    assert rewritten("strip", *ids) == [text.strip() for text in ids]
    assert rewritten("stem", *ids) == [PurePosixPath(text).stem for text in ids]
    assert rewritten("nfc", *ids) == [unicodedata.normalize("NFC", text) for text in ids]
    assert rewritten("s/[a-c]+/-/", *ids) == [re.sub("[a-c]+", "-", text) for text in ids]
    assert rewritten("lower,strip", *ids) == [text.lower().strip() for text in ids]


def test_plain_integers_become_integers_and_stay_what_they_are() -> None:
    found = transformed(TextIds.of(["img_7", "img_12"]), parse("s/img_//"))
    assert isinstance(found, IntegerIds)
    assert found.values.tolist() == [7, 12]
    integers = IntegerIds(np.array([-3, 2**53 + 1]))
    for name in NAMED:
        assert list(transformed(integers, parse(name))) == list(integers)
    assert list(transformed(integers, parse("s/-/m/"))) == ["m3", str(2**53 + 1)]


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("stemm", "no transform 'stemm'"),
        ("lower,", None),
        ("", "needs a transform"),
        ("s/a/b", "has the form s/RE/REPL/"),
        ("s/(/b/", "missing )"),
        (r"s/a/\1/", "invalid group reference"),
        ("s/a/b/x", "has the form s/RE/REPL/"),
        ("s/", "has the form s/RE/REPL/"),
        ("s", "no transform 's'"),
    ],
)
def test_what_is_no_step_is_refused(steps: str, told: str | None) -> None:
    if told is None:
        assert parse(steps)
        return
    with pytest.raises(UsageError, match=re.escape(told)):
        parse(steps)


def test_ids_that_a_step_cannot_take() -> None:
    with pytest.raises(AlignmentError) as caught:
        rewritten("int", "1", "x7")
    assert caught.value.message == "--id-transform int: 'x7' is no integer; the id of row 2 is 'x7'"
    with pytest.raises(AlignmentError, match="leaves nothing of the id 'aa' of row 1"):
        rewritten("s/a//", "aa")


def column(*ids: str) -> Ids:
    return TextIds.of(ids)


NUMBERS = [str(k) for k in range(20)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: f"{text}.jpg", "stem"),
        (lambda text: f"data/{text}.jpg", "stem"),
        (lambda text: f"{text} ", "strip"),
        (lambda text: text.zfill(4), "int"),
        (lambda text: f"row{text}", "s/\\D+//,int"),
    ],
)
def test_the_step_that_helps_is_suggested(change: object, expected: str) -> None:
    assert callable(change)
    others = column(*[change(text) for text in NUMBERS])
    found = suggest([column(*NUMBERS), others])
    assert found is not None
    assert found.transform == expected
    assert found[1:] == (20, 20)


def test_what_helps_too_little_or_merges_ids_is_not_suggested() -> None:
    assert suggest([column(*NUMBERS), column(*NUMBERS)]) is None
    assert suggest([column("a", "b"), column("c", "d")]) is None
    # their stems are equal, so that rows would be mixed up
    twice = [f"{text}.{end}" for text in NUMBERS for end in ("jpg", "png")]
    assert suggest([column(*twice), column(*(f"{text}.txt" for text in NUMBERS))]) is None
    assert suggest([column("A", "B", "C"), column("a", "y", "z")]) is None


def test_a_suggestion_can_be_pasted_into_a_shell() -> None:
    found = suggest([column(*NUMBERS), column(*(f"row{text}" for text in NUMBERS))])
    assert str(found) == "20 of 20 ids match with --id-transform 's/\\D+//,int'"


@pytest.mark.parametrize(
    "spelled",
    [lambda k: f"{k:06d}", lambda k: f"x/{k}.jpg", lambda k: f"{k}", lambda k: f"Über {k} ٣:/"],
)
def test_of_many_ids_the_same_ones_are_tried_however_they_are_spelled(
    spelled: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(spelled)
    monkeypatch.setattr(suggesting, "_TRIED", 100)
    order = np.random.default_rng(0).permutation(1000).tolist()
    plain, other = sampled(
        [column(*(f"id {k}" for k in range(1000))), column(*map(spelled, order))]
    )
    one = {text.split()[1] for text in plain}
    assert sorted(one) == sorted(k for k in map(str, range(1000)) if spelled(int(k)) in set(other))
    assert len(other) == len(one)
    # ids of the same digits are tried together, so that they are about as many as is said
    assert 50 < len(one) < 120


def test_few_ids_are_all_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggesting, "_TRIED", 20)
    columns = [column(*NUMBERS), column("a")]
    assert [list(ids) for ids in sampled(columns)] == [NUMBERS, ["a"]]
    more = sampled([column(*NUMBERS, "20"), column("a")])
    assert 0 < len(more[0]) <= 21
    assert sampled([column()])[0] is not None
    # as many at most as twice those, of however many that are tried together
    alike = {len(sampled([column(*[f"r{k}"] * 400), column("r")])[0]) for k in range(10, 99)}
    assert alike == {0, 40}


def test_a_suggestion_lets_most_ids_of_all_sources_meet() -> None:
    a, b = column("a.x", "b.x", "c.x", "d.x"), column("a", "b", "c", "d")
    half = column("a", "b", "y", "z")
    assert suggest([a, b, half]) == ("stem", 2, 4)
    assert suggest([a, half, b]) == ("stem", 2, 4)
    assert suggest([a, b, column("a", "x", "y", "z")]) is None
    assert suggest([column("a.x", "a.y"), column("a")]) is None  # which of the two would it be?
    assert suggest([a, column("a", "b")]) == ("stem", 2, 2)
    # the one that takes least away, of those that help as much; a better one, however much it takes
    spaced = column("A", "B", "C", "D")
    assert suggest([column(" A", " B", " C", " D"), spaced]) == ("strip", 4, 4)
    assert suggest([column("p/A", "p/B", "C.x", "D.x"), spaced]) == ("stem", 4, 4)
    assert suggest([column("A.x", "B.x", "C.x", "D.x"), b]) == ("stem,lower", 4, 4)
    assert suggest([column("e\u0301"), column("\u00e9")]) == ("nfc", 1, 1)
    assert suggest([column("p/q.x"), column("q.x")]) == ("basename", 1, 1)
    assert suggest([column("p/007.x"), column("7")]) == ("stem,int", 1, 1)
    assert suggest([column(" A"), column("a")]) == ("strip,lower", 1, 1)


def test_messages_of_transforms_name_a_cure() -> None:
    names = "strip, lower, nfc, stem, basename, int"
    for text, message, hint in (
        (
            "lower,x",
            "--id-transform 'lower,x': no transform 'x'",
            f"there are {names} and s/RE/REPL/",
        ),
        ("", "--id-transform needs a transform", f"there are {names}"),
        (
            "s/a",
            "--id-transform 's/a': a substitution has the form s/RE/REPL/",
            "such as s/_(\\d+)$/[\\1]/",
        ),
        (
            "s/(/b/",
            "--id-transform 's/(/b/': missing ), unterminated subpattern at position 0",
            None,
        ),
    ):
        with pytest.raises(UsageError) as caught:
            parse(text)
        assert (caught.value.message, caught.value.hint) == (message, hint)
    long = "x" * 100
    with pytest.raises(AlignmentError) as refused:
        rewritten("int", *["1"] * 1000, long)
    told = f"--id-transform int: {'x' * 60!r} is no integer; the id of row 1,001 is {long!r}"
    assert refused.value.message == told
    with pytest.raises(AlignmentError) as refused:
        rewritten("s/x+//", *["1"] * 1000, long)
    assert refused.value.message == f"--id-transform leaves nothing of the id {long!r} of row 1,001"


@pytest.mark.parametrize(
    ("steps", "before", "after"),
    [
        ("int", "9" * 4000, "9" * 4000),
        ("int", "12.", "12"),
        ("basename", "a/b/", "b"),
        ("basename", "a\\b\\", "b"),
        ("s:a:b:", "aa", "bb"),
        ("s/a/x\\/y/", "a", "x/y"),
        ("s/./\\\\/", "a", "\\"),
        ("s/a.b/c/", "a\nb", "a\nb"),
        ("s/a\nb/c/", "a\nb", "c"),
        ("s/a\\\nb/c/", "a\nb", "c"),
        ("basename", "a/X/", "X"),
        ("s/x$/,/,strip", "ax ", "ax"),
    ],
)
def test_more_steps(steps: str, before: str, after: str) -> None:
    assert rewritten(steps, before) == [after]


def test_steps_are_named_as_they_are_written() -> None:
    steps = parse("lower,s/a/,/,s|x,|y|,int")
    assert [step.name for step in steps] == ["lower", "s/a/,/", "s|x,|y|", "int"]


def test_numbers_of_too_many_digits_are_no_integers() -> None:
    with pytest.raises(AlignmentError, match="is no integer"):
        rewritten("int", "9" * 4001)


@pytest.mark.parametrize("mark", ["a", "1", ",", "_", " ", "\\"])
def test_marks_that_no_substitution_has(mark: str) -> None:
    with pytest.raises(UsageError, match="no transform"):
        parse(f"s{mark}x{mark}y{mark}")
