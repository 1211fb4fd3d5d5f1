"""Rows of a source that is read from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfuse.core.source import Matrix, Source
from mmfuse.core.stream import StreamReader
from mmfuse.errors import InputError


@dataclass(kw_only=True)
class Blocks(Source):
    """A matrix that comes in blocks of given heights, and how often it was begun."""

    matrix: Matrix
    heights: list[int] = field(default_factory=list)
    begun: int = 0
    verified: int = 0

    def blocks(self) -> Iterator[Matrix]:
        self.begun += 1
        ends = np.minimum(np.cumsum([*self.heights, len(self.matrix)]), len(self.matrix))
        yield from np.split(self.matrix, ends[:-1])

    def verify(self) -> None:
        self.verified += 1


def source(matrix: Matrix, heights: list[int], rows: int | None = None) -> Blocks:
    return Blocks(
        name="a", label="a=a", columns=("0", "1"), rows=rows or len(matrix), dtype=matrix.dtype,
        ids=None, id_source="", matrix=matrix, heights=heights,
    )  # fmt: skip


HEIGHTS = st.lists(st.integers(0, 9), max_size=12)


@given(st.sets(st.integers(0, 49), min_size=1), HEIGHTS, st.integers(1, 20), st.integers(1, 4))
@settings(deadline=None)
def test_rows_as_they_are_for_any_blocks_and_threads(
    chosen: set[int], heights: list[int], step: int, threads: int
) -> None:
    matrix = np.arange(100).reshape(50, 2)
    rows = np.array(sorted(chosen))
    made = source(matrix, heights)
    reader = StreamReader(made, rows)
    out = np.full((len(rows), 2), -1)

    def take(start: int) -> None:
        reader.read(rows[start : start + step], out[start : start + step])

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(take, range(0, len(rows), step)))
    np.testing.assert_array_equal(out, matrix[rows])
    assert reader._kept == []  # nothing that nobody wants any more
    reader.close()
    assert (made.begun, made.verified) == (1, 1)


def test_all_rows() -> None:
    matrix = np.arange(20).reshape(10, 2)
    reader = StreamReader(source(matrix, [3, 4]), None)
    out = np.empty((4, 2), matrix.dtype)
    reader.read(slice(2, 6), out)
    np.testing.assert_array_equal(out, matrix[2:6])
    reader.read(slice(6, 6), out[:0])
    reader.read(slice(0, 2), out[:2])  # by another thread, somewhat later
    np.testing.assert_array_equal(out[:2], matrix[:2])


def test_blocks_are_kept_only_while_a_row_is_wanted() -> None:
    reader = StreamReader(source(np.zeros((100, 2)), [10] * 10), np.arange(0, 100, 25))
    reader.read(np.array([75]), np.empty((1, 2)))
    assert [(block.start, block.wanted) for block in reader._kept] == [(0, 1), (20, 1), (50, 1)]


def test_too_few_rows() -> None:
    reader = StreamReader(source(np.zeros((7, 2)), [5], rows=9), None)
    with pytest.raises(InputError, match="ends after 7 of 9 rows") as caught:
        reader.read(slice(6, 8), np.empty((2, 2)))
    assert caught.value.where == "a=a"
