"""Joins of every kind against dictionaries; what several rows of one id become."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfuse.core import join as module
from mmfuse.core.ids import IntegerIds, TextIds
from mmfuse.core.join import Duplicates, Join, join
from mmfuse.core.natural import natural
from mmfuse.errors import ResourceError

Row = tuple[str, tuple[tuple[int, ...], ...]]
"""An id, and the rows that every source gives to it."""


def column(ids: list[str]) -> IntegerIds | TextIds:
    if all(text.isdigit() for text in ids):
        return IntegerIds(np.array([int(text) for text in ids], np.int64))
    return TextIds.of(ids)


def oracle(listed: list[list[str]], how: Join, duplicates: Duplicates, sort: bool) -> list[Row]:
    """By dictionaries of lists, a nested loop an id."""
    rows: list[dict[str, list[int]]] = []
    for ids in listed:
        rows.append({})
        for row, text in enumerate(ids):
            rows[-1].setdefault(text, []).append(row)
    seen = list(dict.fromkeys(text for ids in listed for text in ids))
    kept = {
        "inner": [text for text in seen if all(text in source for source in rows)],
        "left": [text for text in seen if text in rows[0]],
        "outer": seen,
    }[how]
    if sort:
        kept.sort(key=natural)
    found: list[Row] = []
    for text in kept:
        own = [tuple(source.get(text, ())) for source in rows]
        if duplicates == "first":
            found.append((text, tuple(part[:1] for part in own)))
        elif duplicates == "explode":
            options = [[(row,) for row in part] or [()] for part in own]
            found += [(text, combination) for combination in product(*options)]
        else:
            found.append((text, tuple(own)))
    return found


IDS = st.lists(st.sampled_from([str(k) for k in range(12)]), max_size=14)
TEXTS = st.lists(st.sampled_from(["a", "b2", "b10", "é", "7", "x"]), max_size=10).map(
    lambda ids: [*ids, "t"]
)


@given(
    st.lists(IDS, min_size=1, max_size=4) | st.lists(TEXTS, min_size=1, max_size=4),
    st.sampled_from(["inner", "left", "outer"]),
    st.sampled_from(["first", "mean", "max", "explode"]),
    st.booleans(),
)
@settings(deadline=None, max_examples=400)
def test_every_join(listed: list[list[str]], how: Any, duplicates: Any, sort: bool) -> None:
    found = join([column(ids) for ids in listed], how, [duplicates] * len(listed), sort)
    expected = oracle(listed, how, duplicates, sort)
    assert list(found.ids) == [text for text, _ in expected]
    for m, (rows, ends) in enumerate(zip(found.rows, found.ends, strict=True)):
        cuts = np.arange(1, len(expected) + 1) if ends is None else ends
        given = [tuple(part.tolist()) for part in np.split(rows, cuts[:-1])] if len(cuts) else []
        assert given == [own[m] for _, own in expected]
        assert len(cuts) == len(expected)
    assert found.distinct == tuple(len(set(ids)) for ids in listed)
    assert found.complete == len(set.intersection(*map(set, listed)))


def test_an_explosion_is_refused() -> None:
    same = IntegerIds(np.zeros(200_000, np.int64))
    with pytest.raises(ResourceError) as caught:
        join([same, same, same], "inner", ["explode"] * 3, False)
    assert caught.value.message == "--duplicates explode would make 8.0e+15 rows"
    assert caught.value.hint == ("an id stands for many rows; --duplicates mean makes one of them")


def test_an_explosion_of_as_many_rows_as_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ROWS", 6)
    columns = [TextIds.of(["a", "a", "b"]), TextIds.of(["a", "a", "b", "b"])]
    assert len(join(columns, "inner", ["explode"] * 2, False).ids) == 6
    monkeypatch.setattr(module, "_MOST_ROWS", 5)
    with pytest.raises(ResourceError):
        join(columns, "inner", ["explode"] * 2, False)


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (["error", "mean"], [("a", [0], [0, 2, 3]), ("b", [1], [1])]),
        (["error", "last"], [("a", [0], [3]), ("b", [1], [1])]),
        (["error", "first"], [("a", [0], [0]), ("b", [1], [1])]),
        (["mean", "explode"], [("a", [0], [0]), ("a", [0], [2]), ("a", [0], [3]), ("b", [1], [1])]),
        (["explode", "std"], [("a", [0], [0, 2, 3]), ("b", [1], [1])]),
    ],
)
def test_a_policy_for_each_source(policies: Any, expected: list[Any]) -> None:
    columns = [TextIds.of(["a", "b"]), TextIds.of(["a", "b", "a", "a"])]
    found = join(columns, "inner", policies, False)
    rows = []
    for m in range(2):
        ends = found.ends[m]
        cuts = np.arange(1, len(found.ids) + 1) if ends is None else ends
        rows.append([part.tolist() for part in np.split(found.rows[m], cuts[:-1])])
    assert list(zip(found.ids, *rows, strict=True)) == expected
