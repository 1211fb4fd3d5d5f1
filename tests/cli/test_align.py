"""`mmfuse align`: the same rows in the same order, a file each."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from mmfuse.core.registry import FORMATS

RNG = np.random.default_rng(3)
IMAGE = pd.DataFrame(
    RNG.integers(-128, 128, (6, 4)), index=["a", "b", "c", "d", "e", "f"], dtype=np.int8
)
TEXT = pd.DataFrame(
    RNG.normal(size=(5, 3)), index=["f", "b", "x", "a", "d"], columns=["u", "v", "w"]
)
COMMON = ["a", "b", "d", "f"]


def write(image: pd.DataFrame = IMAGE, text: pd.DataFrame = TEXT) -> None:
    np.save("image.npy", image.to_numpy())
    Path("image.ids.txt").write_text("".join(f"{name}\n" for name in image.index))
    text.rename_axis("id").reset_index().to_parquet("text.parquet", index=False)


def ids_of(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def content(folder: str) -> dict[str, bytes]:
    return {name: (Path(folder) / name).read_bytes() for name in sorted(os.listdir(folder))}


def test_the_rows_that_all_have_in_the_first_order(here, mmfuse):
    write()
    done = mmfuse("align", "image.npy", "text.parquet", "-o", "aligned/")
    assert (done.code, done.out) == (0, "")
    assert sorted(os.listdir("aligned")) == ["image.ids.txt", "image.npy", "text.parquet"]
    image = np.load("aligned/image.npy")
    assert image.dtype == np.int8
    assert np.array_equal(image, IMAGE.loc[COMMON])
    assert ids_of("aligned/image.ids.txt") == COMMON
    expected = TEXT.loc[COMMON].rename_axis("id").reset_index()
    pd.testing.assert_frame_equal(pd.read_parquet("aligned/text.parquet"), expected)
    assert "inner join: 4 rows kept (dropped: 2 of image, 1 of text)" in done.err


def test_read_by_position_elsewhere_they_are_the_fused_slices(here, call):
    write(IMAGE.astype(np.float32), TEXT.astype(np.float32))
    assert call("align", "image.npy", "text.parquet", "-f", "npy", "-o", "aligned").code == 0
    assert call("concat", "image.npy", "text.parquet", "-o", "fused.npy").code == 0
    fused = np.load("fused.npy")
    for name, part in (("image", fused[:, :4]), ("text", fused[:, 4:])):
        assert np.load(f"aligned/{name}.npy").tobytes() == part.tobytes()
        assert ids_of(f"aligned/{name}.ids.txt") == ids_of("fused.ids.txt")


@pytest.mark.parametrize("format", FORMATS.modules)
def test_order_of_the_inputs_does_not_matter(format, here, call):
    arguments = ("image.npy", "text.parquet", "--sort-ids", "-f", format, "-o")
    write()
    assert call("align", *arguments, "one").code == 0
    write(IMAGE.iloc[[5, 3, 0, 4, 2, 1]], TEXT.iloc[[2, 0, 4, 1, 3]])
    assert call("align", *arguments, "other").code == 0
    assert content("one") == content("other")
    assert len(content("one")) >= 2


def test_what_a_row_lacks_is_zeros_and_flagged(here, call):
    write()
    done = call(
        "align", "image.npy", "text.parquet", "-f", "parquet", "--join", "outer", "-o", "all"
    )
    assert done.code == 0
    ids = [*IMAGE.index, "x"]
    for name, frame in (("image", IMAGE), ("text", TEXT)):
        table = pq.read_table(f"all/{name}.parquet")
        assert table["id"].to_pylist() == ids
        assert table[f"present_{name}"].to_pylist() == [row in frame.index for row in ids]
        assert [n for n in table.column_names if n.startswith("present_")] == [f"present_{name}"]
    image = np.stack(pq.read_table("all/image.parquet")["embedding"].to_numpy())
    assert image.dtype == np.int8
    assert np.array_equal(image, IMAGE.reindex(ids, fill_value=0))
    text = pd.read_parquet("all/text.parquet")[list(TEXT.columns)]
    assert np.array_equal(text, TEXT.reindex(ids, fill_value=0))


def test_filled_with_what_is_no_integer_it_becomes_float(here, call):
    write()
    arguments = ("align", "image.npy", "text.parquet", "--join", "outer", "-f", "npy")
    assert call(*arguments, "--missing", "nan", "-o", "nan").code == 0
    assert call(*arguments, "--missing", "mean", "-o", "mean").code == 0
    ids = [*IMAGE.index, "x"]
    filled = np.load("nan/image.npy")
    assert filled.dtype == np.float32
    assert np.array_equal(filled, IMAGE.reindex(ids), equal_nan=True)
    mean = np.load("mean/image.npy")
    np.testing.assert_allclose(mean, IMAGE.reindex(ids).fillna(IMAGE.mean()), rtol=1e-6)
    refused = call(*arguments, "--missing", "error", "-o", "error")
    assert (refused.code, os.path.exists("error")) == (4, False)


@pytest.mark.parametrize("policy", ["first", "max", "mean"])
def test_several_rows_of_an_id(policy, here, call):
    twice = pd.concat([IMAGE, IMAGE.iloc[:2] - 1])
    write(twice)
    given = ("align", "image.npy", "text.parquet", "--duplicates", policy, "-o", "aligned")
    assert call(*given).code == 0
    got = np.load("aligned/image.npy")
    groups = twice.groupby(level=0)
    expected = {"first": groups.first, "max": groups.max, "mean": groups.mean}[policy]()
    assert got.dtype == (np.float32 if policy == "mean" else np.int8)
    assert np.array_equal(got, expected.loc[COMMON])


@pytest.mark.parametrize("dtype", ["int64", "uint64", ">i8", ">f8", "float16", "bool"])
def test_no_value_is_rounded(dtype, here, call):
    values = RNG.integers(0, 256, (6, 4 * np.dtype(dtype).itemsize), np.uint8)
    if dtype == "bool":
        values = values % 2
    elif np.dtype(dtype).kind == "f":
        values = RNG.normal(size=(6, 4)).astype(dtype).view(np.uint8)
    exact = values.view(dtype)
    np.save("x.npy", exact)
    for name, order in (("x", [3, 1, 0, 2, 5, 4]), ("y", range(6))):
        Path(f"{name}.ids.txt").write_text("".join(f"r{k}\n" for k in order))
    np.save("y.npy", np.zeros((6, 1)))
    assert call("align", "y.npy", "x.npy", "-o", "npy").code == 0
    assert call("align", "y.npy", "x.npy", "-f", "parquet", "-o", "parquet").code == 0
    expected = exact[[2, 1, 3, 0, 5, 4]]
    read = np.load("npy/x.npy")
    assert read.dtype == (np.uint8 if dtype == "bool" else np.dtype(dtype).newbyteorder("="))
    assert np.array_equal(read, expected)
    table = pq.read_table("parquet/x.parquet")
    assert np.array_equal(np.stack(table["embedding"].to_numpy()), expected)


def test_the_rows_each_one_lacks_out(here, mmfuse):
    write()
    done = mmfuse("align", "image.npy", "text.parquet", "--anti", "-o", "anti")
    assert done.code == 0
    assert ids_of("anti/image.anti.ids.txt") == ["c", "e"]
    assert np.array_equal(np.load("anti/image.anti.npy"), IMAGE.loc[["c", "e"]])
    left = pd.read_parquet("anti/text.anti.parquet").set_index("id").rename_axis(None)
    pd.testing.assert_frame_equal(left, TEXT.loc[["x"]])


def test_nothing_without_a_match_is_told_and_not_written(here, mmfuse):
    write(text=TEXT.drop("x"))
    done = mmfuse("align", "image.npy", "text.parquet", "--anti", "-o", "anti")
    assert sorted(os.listdir("anti")) == ["image.anti.ids.txt", "image.anti.npy"]
    assert "every row has a match, so no file is written: text" in done.err
    write(IMAGE.loc[COMMON], TEXT.drop("x"))
    again = mmfuse("align", "image.npy", "text.parquet", "--anti", "-o", "anti")
    assert "note: anti/image.anti.npy is of an earlier run" in again.err


def test_anti_and_aligned_rows_are_all_rows(here, call):
    write()
    for join in ("inner", "left", "outer"):
        given = ("align", "image.npy", "text.parquet", "--join", join, "-f", "npy", "-o")
        assert call(*given, join).code == call(*given, join, "--anti").code == 0
        for name, frame in (("image", IMAGE), ("text", TEXT)):
            anti = Path(join, f"{name}.anti.ids.txt")
            left = ids_of(os.fspath(anti)) if anti.exists() else []
            taken = set(ids_of(f"{join}/{name}.ids.txt")) & set(frame.index)
            assert taken.isdisjoint(left)
            assert taken | set(left) == set(frame.index)


def test_all_or_nothing(here, mmfuse):
    write()
    os.mkdir("aligned")
    Path("aligned/image.npy").write_text("old")
    os.mkdir("aligned/text.parquet")  # which cannot be replaced
    done = mmfuse("align", "image.npy", "text.parquet", "-o", "aligned")
    assert done.code == 5
    assert Path("aligned/image.npy").read_text() == "old"
    assert sorted(os.listdir("aligned")) == ["image.npy", "text.parquet"]


def test_a_folder_made_for_nothing_goes_again(here, mmfuse):
    write()
    Path("bad.csv").write_text("id,x\na,1\nb,word\n")
    done = mmfuse("align", "image.npy", "bad.csv", "-o", "aligned")
    assert (done.code, os.path.exists("aligned")) == (3, False)
    planned = mmfuse("align", "image.npy", "text.parquet", "-o", "aligned", "-n", "-q")
    assert (planned.code, planned.err, os.path.exists("aligned")) == (0, "", False)


@pytest.mark.parametrize(
    ("more", "code", "told"),
    [
        (("-o", "."), 2, "is one of the inputs"),
        (("-o", "-"), 2, "several files cannot go to standard output"),
        (("-o", "image.npy"), 5, "is not a folder"),
        (("-o", "no/where"), 5, "make the folder first"),
        (("-o", "x", "-f", "xlsx"), 2, "xlsx"),
    ],
)
def test_places_that_are_refused(more, code, told, here, mmfuse):
    write()
    before = content(".")
    done = mmfuse("align", "image.npy", "text.parquet", *more)
    assert (done.code, told in done.err) == (code, True)
    assert content(".") == before


def test_json(here, mmfuse):
    write()
    done = mmfuse("align", "image.npy", "text.parquet", "-o", "aligned", "--json")
    told = json.loads(done.out)
    assert (told["mmfuse_align"], told["rows"], told["anti"]) == (1, 4, False)
    assert [(f["name"], f["output"], f["dtype"]) for f in told["files"]] == [
        ("image", "aligned/image.npy", "int8"),
        ("text", "aligned/text.parquet", "float64"),
    ]
    for file in told["files"]:
        assert file["bytes"] == os.path.getsize(file["output"])
    assert [item["dropped"] for item in told["inputs"]] == [2, 1]


@pytest.mark.parametrize("command", ["align", "convert", "concat"])
def test_a_folder_of_shards_gets_no_further_file(command, here, call):
    os.mkdir("shards")
    for k in range(2):
        np.save(f"shards/x_{k}.npy", np.full((2, 3), k, np.float32))
    before = content("shards")
    os.symlink("shards", "link")
    out = "link" if command == "align" else "link/new.npy"
    done = call(command, "shards/", "-o", out, "--no-sidecar")
    assert (done.code, content("shards")) == (2, before)
    assert "in a folder that is an input" in done.err


def test_integers_that_are_averaged_in_one_input_are_not_cut(here, call):
    Path("a.csv").write_text("id,f\nx,1\nx,2\ny,3\n")
    np.save("b.npy", np.array([[1], [2], [5]], np.int8))
    Path("b.ids.txt").write_text("x\nx\ny\n")
    given = ("align", "a.csv", "b.npy", "--duplicates", "max", "--pool", "b=mean", "-o", "al")
    assert call(*given).code == 0
    assert np.load("al/b.npy").tolist() == [[1.5], [5.0]]


def test_a_dry_run_tells_the_plan_and_writes_nothing(here, call):
    write()
    done = call("align", "image.npy", "text.parquet", "-o", "aligned", "-n")
    assert (done.code, done.out) == (0, "")
    assert "inner join: 4 rows kept" in done.err
    assert done.err.endswith("dry run: nothing was written\n")
    assert not os.path.exists("aligned")


def test_ids_that_would_meet_otherwise_are_suggested(here, call):
    image = IMAGE.set_axis([f"{name.upper()}" for name in IMAGE.index[:5]] + ["f"])
    write(image)
    done = call("align", "image.npy", "text.parquet", "-o", "aligned")
    assert (done.code, ids_of("aligned/image.ids.txt")) == (0, ["f"])
    told = "less than half of an input's ids meet; 4 of 5 ids match with --id-transform lower"
    assert told in done.err
    assert f"note: {told}" in call("concat", "image.npy", "text.parquet", "-o", "z.npy").err
