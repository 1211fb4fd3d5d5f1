"""Bad inputs, each with the sentence that it is answered by; others stand with their topics."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mmfuse
from mmfuse.core.source import Source
from mmfuse.core.stream import StreamReader
from mmfuse.errors import (
    AlignmentError,
    InputError,
    MmfuseError,
    OutputError,
    ResourceError,
    UsageError,
)
from mmfuse.files import parquet_source, zip_members
from mmfuse.files.inputs import open_input

X = np.ones((3, 2), np.float32)
NPY = b"\x93NUMPY" + bytes(40)


@dataclass
class Bad:
    """What is done, and what comes of it."""

    kind: type[MmfuseError]
    told: str
    act: Callable[[], Any]


def looked_at(name: str, content: Any, **how: Any) -> Callable[[], Any]:
    """Looking at a file of bytes, or of what a function writes into it."""

    def act() -> Any:
        path = name.partition(":")[0]
        if callable(content):
            content(path)
        else:
            Path(path).write_bytes(content)
        return mmfuse.inspect([f"m={name}"], **how)

    return act


def with_ids(name: str, content: bytes | Callable[[str], Any]) -> Callable[[], Any]:
    """Looking at an array with the ids of this file."""
    np_save = looked_at("m.npy", lambda path: np.save(path, X), ids=name)

    def act() -> Any:
        path = name.partition(":")[0]
        if callable(content):
            content(path)
        else:
            Path(path).write_bytes(content)
        return np_save()

    return act


def labelled(content: str | Any, **how: Any) -> Callable[[], Any]:
    """Training on labels."""

    def act() -> Any:
        labels = content
        if isinstance(content, str):
            Path("y.csv").write_text(content)
            labels = "y.csv"
        return mmfuse.train({"a": np.eye(4)}, labels, folds=0, by="position", **how)

    return act


def npz(**arrays: Any) -> Callable[[str], None]:
    return lambda path: np.savez(path, **arrays)


def table(*columns: tuple[str, Any]) -> pa.Table:
    return pa.table([values for _, values in columns], names=[name for name, _ in columns])


def parquet(*columns: tuple[str, Any]) -> Callable[[str], None]:
    return lambda path: pq.write_table(table(*columns), path)


def tensors(entries: str, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(entries)) + entries.encode() + data


def entry(**changed: Any) -> str:
    own = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **changed}
    return json.dumps({"x": {name: value for name, value in own.items() if value is not None}})


def npy(descr: str, shape: tuple[int, ...], data: bytes = b"") -> bytes:
    out = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue() + data


def small_zip(claimed: int) -> bytes:
    """An archive whose directory claims that its array has so many bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", npy("<f4", ((claimed - 128) // 4, 1), bytes(40)))
    data = bytearray(out.getvalue())
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", claimed)
    return bytes(data)


