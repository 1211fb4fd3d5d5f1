"""Where a result goes: which places are refused, what is written there, and by which name."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mmfuse
from mmfuse.errors import MmfuseError, OutputError, UsageError
from mmfuse.files.output import OutputFile
from mmfuse.files.output_folder import OutputFolder
from mmfuse.output import MemorySink, OutputOptions, OutputTarget

X = np.arange(6, dtype=np.float32).reshape(3, 2)
IDS = ["p", "q", "r"]
ONE = {"x": (X, IDS)}


def target(path: str, **how) -> OutputTarget:
    return OutputTarget(path, OutputOptions(**how), dry_run=True)


def refusal(make, *args, **how) -> tuple[type, str, str | None]:
    with pytest.raises(MmfuseError) as caught:
        make(*args, **how)
    return type(caught.value), caught.value.message, caught.value.hint


@pytest.mark.parametrize("path", ["o/", "there", "there/"])
def test_a_folder_is_no_file(here, path):
    os.mkdir("there")
    assert refusal(target, path) == (
        OutputError,
        f"{path} is a folder",
        "name a file in it, or have files of N rows in it with --shard-rows N",
    )
    assert refusal(OutputFile, "there") == (
        OutputError,
        "there is a folder",
        "name a file in it",
    )


def test_what_is_no_file_is_none_to_replace(here):
    os.mkfifo("pipe.npy")
    for path in ("pipe.npy", "/dev/null"):
        assert refusal(target, path, format="npy") == (
            OutputError,
            f"{path} is not a regular file",
            "-o - writes to standard output",
        )


def test_the_format_is_told_by_its_name_or_the_suffix(here):
    assert target("o.npz").format_name == "npz"
    assert target("o.npz", format="csv").format_name == "csv"
    assert target("-").format_name == "csv"
    assert target("-", format="jsonl").format_name == "jsonl"
    kind, message, hint = refusal(target, "o.xyz")
    assert (kind, message) == (UsageError, "cannot tell the format of 'o.xyz' (.xyz)")
    assert hint is not None
    assert hint.startswith("name it with --format: ")


def test_the_layout_is_the_one_of_the_format_unless_told(here):
    assert target("o.parquet").layout == "vector"
    assert target("o.parquet", layout="wide").layout == "wide"
    assert target("o.parquet", named=True).layout == "wide"
    assert target("o.parquet", named=True, layout="vector").layout == "vector"
    assert target("o.csv").layout == target("o.csv", named=True).layout == "wide"
    assert target("o.npy", named=True).layout == "vector"  # which has no names
    for layout, columns in (("vector", ["id", "embedding"]), ("wide", ["id", "x_0", "x_1"])):
        mmfuse.fuse("concat", ONE, "o.parquet", layout=layout)
        assert pq.read_schema("o.parquet").names == columns
    assert refusal(target, "o.npy", layout="wide") == (
        UsageError,
        "this format cannot be written in the layout 'wide'",
        "it is always vector",
    )
    assert refusal(target, "o.parquet", layout="tall")[2] == "it is always vector or wide"


def test_columns_are_written_one_at_a_time_where_pages_are_plain(here):
    wide = {"layout": "wide"}
    assert target("o.parquet", **wide).columnar
    assert target("o.parquet", **wide, compression="none").columnar
    assert not target("o.parquet", **wide, compression="zstd").columnar
    assert not target("o.parquet").columnar
    assert not target("o.csv").columnar


def test_compression_is_refused_where_there_is_none(here):
    assert refusal(target, "o.npy", compression="zstd")[:2] == (
        UsageError,
        "--compression is for Parquet",
    )
    assert target("o.npy", compression="none").format_name == "npy"
    for codec in ("none", "zstd", "snappy", "gzip", "lz4"):
        mmfuse.fuse("concat", ONE, f"{codec}.parquet", compression=codec)
        read = mmfuse.fuse("concat", {"x": f"{codec}.parquet"})
        np.testing.assert_array_equal(read.matrix, X)
        pages = pq.read_metadata(f"{codec}.parquet").row_group(0).column(1).compression
        assert pages == {"none": "UNCOMPRESSED"}.get(codec, codec.upper())
    assert refusal(target, "o.parquet", compression="zip")[:2] == (
        UsageError,
        "--compression is 'zip'; it must be one of none, zstd, snappy, gzip, lz4",
    )


def test_a_plan_makes_no_file(here):
    planned = target("o.npy")
    assert (planned.fd, planned.files, os.listdir()) == (-1, [], [])
    made = OutputTarget("o.npy", OutputOptions())
    assert made.fd >= 0
    made.close()
    assert os.listdir() == []


def test_inputs_are_protected_by_what_they_are_and_not_by_their_names(here):
    Path("in.npy").write_bytes(b"x")
    os.mkdir("folder")
    os.link("in.npy", "same.npy")
    for path in ("in.npy", "same.npy", "./in.npy"):
        assert refusal(target(path).protect, ["in.npy", "missing"]) == (
            UsageError,
            f"{path} is one of the inputs",
            "name another file with -o",
        )
    assert refusal(target("folder/new.npy").protect, ["folder"]) == (
        UsageError,
        "folder/new.npy would be in a folder that is an input",
        "write into another folder",
    )
    target("other.npy").protect(["in.npy", "missing", "folder"])
    target("missing.npy").protect(["missing"])


def test_the_record_is_plain_json_whose_keys_are_sorted(here):
    mmfuse.fuse("concat", {"é": (X, IDS)}, "o.parquet")
    record = pq.read_metadata("o.parquet").metadata[b"mmfuse"].decode()
    assert record == json.dumps(json.loads(record), sort_keys=True, ensure_ascii=False)
    assert '"é"' in record


def notes(output: str, **how) -> list[str]:
    modalities = {"a": (X, IDS), "b": (X, ["q", "r", "s"])}
    return mmfuse.fuse("concat", modalities, output, **how).summary.notes


def test_what_a_format_does_not_keep_is_told(here):
    told = "npy does not keep which rows lack a modality; other formats do"
    assert told in notes("o.npy", join="outer")
    assert not any("does not keep" in note for note in notes("o.npy"))
    assert not any("does not keep" in note for note in notes("o.npz", join="outer"))
    times = mmfuse.TimeOptions(times={"a": [0, 1, 2], "b": [1, 2, 9]}, tolerance="1ms")
    assert "npy does not keep the times; other formats do" in notes("o.npy", time=times)
    both = "npy does not keep the times and which rows lack a modality; other formats do"
    assert both in notes("o.npy", time=times, join="left")


def test_beliefs_that_a_format_does_not_keep_are_told(here):
    for name, text in {
        "a": "id,cat,dog\np,0.9,0.1\nq,0.2,0.8\n",
        "b": "id,cat,dog\nq,0.5,0.5\n",
    }.items():
        Path(f"{name}.csv").write_text(text)
    fuse = mmfuse.fuse("soft-vote", ["a.csv", "b.csv"], "o.npy", join="left")
    assert (
        "npy does not keep the predicted label, how many models a row has and which rows lack "
        "a modality; other formats do" in fuse.summary.notes
    )


def test_columns_are_written_as_rows_are(here):
    """Column by column, where a source has columns and the output takes them."""
    values = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    rows = {"id": [f"r{k}" for k in range(50)], **{f"c{j}": values[:, j] for j in range(3)}}
    pq.write_table(pa.table(rows), "in.parquet", compression="none", use_dictionary=False)
    fused = mmfuse.fuse("concat", {"x": "in.parquet"}, "o.parquet", layout="wide")
    assert [one.way for one in fused.summary.inputs] == ["columns"]
    found = pq.read_table("o.parquet")
    np.testing.assert_array_equal(np.column_stack(found.columns[1:]), values)

    def full(*_):
        raise OSError(28, os.strerror(28))

    with pytest.MonkeyPatch.context() as patch:
        for call in ("write", "pwrite", "pwritev"):
            patch.setattr(os, call, full)
        told = refusal(mmfuse.fuse, "concat", {"x": "in.parquet"}, "p.parquet", layout="wide")
    assert told[:2] == (OutputError, "cannot write p.parquet: No space left on device")


def test_the_layout_may_follow_from_the_input(here):
    planned = target("o.parquet")
    planned.lay_out(OutputOptions(named=True))
    assert (planned.layout, planned.columnar) == ("wide", True)
    assert refusal(target("o.npy").lay_out, OutputOptions(layout="wide"))[0] is UsageError


def test_a_file_is_sent_to_the_disk_while_it_is_written(here, monkeypatch):
    flushed = []
    monkeypatch.setattr("mmfuse.files.flush._FLUSH_BYTES", 1)
    monkeypatch.setattr(os, "fdatasync", lambda fd: flushed.append(os.fstat(fd).st_ino))
    mmfuse.fuse("concat", ONE, "o.npy")
    assert set(flushed) == {os.stat("o.npy").st_ino}


def test_rows_are_kept_in_memory_where_they_belong():
    sink = MemorySink(4, 2, np.dtype(np.float16))
    sink.write(2, X[:2])
    sink.write(0, X[1:])
    np.testing.assert_array_equal(sink.matrix, np.vstack([X[1:], X[:2]]))
    assert sink.matrix.dtype == np.float16


# --- standard output ------------------------------------------------------------------------------


class Terminal(io.TextIOWrapper):
    """What is written to it, as if a person looked at it."""

    def isatty(self) -> bool:
        return True


def to_stdout(monkeypatch, modalities, kind=io.TextIOWrapper, **how) -> bytes:
    """What a run writes to standard output, and that it begins behind what stood there before."""
    with open("out", "w+b") as raw:
        stream = kind(raw, encoding="utf-8")
        stream.write("before\n")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stream)
            told = mmfuse.fuse("concat", modalities, "-", **how).summary.bytes
        stream.flush()
        written = Path("out").read_bytes()
        stream.detach()
    assert written.startswith(b"before\n")
    written = written.removeprefix(b"before\n")
    assert told == len(written) or how["format"] in ("csv", "jsonl")
    return written


@pytest.mark.parametrize("format", ["npy", "parquet", "npz", "csv", "jsonl", "safetensors"])
def test_standard_output_gets_what_a_file_would(here, monkeypatch, format):
    written = to_stdout(monkeypatch, ONE, format=format)
    mmfuse.fuse("concat", ONE, "file", format=format)
    assert written == Path("file").read_bytes()
    assert sorted(os.listdir()) == sorted({"out", "file", *(["file.ids.txt"] * (format == "npy"))})


def test_a_terminal_gets_text_without_what_it_would_obey(here, monkeypatch):
    bad = {"x": (X[:2], ["a\x1b[2Jb", "c  d\te"])}
    assert b"\x1b" in to_stdout(monkeypatch, bad, format="csv")
    seen = to_stdout(monkeypatch, bad, Terminal, format="csv").decode()
    assert "\x1b" not in seen
    assert [line.count(",") for line in seen.splitlines()] == [2, 2, 2]
    assert seen.splitlines()[2] == "c  d\te,2,3"
    assert seen.splitlines()[1].startswith("a\\x1b[2Jb,")


def test_a_terminal_gets_nothing_binary(here, monkeypatch):
    for format in ("npy", "parquet"):
        with pytest.raises(UsageError) as caught:
            to_stdout(monkeypatch, ONE, Terminal, format=format)
        assert caught.value.message == "binary data would go to the terminal"
        assert caught.value.hint == "name a file with -o"


@pytest.mark.parametrize("format", ["csv", "npy"])
def test_standard_output_that_is_full_is_named(here, monkeypatch, format):
    full = io.TextIOWrapper(open("/dev/full", "wb"), encoding="utf-8")  # noqa: SIM115
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        told = refusal(mmfuse.fuse, "concat", ONE, "-", format=format)
    with suppress(OSError):  # it still holds what it could not write
        full.close()
    assert told[:2] == (OutputError, "cannot write standard output: No space left on device")


# --- errors of the system, and what appears -------------------------------------------------------


@pytest.mark.parametrize("layout", ["vector", "wide"])
def test_an_error_while_rows_are_written_names_the_output(here, monkeypatch, layout):
    def full(*_):
        raise OSError(28, os.strerror(28))

    for call in ("write", "pwrite", "pwritev"):
        monkeypatch.setattr(os, call, full)
    kind, message, hint = refusal(mmfuse.fuse, "concat", ONE, "o.parquet", layout=layout)
    assert (kind, message) == (OutputError, "cannot write o.parquet: No space left on device")
    assert hint == "free some space or write elsewhere; what was there before is intact"
    assert os.listdir() == []


def test_the_bytes_are_those_of_the_file(here):
    for name in ("o.npy", "o.parquet", "o.csv"):
        assert mmfuse.fuse("concat", ONE, name).summary.bytes == os.path.getsize(name)
    parts = mmfuse.fuse("concat", ONE, "o/", format="npy", shard_rows=2).summary.bytes
    assert parts == sum(path.stat().st_size for path in Path("o").iterdir())


# --- a folder -------------------------------------------------------------------------------------


def test_a_folder_that_stays_empty_is_gone_again(here):
    with OutputFolder("o"):
        assert os.path.isdir("o")
    assert os.listdir() == []
    with OutputFolder("o") as folder:
        Path(folder.file("z")).write_bytes(b"z")
    assert os.listdir("o") == ["z"]
    os.unlink("o/z")
    with OutputFolder("o"):  # it was there before
        pass
    assert os.listdir() == ["o"]


def test_a_folder_that_is_only_planned_is_not_made(here):
    with OutputFolder("o", dry_run=True) as folder:
        assert folder.file("z") == os.path.join("o", "z")
        assert os.listdir() == []
    with OutputFolder("o") as folder, OutputFolder("o"):
        assert folder.path == "o"
    assert os.listdir() == []


def test_a_folder_whose_name_cannot_be_flushed_is_not_left(here, monkeypatch):
    def broken(_):
        raise OSError(5, os.strerror(5))

    monkeypatch.setattr(os, "fsync", broken)
    assert refusal(OutputFolder, "o")[:2] == (
        OutputError,
        "cannot write o: Input/output error",
    )
    assert os.listdir() == []


def test_what_is_no_folder(here):
    Path("z").write_bytes(b"z")
    os.symlink("nowhere", "link")
    assert refusal(OutputFolder, "-") == (
        UsageError,
        "several files cannot go to standard output",
        "name a folder",
    )
    for path in ("z", "link"):
        assert refusal(OutputFolder, path) == (
            OutputError,
            f"{path} is not a folder",
            "name a folder, or a new one",
        )
    assert refusal(OutputFolder, "no/o") == (
        OutputError,
        "cannot write no/o: No such file or directory",
        "make the folder first",
    )
    with OutputFolder("o") as folder:
        for name in ("a/b", "a\0b"):
            assert refusal(folder.file, name)[:2] == (
                UsageError,
                f"an input is named {name!r}, and files are named like inputs",
            )
