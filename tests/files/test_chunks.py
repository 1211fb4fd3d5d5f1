"""Pieces of a table hold the same rows as the table, however it is quoted."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmfuse.files.chunks import Chunks

Table = list[list[str]]

SIZES = st.integers(1, 40)
ANY_TEXT = st.text(st.sampled_from('ab,"\n\r\ufeff'), max_size=60)
CELLS = st.text(st.sampled_from('xy,"\n\ré'), max_size=6)


def cut(text: str, size: int) -> tuple[Chunks, list[str]]:
    chunks = Chunks(pa.BufferReader(text.encode()), ",", size)
    return chunks, [bytes(piece).decode() for piece in chunks]


def rows(text: str) -> Table:
    return list(csv.reader(io.StringIO(text, newline="")))


@given(ANY_TEXT, SIZES)
@example('a"\n"a\n', 6)
@example('"a\nb","c\n",x\n', 10)
def test_pieces_and_what_they_leave_hold_the_rows_of_the_whole(text: str, size: int) -> None:
    chunks, pieces = cut(text, size)
    left = text[len("".join(pieces)) :]
    assert "".join(pieces) + left == text
    assert chunks.complete == (not left)
    assert [row for part in (*pieces, left) for row in rows(part)] == rows(text)
    assert not any(piece.startswith("\ufeff") for piece in pieces)


@given(
    st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=12),
    st.sampled_from(  # with "\n" the writer leaves "\r" bare
        [("\r\n", csv.QUOTE_MINIMAL), ("\r\n", csv.QUOTE_ALL), ("\n", csv.QUOTE_ALL)]
    ),
    st.booleans(),
)
def test_what_a_csv_writer_wrote_is_cut_to_its_end(
    table: Table, dialect: tuple[str, int], last_newline: bool
) -> None:
    newline, quoting = dialect
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator=newline, quoting=quoting).writerows(table)  # type: ignore[arg-type]
    text = stream.getvalue() if last_newline else stream.getvalue().removesuffix(newline)
    chunks, pieces = cut(text, 64)  # longer than a row
    assert chunks.complete
    assert [row for piece in pieces for row in rows(piece)] == table
    assert len(pieces) >= len(text.encode()) / 64


@pytest.mark.parametrize(
    "text",
    ['a,5" pipe\n', 'a,"b"c\n', 'a,"never closed\n', 'a,"', "a,b\rc,d\r" * 9, "z" * 50 + "\n"],
)
def test_text_that_is_not_cut_blindly(text: str) -> None:
    chunks, pieces = cut(text, 40)
    assert not pieces
    assert not chunks.complete


@pytest.mark.parametrize(("text", "nul"), [("a,b\nc\0,d\n", True), ("a,b\nc,d\n", False)])
def test_nul_is_noticed(text: str, nul: bool) -> None:
    chunks, pieces = cut(text, 8)
    assert "".join(pieces) == text
    assert chunks.nul == nul
