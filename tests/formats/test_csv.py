"""csv and tsv: what is read exactly, what is refused and where, what is written."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import mmfuse
from mmfuse.errors import AlignmentError, InputError, MmfuseError
from mmfuse.files.inputs import open_input
from mmfuse.formats import csv as csv_format

pytestmark = pytest.mark.usefixtures("here")

Content = str | bytes


def put(content: Content, path: str = "a.csv") -> str:
    Path(path).write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def fuse(content: Content, path: str = "a.csv", **more: Any) -> mmfuse.Fused:
    return mmfuse.fuse("concat", {"a": put(content, path)}, dtype="float64", **more)


def table(content: Content, path: str = "a.csv", **more: Any) -> tuple[list[Any], list[Any]]:
    """Ids and rows."""
    fused = fuse(content, path, **more)
    assert fused.matrix is not None
    return fused.ids.tolist(), fused.matrix.tolist()


def names(content: Content, **more: Any) -> list[str]:
    return [name.removeprefix("a_") for name in fuse(content, **more).columns]


def refused(content: Content, path: str = "a.csv", **more: Any) -> MmfuseError:
    with pytest.raises((InputError, AlignmentError)) as caught:
        fuse(content, path, **more)
    assert caught.value.where == f"a={path}"
    return caught.value


def in_zstd(text: bytes) -> bytes:
    packed: bytes = pa.compress(text, "zstd", asbytes=True)
    return packed


PLAIN = b"id,x,z\nb,1,-0.5\na,2e3,.25\n"
ROWS = (["b", "a"], [[1, -0.5], [2000, 0.25]])
SAME: dict[str, tuple[bytes, str]] = {
    "plain": (PLAIN, "a.csv"),
    "BOM": (b"\xef\xbb\xbf" + PLAIN, "a.csv"),
    "CRLF": (PLAIN.replace(b"\n", b"\r\n"), "a.csv"),
    "CR": (PLAIN.replace(b"\n", b"\r"), "a.csv"),
    "BOM and CRLF": (b"\xef\xbb\xbf" + PLAIN.replace(b"\n", b"\r\n"), "a.csv"),
    "no last newline": (PLAIN[:-1], "a.csv"),
    "newlines at the end": (PLAIN + b"\n\n", "a.csv"),
    "everything quoted": (b'"id","x","z"\n"b","1","-0.5"\n"a","2e3",".25"\n', "a.csv"),
    "spaces around numbers": (b"id,x,z\nb, 1,-0.5 \na,2e3\t, .25\n", "a.csv"),
    "tsv": (PLAIN.replace(b",", b"\t"), "a.tsv"),
    "gz": (gzip.compress(PLAIN), "a.csv.gz"),
    "zst": (in_zstd(PLAIN), "a.csv.zst"),
    "tsv.gz": (gzip.compress(PLAIN.replace(b",", b"\t")), "a.tsv.gz"),
    "tsv.zst": (in_zstd(PLAIN.replace(b",", b"\t")), "a.tsv.zst"),
    "BOM in gz": (gzip.compress(b"\xef\xbb\xbf" + PLAIN), "a.csv.gz"),
    "gz of two members": (gzip.compress(PLAIN[:12]) + gzip.compress(PLAIN[12:]), "a.csv.gz"),
    "gz that does not say so": (gzip.compress(PLAIN), "a.csv"),
}


@pytest.mark.parametrize("name", SAME)
def test_one_table_in_many_dresses(name: str) -> None:
    assert table(*SAME[name]) == ROWS


def test_quoted_newlines_commas_and_quotes() -> None:
    text = 'id,x,"no\nte"\n"a\nb",1,"p, q"\n"c ""d""",2,"\n\n"\n'
    assert table(text) == (["a\nb", 'c "d"'], [[1], [2]])


def test_lines_are_counted_through_quoted_newlines() -> None:
    error = refused('id,x,t\na,1,"\n\n"\nb,oops,z\n')
    assert "line 5, column 'x': 'oops'" in error.message


