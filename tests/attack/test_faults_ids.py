"""Tables of text in every state, and ids that are easily taken for others, at every command."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from faults import N, is_one_message, tree, write_parquet

import mmfuse

ROWS = [(f"r{k}", k / 4, k % 3) for k in range(N)]

# Commands that read a table of ids and the columns `f` and `label`, {} for it, and write z.csv.
TABLE_READERS = {
    "features": "concat x={} --column x=f --column x=label -o z.csv",
    "fitted": "pca a.npz x={} --column x=f --column x=label -k 2 -o z.csv",
    "applied": "apply one.st x={} --column x=f --column x=label -o z.csv",
    "converted": "convert x={} --column f --column label -o z.csv",
    "labels": "lda a.npz b.npz --labels {}:label -o z.csv",
    "ids": "concat plain.npy --ids {}:id -o z.csv",
}
FEATURES = ("features", "fitted", "applied", "converted")


@pytest.fixture
def tables(work: Path) -> Path:
    """A sound table, and a model of it."""
    Path("sound.csv").write_text(text(ROWS))
    mmfuse.fit("pca", {"x": "sound.csv"}, "one.st", column={"x": ["f", "label"]})
    return work


def text(rows: list[tuple[object, ...]], end: str = "\n", head: str = "id,f,label") -> str:
    return end.join([head, *(",".join(map(str, row)) for row in rows)]) + end


SOUND = {
    "BOM": ("\ufeff" + text(ROWS)).encode(),
    "CRLF": text(ROWS, "\r\n").encode(),
    "quotes": text([(f'"{i}"', f, c) for i, f, c in ROWS], head='"id","f","label"').encode(),
    "no last line end": text(ROWS).rstrip("\n").encode(),
    "columns in between": text(
        [(i, '"a,\nb"', f, c) for i, f, c in ROWS], head="id,note,f,label"
    ).encode(),
}


@pytest.mark.parametrize("state", SOUND)
@pytest.mark.parametrize("name", TABLE_READERS)
def test_tables_in_other_dress_are_the_same(name, state, tables, call):
    assert call(*TABLE_READERS[name].format("sound.csv").split()).code == 0
    wanted = Path("z.csv").read_bytes()
    Path("odd.csv").write_bytes(SOUND[state])
    done = call(*TABLE_READERS[name].format("odd.csv").split())
    assert done.code == 0, done.err
    assert Path("z.csv").read_bytes() == wanted


# what is in the third data line, or a whole file; and what must be told of it
DAMAGED = {
    "UTF-16": (text(ROWS).encode("utf-16"), "UTF-16"),
    "invalid UTF-8": (text(ROWS).encode().replace(b"r2,", b"r\xff2,"), "UTF-8"),
    "NUL": (text(ROWS).encode().replace(b"r2,", b"r\0002,"), "NUL"),
    "ragged": (text(ROWS).encode().replace(b"r2,", b"r2,7,"), "line 4"),
    "short": (text(ROWS).encode().replace(b"r2,0.5,2", b"r2"), "line 4"),
    "an open quote": (text(ROWS).encode().replace(b"r2,", b'"r2,'), "line"),
    "a repeated header": (text(ROWS, head="id,f,f").encode(), "'f'"),
}
CELLS = ["1_000", "0x10", "1;5", "1 5", "--1", "1e", "one", "1.2.3", "\u0661"]


@pytest.mark.parametrize("state", DAMAGED)
@pytest.mark.parametrize("name", TABLE_READERS)
def test_damaged_tables(name, state, tables, call):
    data, told = DAMAGED[state]
    Path("odd.csv").write_bytes(data)
    before = tree()
    done = call(*TABLE_READERS[name].format("odd.csv").split())
    assert done.code == 3, done.err
    assert is_one_message(done.err), done.err
    assert told in done.err
    assert "odd.csv" in done.err
    assert tree() == before


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("name", FEATURES)
def test_cells_that_are_no_numbers(name, cell, tables, call):
    Path("odd.csv").write_text(text(ROWS).replace("r2,0.5,", f"r2,{cell},"))
    done = call(*TABLE_READERS[name].format("odd.csv").split())
    assert done.code == 3, done.err
    assert f"line 4, column 'f': {cell!r} is not a number" in done.err.replace("\\u0661", "\u0661")
    assert not os.path.exists("z.csv")


def test_a_decimal_comma_is_a_cell_too_many(tables, call):
    Path("odd.csv").write_text(text(ROWS).replace("r2,0.5,", "r2,0,5,"))
    done = call(*TABLE_READERS["features"].format("odd.csv").split())
    assert (done.code, "line 4 has 4 cells where the header has 3" in done.err) == (3, True)


# --- ids --------------------------------------------------------------------------------------

LOOKALIKES = [
    "NA", "nan", "NaN", "None", "null", "NULL", "-", "#N/A", "inf", "True", "false", "2024-01-01",
    "1e5", "001", "1", "01", "1.0", "+1", "0x1", "12:30", "9007199254740993", "9007199254740992",
    "18446744073709551617", "18446744073709551616", "a b", "A", "a", "\u00e9", "e\u0301",
    "\u202egpj", "\x1b[31mx", "-o", "--help", "*", "'", '"', "a,b", "a\tb", "a\\b", "#x", "=1+1",
]  # fmt: skip
COMMANDS = {
    "concat": "concat x={} -f {f} -o {out}",
    "sum": "sum x={} y={} -f {f} -o {out}",
    "pca": "pca x={} y={} -k 1 -f {f} -o {out}",
    "apply": "apply look.st x={} -f {f} -o {out}",
    "convert": "convert x={} -f {f} -o {out}",
    "shards": "concat x={} -f {f} --shard-rows 7 -o {out}/",
}


def write_with_ids(path: str, ids: list[str], values: np.ndarray) -> None:
    if path.endswith(".csv"):
        with open(path, "w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "f", "g"])
            rows.writerows([[i, *v] for i, v in zip(ids, values.tolist(), strict=True)])
    elif path.endswith(".parquet"):
        write_parquet(path, id=pa.array(ids), f=values[:, 0], g=values[:, 1])
    else:
        np.savez(path, ids=np.array(ids), x=values)


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl", "npy"])
@pytest.mark.parametrize("suffix", ["csv", "parquet", "npz"])
@pytest.mark.parametrize("name", COMMANDS)
def test_ids_keep_their_text(name, suffix, form, here, call):
    """Also those that programs take for missing values, dates, numbers, options or commands."""
    values = np.random.default_rng(0).normal(size=(len(LOOKALIKES), 2)).astype(np.float32)
    path = f"in.{suffix}"
    write_with_ids(path, LOOKALIKES, values)
    if name == "apply":
        mmfuse.fit("pca", {"x": path}, "look.st", options={"n_components": 2})
    out = f"out.{form}" if name != "shards" else "out"
    line = COMMANDS[name].replace("{}", path).format(f=form, out=out)
    done = call(*line.split())
    assert done.code == 0, done.err
    assert not set(done.err) & {"\x1b", "\u202e"}
    found = mmfuse.fuse("concat", {"z": out})
    assert list(found.ids) == LOOKALIKES
    if name in ("concat", "convert", "shards"):
        assert np.array_equal(found.matrix, values)


WRONG = {
    "duplicates": (["p", "q", "p"], "in rows 1 and 3", "'p'"),
    "an empty one": (["p", "", "q"], "row", "2"),
    "no overlap": (["u", "v", "w"], "no id is common", "'u'"),
    "zeros in front": (["01", "02", "03"], "look like integers", "'01' and '02'"),
    "numbers with points": (["1.0", "2.0", "3.0"], "", "1.0"),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("line", [
    "concat x.npz {} -o z.csv", "mean x.npz {} -o z.csv", "pca x.npz {} -o z.csv",
    "fit pca x.npz {} -o z.st", "align x.npz {} -o zz", "soft-vote x.csv {} -o z.csv",
    "train x.npz {} --labels y.csv --folds 0 --join inner -o z.st",
    "apply two.st x.npz odd={} -o z.csv", "concat x.npz {} --join outer -o z.csv",
])  # fmt: skip
def test_ids_that_do_not_fit(line, wrong, here, call):
    ids, told, example = WRONG[wrong]
    own = (
        ["p", "q", "r"]
        if wrong in ("duplicates", "an empty one", "no overlap")
        else ["1", "2", "3"]
    )
    np.savez("x.npz", ids=np.array(own) if own[0] == "p" else np.arange(1, 4), x=np.eye(3)[:, :2])
    write_with_ids("x.csv", own, np.full((3, 2), 0.5))
    write_with_ids(
        "odd.csv", ids, np.full((3, 2), 0.5) + (0 if "vote" in line else np.eye(3)[:, :2])
    )
    Path("y.csv").write_text("id,y\n" + "".join(f"{i},{k % 2}\n" for k, i in enumerate(own)))
    write_with_ids("good.csv", own, np.eye(3)[:, :2])
    mmfuse.fit("pca", {"x": "x.npz", "odd": "good.csv"}, "two.st", options={"n_components": 1})
    before = tree()
    done = call(*line.format("odd.csv").split())
    assert done.code == 4, done.err
    assert is_one_message(done.err), done.err
    assert told in done.err
    assert example in done.err
    assert "odd" in done.err
    assert tree() == before


@pytest.mark.parametrize("values", [
    pa.array(["p", None, "q"]), pa.array([1, None, 2]), pa.array([1.0, 2.0, np.nan]),
    pa.array([1.0, 2.0, 3.0]), pa.array([True, False, True]), pa.array([b"\xff", b"a", b"b"]),
], ids=["null text", "null number", "NaN", "floats", "truths", "bytes"])  # fmt: skip
@pytest.mark.parametrize("line", [
    "concat {} -o z.csv", "convert {} -o z.csv", "lda a.npz b.npz --labels {}:label -o z.csv",
    "concat three.npy --ids {}:id -o z.csv", "check {} {copy}", "inspect {}",
])  # fmt: skip
def test_columns_of_ids_that_are_none(line, values, work, call):
    np.save("three.npy", np.ones((3, 2)))
    for name in ("odd.parquet", "copy.parquet"):
        write_parquet(name, id=values, f=[0.5, 1.5, 2.5], label=["u", "v", "u"])
    before = tree()
    done = call(*line.format("odd.parquet", copy="copy.parquet").split())
    assert done.code in (3, 4), done.err
    assert is_one_message(done.err), done.err
    assert "odd.parquet" in done.err
    assert tree() == before


@pytest.mark.parametrize(
    "command",
    [
        "lda {} -f csv -o z.csv",
        "train {} --folds 0 --estimator lda -o z.st",
        "train {} --fuse sum -o z.st",
        "fit lda {} -o z.st",
    ],
)
def test_ids_of_labels_are_rewritten_like_those_of_inputs(command, here, call):
    """What is said for all inputs is said for labels; what is said for one is not."""
    rng = np.random.default_rng(0)
    names = [f"img/{k}.jpg" for k in range(N)]
    np.savez("a.npz", ids=np.array(names), x=rng.normal(size=(N, 2)))
    np.savez("b.npz", ids=np.array(names), x=rng.normal(size=(N, 2)))
    for path, ids in (("long", names), ("short", [f"{k}" for k in range(N)])):
        Path(f"{path}.csv").write_text(
            "id,y\n" + "".join(f"{i},{k % 2}\n" for k, i in enumerate(ids))
        )

    def told(labels: str, transform: str) -> int:
        line = command.format(f"a.npz b.npz --labels {labels}.csv --id-transform {transform}")
        return int(call(*line.split()).code)

    assert [told("long", "stem"), told("short", "stem")] == [0, 0]
    both = "a=stem --id-transform b=stem"
    assert [told("long", both), told("short", both)] == [4, 0]
    bad = call(*command.format("a.npz b.npz --labels long.csv --id-transform s/.*//").split())
    assert (bad.code, is_one_message(bad.err)) == (4, True)


# --- names that a terminal or a shell would obey ------------------------------------------------

HOSTILE = [
    "two words", "a\nerror: b", "-rf", "it's", '"', "*", "$(id)", "`id`", ";", "\x1b[31m",
    "\u202egpj", "\udcff\udcfe", "[red]", "%s", "{0}", "\\", "a:b", "~", "\u00e9",
]  # fmt: skip
TAKES = {
    "concat": ("concat", "./{}.npz", "-o", "./{}.csv"),
    "align": ("align", "./{}.npz", "-o", "./{}"),
    "convert": ("convert", "./{}.npz", "-o", "./{}.jsonl"),
    "fit": ("fit", "pca", "./{}.npz", "-k", "1", "-o", "./{}.st"),
    "train": (
        "train",
        "./{}.npz",
        "--labels",
        "y.csv",
        "--fuse",
        "sum",
        "--folds",
        "0",
        "-o",
        "./{}/",
    ),
    "apply": ("apply", "./{}.one", "./{}.npz", "-o", "./{}.npy", "--summary", "./{}.json"),
    "inspect": ("inspect", "./{}.npz"),
    "shards": ("concat", "./{}.npz", "--shard-rows", "5", "-o", "./{}/"),
    "ids": ("concat", "plain.npy", "--ids", "./{}.txt", "-o", "./{}.parquet"),
}


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
@pytest.mark.parametrize("command", TAKES)
def test_names_of_files(command, name, work, call):
    os.rename("a.npz", f"./{name}.npz")
    os.rename("ids.txt", f"./{name}.txt")
    Path("y.csv").write_text(Path("labels.csv").read_text())
    if command == "apply":
        mmfuse.fit("pca", [f"./{name}.npz"], "one.st", options={"n_components": 1})
        os.rename("one.st", f"./{name}.one")
    done = call(*(part.replace("{}", name) for part in TAKES[command]))
    assert done.code == 0, done.err
    told = done.out + done.err
    assert not set(told) & {"\x1b", "\u202e", "\udcff"}
    assert "\nerror: b" not in told
    if "-o" in TAKES[command]:
        out = TAKES[command][TAKES[command].index("-o") + 1].replace("{}", name)
        assert os.path.exists(out)
