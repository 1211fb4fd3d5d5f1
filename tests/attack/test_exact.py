"""Ids and numbers on every way from file to file: exact, or refused, or the loss is named."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import mmfuse
from mmfuse.errors import AlignmentError, InputError, MmfuseError

Matrix = NDArray[Any]

INTEGERS = [2**53 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 0, -1, 10**15]
UNSIGNED = [2**64 - 1, 2**64 - 2, 2**63, 2**53 + 1, 1]
TEXTS = [
    *("001", "1", "01", "+1", "1.0", "1e0", " 1", "1 ", "0x1", "\u0661", "-0", "00", "0", "1_0"),
    *("NA", "nan", "NaN", "None", "null", "NULL", "N/A", "#N/A", "n/a", "<NA>", "NaT", "-", "inf"),
    *("1e5", "TRUE", "true", "2024-01-01", "2024-02-30", "9007199254740993", "9007199254740992"),
    *("18446744073709551615", "18446744073709551614", "1e400", "1,5", "a,b", 'q"u', "'", "a;b"),
    *("\u00e9", "e\u0301", "\u212b", "\u00c5", "A\u030a", "\ufb01", "fi", "\u0130", "\u00df"),
    *(" a", "a", "a ", "\ta", "a\t", "a b", "a  b", "\u00a0a", "a\u2028", "a\u0085", "\u3000"),
    *("[1]", "[1, 2]", "[", '{"a":1}', "\ufeffa", "\x01", "\x1b[31m", "\U0001f469\u200d\U0001f467"),
    *("x" * 70_000, "x" * 69_999 + "y", "A"),
]
TABLES = {"integers": INTEGERS, "unsigned": UNSIGNED, "texts": TEXTS}
OUTPUTS = [
    *("o.npy", "o.npz", "o.csv", "o.tsv", "o.parquet", "wide.parquet", "zstd.parquet"),
    *("o.arrow", "o.feather", "wide.feather", "o.jsonl", "o.safetensors"),
]  # fmt: skip


def put(value: Any, folder: Path, output: str) -> Path:
    """One modality as a file in a folder of its own."""
    folder.mkdir(exist_ok=True)
    layout: Any = "wide" if output.startswith("wide") else None
    compression = "zstd" if output.startswith("zstd") else None
    mmfuse.convert({"m": value}, folder / output, layout=layout, compression=compression)
    return folder / output


def features(rows: int) -> Matrix:
    return np.arange(2 * rows, dtype=np.float32).reshape(rows, 2) + np.float32(0.25)


def same(fused: mmfuse.Fused, ids: Sequence[Any], x: Matrix) -> None:
    assert list(fused.ids) == (ids if all(type(i) is int for i in fused.ids) else _texts(ids))
    assert fused.matrix is not None
    assert fused.matrix.tobytes() == x.tobytes()


def _texts(ids: Sequence[Any]) -> list[Any]:
    """Integers stay what they are where all fit into 64 bits."""
    return list(ids) if all(type(i) is int and i < 2**63 for i in ids) else list(map(str, ids))


# --- ids


@pytest.mark.parametrize("table", TABLES)
def test_ids_go_from_every_format_to_others_and_meet_their_like(
    table: str, tmp_path: Path, long: bool
) -> None:
    ids, x = TABLES[table], features(len(TABLES[table]))
    order = np.random.default_rng(0).permutation(len(ids))
    files = {name: put((x, ids), tmp_path / "one", name) for name in OUTPUTS}
    turned = {
        name: put((x[order], [ids[k] for k in order]), tmp_path / "two", name) for name in OUTPUTS
    }
    strides = range(len(OUTPUTS)) if long else (1, 5)
    for stride, (k, name) in product(strides, enumerate(OUTPUTS)):
        other = OUTPUTS[(k + stride) % len(OUTPUTS)]
        again = put(files[name], tmp_path / "again", other)
        same(mmfuse.fuse("concat", [again]), ids, x)
        how = ("inner", "left", "outer")[(k + stride) % 3]
        met = mmfuse.fuse("concat", {"a": files[name], "b": turned[other]}, join=how)  # type: ignore[arg-type]
        same(met, ids, np.hstack([x, x]))


def id_files(ids: Sequence[Any], folder: Path) -> dict[str, Path]:
    """A file of ids of every kind, by what `--ids` calls it."""
    whole = all(type(i) is int for i in ids)
    (folder / "i.txt").write_bytes("".join(f"{i}\n" for i in ids).encode())
    (folder / "i.json").write_text(json.dumps(list(ids)))
    np.save(folder / "i.npy", np.array(ids, None if whole else str))
    table = pa.table({"key": pa.array(ids, pa.uint64() if ids == UNSIGNED else None), "z": ids})
    pq.write_table(table.drop_columns("z"), folder / "i.parquet")
    put((features(len(ids)), ids), folder, "i.csv")
    put((features(len(ids)), ids), folder, "i.jsonl")
    return {"txt": folder / "i.txt", "json": folder / "i.json", "npy": folder / "i.npy"} | {
        "parquet:key": folder / "i.parquet",
        "csv:id": folder / "i.csv",
        "jsonl": folder / "i.jsonl",
    }


@pytest.mark.parametrize("kind", ["txt", "json", "npy", "parquet:key", "csv:id", "jsonl"])
@pytest.mark.parametrize("table", ["integers", "texts"])
def test_ids_of_a_file_of_their_own(table: str, kind: str, tmp_path: Path) -> None:
    ids = TABLES[table]
    x = features(len(ids))
    np.save(tmp_path / "x.npy", x)
    _, colon, column = kind.partition(":")
    spec = f"{id_files(ids, tmp_path)[kind]}{colon}{column}"
    same(mmfuse.fuse("concat", {"x": tmp_path / "x.npy"}, ids={"x": spec}), ids, x)
    if kind in ("txt", "json", "npy"):
        (tmp_path / f"i.{kind}").rename(tmp_path / f"x.ids.{kind}")
        same(mmfuse.fuse("concat", {"x": tmp_path / "x.npy"}), ids, x)


@pytest.mark.parametrize("table", TABLES)
def test_ids_of_aligned_files(table: str, tmp_path: Path) -> None:
    ids, x = TABLES[table], features(len(TABLES[table]))
    turned = (x[::-1], list(reversed(ids)))
    for output in ("o.npy", "o.csv", "o.parquet", "o.jsonl"):
        a, b = put((x, ids), tmp_path / "a", output), put(turned, tmp_path / "b", output)
        folder = tmp_path / f"out {output}"
        mmfuse.align({"a": a, "b": b}, folder)
        for name in "ab":
            (found,) = folder.glob(f"{name}.{output[2:]}")
            same(mmfuse.fuse("concat", [found]), ids, x)


CLASSES: dict[str, list[Any]] = {
    "beyond 2^53": [2**53, 2**53 + 1],
    "ends of int64": [-(2**63), 2**63 - 1],
    "zeros in front": ["001", "1"],
    "like nothing": ["NA", "nan", "null"],
    "like numbers": ["1.0", "1e0"],
    "like truths": ["TRUE", "true"],
    "composed and not": ["\u00e9", "e\u0301"],
    "spaces": [" a", "a"],
}


@pytest.mark.parametrize("output", ["o.csv", "o.parquet", "o.jsonl", "o.npz"])
@pytest.mark.parametrize("name", CLASSES)
def test_labels_are_the_classes_that_are_predicted(name: str, output: str, tmp_path: Path) -> None:
    classes, n = CLASSES[name], 24
    numbers = np.arange(n) % len(classes)
    labels = [classes[k] for k in numbers]
    ids = [str(k) + "\u0301" for k in range(n)]
    if output == "o.npz":  # the labels are an array of their own
        np.savez(tmp_path / output, ids=np.array(ids), label=np.array(labels))
    else:
        table = pa.table({"id": ids, "label": labels}).take(pa.array(range(n)[::-1]))
        rows = table.to_pylist()
        if output == "o.parquet":
            pq.write_table(table, tmp_path / output)
        elif output == "o.jsonl":
            (tmp_path / output).write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            lines = [f"{row['id']},{row['label']}\n" for row in rows]
            (tmp_path / output).write_text("id,label\n" + "".join(lines), "utf-8")
    x = np.random.default_rng(0).normal(size=(n, 2)) + 50 * numbers[:, None]
    spec = f"{tmp_path / output}:label"
    trained = mmfuse.train({"x": (x, ids)}, spec, estimator="lda", folds=0, task="classification")
    assert trained.model is not None
    mmfuse.predict(trained.model, {"x": (x, ids)}, tmp_path / "p.csv")
    found = mmfuse.predict(trained.model, {"x": (x, ids)})
    assert found.labels is not None
    assert list(found.labels) == list(map(str, labels))
    lines = (tmp_path / "p.csv").read_text("utf-8").splitlines()[1:]
    assert [line.rpartition(",")[2] for line in lines] == list(map(str, labels))


@pytest.mark.parametrize(
    ("ids", "other"),
    [
        ([2**53, 5], [2**53 + 1, 5]),
        ([2**64 - 1, 5], [2**64 - 2, 5]),
        (["001", "b"], ["1", "b"]),
        (["\u00e9", "b"], ["e\u0301", "b"]),
        (["a", "b"], [" a", "b"]),
        (["NA", "b"], ["nan", "b"]),
    ],
)
@pytest.mark.parametrize("output", ["o.csv", "o.parquet", "o.npy", "o.jsonl"])
def test_a_lock_tells_ids_apart_that_look_alike(
    ids: list[Any], other: list[Any], output: str, tmp_path: Path
) -> None:
    x = features(2)
    for k, now in enumerate((ids, other)):
        put((x, now), tmp_path / "in", output)
        if k == 0:
            mmfuse.convert(tmp_path / "in" / output, tmp_path / "r.npy", lock=tmp_path / "l")
    mmfuse.convert({"m": (x, other)}, tmp_path / "o.npz", lock=tmp_path / "m")
    with pytest.raises(AlignmentError, match="other ids") as caught:
        mmfuse.convert(tmp_path / "in" / output, tmp_path / "r.npy", lock=tmp_path / "l")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("odd", ["001", " 1", "1.0", "+1"])
def test_integers_beside_text_that_only_looks_like_them(
    odd: str, output: str, tmp_path: Path
) -> None:
    x = features(2)
    texts = put((x, [odd, "two"]), tmp_path / "a", output)
    whole = put((x, [1, 2]), tmp_path / "b", output)
    with pytest.raises(AlignmentError) as caught:
        mmfuse.fuse("concat", {"a": texts, "b": whole})
    assert (caught.value.exit_code, repr(odd) in caught.value.message) == (4, True)


@pytest.mark.parametrize("pair", [(2**53, 2**53 + 1), (2**63 - 1, 2**63 - 2), (-(2**63), 1)])
@pytest.mark.parametrize("output", OUTPUTS)
def test_neighbours_beyond_floats_never_meet(
    pair: tuple[int, int], output: str, tmp_path: Path
) -> None:
    x = features(1)
    a, b = (put((x, [i]), tmp_path / n, output) for n, i in zip("ab", pair, strict=True))
    with pytest.raises(AlignmentError, match="no id is common") as caught:
        mmfuse.fuse("concat", {"a": a, "b": b})
    assert all(repr(str(i)) in caught.value.message for i in pair)


# --- numbers


def extremes(dtype: str) -> Matrix:
    if dtype == "bool":
        return np.array([[False, True], [True, True]])
    if dtype.startswith("float"):
        told = np.finfo(dtype)
        odd = [told.max, told.min, told.smallest_normal, told.smallest_subnormal, -0.0, told.eps]
        odd += [-told.smallest_subnormal, 1 - told.epsneg, 1 / 3, 0.1]
        return np.array(odd, dtype).reshape(-1, 2)
    ends = np.iinfo(dtype)
    return np.array([[ends.min, ends.max], [ends.min + 1, ends.max - 1]], dtype)


DTYPES = [
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("bool", "float16", "float32", "float64"),
]  # fmt: skip


@pytest.mark.parametrize("output", [*OUTPUTS, "o.csv.gz", "o.jsonl.zst"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_comes_back_from_every_format(dtype: str, output: str, tmp_path: Path) -> None:
    x = extremes(dtype)
    ids = [f"r{k}" for k in range(len(x))]
    path = put((x, ids), tmp_path / "in", output)
    again = mmfuse.convert(path, tmp_path / "back.npy")
    found = np.load(tmp_path / "back.npy")
    wanted = x.astype(np.uint8) if dtype == "bool" else x
    text = output.startswith(("o.csv", "o.tsv", "o.jsonl"))
    assert found.dtype == (np.float64 if text else wanted.dtype)
    if text and dtype in ("int64", "uint64"):  # the text is exact, and the loss of reading named
        assert any("from where on float64 rounds" in note for note in again.summary.notes)
        assert found.tolist() == [[float(v) for v in row] for row in x.tolist()]
        return
    assert not any("round" in note for note in again.summary.notes)
    assert found.astype(wanted.dtype).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("form", ["C", "F", "strided", "backwards", "read-only"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", [name for name in DTYPES if name != "bool"])
def test_arrays_in_memory_of_any_order(dtype: str, order: str, form: str, tmp_path: Path) -> None:
    plain = extremes(dtype)
    x: Matrix = plain.astype(plain.dtype.newbyteorder(order))
    if form == "F":
        x = np.asfortranarray(x)
    elif form == "strided":
        x = np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3]
    elif form == "backwards":
        x = x[::-1, ::-1].copy()[::-1, ::-1]
    elif form == "read-only":
        x.flags.writeable = False
    for output in ("o.npy", "o.parquet", "wide.feather"):
        put((x, list(range(len(x)))), tmp_path / output, output)
        mmfuse.convert(tmp_path / output / output, tmp_path / "back.npy")
        assert np.load(tmp_path / "back.npy").tobytes() == plain.tobytes()
    fused = mmfuse.fuse("concat", {"x": (x, list(range(len(x))))}, dtype="float64")
    assert fused.matrix is not None
    assert fused.matrix.tobytes() == plain.astype(np.float64).tobytes()


def _records(folder: Path) -> Path:
    rows = [("x", 2**53 + 1, 0.5), ("y", 1, 1)]
    np.save(folder / "m.npy", np.array(rows, [("id", "U1"), ("a", "<i8"), ("b", "<f4")]))
    return folder / "m.npy"


def _shards(folder: Path, *dtypes: str) -> Path:
    for k, dtype in enumerate(dtypes):
        np.save(folder / f"p{k}.npy", np.array([[2**53 + 1]], dtype))
    return folder


def _text(name: str, content: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_text(content)
        return folder / name

    return write


def _table(name: str, *columns: pa.Array) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        table = pa.table({"id": ["x", "y"], **{f"c{k}": c for k, c in enumerate(columns)}})
        put = pq.write_table if name.endswith("parquet") else feather.write_feather
        put(table, folder / name)
        return folder / name

    return write


LARGE = pa.array([2**53 + 1, 1])
ROUNDING: dict[str, Callable[[Path], Path]] = {
    "parquet": _table("m.parquet", LARGE, pa.array([0.5, 1.0])),
    "parquet, float32": _table("m.parquet", LARGE, pa.array([0.5, 1.0], pa.float32())),
    "parquet, unsigned": _table("m.parquet", LARGE, pa.array([2, 1], pa.uint64())),
    "parquet, nulls": _table("m.parquet", pa.array([2**53 + 1, None])),
    "feather": _table("m.feather", LARGE, pa.array([0.5, 1.0])),
    "feather, nulls": _table("m.feather", pa.array([None, 2**53 + 1])),
    "records": _records,
    "shards": lambda folder: _shards(folder, "<i8", "<f4"),
    "unsigned shards": lambda folder: _shards(folder, "<i8", "<u8"),
    "csv": _text("m.csv", "id,a\nx,9007199254740993\ny,1\n"),
    "csv, negative": _text("m.csv", "id,a\nx,1\ny,-9007199254740993\n"),
    "lists in csv": _text("m.csv", 'id,a\nx,"[9007199254740993]"\ny,"[1]"\n'),
    "jsonl": _text("m.jsonl", '{"id": "x", "embedding": [9007199254740993]}\n'),
}


@pytest.mark.parametrize("name", ROUNDING)
def test_integers_that_float64_rounds_are_counted(name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = ROUNDING[name](tmp_path / "in")
    told = "1 value is as large as 2^53" if "shards" not in name else "as large as 2^53"
    for found in (
        mmfuse.convert({"m": path}, tmp_path / "o.npy"),
        mmfuse.convert({"m": path}, tmp_path / "o.parquet", layout="wide"),
        mmfuse.fuse("concat", {"m": path}, dtype="float64", nan="keep"),
    ):
        assert any(note.startswith("m: ") and told in note for note in found.summary.notes)


@pytest.mark.parametrize("name", ["parquet", "feather"])
def test_integers_that_float64_holds_are_no_matter(name: str, tmp_path: Path) -> None:
    columns = pa.array([2**53 - 1, 1]), pa.array([1e300, 0.5]), pa.array([np.nan, np.inf])
    path = _table(f"m.{name}", *columns)(tmp_path)
    found = mmfuse.convert({"m": path}, tmp_path / "o.npy")
    assert found.summary.notes == []


@pytest.mark.parametrize(
    ("dtype", "held", "beyond"),
    [("float16", 65519.0, 65520.0), ("float32", 3.4028235e38, 3.4028236e38)],
)
@pytest.mark.parametrize("wide", [False, True])
def test_what_is_too_large_for_the_output_is_counted(
    dtype: Any, held: float, beyond: float, wide: bool, tmp_path: Path
) -> None:
    values = np.array([[held, beyond], [np.nan, -beyond], [np.inf, held]])
    path = put((values, list("abc")), tmp_path / "in", "wide.parquet" if wide else "o.npy")
    layout: Any = "wide" if wide else "vector"
    out = tmp_path / "o.parquet"
    with pytest.raises(InputError, match="2 values are NaN or infinite"):
        mmfuse.fuse("concat", {"m": path}, out, dtype=dtype, layout=layout)
    with pytest.raises(InputError, match=f"2 output values are too large for {dtype}"):
        mmfuse.fuse("concat", {"m": path}, out, dtype=dtype, layout=layout, nan="zero")
    found = mmfuse.fuse("concat", {"m": path}, out, dtype=dtype, layout=layout, nan="keep")
    told = f"2 output values are too large for {dtype}: infinite now"
    assert told in found.summary.notes
    values[0, 1], values[1, 1] = held, -held
    path = put((values, list("abc")), tmp_path / "in", path.name)
    found = mmfuse.fuse("concat", {"m": path}, out, dtype=dtype, layout=layout, nan="keep")
    assert not any("too large" in note for note in found.summary.notes)


def test_infinite_sums_of_finite_values_are_counted_by_rows() -> None:
    x = np.array([[3e38, 1], [np.inf, 1], [1, 3e38]], np.float32)
    found = mmfuse.fuse("sum", {"a": (x, [0, 1, 2]), "b": (x, [0, 1, 2])}, nan="keep")
    assert "2 output values are too large for float32: infinite now" in found.summary.notes


@pytest.mark.parametrize("output", [o for o in OUTPUTS if o not in ("o.csv", "o.tsv", "o.jsonl")])
@pytest.mark.parametrize(("code", "bits"), [("f4", 0x7FC0BEEF), ("f8", 0x7FF8DEAD0000BEEF)])
def test_nan_keeps_its_bits_where_it_is_kept(
    code: str, bits: int, output: str, tmp_path: Path
) -> None:
    unsigned = np.array([[bits, bits | 1 << (8 * int(code[1]) - 1), 1]], f"u{code[1]}")
    path = put((unsigned.view(code), ["a"]), tmp_path / "in", output)
    mmfuse.convert(path, tmp_path / "back.npy")
    assert np.load(tmp_path / "back.npy").tobytes() == unsigned.tobytes()
    fused = mmfuse.fuse(
        "concat", [path], nan="keep", dtype="float32" if code == "f4" else "float64"
    )
    assert fused.matrix is not None
    assert fused.matrix.tobytes() == unsigned.tobytes()


# --- numbers as text


def written(values: Matrix, name: str) -> list[str]:
    """The text of every number, in the order of rows."""
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        mmfuse.convert({"m": (values[:, None], np.arange(len(values)))}, path)
        lines = path.read_text().splitlines()
        mmfuse.convert({"m": path}, Path(folder, "back.npy"))
        again = np.load(Path(folder, "back.npy"))[:, 0].astype(values.dtype)
        assert again.tobytes() == values.tobytes()
    if name.endswith("jsonl"):
        return [line.partition("[")[2].partition("]")[0] for line in lines]
    return [line.partition(",")[2] for line in lines[1:]]


def digits(text: str) -> str:
    """The significant digits of a number."""
    mantissa = text.lower().lstrip("-+").partition("e")[0]
    return mantissa.replace(".", "").strip("0")


def shortest(values: Matrix) -> list[str]:
    if values.dtype == np.float64:
        return [digits(repr(value)) for value in values.tolist()]
    return [digits(np.format_float_scientific(value, unique=True)) for value in values]


def of_bits(bits: Sequence[int] | NDArray[Any], code: str) -> Matrix:
    values = np.asarray(bits, f"u{code[1]}").view(code)
    return values[np.isfinite(values)]


@pytest.mark.parametrize("name", ["o.csv", "o.jsonl"])
@pytest.mark.parametrize("code", ["f4", "f8"])
@settings(deadline=None, max_examples=25)
@given(st.data())
def test_any_bits_are_the_shortest_text_that_reads_back(
    name: str, code: str, data: st.DataObject
) -> None:
    size = 8 * int(code[1])
    bits = data.draw(st.lists(st.integers(0, 2**size - 1), min_size=1, max_size=40))
    values = of_bits([*bits, 0, 1 << (size - 1), 1], code)
    texts = written(values, name)
    assert list(map(digits, texts)) == shortest(values)
    assert [float(text) for text in texts] == pytest.approx(values.astype(float).tolist(), rel=1e-7)


@pytest.mark.parametrize("name", ["o.csv", "o.jsonl"])
@pytest.mark.parametrize("code", ["f4", "f8"])
def test_many_bits_are_the_shortest_text(name: str, code: str, long: bool) -> None:
    bits = np.random.default_rng(7).bytes((1_000_000 if long else 10_000) * int(code[1]))
    values = of_bits(np.frombuffer(bits, f"u{code[1]}"), code)
    assert list(map(digits, written(values, name))) == shortest(values)


@pytest.mark.parametrize("name", ["o.csv", "o.jsonl"])
def test_every_float16_is_exact_as_text(name: str) -> None:
    values = of_bits(np.arange(65536), "f2")
    texts = written(values, name)
    assert np.array([float(text) for text in texts], np.float32).tobytes() == (
        values.astype(np.float32).tobytes()
    )


def _halfway(chance: random.Random) -> str:
    """A text at, or as little as it takes beside, the middle of two neighbours."""
    bits = chance.getrandbits(chance.choice((52, 63)))
    low = struct.unpack("<d", struct.pack("<Q", bits))[0]
    if not math.isfinite(high := math.nextafter(low, math.inf)) or not math.isfinite(low):
        return chance.choice(("1.7976931348623158e308", "1.7976931348623159e308"))
    with localcontext() as context:
        context.prec = 1200
        head, exponent, power = str((Decimal(low) + Decimal(high)) / 2).partition("E")
    change = chance.randrange(3)
    if change == 1:
        head += ("" if "." in head else ".") + "0" * chance.randrange(30) + "1"
    elif change == 2 and "." in head:
        head = head[: chance.randrange(2, len(head) + 1)]
    return head + exponent + power


def _hostile(chance: random.Random) -> str:
    kind = chance.randrange(5)
    if kind == 0:
        return _halfway(chance)
    if kind == 1:
        value = struct.unpack("<d", struct.pack("<Q", chance.getrandbits(64)))[0]
        return f"{value:.{chance.randrange(15, 25)}e}" if math.isfinite(value) else "1e-400"
    if kind == 2:
        space = chance.choice(("", " ", "\t"))
        return space + str(chance.getrandbits(chance.choice((53, 54, 63, 64, 65, 300)))) + space
    if kind == 3:
        return (
            chance.choice(("+", "-")) + f"{chance.randrange(10**9)}e{chance.randrange(-345, 310)}"
        )
    count = chance.choice((1, 17, 18, 19, 20, 21, 40, 100, 800))
    text = "".join(chance.choices("0123456789", k=count))
    place = chance.randrange(count + 1)
    power = chance.choice(("", f"e{chance.randrange(-350, 320)}", f"E+{chance.randrange(30)}"))
    return text[:place] + "." + text[place:] + power


def read_cells(cells: Sequence[str], path: Path) -> Matrix:
    path.write_text("id,x\n" + "".join(f"{k},{cell}\n" for k, cell in enumerate(cells)))
    found = mmfuse.fuse("concat", [path], dtype="float64", nan="keep").matrix
    assert found is not None
    return found[:, 0]


def test_hostile_numerals_are_what_python_reads(tmp_path: Path, long: bool) -> None:
    chance = random.Random(11)
    cells = [_hostile(chance) for _ in range(1_000_000 if long else 20_000)]
    found = read_cells(cells, tmp_path / "n.csv")
    assert found.tobytes() == np.array([float(cell) for cell in cells]).tobytes()


ODD_NUMBERS = [
    *("1e-400", "-1e-400", "1e400", "-1e400", "+1", ".5", "5.", "-.5e3", "1.e5", "1E+05", "00012"),
    *(" 1", "1 ", "\t1\t", "infinity", "-Infinity", "INF", "+inf", "nan", "-NaN", "-0", "-0.0"),
    *("1e0000000000000005", "0." + "0" * 400 + "1", "1" + "0" * 308, "1" + "0" * 309, "9" * 5000),
    *("1e99999999999999999999", "-1e-99999999999999999999", "0e9999999999"),
    *("4.9e-324", "2.4703282292062327e-324", "2.4703282292062328e-324"),
]  # fmt: skip
NO_NUMBERS = [
    *("1_000", "0x10", "0b1", "1d5", "1f", "1e", "1e+", ".e5", ".", "+", "-", "--1", "+-1", "1 2"),
    *("1.0.0", "1e5.0", "\u0661", "\u00b2", "\u22121", "1\u00a0", "$1", "1%", "(1)", "1/2", "true"),
    *("#N/A", "none", " NA", "'1'", "-1.#IND", "inf inity", "2024-01-01"),
]  # fmt: skip


@pytest.mark.parametrize("cell", ODD_NUMBERS)
def test_odd_numbers(cell: str, tmp_path: Path) -> None:
    for before in (0, 60):  # among the rows that tell what a column holds, and behind
        found = read_cells(["0.5"] * before + [cell, "2"], tmp_path / "n.csv")
        wanted = np.array([float(cell), 2.0])
        assert np.array_equal(found[-2:], wanted, equal_nan=True)
        assert np.signbit(found[-2]) == np.signbit(wanted[0]) or np.isnan(wanted[0])


@pytest.mark.parametrize("cell", NO_NUMBERS)
def test_what_is_no_number_is_refused_with_its_place(cell: str, tmp_path: Path) -> None:
    for before in (1, 60):
        with pytest.raises(MmfuseError) as caught:
            read_cells(["0.5"] * before + [cell, "2"], tmp_path / "n.csv")
        assert caught.value.exit_code == 3
        assert f"line {before + 2}, column 'x'" in caught.value.message


def test_the_sign_of_zero_in_lists_of_text(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text('id,e\na,"[-0, 0, -0.0]"\n')
    found = mmfuse.fuse("concat", [tmp_path / "l.csv"], dtype="float64").matrix
    assert found is not None
    assert np.signbit(found).tolist() == [[True, False, True]]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
@example([-0.0])
@example([2.0**53, -(2.0**60)])
def test_lists_of_text_are_exact(values: list[float]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "l.csv")
        path.write_text(f'id,e\na,"{json.dumps(values)}"\n')
        found = mmfuse.fuse("concat", [path], dtype="float64").matrix
    assert found is not None
    assert found.tobytes() == np.array(values).tobytes()
