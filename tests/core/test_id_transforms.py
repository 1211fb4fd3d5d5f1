"""Ids rewritten as the user says, step by step; and the step that is suggested."""

import re
import unicodedata
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfuse.core.id_transforms import NAMED, parse, transformed
from mmfuse.core.ids import Ids, IntegerIds, TextIds
from mmfuse.core.suggest import suggest
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
