"""Text tables that a reader would take without a word and get wrong."""

from __future__ import annotations

import concurrent.futures
import csv
import gzip
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import mmfuse
from mmfuse.errors import InputError
from mmfuse.files import sheet as sheet_module
from mmfuse.files.inputs import open_input
from mmfuse.files.sheet import open_sheet

LONG = 9 << 20  # more than two blocks of the reader


def fuse(path: Path, content: bytes | str, **how: object) -> mmfuse.Fused:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return mmfuse.fuse("concat", {"t": path}, **how)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.csv"


@pytest.mark.parametrize("text", ['b,2,"never closed\nc,3,k\nd,4,l\n', 'b,2,"\n', 'b,2,"cut'])
@pytest.mark.parametrize("packed", [False, True])
def test_a_quote_that_is_never_closed_does_not_swallow_rows(
    path: Path, text: str, packed: bool
) -> None:
    """In a column that is not even read, and at the very end of the file."""
    content = f"id,x,title\na,1,hi\n{text}".encode()
    with pytest.raises(InputError, match="line 3: a quote is never closed"):
        fuse(path, gzip.compress(content) if packed else content)


def test_batches_that_nobody_takes_wait_for_no_thread(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may be collected as garbage in a thread that is just starting."""
    waited: list[bool] = []

    class Pool(concurrent.futures.ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            waited.append(wait)
            super().shutdown(wait, cancel_futures=cancel_futures)

    monkeypatch.setattr(concurrent.futures, "ThreadPoolExecutor", Pool)
    path.write_text("id,x\na,1\nb,2\n")
    batches = open_sheet(open_input(str(path), "a"), ",").batches({"x": pa.float64()})
    assert next(batches).num_rows == 2
    batches.close()  # type: ignore[attr-defined]
    assert waited == [False]


def test_a_quote_within_a_cell_is_a_character(path: Path) -> None:
    fused = fuse(path, 'id,x,size\na,1,5" pipe\nb,2,"said ""no"""\n')
    assert fused.ids.tolist() == ["a", "b"]


def test_a_line_longer_than_a_block_among_short_ones(path: Path) -> None:
    """The reader starts over with larger blocks; no row is lost or read twice."""
    rows = [f"k{k},{k},short" for k in range(300_000)]
    rows[200_000] = "k200000,200000," + "z" * LONG
    fused = fuse(path, "\n".join(["id,x,title", *rows]) + "\n")
    assert fused.ids.tolist() == [f"k{k}" for k in range(300_000)]
    assert fused.matrix is not None
    assert np.array_equal(fused.matrix[:, 0], np.arange(300_000))


def test_lines_of_many_columns(path: Path) -> None:
    """As long as all of them together, and named in less than the square of their number."""
    width = 100_000
    names = ",".join(f"c{j}" for j in range(width))
    fused = fuse(path, f"id,{names}\na,{','.join(['0.5'] * width)}\n")
    assert fused.matrix is not None
    assert fused.matrix.shape == (1, width)
    assert (fused.matrix == 0.5).all()


def test_a_vector_of_more_text_than_the_csv_module_allows(path: Path) -> None:
    vector = [float(x) for x in np.random.default_rng(0).standard_normal(20_000)]
    assert len(json.dumps(vector)) > csv.field_size_limit()
    before = csv.field_size_limit()
    fused = fuse(path, f'id,v\na,"{json.dumps(vector)}"\n', dtype="float64")
    assert fused.matrix is not None
    assert fused.matrix[0].tolist() == vector
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    "cell",
    ["[1, x]", '[1, ""1_000""]', "[1, null]", "[1, true]", "[1 2]", "[[1, 2]]", "",
     "[1, 1" + "0" * 400 + "]"],
)  # fmt: skip
def test_a_cell_that_is_no_list_of_numbers_is_named(path: Path, cell: str) -> None:
    good = 'id,v\na,"[1, 2]"\n"b\nb","[3, 4]"\n'  # a row of two lines
    with pytest.raises(InputError, match=r"line 5, column 'v': .* is not a list of numbers"):
        fuse(path, f'{good}c,"{cell}"\n')


@pytest.mark.parametrize(
    ("late", "message"),
    [
        (b"maybe,1", r"line 62, column 'flag': 'maybe' is neither true nor false"),
        (b"2,1", r"line 62, column 'flag': '2' is neither true nor false"),
        (b" 1,1", r"line 62, column 'flag': ' 1' is neither true nor false"),
        (b"true,one", r"line 62, column 'x': 'one' is not a number"),
        (b"true,\xff", r"line 62, column 'x': .* is not valid UTF-8"),
        (b"true,1\x002", r"line 62, column 'x': .* holds a NUL byte"),
    ],
)
def test_a_cell_after_the_sample_is_named(path: Path, late: bytes, message: str) -> None:
    rows = b"".join(b"k%d,true,1\n" % k for k in range(60))
    with pytest.raises(InputError, match=message):
        fuse(path, b"id,flag,x\n" + rows + b"z," + late + b"\n")


def test_truth_after_the_sample_may_be_a_digit_or_missing(path: Path) -> None:
    rows = "".join(f"k{k},true\n" for k in range(60))
    fused = fuse(path, f"id,flag\n{rows}p,1\nq,0\nr,\n", nan="keep")
    assert fused.matrix is not None
    np.testing.assert_array_equal(fused.matrix[:, 0], [*[1] * 60, 1, 0, np.nan])


