"""Modalities in many files: folders, globs and lists of shards."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmfuse import fuse, inspect
from mmfuse.errors import AlignmentError, InputError, UsageError

RNG = np.random.default_rng(11)


def write_npy(folder: Path, blocks: list[np.ndarray], name: str = "emb_{}.npy") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for k, block in enumerate(blocks):
        np.save(folder / name.format(k), block)


def blocks_of(count: int, dim: int = 3, rows: int = 2) -> list[np.ndarray]:
    return [RNG.normal(size=(rows, dim)).astype(np.float32) for _ in range(count)]


def write_parquet(path: Path, ids: list, x: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    vectors = pa.FixedSizeListArray.from_arrays(x.ravel(), x.shape[1])
    pq.write_table(pa.table({"id": ids, "embedding": vectors}), path)


@pytest.fixture
def one(here: Path) -> np.ndarray:
    """Twelve shards of two rows in `a/`, and as one file `b.npy` beside it."""
    blocks = blocks_of(12)
    write_npy(here / "a", blocks)
    np.save("b.npy", np.vstack(blocks))
    return np.vstack(blocks)


@pytest.mark.parametrize("named", ["a", "a/", "./a", "a/*.npy", "a/emb_*.npy", "a/emb_*"])
def test_a_folder_or_a_glob_in_natural_order(one, named):
    found = fuse("concat", {"x": named, "y": "b.npy"})
    assert np.array_equal(found.matrix, np.hstack([one, one]))
    assert found.columns == tuple(f"{m}_{j}" for m in "xy" for j in range(3))
    assert "12 files in natural order, emb_0.npy to emb_11.npy" in found.summary.notes[0]


def test_a_list_keeps_its_order(one):
    listed = [Path("a/emb_3.npy"), "a/emb_1.npy", "b.npy"]
    found = fuse("concat", {"x": listed})
    assert np.array_equal(found.matrix, np.vstack([one[6:8], one[2:4], one]))
    assert found.summary.inputs[0].file == "a/emb_3.npy and 2 more"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/", "a"),
        ("v1.5/", "v1.5"),
        ("v1.5", "v1.5"),
        ("a/emb_*.npy", "emb"),
        ("a/*.npy", "a"),
        ("d*/*.npy", "d"),
        ("d*/x.npy", "x"),
    ],
)
def test_default_names(here, path, name):
    for folder in ("a", "v1.5", "d1"):
        write_npy(here / folder, blocks_of(2))
        write_npy(here / folder, blocks_of(1), "x.npy")
    assert fuse("concat", [path]).summary.inputs[0].name == name


def test_a_file_with_the_name_of_a_pattern_is_a_file(here, npy):
    star, zero = npy("a*.npy", [[1, 2]]), npy("a0.npy", [[3, 4]])
    assert np.array_equal(fuse("concat", ["a*.npy"]).matrix, star)
    os.unlink("a*.npy")
    assert np.array_equal(fuse("concat", ["a*.npy"]).matrix, zero)


def test_brackets_are_no_pattern(here):
    blocks = blocks_of(2)
    write_npy(here / "run[1]", blocks)
    np.save("a0.npy", blocks[0])
    assert np.array_equal(fuse("concat", ["run[1]/*.npy"]).matrix, np.vstack(blocks))
    refused(InputError, "no such file", "a[0].npy")


def test_what_holds_no_features_is_skipped_and_told(one):
    for name in (".DS_Store", "_SUCCESS", "README.md", "stats.json"):
        Path("a", name).write_text("x")
    Path("a", "sub").mkdir()
    found = fuse("concat", {"x": "a"})
    assert np.array_equal(found.matrix, one)
    assert found.summary.notes[1].startswith("x: 5 beside them skipped: .DS_Store, README.md")


def test_ids_beside_every_shard(here):
    blocks = blocks_of(11)
    write_npy(here / "a", blocks)
    for k in range(11):
        Path(f"a/emb_{k}.ids.txt").write_text(f"s{k}a\ns{k}b\n")
    ids = [f"s{k}{half}" for k in range(11) for half in "ab"]
    found = fuse("concat", {"x": "a"})
    assert list(found.ids) == ids
    assert np.array_equal(found.matrix, np.vstack(blocks))
    assert found.summary.inputs[0].ids == "emb_0.ids.txt (sidecar) and 10 more"
    assert len(found.summary.notes) == 1  # what is used is not skipped
    assert list(fuse("concat", {"x": "a"}, sidecar=False).ids) == list(range(22))


def test_ids_in_a_folder_of_their_own(one, here):
    (here / "m").mkdir()
    for k in range(12):
        pd.DataFrame({"id": ["x", "y"], "name": [f"{k}x", f"{k}y"]}).to_parquet(f"m/m_{k}.parquet")
    for spec in ("m/:name", "m/m_*.parquet:name"):
        found = fuse("concat", {"x": "a"}, ids=spec)
        assert list(found.ids) == [f"{k}{half}" for k in range(12) for half in "xy"]
    written = fuse("concat", {"x": "a"}, "o.npy", ids="m/:name")
    assert "m/m_11.parquet" in written.summary.reads
    os.unlink("m/m_3.parquet")
    with pytest.raises(AlignmentError, match="22 ids for 24 rows"):
        fuse("concat", {"x": "a"}, ids="m/:name")


def test_ids_for_all_shards_in_one_file(one, here):
    Path("all.txt").write_text("".join(f"r{k}\n" for k in range(24)))
    found = fuse("concat", {"x": "a"}, ids="all.txt")
    assert list(found.ids) == [f"r{k}" for k in range(24)]


def test_parquet_shards_with_ids_join_in_any_order(here):
    x = RNG.normal(size=(60, 4)).astype(np.float32)
    ids = [f"s{k}" for k in range(60)]
    for k in range(12):
        write_parquet(here / f"p/part-{k}.parquet", ids[5 * k : 5 * k + 5], x[5 * k : 5 * k + 5])
    order = RNG.permutation(60)[:40]
    y = RNG.normal(size=(40, 2)).astype(np.float32)
    write_parquet(here / "y.parquet", [ids[k] for k in order], y)
    for memory in (512 << 20, 17 << 20):  # picked in memory, and in a temporary file
        found = fuse("concat", {"y": "y.parquet", "x": "p"}, memory=memory, normalize="zscore")
        picked = np.hstack([y, x[order]]).astype(np.float64)
        expected = (picked - picked.mean(axis=0)) / picked.std(axis=0)
        np.testing.assert_allclose(found.matrix, expected, rtol=1e-5, atol=1e-5)
        assert list(found.ids) == [ids[k] for k in order]


@pytest.mark.parametrize(
    ("layout", "memory", "way"),
    [
        (np.ascontiguousarray, 512 << 20, "gather"),
        (np.asfortranarray, 512 << 20, "memory"),
        (np.asfortranarray, 17 << 20, "partitioned"),
    ],
    ids=["gather", "memory", "partitioned"],
)
def test_the_ways_agree(here, layout, memory, way):
    x = RNG.normal(size=(40_000, 64)).astype(np.float32)  # 10 MB
    write_npy(here / "a", list(map(layout, np.array_split(x, 7))))
    order = RNG.permutation(len(x))
    Path("ids.txt").write_text("".join(f"{k}\n" for k in order))
    y = RNG.normal(size=(len(x), 1)).astype(np.float32)
    np.save("y.npy", y)
    ids = {"y": "ids.txt", "x": np.arange(len(x))}
    found = fuse("concat", {"y": "y.npy", "x": "a"}, ids=ids, memory=memory)
    assert found.summary.inputs[1].way == way
    assert np.array_equal(found.matrix, np.hstack([y, x[order]]))


@given(
    st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from(["<f2", ">f4", "<f8", "|i1", "<u2", "|b1"])),
        min_size=1,
        max_size=6,
    )
)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_dtypes_are_promoted(tmp_path_factory, shapes):
    folder = tmp_path_factory.mktemp("s")
    blocks = [RNG.integers(0, 2, (rows, 2)).astype(dtype) for rows, dtype in shapes]
    write_npy(folder, blocks)
    found = fuse("concat", {"x": folder}, dtype="float64")
    assert np.array_equal(found.matrix, np.vstack([b.astype(np.float64) for b in blocks]))
    dtypes = {b.dtype for b in blocks}
    expected = np.result_type(*dtypes) if len(dtypes) > 1 else dtypes.pop()
    assert found.summary.inputs[0].dtype == str(expected.newbyteorder("="))


def test_the_clip_retrieval_folder(here):
    image, text = blocks_of(12, 4), blocks_of(12, 3)
    write_npy(here / "out/img_emb", image, "img_emb_{}.npy")
    write_npy(here / "out/text_emb", text, "text_emb_{}.npy")
    (here / "out/metadata").mkdir()
    for k in range(12):
        table = {"caption": ["same", "same"], "image_path": [f"{k}/a.jpg", f"{k}/b.jpg"]}
        pd.DataFrame(table).to_parquet(f"out/metadata/metadata_{k}.parquet")
    found = fuse("concat", ["out/img_emb/", "out/text_emb/"])
    assert np.array_equal(found.matrix, np.hstack([np.vstack(image), np.vstack(text)]))
    assert list(found.ids) == [f"{k}/{half}.jpg" for k in range(12) for half in "ab"]
    assert found.summary.inputs[0].ids == "metadata_0.parquet (sidecar) and 11 more"
    lone = fuse("concat", ["out/text_emb/text_emb_7.npy"])
    assert list(lone.ids) == ["7/a.jpg", "7/b.jpg"]
    pd.DataFrame({"key": ["only"]}).to_parquet("out/metadata/metadata_3.parquet")
    with pytest.raises(AlignmentError, match="1 ids for 2 rows") as raised:
        fuse("concat", ["out/img_emb/", "out/text_emb/"])
    assert raised.value.where == "img_emb=out/img_emb/img_emb_3.npy"


def refused(kind: type[Exception], match: str, value: object) -> Exception:
    with pytest.raises(kind, match=match) as raised:
        fuse("concat", {"x": value})
    return raised.value


def test_errors_name_the_shard(here):
    write_npy(here / "a", [*blocks_of(3, 3), *blocks_of(1, 4)])
    error = refused(InputError, "it has 4 columns, and emb_0.npy has 3", "a")
    assert error.where == "x=a/emb_3.npy"
    write_npy(here / "b", blocks_of(3))
    Path("b/emb_1.ids.txt").write_text("p\nq\n")
    error = refused(AlignmentError, "has no row ids, but emb_1.npy has", "b")
    assert error.where == "x=b/emb_0.npy"
    pd.DataFrame({"id": [1], "u": [0.5]}).to_csv("c0.csv", index=False)
    pd.DataFrame({"id": [2], "v": [0.5]}).to_csv("c1.csv", index=False)
    error = refused(InputError, "a column 'v' where c0.csv has 'u'", "c*.csv")
    assert error.where == "x=c1.csv"
    Path("b/emb_2.npy").write_bytes(b"")
    assert refused(InputError, "the file is empty", "b").where == "x=b/emb_2.npy"


def test_errors_of_the_folder(here):
    write_npy(here / "two", blocks_of(2))
    pd.DataFrame({"v": [0.5]}).to_csv("two/labels.csv", index=False)
    error = refused(InputError, "files of several formats: emb_0.npy, labels.csv", "two")
    assert "two/*.npy" in error.hint
    assert fuse("concat", {"x": "two/*.npy"}).matrix.shape == (4, 3)
    Path("two/labels.csv").rename("two/notes.txt")
    refused(InputError, "files of several formats", "two")
    Path("none").mkdir()
    assert refused(InputError, "no file of features.*empty", "none").where == "x=none"
    Path("odd").mkdir()
    Path("odd/x.bin").write_text("x")
    refused(InputError, "cannot tell the format of x.bin", "odd")
    refused(InputError, "no file matches this pattern", "two/*.parquet")
    refused(UsageError, "standard input cannot be one of several", ["two/emb_0.npy", "-"])
    assert refused(InputError, "empty", ["two/emb_0.npy", "none"]).where == "none"


def test_files_without_a_suffix_have_a_format_that_is_named(here):
    blocks = blocks_of(3)
    write_npy(here / "a", blocks)
    for k in range(3):
        Path(f"a/emb_{k}.npy").rename(f"a/emb_{k}")
    for form in ("npy", {"x": "npy"}):
        assert np.array_equal(
            fuse("concat", {"x": "a"}, input_format=form).matrix, np.vstack(blocks)
        )


@pytest.mark.parametrize("change", ["longer", "touched", "gone"])
def test_a_shard_that_changes_is_noticed(one, change):
    def progress(*_: object) -> None:
        path = Path("a/emb_11.npy")
        if change == "gone":
            path.unlink(missing_ok=True)
        elif change == "longer":
            np.save(path, np.zeros((9, 3), np.float32))
        else:
            os.utime(path, ns=(1, 1))

    with pytest.raises(InputError, match="the file changed while it was read") as raised:
        fuse("concat", {"x": "a", "y": "b.npy"}, normalize="zscore", progress=progress, threads=1)
    assert raised.value.where == "x=a/emb_11.npy"


def test_inspect_looks_at_all_shards(one):
    (profile,) = inspect(["x=a"])
    assert (profile.rows, profile.columns, profile.file) == (24, 3, "a")
    np.testing.assert_allclose(profile.norms[4], np.linalg.norm(one, axis=1).max())


def test_the_command_line_reads_writes_and_depends(one, mmfuse):
    done = mmfuse("concat", "a/", "b.npy", "-o", "o.parquet", "--depfile", "o.d")
    assert done.code == 0, done.err
    table = pq.read_table("o.parquet")
    assert np.array_equal(np.stack(table["embedding"].to_numpy()), np.hstack([one, one]))
    record = json.loads(table.schema.metadata[b"mmfuse"])
    assert [item["file"] for item in record["inputs"]] == ["a", "b.npy"]
    shards = [f"a/emb_{k}.npy" for k in range(12)]
    assert Path("o.d").read_text() == f"o.parquet: {' '.join(shards)} b.npy\n"
    for how in (["-o", "a/emb_4.npy"], ["-o", "o.npy", "--summary", "a/emb_4.npy"]):
        before = Path("a/emb_4.npy").read_bytes()
        done = mmfuse("concat", "a/", "b.npy", *how)
        assert done.code == 2
        assert "input" in done.err
        assert Path("a/emb_4.npy").read_bytes() == before


@pytest.mark.parametrize("kind", ["npy", "parquet", "csv"])
def test_thousands_of_shards_with_few_open_files(here, kind):
    """Under a limit of 64 open files, and with ids beside or inside every shard."""
    count = {"npy": 2_000, "parquet": 300, "csv": 100}[kind]
    x = RNG.normal(size=(2 * count, 2)).astype(np.float32)
    (here / "s").mkdir()
    for k in range(count):
        ids, part = [f"r{2 * k}", f"r{2 * k + 1}"], x[2 * k : 2 * k + 2]
        if kind == "npy":
            np.save(f"s/s_{k}.npy", part)
            Path(f"s/s_{k}.ids.txt").write_text("\n".join(ids))
        elif kind == "parquet":
            write_parquet(here / f"s/s_{k}.parquet", ids, part)
        else:
            pd.DataFrame(part).assign(id=ids).to_csv(f"s/s_{k}.csv", index=False)
    order = RNG.permutation(2 * count)
    np.save("y.npy", np.arange(2 * count, dtype=np.float32))
    Path("y.ids.txt").write_text("\n".join(f"r{k}" for k in order))
    done = subprocess.run(
        [sys.executable, "-m", "mmfuse", "concat", "y.npy", "s/", "-o", "o.npy", "--threads", "2"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    expected = np.column_stack([np.arange(2 * count, dtype=np.float32), x[order]])
    np.testing.assert_allclose(np.load("o.npy"), expected, rtol=1e-6)


def test_inputs_from_a_list(one, mmfuse, npy):
    text = npy("t.npy", np.arange(48).reshape(24, 2))
    lines = ["# shards in an order of their own", "", "x=a/emb_1.npy", "t.npy", "  x=a/emb_0.npy\r"]
    listed = [f"x=a/emb_{k}.npy" for k in range(2, 12)]
    Path("list.txt").write_text("\n".join([*lines, *listed]))
    expected = np.hstack([one, np.vstack([one[2:4], one[:2], one[4:]]), text])
    given = Path("list.txt").read_bytes()
    for source, how in (("list.txt", {}), ("-", {"input": given})):
        done = mmfuse("concat", "b.npy", "--inputs-from", source, "-o", "o.npy", **how)
        assert done.code == 0, done.err
        assert np.array_equal(np.load("o.npy"), expected)
    assert "note: x: 12 files in the order listed, emb_1.npy to emb_11.npy" in done.err
    done = mmfuse("concat", "--inputs-from", "list.txt", "-o", "p.npy", "--depfile", "p.d")
    assert np.array_equal(np.load("p.npy"), expected[:, 3:])
    assert "list.txt" in Path("p.d").read_text().split()


@pytest.mark.parametrize(
    ("lines", "arguments", "code", "told"),
    [
        ("", [], 3, "error: the file is empty\n  in: list.txt"),
        ("b.npy\0t.npy", [], 3, "error: NUL bytes; it looks like"),
        ("x=b.npy\nt.npy", ["x=t.npy"], 2, "error: two inputs are named 'x'"),
        ("t.npy\na/t.npy", [], 2, "error: two inputs are named 't'"),
        ("nope.npy", [], 3, "error: no such file\n  in: nope=nope.npy"),
        ("b.npy", ["--summary", "list.txt"], 2, "list.txt is an input"),
        ("b.npy", ["--summary", "a/emb_0.npy", "a"], 2, "a/emb_0.npy is an input"),
        ("b.npy", ["-o", "list.txt", "-f", "npy"], 2, "list.txt is one of the inputs"),
    ],
)
def test_lists_that_are_refused(one, call, npy, lines, arguments, code, told):
    npy("t.npy", [[1]])
    Path("list.txt").write_text(lines)
    done = call("concat", "-o", "o.npy", "--inputs-from", "list.txt", *arguments)
    assert (done.code, told in done.err) == (code, True), done.err
    assert Path("list.txt").read_text() == lines


def test_standard_input_is_a_list_or_an_input(one, mmfuse):
    done = mmfuse("concat", "-", "--inputs-from", "-", "-o", "o.npy", input=b"b.npy")
    assert (done.code, "standard input cannot be both a list of inputs" in done.err) == (2, True)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_rows_are_picked_in_place(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("s")
    heights = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    blocks = [RNG.normal(size=(height, 2)).astype(np.float32) for height in heights]
    write_npy(folder, blocks)
    whole = np.vstack(blocks)
    ids = data.draw(st.lists(st.integers(0, len(whole) - 1), unique=True, min_size=1))
    first = (np.zeros((len(ids), 1), np.float32), ids)
    modalities = {"y": first, "x": folder}
    found = fuse("concat", modalities, ids={"x": range(len(whole))})
    assert found.summary.inputs[1].way == "gather"
    assert np.array_equal(found.matrix[:, 1:], whole[ids])
