"""`mmfuse inspect`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest


@pytest.fixture
def odd(npy) -> np.ndarray:
    """Six rows of three columns: two with NaN or infinity, one of zeros, one constant column."""
    values = [
        [3, 4, 0],
        [np.nan, 1, 0],
        [0, 0, 0],
        [np.inf, 2, 0],
        [6, 8, 0],
        [0, 1, 0],
    ]
    return npy("odd.npy", values)


def rows_of(table: str) -> dict[str, list[str]]:
    """The cells of a table by the title of their row; cells are words here."""
    titles = ("rows ", "columns ", "ids ", "rows with NaN ", "zero rows ")
    lines = table.splitlines()
    return {t: line[len(t) :].split() for t in titles for line in lines if line.startswith(t + " ")}


def test_json(odd, call):
    Path("odd.ids.txt").write_text("".join(f"row{k}\n" for k in range(6)))
    told = json.loads(call("inspect", "odd.npy", "--json").out)
    assert told["mmfuse_inspect"] == 1
    (file,) = told["files"]
    assert (file["name"], file["rows"], file["columns"]) == ("odd", 6, 3)
    assert (file["dtype"], file["ids"]) == ("float32", "odd.ids.txt (sidecar)")
    assert file["id_examples"] == ["row0", "row1", "row2"]
    assert (file["nan_rows"], file["zero_rows"], file["constant_columns"]) == (2, 1, 1)
    lengths = np.linalg.norm(odd[[0, 2, 4, 5]], axis=1)
    np.testing.assert_allclose(file["norms"], np.quantile(lengths, [0, 0.25, 0.5, 0.75, 1]))
    assert file["record"] is None


def test_table(odd, here, call):
    Path("b.csv").write_text("id,u,v,label\n001,1,2,7\n002,3,4,7\n")
    done = call("inspect", "odd.npy", "text=b.csv")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0].split() == ["odd", "text"]
    cells = rows_of(done.out)
    assert cells["rows "] == ["6", "2"]
    assert cells["columns "] == ["3", "2"]
    assert cells["ids "] == ["none", "column", "id"]
    assert cells["rows with NaN "] == ["2", "0"]
    assert cells["zero rows "] == ["1", "0"]
    assert "first ids" in done.out
    assert "001, 002" in done.out
    assert len({len(line) for line in lines[1:7]}) == 1  # columns end together
    notes = [line for line in lines if line.startswith("note: text: ")]
    assert any("label" in note for note in notes)


def test_where_ids_are_found(here, npy, call):
    npy("a.npy", np.ones((2, 2)))
    pq.write_table(pa.table({"key": ["p", "q"], "other": ["r", "s"], "x": [1.0, 2.0]}), "t.parquet")
    Path("names.csv").write_text("id\nu\nv\n")

    def ids(*arguments: str) -> tuple[str, list[str]]:
        (file,) = json.loads(call("inspect", *arguments, "--json").out)["files"]
        return file["ids"], file["id_examples"]

    assert ids("a.npy") == ("none", [])
    assert ids("t.parquet") == ("column key", ["p", "q"])
    assert ids("t.parquet", "--id-column", "other") == ("column other", ["r", "s"])
    assert ids("a.npy", "--ids", "names.csv") == ("names.csv", ["u", "v"])
    Path("a.ids.txt").write_text("y\nz\n")
    assert ids("a.npy") == ("a.ids.txt (sidecar)", ["y", "z"])
    assert ids("a.npy", "--no-sidecar") == ("none", [])


def test_columns(here, call):
    Path("t.csv").write_text("id,aa,ab,b\n1,2,3,4\n")
    (file,) = json.loads(call("inspect", "t.csv", "--column", "a*", "--json").out)["files"]
    assert file["column_names"] == ["aa", "ab"]


def test_record_of_a_fused_file(odd, call):
    options = ("--nan", "zero", "--normalize", "l2", "-q", "-o", "z.parquet")
    assert call("concat", "odd.npy", *options).code == 0
    done = call("inspect", "z.parquet")
    assert "z was written by mmfuse:" in done.out
    assert '  "strategy": "concat"' in done.out
    assert '"file": "odd.npy"' in done.out
    (file,) = json.loads(call("inspect", "z.parquet", "--json").out)["files"]
    assert file["record"]["slices"] == {"odd": [0, 3]}
    assert file["record"]["inputs"][0]["normalize"][-1] == "l2"


def test_standard_input(odd, mmfuse):
    with open("odd.npy", "rb") as stream:
        done = mmfuse("inspect", "-", "--from", "npy", stdin=stream)
    assert done.code == 0
    assert done.out.split()[0] == "stdin"


def test_errors(here, call):
    assert call("inspect", "missing.npy").code == 3
    assert call("inspect").code == 2
    (here / "a.xyz").write_text("?")
    assert call("inspect", "a.xyz").err.startswith("error: cannot tell the format of 'a.xyz'")


DAMAGED_RECORDS = {"not UTF-8": b'{"version": "\xff"}', "deep": b"[" * 100_000, "a list": b"[1]"}


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize("name", DAMAGED_RECORDS)
def test_a_damaged_record_is_none(name, suffix, here, call):
    table = pa.table({"id": ["a", "b"], "u": [1.0, 2.0]})
    table = table.replace_schema_metadata({"mmfuse": DAMAGED_RECORDS[name]})
    if suffix == "parquet":
        pq.write_table(table, "x.parquet")
    else:
        with pa.ipc.new_file("x.arrow", table.schema) as writer:
            writer.write_table(table)
    done = call("inspect", f"x.{suffix}", "--json")
    assert done.code == 0, done.err
    (file,) = json.loads(done.out)["files"]
    assert (file["rows"], file["record"]) == (2, None)