# what is refused, with the words a person needs
LOCATED: dict[str, tuple[Content, str]] = {
    "NUL in a number": (b"id,x\na,1\nb,2\0\n", r"line 3, column 'x': '2\x00' holds a NUL"),
    "NUL in the only number": (b"id,x\na,2\0\n", "line 2, column 'x'"),
    "NUL in an id": (b"id,x\na\0,1\n", "line 2, column 'id'"),
    "NUL in the header": (b"id,x\0\na,1\n", "line 1"),
    "UTF-16 without a mark": ("id,x\na,1\n".encode("utf-16-le"), "line 1"),
    "Latin-1 id": ("id,x\na,1\né,2\n".encode("latin-1"), "line 3, column 'id'"),
    "Latin-1 number": (b"id,x\na,1\nb,2\xb2\n", "line 3, column 'x'"),
    "Latin-1 header": (b"id,caf\xe9\na,1\n", "line 1"),
    "one cell more": ("id,x\na,1\nb,2,3\n", "line 3 has 3 cells where the header has 2"),
    "one cell less": ("id,x,y\na,1,2\nb,2\n", "line 3 has 2 cells where the header has 3"),
    "the first row ragged": ("id,x,y\na,1\n", "line 2 has 2 cells"),
    "a quote not closed": ('id,x\na,1\n"b,2\nc,3\n', "line 3: a quote is never closed"),
    "underscore": ("id,x\na,1\nb,1_000\n", "line 3, column 'x': '1_000' is not a number"),
    "only underscores": ("id,x\na,1_000\nb,2_000\n", "line 2, column 'x': '1_000'"),
    "hexadecimal": ("id,x\na,1\nb,0x10\n", "line 3, column 'x': '0x10'"),
    "only hexadecimal": ("id,x\na,0x10\n", "line 2, column 'x': '0x10'"),
    "decimal comma": ('id,x\na,1\nb,"1,5"\n', "line 3, column 'x': '1,5'"),
    "only decimal commas": ('id,x,z\na,"1,5",1\nb,"2,5",2\n', "line 2, column 'x': '1,5'"),
    "only thousands": ('id,x\na,"1,000,000"\nb,"2,500"\n', "line 2, column 'x': '1,000,000'"),
    "Fortran's exponent": ("id,x\na,1\nb,1d5\n", "line 3, column 'x': '1d5'"),
    "digits not ASCII": ("id,x\na,1\nb,٣\n", "line 3, column 'x': '٣'"),
    "a newline in a number": ('id,x\na,1\nb,"2\n"\n', r"line 3, column 'x': '2\n'"),
    "a word": ("id,x\na,1\nb,abc\n", "line 3, column 'x': 'abc' is not a number"),
    "a word in the first row": ("id,x\na,abc\nb,1\n", "line 2, column 'x': 'abc'"),
    "another word for missing": ("id,x\na,1\nb,#N/A\n", "line 3, column 'x': '#N/A'"),
    "a truth among numbers": ("id,x\na,1\nb,true\n", "line 3, column 'x': 'true'"),
    "a word in a late row": (
        "id,x\n" + "".join(f"r{i},{i}\n" for i in range(70)) + "z,abc\n",
        "line 72, column 'x': 'abc'",
    ),
    "a word among truths": (
        "id,x\n" + "".join(f"r{i},true\n" for i in range(70)) + "z,maybe\n",
        "line 72, column 'x': 'maybe' is neither true nor false",
    ),
    "repeated header": ("id,x,x\na,1,2\n", "line 1: 2 columns are named 'x'"),
    "repeated empty header": ("id,,\na,1,2\n", "line 1: 2 columns are named ''"),
    "numbers for a header": ("1,2.5\n3,4\n", "line 1 holds numbers"),
    "empty first line": ("\nid,x\na,1\n", "line 1 is empty"),
}


@pytest.mark.parametrize("name", LOCATED)
def test_errors_name_line_column_and_cell(name: str) -> None:
    content, told = LOCATED[name]
    error = refused(content)
    assert told in error.message
    assert error.exit_code == 3


@pytest.mark.parametrize("name", [name for name in LOCATED if "late row" in name])
def test_the_same_in_a_compressed_file(name: str) -> None:
    content, told = LOCATED[name]
    assert isinstance(content, str)
    assert told in refused(gzip.compress(content.encode()), "a.csv.gz").message


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "the file is empty"),
        ("id,x\na,1\n".encode("utf-16"), "UTF-16"),
        ("id,x\na,1\n".encode("utf-16-be"), "line 1"),
        ("id,x\n", "no rows"),
        ("id,x", "no rows"),
        ("id,x\r\n\r\n", "no rows"),
        ("id;x\na;1\n", "separated by ';'"),
        ("id\tx\na\t1\n", r"separated by '\t'"),
        ("<!DOCTYPE html>\n<html></html>", "HTML"),
        ("version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"PAR1\x15\x00", "Parquet"),
        (b"\x80\x04\x95abc", "never unpickles"),
        (b"PK\x03\x04", "zip"),
        ("id,t\na,b\n", "no numeric column"),
        ("id\n1\n2\n", "no numeric column"),
        ("id,label\na,1\n", "no numeric column"),
        (gzip.compress(PLAIN, mtime=0)[:-9], ""),
        (gzip.compress(PLAIN * 999, mtime=0)[:60], ""),
        (
            gzip.compress(PLAIN, mtime=0)[:12]
            + b"\xff\xff\xff"
            + gzip.compress(PLAIN, mtime=0)[15:],
            "",
        ),
        (in_zstd(PLAIN)[:-3], ""),
        (b"\x28\xb5\x2f\xfd" + bytes(9), ""),
    ],
)
def test_files_that_are_no_tables(content: Content, told: str) -> None:
    error = refused(content)
    assert error.exit_code == 3
    assert told in error.message
    assert len(error.message) > 8, "something is said"


