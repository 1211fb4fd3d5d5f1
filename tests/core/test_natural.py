"""The natural order: digits by the number they stand for, all else by its code points."""

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfuse.core.ids import IntegerIds, TextIds
from mmfuse.core.join import natural_order
from mmfuse.core.natural import natural


def test_the_natural_order_takes_digits_as_numbers() -> None:
    names = ["img_10", "img_2", "img_02", "img", "10", "9", "IMG_1", "img_2b", "9" * 5000]
    assert sorted(names, key=natural) == [
        "9", "10", "9" * 5000, "IMG_1", "img", "img_02", "img_2", "img_2b", "img_10",
    ]  # fmt: skip


def tuples(text: str) -> tuple[list[tuple[int, str]], str]:
    """The natural order spelled out: numbers by their length and digits, then the text itself."""
    parts = re.split("([0-9]+)", text)
    digits = [part.lstrip("0") if k % 2 else part for k, part in enumerate(parts)]
    return [(len(part) if k % 2 else 0, part) for k, part in enumerate(digits)], text


@given(st.lists(st.text(st.sampled_from("0129a/\0\1\2é😀\udc80")), max_size=20))
def test_the_natural_order_spelled_out(names: list[str]) -> None:
    assert sorted(names, key=natural) == sorted(names, key=tuples)


def test_the_natural_order_takes_little_memory() -> None:
    n = 20_000
    ids = TextIds.of([f"sample/{k * 7919 % n:09d}.jpg" for k in range(n)])
    tracemalloc.start()
    try:
        order = natural_order(ids)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [ids[int(row)] for row in order[:3]] == [f"sample/{k:09d}.jpg" for k in range(3)]
    assert peak < 250 * n


@pytest.mark.parametrize("kind", ["integer", "text"])
def test_equal_ids_stay_in_their_order(kind: str) -> None:
    values = np.random.default_rng(0).integers(-3, 4, 2000)
    ids = IntegerIds(values) if kind == "integer" else TextIds.of(f"r{k + 3}" for k in values)
    assert natural_order(ids).tolist() == sorted(range(2000), key=lambda row: values[row])
