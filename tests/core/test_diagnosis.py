"""What ids of two modalities say of each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfuse.core.diagnosis import Meeting, Named, identity, repeated
from mmfuse.core.finding import Finding
from mmfuse.core.ids import Ids, IntegerIds, TextIds

texts = st.lists(st.sampled_from([f"{c}{d}" for c in "ab" for d in "cdef"]), min_size=1, max_size=9)


def compared(one: Ids, other: Ids) -> dict[str, Finding]:
    found = identity(Meeting.of(Named("one", one), Named("other", other)))
    return {finding.code: finding for finding in found}


def text(ids: list[str]) -> TextIds:
    return TextIds.of(ids)


def integers(*ids: int) -> IntegerIds:
    return IntegerIds(np.array(ids))


@given(texts, texts)
def test_the_numbers_are_those_of_sets(one, other):
    meeting = Meeting.of(Named("one", text(one)), Named("other", text(other)))
    found = identity(meeting)
    common = [k for k in dict.fromkeys(one) if k in other]
    own, theirs = meeting.pairs
    assert own.tolist() == [one.index(k) for k in common]
    assert theirs.tolist() == [other.index(k) for k in common]
    if not common:
        assert [finding.code for finding in found] == ["nothing-common"]
        return
    assert found[0].numbers["common"] == len(common)
    assert found[0].numbers["mispaired"] == sum(one.index(k) != other.index(k) for k in common)
    missing = {f.modalities: (f.numbers["missing"], f.numbers["of"]) for f in found[1:]}
    expected = {}
    for names, a, b in ((("one", "other"), one, other), (("other", "one"), other, one)):
        if set(a) - set(b):
            expected[names] = len(set(a) - set(b)), len(set(a))
    assert missing == expected


@given(texts)
def test_repeated_ids_are_counted(ids):
    found = repeated(Named("one", text(ids)))
    rows = len(ids) - len(set(ids))
    assert sum(finding.numbers["rows"] for finding in found) == rows
    for finding in found:
        assert set(finding.examples) <= {k for k in ids if ids.count(k) > 1}


@pytest.mark.parametrize("kind", ["integer", "text"])
def test_an_order_moved_by_two(kind):
    values = [*range(100, 200)]
    moved = values[2:] + values[:2]
    one, other = integers(*values), integers(*moved)
    found = compared(one, other) if kind == "integer" else compared(one.as_text(), other.as_text())
    assert set(found) == {"shifted"}
    assert found["shifted"].numbers == {
        "common": 100, "mispaired": 100, "shift": -2, "shifted": 98
    }  # fmt: skip


def test_natural_against_lexicographic_order():
    ids = [f"frame {k}" for k in range(30)]
    found = compared(text(sorted(ids)), text(ids))["sorted-otherwise"]
    assert "lexicographic order (10 before 2) in one" in found.sentence
    assert "natural order (2 before 10) in other" in found.sentence


def test_parts_of_one_numbering_are_not_counted_otherwise():
    assert set(compared(integers(*range(5)), integers(*range(5, 10)))) == {"nothing-common"}
    assert set(compared(integers(*range(5)), integers(*range(1, 6)))) == {"counted-otherwise"}
    assert "counted-otherwise" not in compared(integers(0, 2, 1), integers(1, 3, 2))


def test_what_chance_takes_away_is_not_called_an_end():
    """One lost row is at an end with probability 2 in n; three rows of 1,000 hardly by chance."""
    ids = [f"row {k:04d}" for k in range(1000)]
    assert set(compared(text(ids), text(ids[:-1]))) == {"same-order", "missing"}
    assert set(compared(text(ids), text(ids[:-3]))) == {"same-order", "missing-tail"}
    assert set(compared(text(ids[:4]), text(ids[:3]))) == {"same-order", "missing"}
    lost = compared(text(ids), text(ids[:400] + ids[450:]))["missing-block"]
    assert "'row 0399'" in lost.sentence
    assert lost.numbers == {"missing": 50, "of": 1000, "first_row": 401}


def test_integers_and_the_text_of_integers_are_the_same_ids():
    found = compared(integers(*range(50)), text([str(k) for k in range(49)] + ["x"]))
    assert set(found) == {"same-order", "missing"}
    assert found["same-order"].numbers["common"] == 49


def test_spellings_are_found_among_more_ids_than_are_tried():
    order = np.random.default_rng(0).permutation(150_000)
    paths, numbers = [f"x/{k}.jpg" for k in range(150_000)], [f"{k:06d}" for k in order]
    found = compared(text(paths), text(numbers))
    assert found["zero-padding"].command == "--id-transform stem,int"
    tried = found["zero-padding"].numbers["tried"]
    assert found["zero-padding"].numbers["ids"] == tried
    assert 50_000 < tried < 150_000
    one, other = found["zero-padding"].examples
    assert int(one[2:-4]) == int(other)