def test_tsv_with_commas_is_hinted() -> None:
    assert "separated by ','" in refused("id,x\na,1\n", "a.tsv").message


def test_text_columns_and_labels_are_left_out_with_a_note() -> None:
    text = "id,title,x,label,Y,split,Unnamed: 0,INDEX,b\na,foo,1,1,2,0,5,6,1\nb,bar,2,0,2,1,5,6,0\n"
    left = ["title", "label", "Y", "split", "Unnamed: 0"]
    assert names(text) == ["x", "b"]
    (found,) = mmfuse.inspect({"a": put(text)})
    (note,) = found.notes
    assert note == "left out: " + ", ".join(map(repr, left)) + ", … (6 in all)"


def test_what_is_left_out_can_be_asked_for_by_name() -> None:
    text = "id,x,label\na,1,7\nb,2,8\n"
    assert table(text, column=["label", "x"]) == (["a", "b"], [[7, 1], [8, 2]])


def test_named_columns_keep_others_from_being_looked_at() -> None:
    """What the hint of a bad cell proposes."""
    text = "id,x,t\na,1,7\nb,2,oops\n"
    hint = refused(text).hint or ""
    assert "--column" in hint
    assert table(text, column="x") == (["a", "b"], [[1], [2]])


def test_a_text_column_that_is_not_read_may_hold_anything() -> None:
    assert table(b"id,x,t\na,1,caf\xe9\nb,2,q\n") == (["a", "b"], [[1], [2]])


def test_a_named_column_of_text_is_refused() -> None:
    assert "'t'" in refused("id,x,t\na,1,q\n", column="t").message


def test_truths_are_zero_and_one() -> None:
    text = "id,b\na,true\nb,False\nc,TRUE\n"
    assert table(text) == (["a", "b", "c"], [[1], [0], [1]])


def test_an_empty_truth_is_missing_not_false() -> None:
    error = refused("id,b\na,true\nb,\nc,false\n")
    assert "1 value is NaN" in error.message
    assert "'b'" in error.message
    _, rows = table("id,b\na,true\nb,\nc,false\n", nan="keep")
    assert np.array_equal(rows, [[1], [np.nan], [0]], equal_nan=True)


MISSING = "id,x,z\na,1,1\nb,,NA\nc,3,null\nd,NaN,inf\ne,5,-Infinity\nf,6,6\n"


def test_missing_cells_are_counted_with_the_first_ids() -> None:
    error = refused(MISSING)
    assert "6 values are NaN or infinite" in error.message
    assert error.message.endswith("'b', 'c', 'd'")
    assert "--nan" in (error.hint or "")


def test_missing_cells_under_the_other_policies() -> None:
    inf, nan = np.inf, np.nan
    ids, rows = table(MISSING, nan="keep")
    assert ids == list("abcdef")
    expected = [[1, 1], [nan, nan], [3, nan], [nan, inf], [5, -inf], [6, 6]]
    assert np.array_equal(rows, expected, equal_nan=True)
    assert table(MISSING, nan="drop") == (["a", "f"], [[1, 1], [6, 6]])
    assert table(MISSING, nan="zero")[1] == [[1, 1], [0, 0], [3, 0], [0, 0], [5, 0], [6, 6]]


def test_a_column_whose_first_rows_are_empty_is_one_of_numbers() -> None:
    text = "id,x\n" + "".join(f"r{i},\n" for i in range(60)) + "z,1.5\n"
    ids, rows = table(text, nan="drop")
    assert (ids, rows) == (["z"], [[1.5]])


def test_numbers_too_large_are_not_taken_for_infinite() -> None:
    assert "1 value is NaN or infinite" in refused("id,x\na,1e999\nb,1\n").message


def test_float64_text_is_read_exactly() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**63, 2000).view(np.float64)
    values = values[np.isfinite(values)]
    text = "id,x\n" + "".join(f"r{i},{value!r}\n" for i, value in enumerate(values.tolist()))
    _, rows = table(text)
    assert np.array(rows).ravel().tobytes() == values.tobytes()


