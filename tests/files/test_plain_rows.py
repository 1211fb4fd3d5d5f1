"""A column found by searching is the one that a parser finds, or none."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfuse.files.plain_rows import column_of_plain_rows


@given(
    st.integers(2, 5).flatmap(
        lambda width: st.lists(
            st.lists(st.text(st.sampled_from("ab é;"), max_size=3), min_size=width, max_size=width),
            min_size=1,
            max_size=9,
        )
    ),
    st.sampled_from(",\t"),
    st.data(),
)
def test_every_column(table: list[list[str]], delimiter: str, data: st.DataObject) -> None:
    width = len(table[0])
    column = data.draw(st.integers(0, width - 1))
    text = "".join(delimiter.join(row) + "\n" for row in table)
    found = column_of_plain_rows(bytearray(text.encode()), delimiter, width, column)
    assert found is not None
    parsed = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    assert [cell.decode() for cell in found] == [row[column] for row in parsed]


@pytest.mark.parametrize(
    "text", ['"a",1\n', "a,1\r\n", "a,1", "a,1\n\n", "a\n", "a,1,2\n", "a,1\nb,2,3\nc\n"]
)
def test_rows_that_are_not_plain(text: str) -> None:
    assert column_of_plain_rows(bytearray(text.encode()), ",", 2, 0) is None