def test_what_the_parser_alone_refuses_is_told_in_its_words(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet_module, "fault_of", lambda *_: None)
    with pytest.raises(InputError, match="CSV conversion error to double: invalid value 'one'"):
        fuse(path, "id,x\na,1\nb,one\n")


@pytest.mark.parametrize(
    ("cell", "fault"), [(b"b\x00", "holds a NUL byte"), (b"\xe9t\xe9", "is not valid UTF-8")]
)
def test_ids_are_text(path: Path, cell: bytes, fault: str) -> None:
    with pytest.raises(InputError, match=rf"line 3, column 'id': .* {fault}"):
        fuse(path, b"id,x\na,1\n" + cell + b",2\n")


def test_a_column_that_is_left_out_may_have_any_encoding(path: Path) -> None:
    fused = fuse(path, b"id,x,title\na,1,caf\xe9\nb,2,ok\n")
    assert fused.ids.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", "git lfs pull"),
        (b"<!DOCTYPE html>\n<html></html>\n", "an HTML page"),
        ("id,x\na,1\n".encode("utf-16"), "UTF-16 text"),
        (b"\x93NUMPY\x01\x00", "an npy file"),
        (b"\nid,x\na,1\n", "line 1 is empty"),
        (b"id,x\n", "no rows"),
        (b"q,x\n", "no rows"),
    ],
)
def test_what_is_no_table(path: Path, head: bytes, told: str) -> None:
    with pytest.raises(InputError, match=told):
        fuse(path, head)


CELL = st.text(st.sampled_from('xyz,"\n\r \ufeff'), max_size=5)
NUMBER = st.floats(allow_nan=False).map(repr) | st.sampled_from(["", "NA", " 7", ".5", "-1e3"])
LINES = st.lists(st.tuples(CELL, NUMBER, CELL), min_size=1, max_size=150)


@settings(deadline=None)
@given(LINES, st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans(), st.integers(1, 64))
@example([("a", "1", "")] * 60 + [("b" * 999, "2", "c")] + [("d", "3", "")] * 60, "\n", True, 1)
@example([("a", "1", "")] + [("\ufeffb", "2", "c")] * 60, "\n", False, 8)
def test_pieces_give_what_one_stream_gives(
    lines: list[tuple[str, str, str]], newline: str, last_newline: bool, block: int
) -> None:
    """Quotes where they must be, and other characters as they are."""
    cells = [[cell if cell.isalpha() else quoted(cell) for cell in line] for line in lines]
    text = newline.join(["id,x,note", *(",".join(row) for row in cells)])
    types = {"x": pa.float64(), "id": pa.string()}
    with pytest.MonkeyPatch.context() as patch, tempfile.NamedTemporaryFile() as file:
        patch.setattr(sheet_module, "_BLOCK_BYTES", block)
        patch.setattr(sheet_module, "_MANY_COLUMNS", 2)
        file.write((text + newline * last_newline).encode())
        file.flush()
        table = open_sheet(open_input(file.name, "t"), ",")
        for asked in (types, {"id": pa.string()}):
            pieces = pa.Table.from_batches(table.batches(asked))
            stream = pa.Table.from_batches(table._streamed(asked, 1 << 20, 0))
            assert pieces.combine_chunks().equals(stream.combine_chunks())
        assert pieces["id"].to_pylist() == [line[0] for line in lines]


def quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if set(cell) & set(',"\n\r') else cell


def test_a_late_quote_that_starts_no_cell(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes before it has been given away already; nothing is read twice."""
    monkeypatch.setattr(sheet_module, "_BLOCK_BYTES", 1000)
    rows = [f"k{k},{k},{'5'} {chr(34) if k == 700 else ''} pipe" for k in range(1000)]
    fused = fuse(path, "\n".join(["id,x,size", *rows, 'z,-1,"""']) + '"\n')
    assert fused.ids.tolist() == [*(f"k{k}" for k in range(1000)), "z"]
    assert fused.matrix is not None
    assert np.array_equal(fused.matrix[:, 0], [*range(1000), -1])


@pytest.mark.parametrize("text", ["b,2,3\n", "b\n", "b,oops\n", "b\xff,2\n", "b\0,2\n", '"b,2\n'])
@pytest.mark.parametrize("late", [0, 70, 700])
def test_faults_of_any_piece_are_named_by_their_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, text: str, late: int
) -> None:
    monkeypatch.setattr(sheet_module, "_BLOCK_BYTES", 100)
    rows = "".join(f"k{k},{k}\n" for k in range(late))
    with pytest.raises(InputError, match=f"line {late + 3}\\b"):
        fuse(path, ("id,x\n" + "a,1\n" + rows + text + "c,3\n").encode("latin-1"))


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_pieces_of_nothing_but_empty_lines(
    path: Path, monkeypatch: pytest.MonkeyPatch, newline: str
) -> None:
    monkeypatch.setattr(sheet_module, "_BLOCK_BYTES", 100)
    text = f"id,x\na,1\n{1000 * newline}b,2\n{1000 * newline}"
    fused = fuse(path, text)
    assert fused.ids.tolist() == ["a", "b"]
