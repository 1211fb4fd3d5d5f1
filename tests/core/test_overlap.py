"""Which ids are in which modalities."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from mmfuse.core.ids import TextIds
from mmfuse.core.overlap import overlap

some_ids = st.lists(st.sampled_from("abcdefgh"), max_size=12)


@given(st.lists(some_ids, min_size=1, max_size=4))
def test_every_combination_is_counted(columns):
    sets = [set(ids) for ids in columns]
    expected = Counter(tuple(one in ids for ids in sets) for one in sorted(set().union(*sets)))
    found = overlap([TextIds.of(ids) for ids in columns])
    assert {one.members: one.ids for one in found} == expected
    assert [one.ids for one in found] == sorted(expected.values(), reverse=True)


def test_of_equally_many_those_of_the_first_modalities_come_first():
    found = overlap([TextIds.of(ids) for ids in ("abx", "bcx", "cay")])
    members = ["".join("ABC"[m] for m in range(3) if one.members[m]) for one in found]
    assert members == ["AB", "AC", "BC", "C"]
    assert [one.ids for one in found] == [2, 1, 1, 1]
    assert overlap([TextIds.of([])]) == []
