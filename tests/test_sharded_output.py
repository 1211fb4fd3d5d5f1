"""Results in several files of a folder."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfuse import fuse
from mmfuse.core.ids import IntegerIds
from mmfuse.core.registry import FORMATS
from mmfuse.errors import InputError, OutputError, UsageError
from mmfuse.files.formats import Table, by_name
from mmfuse.files.output import OutputFile, commit_all
from mmfuse.output import OutputOptions
from mmfuse.sharded_output import ShardedSink, output_target

RNG = np.random.default_rng(13)


def bytes_of(folder: Path | str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


@pytest.fixture
def x(npy) -> np.ndarray:
    array = npy("x.npy", RNG.normal(size=(25, 3)))
    Path("x.ids.txt").write_text("".join(f"s{k}\n" for k in range(25)))
    return array


@pytest.mark.parametrize("format", FORMATS.modules)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_what_is_written_is_read_back(format, data, tmp_path_factory):
    rows = data.draw(st.integers(1, 40))
    each = data.draw(st.integers(1, 45))
    text = data.draw(st.booleans())
    threads = data.draw(st.sampled_from([1, 2, 5]))
    x = RNG.normal(size=(rows, 2)).astype(np.float32)
    ids = [f"s{k}" if text else k + 5 for k in range(rows)]
    folder = tmp_path_factory.mktemp("o")
    fuse(
        "concat", {"x": (x, ids)}, f"{folder}/out/", format=format, shard_rows=each, threads=threads
    )
    suffix = by_name(format).suffixes[0]
    parts = sorted(path for path in folder.glob("out/*") if path.name.endswith(suffix))
    assert [path.name for path in parts] == [
        f"part-{k:05d}{suffix}" for k in range(-(-rows // each))
    ]
    found = fuse("concat", {"x": folder / "out"})
    assert np.array_equal(found.matrix, x)
    assert list(found.ids) == ids
    for k, path in enumerate(parts):  # and each is a file of its own
        own = fuse("concat", {"x": path})
        assert np.array_equal(own.matrix, x[each * k : each * (k + 1)])
        assert list(own.ids) == ids[each * k : each * (k + 1)]


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"layout": "wide"},
        {"compression": "zstd"},
        {"format": "npy"},
        {"format": "csv"},
    ],
    ids=str,
)
def test_the_same_bytes_for_any_threads(here, how):
    x = RNG.normal(size=(9_000, 300)).astype(np.float32)  # some blocks of many tiles
    for threads, memory in ((1, 512 << 20), (2, 512 << 20), (3, 160 << 20)):
        fuse(
            "concat", {"x": x}, f"o{threads}/", shard_rows=1_234,
            threads=threads, memory=memory, **how,
        )  # fmt: skip
    assert len([name for name in os.listdir("o1") if not name.endswith(".txt")]) == 8
    assert bytes_of("o1") == bytes_of("o2") == bytes_of("o3")


def test_one_part_is_the_file_itself(x):
    fuse("concat", ["x.npy"], "o/", shard_rows=25)
    fuse("concat", ["x.npy"], "o.parquet")
    assert bytes_of("o") == {"part-00000.parquet": Path("o.parquet").read_bytes()}


def test_rows_that_lack_a_modality_are_flagged_in_every_part(here):
    a, b = np.ones((4, 1), np.float32), np.full((4, 1), 2, np.float32)
    modalities = {"a": (a, list("pqrs")), "b": (b, list("rstu"))}
    fuse("concat", modalities, "o/", join="outer", shard_rows=4)
    table = ds.dataset("o", format="parquet").to_table().to_pandas()
    assert list(table["id"]) == list("pqrstu")
    assert list(table["present_a"]) == [True] * 4 + [False] * 2
    assert list(table["present_b"]) == [False] * 2 + [True] * 4


def test_another_run_replaces_the_parts_and_removes_those_beyond(x, mmfuse):
    done = mmfuse("concat", "x.npy", "-o", "o/", "--shard-rows", "4", "-f", "npy")
    assert done.code == 0, done.err
    assert len(os.listdir("o")) == 14
    assert "concat -> o/   25 x 3 float32" in done.err
    done = mmfuse("concat", "x.npy", "-o", "o", "--shard-rows", "10")
    assert sorted(os.listdir("o")) == [f"part-{k:05d}.parquet" for k in range(3)]
    found = pd.concat([pd.read_parquet(f"o/part-{k:05d}.parquet") for k in range(3)])
    assert np.array_equal(np.stack(found["embedding"]), x)
    assert list(found["id"]) == [f"s{k}" for k in range(25)]


@pytest.mark.parametrize("format", ["npy", "csv", "parquet"])
def test_rows_come_in_pieces_of_any_size(here, format):
    os.mkdir("o")
    x, ids = RNG.normal(size=(20, 2)).astype(np.float32), IntegerIds(np.arange(20))
    layout = by_name(format).layouts[0]
    flags = {"present_a": np.arange(20) % 3 > 0}
    table = Table("o/", ids, ("f", "g"), x.dtype, layout, "{}", flags=flags)
    with ExitStack() as opened:
        files = []

        def create(path, key=False):
            files.append(opened.enter_context(OutputFile(path, key=key)))
            return files[-1]

        sink = ShardedSink("o", table, 6, by_name(format), create)
        assert sink.positional == (format != "csv")
        for start, stop in pairwise([0, 4, 5, 13, 14, 20]):
            sink.write(start, x[start:stop])
        assert all(file.fd == -1 for file in files)  # those that are complete are closed
        # without its ids no part is read
        assert [f.path for f in files if f.key] == [f.path for f in files if ".ids." in f.path]
        commit_all(files)
    assert sink.bytes == sum(map(len, bytes_of("o").values()))
    found = fuse("concat", {"x": "o/"})
    np.testing.assert_array_equal(found.matrix, x)
    assert list(found.ids) == list(range(20))
    if format == "csv":
        told = pd.concat(pd.read_csv(path) for path in sorted(Path("o").iterdir()))
        assert told["present_a"].tolist() == flags["present_a"].tolist()


@pytest.mark.parametrize("format", ["parquet", "npy"])
def test_parts_beyond_the_new_ones_are_removed(x, format):
    fuse("concat", ["x.npy"], "o/", shard_rows=3, format=format)
    Path("o/.hidden").write_text("mine")
    fuse("concat", ["x.npy"], "o", shard_rows=10)
    names = [f"part-{k:05d}.parquet" for k in range(3)]
    assert sorted(os.listdir("o")) == [".hidden", *names]
    assert np.array_equal(fuse("concat", {"x": "o"}).matrix, x)


def test_the_part_that_cannot_be_written_is_named(x, monkeypatch):
    def full(*_):
        raise OSError(28, os.strerror(28))

    for one in ("write", "pwrite", "pwritev"):
        monkeypatch.setattr(os, one, full)
    with pytest.raises(OutputError, match=r"^cannot write o/part-00000\.parquet: No space left"):
        fuse("concat", ["x.npy"], "o/", shard_rows=3)
    with pytest.raises(OutputError, match=r"^cannot write o/part-00000\.(npy|ids\.txt): No space"):
        fuse("concat", ["x.npy"], "o/", shard_rows=3, format="npy")
    assert not os.path.exists("o")


def test_what_the_system_forbids_is_told_of_the_name(x, monkeypatch):
    fuse("concat", ["x.npy"], "o/", shard_rows=10)
    before = bytes_of("o")

    def forbidden(*_):
        raise PermissionError(1, os.strerror(1))

    for call, told in (("rename", "o/part-00001.parquet"), ("listdir", "o/")):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, forbidden)
            with pytest.raises(OutputError, match=f"^cannot write {told}: Operation not"):
                fuse("concat", ["x.npy"], "o/", shard_rows=25)
        assert bytes_of("o") == before


def test_what_a_folder_is_to_be_is_told_before_it_is_made(here):
    wide = OutputOptions(shard_rows=3, layout="wide")
    planned = output_target("o/", wide, dry_run=True)
    assert (planned.columnar, planned.fd, planned.format_name) == (False, -1, "parquet")
    assert not os.path.exists("o")
    made = output_target("o/", wide)
    assert os.path.isdir("o")
    made.close()
    assert not os.path.exists("o")
    os.mkdir("o")
    for name in "dcba":
        Path("o", name).write_text("mine")
    with pytest.raises(OutputError) as caught:
        output_target("o/", wide)
    assert caught.value.message == "o/ holds what is no part of a result: a, b, c"
    assert caught.value.hint == "write into a folder of its own"


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("format", ["parquet", "npy"])
def test_a_run_that_fails_leaves_everything(x, format, there):
    before = {}
    if there:
        fuse("concat", ["x.npy"], "o/", shard_rows=3, format=format)
        before = bytes_of("o")
    bad = x.copy()
    bad[24, 2] = np.nan
    np.save("bad.npy", bad)
    with pytest.raises(InputError, match=r"not finite|NaN"):
        fuse("concat", ["bad.npy"], "o/", shard_rows=1, format=format)
    assert (bytes_of("o") if there else os.path.exists("o")) == (before if there else False)


def test_a_dry_run_makes_no_folder(x):
    assert fuse("concat", ["x.npy"], "o/", shard_rows=3, dry_run=True).summary.output == "o/"
    assert not os.path.exists("o")


@pytest.mark.parametrize("name", ["notes.txt", "_SUCCESS", "part-1.parquet", "part-00000.parquet/"])
def test_a_folder_with_other_files_is_refused(x, name):
    Path("o").mkdir()
    Path("o", name).mkdir() if name.endswith("/") else Path("o", name).write_text("mine")
    Path("o/.hidden").write_text("mine")
    with pytest.raises(OutputError, match=f"holds what is no part of a result: {name[:6]}"):
        fuse("concat", ["x.npy"], "o/", shard_rows=3)
    assert sorted(os.listdir("o")) == [".hidden", name.rstrip("/")]


def test_places_that_are_refused(x, call):
    for output, code, told in (
        ("-", 2, "--shard-rows writes into a folder\nhint: -o FOLDER/"),
        ("o.parquet", 2, "--shard-rows writes into a folder\nhint: -o o.parquet/"),
        ("no/o/", 5, "cannot write no/o/: No such file or directory"),
        ("x.npy/", 5, "x.npy/ is not a folder"),
    ):
        done = call("concat", "x.npy", "-o", output, "--shard-rows", "3")
        assert (done.code, told in done.err) == (code, True), done.err
    done = call("concat", "x.npy", "-o", "o/")
    assert (done.code, "--shard-rows N" in done.err) == (5, True)
    assert call("concat", "x.npy", "-o", "o/", "--shard-rows", "0").code == 2
    with pytest.raises(UsageError, match="--shard-rows is 0"):
        fuse("concat", ["x.npy"], "o/", shard_rows=0)
    assert sorted(os.listdir()) == ["x.ids.txt", "x.npy"]


def test_no_clobber_keeps_parts(x):
    fuse("concat", ["x.npy"], "o/", shard_rows=3, clobber=False)
    with pytest.raises(OutputError, match=r"o/ holds part-00000\.parquet, and --no-clobber keeps"):
        fuse("concat", ["x.npy"], "o/", shard_rows=3, clobber=False)


def test_no_input_is_harmed(x):
    fuse("concat", ["x.npy"], "o/", shard_rows=3)
    before = bytes_of("o")
    for modality in ("o", "o/part-00008.parquet"):  # replaced, or removed as beyond the last
        with pytest.raises(UsageError, match="is one of the inputs"):
            fuse("concat", [modality], "o/", shard_rows=30)
    os.link("o/part-00007.parquet", "other.parquet")
    with pytest.raises(UsageError, match=r"o/part-00007\.parquet is one of the inputs"):
        fuse("concat", ["other.parquet"], "o/", shard_rows=30)
    assert bytes_of("o") == before


@pytest.mark.parametrize("format", ["parquet", "npy", "csv"])
def test_many_parts_with_few_open_files(here, format):
    x = RNG.normal(size=(900, 2)).astype(np.float32)
    np.save("x.npy", x)
    command = ["concat", "x.npy", "-o", "o/", "--shard-rows", "1", "-f", format, "--threads", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "mmfuse", *command],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert np.array_equal(fuse("concat", {"x": "o"}).matrix, x)