def long_zip() -> bytes:
    """An archive with an array that goes on behind its last value."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", npy("<f4", (1, 1), bytes(40)))
    return out.getvalue()


def samples(*arrays: Any) -> None:
    os.mkdir("s")
    for k, array in enumerate(arrays):
        np.save(f"s/{k}.npy", array)


def in_samples(*arrays: Any, **how: Any) -> Callable[[], Any]:
    def act() -> Any:
        samples(*arrays)
        return mmfuse.inspect(["s/"], **how)

    return act


def name_not_utf8() -> Any:
    samples(X[0])
    os.rename(b"s/0.npy", b"s/\xff.npy")
    return mmfuse.inspect(["s/"])


def written(name: str, ids: list[str]) -> Callable[[], Any]:
    return lambda: mmfuse.fuse("concat", {"a": (X[: len(ids)], ids)}, name)


def classes_ending_with_nul() -> Any:
    pq.write_table(table(("id", ["1", "2"]), ("label", ["u\0", "v"])), "y.parquet")
    votes = ["a=y.parquet", "b=y.parquet"]
    return mmfuse.fuse("hard-vote", votes, "out.npz", input_format="labels")


def no_column_of_labels() -> Any:
    pq.write_table(table(("id", [0, 1, 2, 3]), ("height", [1.5, 2.5, 3.5, 4.5])), "y.parquet")
    return mmfuse.train({"a": np.eye(4)}, "y.parquet", folds=0, task="regression")


class Short(Source):
    """A source that has two rows, and says that it has three."""

    def blocks(self) -> Any:
        yield X[:2]


def short() -> Short:
    return Short(
        name="a", label="a=a", columns=("0", "1"), rows=3, dtype=X.dtype, ids=None, id_source=""
    )


def read_short() -> None:
    reader = StreamReader(short(), np.arange(3))
    try:
        reader.read(np.arange(3), np.empty((3, 2), np.float32))
    finally:
        reader.close()


FILES = {
    "arrays named": Bad(
        InputError,
        "a modality is one array of this file, and several were named",
        looked_at("m.npz", npz(x=X, y=X), column={"m": ["x", "y"]}),
    ),
    "no numbers": Bad(
        InputError,
        "no array of numbers; the file has 'note' (1,) <U1",
        looked_at("m.npz", npz(note=np.array(["a"]))),
    ),
    "no such array": Bad(
        InputError,
        "no array 'y'; the file has 'x' (3, 2) float32",
        looked_at("m.npz:y", npz(x=X)),
    ),
    "empty vectors": Bad(
        InputError,
        "the vectors of column 'embedding' are empty",
        looked_at("m.parquet", parquet(("embedding", pa.array([[], []], pa.list_(pa.float32()))))),
    ),
    "two columns of a name": Bad(
        InputError,
        "two columns are named 'x'",
        looked_at("m.parquet", parquet(("x", [1.0]), ("x", [2.0]))),
    ),
    "integers and nulls": Bad(
        InputError,
        "vectors of integers hold nulls",
        lambda: mmfuse.fuse(
            "concat", {"a": pa.table({"embedding": pa.array([[1, 2], [3, None]])})}
        ),
    ),
    "long double": Bad(
        InputError,
        "features have at most 64 bits",
        looked_at("m.npy", lambda path: np.save(path, np.ones((2, 2), np.longdouble))),
    ),
    "text only": Bad(
        InputError,
        "no numeric column to take as a feature",
        looked_at("m.csv", b"id,name\n1,a\n"),
    ),
    "vectors": Bad(
        InputError,
        "several vector columns: 'u', 'v'",
        looked_at("m.parquet", parquet(("u", [[1.0]]), ("v", [[2.0]]))),
    ),
    "NUL in ids": Bad(
        InputError, "NUL bytes; this is not UTF-8 text", with_ids("i.txt", b"a\0\nb\nc\n")
    ),
    "JSON that is no list": Bad(
        InputError, "not a JSON list of ids", with_ids("i.json", b'{"a": 1}')
    ),
    "a column of lines": Bad(
        InputError, "this file has no columns, so no 'c'", with_ids("i.txt:c", b"a\nb\nc\n")
    ),
    "ids that are not UTF-8": Bad(
        InputError, "not valid UTF-8: invalid start byte", with_ids("i.txt", b"a\n\xff\nc\n")
    ),
    "ids of no characters": Bad(
        InputError,
        "the values are damaged: text of codes that are no characters",
        with_ids("i.npy", lambda path: Path(path).write_bytes(npy("<U1", (3,), b"\xff" * 12))),
    ),
    "a column of an array of ids": Bad(
        InputError,
        "a one-dimensional npy file has no columns, so no 'c'",
        with_ids("i.npy:c", lambda path: np.save(path, np.arange(3))),
    ),
    "too few ids": Bad(
        AlignmentError, "2 ids for 3 rows (ids from i.txt)", with_ids("i.txt", b"a\nb\n")
    ),
    "lines of something else": Bad(
        InputError, "not lines of JSON: it looks like an npy file", looked_at("m.jsonl", NPY)
    ),
    "empty lines": Bad(
        InputError, "the file has no lines but empty ones", looked_at("m.jsonl", b"\n \n")
    ),
    "a vector that is none": Bad(
        InputError,
        "line 2: 'embedding' is no list of numbers",
        looked_at("m.jsonl", b'{"embedding": [1]}\n{"embedding": 2}\n'),
    ),
    "two answers": Bad(
        InputError,
        "line 1: the answer holds 2 embeddings for one custom_id; one a request is needed",
        looked_at(
            "m.jsonl",
            b'{"custom_id": "a", "response": {"body": {"data": [{"embedding": [1]}, 2]}}}\n',
        ),
    ),
    "certain models": Bad(
        InputError,
        "models exclude each other: their conflict is 1, and Dempster's rule has no answer",
        lambda: mmfuse.fuse("dempster-shafer", {"a": np.eye(2), "b": np.eye(2)[::-1]}),
    ),
    "too many columns": Bad(
        ResourceError,
        "5,000,000 columns; 4,194,304 are the most",
        looked_at("m.npy", lambda path: np.save(path, np.zeros((1, 5_000_000), np.int8))),
    ),
    "a series": Bad(
        UsageError,
        "a is a pandas Series; give a DataFrame",
        lambda: mmfuse.fuse("concat", {"a": pd.Series([1.0])}),
    ),
    "an index of levels": Bad(
        AlignmentError,
        "the index has several levels; row ids have one",
        lambda: mmfuse.fuse(
            "concat",
            {"a": pd.DataFrame({"x": [1.0]}, index=pd.MultiIndex.from_tuples([("p", "q")]))},
        ),
    ),
    "no name": Bad(
        UsageError,
        "inputs in memory need names: give a mapping of names to modalities",
        lambda: mmfuse.fuse("concat", [X]),
    ),
    "values of no bytes": Bad(
        InputError, "values of dtype <U0 hold nothing", looked_at("m.npy", npy("<U0", (3, 2)))
    ),
    "a column of an array": Bad(
        InputError,
        "this npy file has no named columns",
        looked_at("m.npy", lambda path: np.save(path, X), column={"m": ["x"]}),
    ),
    "a long header": Bad(
        InputError,
        "the header is said to have 100,000,001 bytes; 100,000,000 is the most",
        looked_at("m.safetensors", struct.pack("<Q", 100_000_001) + b"{}"),
    ),
    "a header that is no JSON": Bad(
        InputError,
        "the header is damaged: Expecting property name enclosed in double quotes",
        looked_at("m.safetensors", tensors("{x}")),
    ),
    "metadata": Bad(
        InputError,
        "the header is damaged: __metadata__ is to hold texts only",
        looked_at("m.safetensors", tensors('{"__metadata__":{"a":1}}')),
    ),
    "a tensor without a place": Bad(
        InputError,
        "the header is damaged: tensor 'x'",
        looked_at("m.safetensors", tensors(entry(data_offsets=None))),
    ),
    "a tensor of another length": Bad(
        InputError,
        "the header is damaged: tensor 'x'",
        looked_at("m.safetensors", tensors(entry(shape=[2]), bytes(4))),
    ),
    "a tensor of an unknown dtype": Bad(
        InputError,
        "tensor 'x' is of an unknown dtype 'Q7'",
        looked_at("m.safetensors", tensors(entry(dtype="Q7"), bytes(4))),
    ),
    "a gap": Bad(
        InputError,
        "the header is damaged: tensor 'x' does not follow the others",
        looked_at("m.safetensors", tensors(entry(data_offsets=[4, 8]), bytes(8))),
    ),
    "ids in the metadata": Bad(
        InputError,
        "the metadata hold `ids` that are no JSON list",
        looked_at(
            "m.safetensors",
            tensors(entry(shape=[1, 1])[:-1] + ',"__metadata__":{"ids":"{}"}}', bytes(4)),
        ),
    ),
    "a column of samples": Bad(
        InputError, "these npy files have no named columns", in_samples(X[0], column={"s": ["x"]})
    ),
    "a shard among samples": Bad(
        InputError,
        "an array of shape (3, 2), and 0.npy is one vector, a sample",
        in_samples(X[0], X),
    ),
    "a name that is no text": Bad(
        InputError, "its name is not valid UTF-8, so it is no id", name_not_utf8
    ),
    "a picture": Bad(
        InputError, "not a table of text: it looks like an npy file", looked_at("m.csv", NPY)
    ),
    "no header": Bad(
        InputError,
        "line 1 is empty; the names of the columns should stand there",
        looked_at("m.csv", b"\n1,2\n"),
    ),
    "NUL in the header": Bad(
        InputError, "this is not UTF-8 text", looked_at("m.csv", b"id,x\xff\n1,2\n")
    ),
    "semicolons": Bad(
        InputError,
        "line 1 has one column; the cells seem to be separated by ';', not by ','",
        looked_at("m.csv", b"id;x\n1;2\n"),
    ),
    "an archive too small": Bad(
        InputError,
        "the archive is damaged: ",
        looked_at("m.npz", small_zip(1 << 30)),
    ),
    "a member too short": Bad(
        InputError, "the archive is cut short", looked_at("m.npz", small_zip(4128))
    ),
    "a member too long": Bad(
        InputError,
        "the archive is damaged: an array is longer than its header says",
        looked_at("m.npz", long_zip()),
    ),
    "a shape of a hundred axes": Bad(
        InputError,
        "the npy header is damaged: a shape too long to be told",
        looked_at("m.npy", npy("<f4", (1,) * 100, bytes(4))),
    ),
    "Feather of old": Bad(
        InputError,
        "a Feather file of version 1, which Arrow has given up",
        looked_at("m.feather", b"FEA1" + bytes(40)),
    ),
    "not Arrow": Bad(
        InputError,
        "neither an Arrow file nor a stream: it looks like an npy file",
        looked_at("m.arrow", NPY),
    ),
    "NUL to csv": Bad(
        OutputError, "an id holds NUL, which a text file cannot", written("out.csv", ["a\0b"])
    ),
    "a line break to npy": Bad(
        OutputError,
        "an id holds a line break or NUL, and an npy file's ids are one a line of text",
        written("out.npy", ["a\nb"]),
    ),
    "NUL to npz": Bad(
        OutputError, "an id ends with NUL, which NumPy's text cannot", written("out.npz", ["a\0"])
    ),
    "NUL in a class": Bad(
        OutputError, "the name of a column ends with NUL", classes_ending_with_nul
    ),
    "labels of text": Bad(
        InputError,
        "these are no numbers: could not convert",
        labelled(["a", "b", "c", "d"], task="regression"),
    ),
    "an infinite label": Bad(
        InputError,
        "a number to be predicted is infinite",
        labelled([0.5, np.inf, 1.5, 2.5], task="regression"),
    ),
    "no column of labels": Bad(
        InputError,
        "no column of numbers: none is called ",
        no_column_of_labels,
    ),
    "a class named as a column": Bad(
        InputError,
        "a class is named 'n_models', as a column of the predictions is",
        labelled(["n_models", "b", "b", "n_models"]),
    ),
    "columns of predicted labels": Bad(
        InputError,
        "predicted labels stand in one column",
        lambda: mmfuse.fuse(
            "hard-vote",
            {"a": ["u", "v"], "b": ["u", "v"]},
            input_format="labels",
            column={"a": ["x", "y"]},
        ),
    ),
    "a source that ends": Bad(InputError, "the file ends after 2 of 3 rows", read_short),
    "squares too large": Bad(
        InputError,
        "the features are too large, or vary too little, for their squares to be added up",
        lambda: mmfuse.fuse("pca", {"a": 1e200 * np.eye(3), "b": np.eye(3)}),
    ),
    "no signal": Bad(
        InputError,
        "b has no signal: its rows do not vary",
        lambda: mmfuse.fuse("ajive", {"a": np.eye(5), "b": np.ones((5, 2))}),
    ),
    "too few rows": Bad(
        InputError,
        "snf is asked for 20 neighbours a row, and 5 rows have 4 at most",
        lambda: mmfuse.fuse("snf", {"a": np.eye(5), "b": np.eye(5)}),
    ),
}


@pytest.mark.parametrize("what", FILES)
def test_a_bad_input_is_told(what: str, here: Path) -> None:
    bad = FILES[what]
    with pytest.raises(bad.kind) as raised:
        bad.act()
    assert raised.value.exit_code == bad.kind.exit_code
    assert bad.told in raised.value.message
    assert not [path for path in here.glob("out.*") if path.stat().st_size]


def test_an_array_behind_the_end_of_its_archive(here: Path) -> None:
    """Python's own reader refuses such entries too, but not in every version."""
    np.savez("m.npz", x=X)
    file = open_input("m.npz", "m.npz")
    with zipfile.ZipFile("m.npz") as archive:
        (info,) = archive.infolist()
    info.file_size = file.size
    with pytest.raises(InputError, match="the archive is cut short"):
        zip_members._start(file, info)


@pytest.mark.parametrize("rows", [[3], [9, -4]])
def test_a_footer_of_other_rows_than_its_groups(rows: list[int]) -> None:
    groups = [SimpleNamespace(num_rows=n) for n in rows]
    footer = SimpleNamespace(num_rows=5, num_row_groups=len(rows), row_group=lambda g: groups[g])
    with pytest.raises(InputError, match="the footer is damaged: it contradicts itself about"):
        parquet_source._refuse_odd(footer)


def test_times_that_nanoseconds_cannot_hold(here: Path) -> None:
    times = np.array(["3000-01-01", "3000-01-02"], "datetime64[s]")
    with pytest.raises(AlignmentError, match="leave the years 1678 to 2261, which ns can hold"):
        mmfuse.fuse(
            "concat",
            {"a": X[:2], "b": X[:2]},
            time=mmfuse.TimeOptions(times={"a": times, "b": times}, tolerance=1),
        )


def test_ids_that_no_header_holds(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmfuse.formats.safetensors.HEADER_BYTES", 100)
    with pytest.raises(OutputError, match=r"ids of text take \d+ bytes of header; safetensors has"):
        mmfuse.fuse("concat", {"a": (X, ["a" * 40, "b" * 40, "c"])}, "out.safetensors")