ODD_IDS = ["001", "NA", "1e5", " 1", "null", "2024-01-01", "1.0", "true", "nan", "0x1f", "+1", "#"]


@pytest.mark.parametrize("extra", [[], ["1"]])
def test_ids_keep_their_text(extra: list[str]) -> None:
    ids = ODD_IDS + extra
    text = "id,x\n" + "".join(f"{name},{i}\n" for i, name in enumerate(ids))
    assert table(text) == (ids, [[i] for i in range(len(ids))])


@pytest.mark.parametrize(
    "ids",
    [
        [2**53, 2**53 + 1, 2**53 - 1],
        [2**63 - 1, -(2**63), 0],
        [-1, 10, 2],
    ],
)
def test_integer_ids_are_exact(ids: list[int]) -> None:
    text = "id,x\n" + "".join(f"{number},0\n" for number in ids)
    assert fuse(text).ids.dtype == np.int64
    assert table(text)[0] == ids


def test_ids_beyond_64_bits_stay_text() -> None:
    ids = [str(2**63), str(2**64), str(2**64 + 1), "7"]
    assert table("id,x\n" + "".join(f"{name},1\n" for name in ids))[0] == ids


def test_empty_ids_are_refused_with_their_rows() -> None:
    error = refused("id,x\na,1\n,2\n,3\n")
    assert error.exit_code == 4
    assert "2 ids" in error.message
    assert "rows 2, 3" in error.message


def test_the_id_column_named_and_not_there() -> None:
    text = "id,code,x\na,7,1\nb,8,2\n"
    assert table(text, id_column="code") == ([7, 8], [[1], [2]])
    error = refused(text, id_column="cod")
    assert "no column 'cod'" in error.message
    assert "'code'" in (error.hint or "")


def test_without_an_id_column_rows_go_by_position() -> None:
    assert names("p,q\n1,2\n3,4\n") == ["p", "q"]
    (found,) = mmfuse.inspect({"a": "a.csv"})
    assert found.id_kind == "position"


def test_ids_from_a_column_of_another_csv() -> None:
    put("code,x\n007,1\n07,2\n", "ids.csv")
    np.save("m.npy", np.ones((2, 1)))
    fused = mmfuse.fuse("concat", {"m": "m.npy"}, ids="ids.csv:code")
    assert fused.ids.tolist() == ["007", "07"]
    with pytest.raises(InputError, match="no id column"):
        mmfuse.fuse("concat", {"m": "m.npy"}, ids="ids.csv")


LISTS = 'id,embedding,note\na,"[1, -2.5]",x\nb,"[3e2,4]",y\n'


def test_lists_written_as_text() -> None:
    assert table(LISTS) == (["a", "b"], [[1, -2.5], [300, 4]])
    assert names(LISTS) == ["0", "1"]


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("[3, x]", "line 3, column 'embedding': '[3, x]' is not a list of numbers"),
        ("[3, 4", "line 3, column 'embedding'"),
        ("[3, null]", "line 3, column 'embedding'"),
        ("[3, true]", "line 3, column 'embedding'"),
        ('[3, ""4""]', "line 3, column 'embedding'"),
        ("[[3], [4]]", "line 3, column 'embedding'"),
        ("", "line 3, column 'embedding': ''"),
        ("[3, 1" + "0" * 400 + "]", "line 3, column 'embedding'"),
        ("[3]", "1 values where the first has 2"),
        ("[3, 4, 5]", "3 values where the first has 2"),
        ("[]", "0 values where the first has 2"),
        ("[3, NaN]", "1 value is NaN or infinite; the first ids: 'b'"),
        ("[-Infinity, 3]", "1 value is NaN or infinite; the first ids: 'b'"),
    ],
)
def test_lists_that_are_none(cell: str, told: str) -> None:
    error = refused(f'id,embedding\na,"[1, 2]"\nb,"{cell}"\n')
    assert told in error.message


def test_lists_that_are_all_empty() -> None:
    assert "empty" in refused('id,embedding\na,"[]"\nb,"[]"\n').message


def test_which_of_several_lists() -> None:
    text = 'id,p,q\na,"[1]","[2]"\n'
    error = refused(text)
    assert "'p', 'q'" in error.message
    assert "--column" in (error.hint or "")
    assert table(text, column="q") == (["a"], [[2]])
    assert table(text.replace(",p,", ",emb,")) == (["a"], [[1]])


def test_lists_longer_than_a_csv_field_usually_may_be() -> None:
    values = np.random.default_rng(0).normal(size=20_000).tolist()
    text = f'id,e\na,"{json.dumps(values)}"\n'
    assert len(text) > csv.field_size_limit()
    assert table(text) == (["a"], [values])


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_a_line_longer_than_the_block_of_the_reader(pack: Callable[[bytes], bytes]) -> None:
    before = "".join(f"r{i},{i},t\n" for i in range(400_000))  # more than one block
    text = f"id,x,note\n{before}long,-1,{'z' * 9_000_000}\nlast,-2,t\n".encode()
    fused = fuse(pack(text), "a.csv.gz")
    assert fused.matrix is not None
    assert fused.matrix[:, 0].tolist() == [*range(400_000), -1, -2]
    assert [fused.row_ids[row] for row in (0, 399_999, 400_000, 400_001)] == [
        "r0",
        "r399999",
        "long",
        "last",
    ]


def test_rows_beyond_the_first_block_are_located_too() -> None:
    before = "".join(f"r{i},{i},t\n" for i in range(400_000))
    assert len(before) > 4 << 20
    error = refused(f"id,x,note\n{before}a,b,c\n")
    assert "line 400,002, column 'x': 'b'" in error.message


def test_metadata_there_is_none() -> None:
    put(PLAIN)
    assert csv_format.metadata(open_input("a.csv", "a")) is None


# output


@pytest.mark.parametrize(("path", "delimiter"), [("out.csv", ","), ("out.tsv", "\t")])
def test_float32_is_written_exactly(path: str, delimiter: str) -> None:
    bits = np.random.default_rng(1).integers(0, 2**32, 3000, np.uint32)
    x = bits.view(np.float32)
    extremes = np.array([-0.0, 1e-45, -1e-45, 3.4028235e38, 1e8, 0.1, 16777217], np.float32)
    x = np.concatenate([extremes, x[np.isfinite(x)]]).reshape(-1, 1)
    np.save("a.npy", x)
    mmfuse.fuse("concat", {"a": "a.npy"}, path)
    rows = list(csv.reader(io.StringIO(Path(path).read_text()), delimiter=delimiter))
    found = np.array([row[1] for row in rows[1:]]).astype(np.float32)
    assert found.tobytes() == x.tobytes()
    again = mmfuse.fuse("concat", {"b": path}).matrix
    assert again is not None
    assert again.tobytes() == x.tobytes()


def test_names_are_quoted_only_where_they_must_be() -> None:
    fuse('id,plain,with space,"with, comma","with ""quote"""\na,1,2,3,4\n', output="out.csv")
    header = Path("out.csv").read_bytes().splitlines()[0]
    assert header == b'id,a_plain,a_with space,"a_with, comma","a_with ""quote"""'


def test_hostile_ids_and_names_come_back() -> None:
    ids = ["a,b", 'c"d', "e\nf", "g\r\nh", " i ", "'", "é", "NA", "0"]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "p\nq", "r\ts"])
    writer.writerows([name, i, -i] for i, name in enumerate(ids))
    for path, delimiter in (("out.csv", ","), ("out.tsv", "\t")):
        fuse(text.getvalue(), output=path)
        with open(path, newline="", encoding="utf-8") as stream:
            rows = list(csv.reader(stream, delimiter=delimiter))
        assert rows[0] == ["id", "a_p\nq", "a_r\ts"]
        assert [row[0] for row in rows[1:]] == ids
        assert [list(map(float, row[1:])) for row in rows[1:]] == [[i, -i] for i in range(len(ids))]
        again = mmfuse.fuse("concat", {"b": path})
        assert again.ids.tolist() == ids


def test_integer_ids_are_written_without_quotes() -> None:
    fuse("id,x\n2,1\n1,2\n", output="out.csv")
    lines = Path("out.csv").read_bytes().splitlines()
    assert [line.split(b",")[0] for line in lines] == [b"id", b"2", b"1"]


def test_integers_that_became_floats_are_no_ids(here: Path) -> None:
    (here / "f.csv").write_text("id,x\n1.0,1\n12.0,2\n")
    with pytest.raises(AlignmentError, match=r"written as floats; the first is '1\.0'"):
        mmfuse.fuse("concat", ["f.csv"])
    (here / "v.csv").write_text("id,x\n1.0,1\n1.1,2\n")
    assert list(mmfuse.fuse("concat", ["v.csv"]).ids) == ["1.0", "1.1"]


@pytest.mark.parametrize(("line", "start"), [(1, "id,"), (2, "id,x\na,")])
def test_a_cell_without_end(line: int, start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmfuse.files.text_rows._CELL_CHARACTERS", 1000)
    assert refused(start + "1" * 2000 + "\n").message.startswith(f"line {line}: field larger than")
