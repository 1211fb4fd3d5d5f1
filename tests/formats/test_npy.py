"""npy: what is read exactly, what is refused and how, what is written."""

import ast
import contextlib
import io
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfuse
from mmfuse.core.source import Source
from mmfuse.errors import AlignmentError, InputError, OutputError
from mmfuse.files.formats import Reading
from mmfuse.files.inputs import open_input
from mmfuse.files.scratch import ScratchRoom
from mmfuse.formats import npy as npy_format

pytestmark = pytest.mark.usefixtures("here")

CODES = ["b1", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8"]


def opened(path: str, how: Reading | None = None) -> Source:
    return npy_format.open(open_input(path, path), "a", how or Reading())


def stored(path: str, how: Reading | None = None) -> np.ndarray:
    """The features as the file has them, by the way of whole blocks."""
    return np.concatenate(list(opened(path, how).blocks()))


def gathered(path: str, rows: list[int]) -> np.ndarray:
    """Some of the rows, by the way of random access."""
    source = opened(path)
    way = "gather" if source.storage == "file" else "memory"
    taken = source.reader(np.array(rows), way, ScratchRoom(16))
    out = np.empty((len(rows), len(source.columns)), source.dtype)
    taken.read(0, len(rows), out)
    taken.reader.close()
    return out


def matrix(*arguments: Any, **more: Any) -> np.ndarray:
    found = mmfuse.fuse("concat", *arguments, **more).matrix
    assert found is not None
    return found


def refused(path: str, **more: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        mmfuse.fuse("concat", {"a": path}, **more)
    assert caught.value.where == f"a={path}"
    assert caught.value.exit_code == 3
    return caught.value


def values_of(dtype: np.dtype, rows: int = 7, columns: int = 3) -> np.ndarray:
    """Extremes first, then any bytes that are a number of that dtype."""
    if dtype.kind == "b":
        return np.arange(rows * columns).reshape(rows, columns) % 3 == 0
    info = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    extremes: list[Any] = [info.min, info.max, 0, 1]
    if dtype.kind == "f":
        extremes += [-0.0, info.smallest_subnormal, -info.smallest_subnormal, info.eps]
    rng = np.random.default_rng(dtype.itemsize)
    rest = rng.integers(0, 100, rows * columns - len(extremes))
    return np.array([*extremes, *rest.tolist()], dtype).reshape(rows, columns)


def header_only(shape: str, descr: str = "'<f4'", order: str = "False", rest: bytes = b"") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + rest


@pytest.mark.parametrize("memory_order", ["C", "F"])
@pytest.mark.parametrize("byte_order", ["<", ">"])
@pytest.mark.parametrize("code", CODES)
def test_every_number_is_read_to_the_bit(code: str, byte_order: str, memory_order: str) -> None:
    dtype = np.dtype(byte_order + code)
    x = np.asarray(values_of(dtype.newbyteorder("=")), dtype, order=memory_order)  # type: ignore
    np.save("a.npy", x)
    assert (np.load("a.npy").flags.f_contiguous) == (memory_order == "F")
    found = stored("a.npy")
    assert found.shape == x.shape
    # compared as native bytes: == would take -0.0 for 0.0
    native = x.astype(dtype.newbyteorder("="))
    assert found.astype(dtype.newbyteorder("=")).tobytes() == native.tobytes()
    picked = gathered("a.npy", [5, 0, 5, 2]).astype(dtype.newbyteorder("="))
    assert picked.tobytes() == native[[5, 0, 5, 2]].tobytes()


@pytest.mark.parametrize("code", [c for c in CODES if c != "f8"])
def test_numbers_widen_exactly_on_the_way_to_float64(code: str) -> None:
    x = values_of(np.dtype(code))
    if code in ("i8", "u8"):
        x = np.clip(x, -(2**53) if code == "i8" else 0, 2**53)
    np.save("a.npy", x)
    found = matrix({"a": "a.npy"}, dtype="float64")
    assert found.tolist() == x.astype(object).tolist()
    assert np.array_equal(np.signbit(found), np.signbit(x.astype(float)))


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_array_larger_than_a_block(order: str) -> None:
    x = np.arange(700_000 * 4, dtype=np.float32).reshape(-1, 4)  # 11 MB, blocks of 8
    np.save("a.npy", np.asarray(x, order=order))  # type: ignore[call-overload]
    assert len(list(opened("a.npy").blocks())) > 1
    assert np.array_equal(stored("a.npy"), x)
    assert np.array_equal(matrix({"a": "a.npy"}), x)


def test_one_dimension_is_one_column() -> None:
    np.save("a.npy", np.array([3, 1, 2], ">i2"))
    fused = mmfuse.fuse("concat", {"a": "a.npy"})
    assert fused.matrix is not None
    assert fused.matrix.tolist() == [[3], [1], [2]]
    assert len(fused.columns) == 1


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_the_format(version: tuple[int, int]) -> None:
    x = np.arange(6.0).reshape(3, 2)
    with open("a.npy", "wb") as file:
        np.lib.format.write_array(file, x, version)
    assert stored("a.npy").tolist() == x.tolist()


def test_values_at_an_odd_place_in_the_file() -> None:
    x = np.array([[1.5, -2.5], [3.5, 4.5]], "<f8")
    blob = header_only("(2, 2)", "'<f8'")
    blob = header_only("(2, 2)", "'<f8'", rest=x.tobytes()) if len(blob) % 8 else b""
    assert blob, "the header should end at an odd place for this test"
    Path("a.npy").write_bytes(blob)
    assert gathered("a.npy", [1, 0]).tolist() == x[::-1].tolist()


RECORDS = np.array(
    [("x", 1.5, 7, b"q"), ("y", 2.5, 8, b"r"), ("é", 3.5, 2**53 + 1, b"s")],
    [("id", "U3"), ("score", "<f4"), ("key", ">i8"), ("note", "S1")],
)
VECTORS = np.array(
    [("x", [1, 2], 0.5), ("y", [3, 4], 0.5), ("z", [5, 6], 0.5)],
    [("id", "U3"), ("vec", ">i2", (2,)), ("score", "<f4")],
)


def test_records_are_a_table() -> None:
    np.save("a.npy", RECORDS)
    (source,) = mmfuse.inspect({"a": "a.npy"})
    assert source.ids == "field id"
    assert source.column_names == ["score"]
    assert source.notes == ["left out: 'key', 'note'"]
    fused = mmfuse.fuse("concat", {"a": "a.npy"})
    assert fused.ids.tolist() == ["x", "y", "é"]
    assert fused.matrix is not None
    assert fused.matrix.tolist() == [[1.5], [2.5], [3.5]]


def test_records_whose_id_field_is_named() -> None:
    np.save("a.npy", RECORDS)
    fused = mmfuse.fuse("concat", {"a": "a.npy"}, id_column="key")
    assert fused.ids.tolist() == [7, 8, 2**53 + 1]
    assert fused.matrix is not None
    assert fused.matrix.tolist() == [[1.5], [2.5], [3.5]]


def test_a_field_of_vectors() -> None:
    np.save("a.npy", VECTORS)
    fused = mmfuse.fuse("concat", {"a": "a.npy"})
    assert fused.ids.tolist() == ["x", "y", "z"]
    assert fused.matrix is not None
    assert fused.matrix.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_named_fields_in_the_order_asked_for() -> None:
    x = np.array([(1, 2.5, 3), (4, 5.5, 6)], [("p", "u1"), ("q", "<f4"), ("r", ">i4")])
    np.save("a.npy", x)
    assert matrix({"a": "a.npy"}, column=["r", "p"]).tolist() == [[3, 1], [6, 4]]
    assert matrix({"a": "a.npy"}).tolist() == [[1, 2.5, 3], [4, 5.5, 6]]


def test_records_with_ids_from_elsewhere_do_not_take_their_own_for_features() -> None:
    np.save("a.npy", np.array([(1, 1.5), (2, 2.5)], [("id", "i8"), ("score", "f8")]))
    fused = mmfuse.fuse("concat", {"a": "a.npy"}, ids=[30, 20])
    assert fused.ids.tolist() == [30, 20]
    assert fused.matrix is not None
    assert fused.matrix.tolist() == [[1.5], [2.5]]


def test_fields_with_names_of_any_language() -> None:
    """Such a file is of version 3, whose names are UTF-8."""
    x = np.array([(1, 2.5), (2, 3.5)], [("ключ", "i8"), ("größe", "f4")])
    with pytest.warns(UserWarning, match=r"format 3\.0"):
        np.save("a.npy", x)
    fused = mmfuse.fuse("concat", {"a": "a.npy"}, id_column="ключ")
    assert fused.ids.tolist() == [1, 2]
    assert [name.removeprefix("a_") for name in fused.columns] == ["größe"]


def test_many_fields() -> None:
    """The header of a wide DataFrame as records is longer than NumPy reads without being asked."""
    x = np.ones(2, [(f"feature_{j}", "<f4") for j in range(1000)])
    np.save("a.npy", x)
    assert matrix({"a": "a.npy"}).shape == (2, 1000)


def test_records_said_to_be_in_fortran_order() -> None:
    """One axis has one order; the flag must not lead to another way of reading."""
    x = np.array([(1, 2.5), (2, 3.5)], [("id", "<i8"), ("v", "<f4")])
    Path("a.npy").write_bytes(
        header_only("(2,)", "[('id', '<i8'), ('v', '<f4')]", "True", x.tobytes())
    )
    fused = mmfuse.fuse("concat", {"a": "a.npy"})
    assert fused.ids.tolist() == [1, 2]
    assert fused.matrix is not None
    assert fused.matrix.tolist() == [[2.5], [3.5]]


def test_a_record_field_that_is_not_there_is_named() -> None:
    np.save("a.npy", RECORDS)
    assert "'kye'" in refused("a.npy", id_column="kye").message


def test_a_plain_array_has_no_columns_to_name() -> None:
    np.save("a.npy", np.ones((2, 2)))
    assert "no named columns" in refused("a.npy", column="x").message
    assert "no named columns" in refused("a.npy", id_column="x").message


@pytest.mark.parametrize("ids", [np.ones((3, 2), int), np.zeros(3, [("id", int)])])
def test_a_file_of_ids_has_one_a_row(ids: np.ndarray) -> None:
    np.save("x.npy", np.ones((3, 2)))
    np.save("ids.npy", ids)
    with pytest.raises(InputError) as caught:
        mmfuse.fuse("concat", {"m": "x.npy"}, ids="ids.npy")
    told = f"ids of shape {ids.shape} and dtype {ids.dtype}; one a row is needed"
    assert caught.value.message == told


def test_float_ids_of_records_are_refused() -> None:
    np.save("a.npy", np.array([(1.0, 2)], [("id", "f8"), ("v", "f4")]))
    with pytest.raises(AlignmentError, match="float64"):
        mmfuse.fuse("concat", {"a": "a.npy"})


UNUSABLE: dict[str, tuple[Any, tuple[str, ...]]] = {
    "0-d": (np.float32(1), ("shape ()",)),
    "3-d": (np.ones((2, 3, 4)), ("(2, 3, 4)", "hint", "pool")),
    "0 rows": (np.ones((0, 4)), ("(0, 4)",)),
    "0 rows, one axis": (np.ones(0), ("(0,)",)),
    "0 columns": (np.ones((4, 0)), ("(4, 0)",)),
    "complex": (np.ones((2, 2), "c8"), ("complex64", "(2, 2)")),
    "datetime": (np.ones((2, 2), "M8[s]"), ("datetime64[s]", "(2, 2)")),
    "timedelta": (np.ones((2, 2), "m8[s]"), ("timedelta64[s]",)),
    "text": (np.array([["a"], ["b"]]), ("<U1",)),
    "bytes": (np.array([b"a"]), ("|S1",)),
    "longdouble": (np.ones((2, 2), np.longdouble), ("float128", "64 bits")),
    "records of two axes": (np.ones((2, 2), [("id", "i8"), ("v", "f4")]), ("(2, 2)", "record")),
    "records of ids only": (np.ones(2, [("id", "i8")]), ("no numeric column",)),
    "no records": (np.ones(0, [("id", "i8"), ("v", "f4")]), ("(0,)",)),
    "records with text": (np.ones(2, [("id", "i8"), ("v", "U3")]), ("no numeric column",)),
    "records with matrices": (np.ones(2, [("v", "f4", (2, 2))]), ("no numeric column",)),
    "records with records": (np.ones(2, [("v", [("w", "f4")])]), ("no numeric column",)),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_arrays_that_are_no_features(name: str) -> None:
    array, told = UNUSABLE[name]
    np.save("a.npy", array)
    text = str(refused("a.npy"))
    for part in told:
        assert part in text


class _Trap:
    """Unpickling it creates a file."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, ("unpickled",)


@pytest.mark.parametrize("records", [False, True])
def test_objects_are_refused_and_never_unpickled(records: bool) -> None:
    array = np.empty(2, [("id", object), ("v", object)] if records else object)
    array[...] = (_Trap(), _Trap()) if records else _Trap()
    np.save("a.npy", array, allow_pickle=True)
    error = refused("a.npy")
    assert "Python objects" in error.message
    assert error.hint is not None
    for step in ("allow_pickle=True", "np.stack", "np.save"):
        assert step in error.hint
    assert not os.path.exists("unpickled")
    with pytest.raises(InputError, match="Python objects"):
        mmfuse.fuse("concat", {"a": np.ones((2, 2))}, ids="a.npy")
    assert not os.path.exists("unpickled")
    with contextlib.suppress(FileExistsError):  # a second trap goes off after the first
        np.load("a.npy", allow_pickle=True)
    assert os.path.exists("unpickled"), "the trap itself works"


def test_the_hint_for_objects_is_code_that_helps() -> None:
    ragged = np.empty(2, object)
    ragged[:] = [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    np.save("a.npy", ragged, allow_pickle=True)
    hint = refused("a.npy").hint or ""
    exec(compile(hint.partition(": ")[2], "hint", "exec"), {"FILE": "a.npy"})
    assert matrix({"a": "new.npy"}).tolist() == [[1, 2], [3, 4]]


def test_a_pickle_named_npy() -> None:
    Path("a.npy").write_bytes(pickle.dumps(_Trap()))
    assert "a pickle; mmfuse never unpickles" in refused("a.npy").message
    assert not os.path.exists("unpickled")


HUGE = str(2**62)
CLAIMS: dict[str, tuple[bytes, tuple[str, ...]]] = {
    "cut short": (header_only("(4, 4)", rest=bytes(63)), ("cut short", "64", "63")),
    "more than memory": (header_only(f"({10**15}, 4)"), ("cut short", "16,000,000,000,000,000")),
    "more than 64 bits": (header_only(f"({HUGE}, {HUGE})"), ("cut short",)),
    "beyond 64 bits": (header_only(f"({10**40},)"), ("cut short",)),
    "wraps to nothing": (header_only(f"({2**32}, {2**32})", "'<f8'"), ("cut short",)),
    "negative": (header_only("(-1, 4)"), ("damaged", "-1")),
    "twice negative": (header_only("(-2, -2)", rest=bytes(16)), ("damaged", "-2")),
    "huge and empty": (header_only(f"({10**30}, 0)"), ("0)",)),
    "huge record": (header_only("(2,)", "[('v', '<f4', (100000000,))]"), ("cut short",)),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_claims_of_a_header_are_checked_before_memory_is_taken(name: str) -> None:
    blob, told = CLAIMS[name]
    Path("a.npy").write_bytes(blob)
    text = str(refused("a.npy"))
    for part in told:
        assert part in text


def test_ids_of_no_width_are_not_counted_out() -> None:
    """Their header may claim any number of them, and is within the size of the file."""
    np.save("a.npy", np.ones((2, 2)))
    Path("ids.npy").write_bytes(header_only(f"({10**13},)", "'<U0'"))
    with pytest.raises(InputError, match="<U0 hold nothing"):
        mmfuse.fuse("concat", {"a": "a.npy"}, ids="ids.npy")


GOOD = header_only("(2, 2)", rest=np.ones((2, 2), "<f4").tobytes())
DAMAGED: dict[str, bytes] = {
    "only the magic": GOOD[:6],
    "half a length": GOOD[:9],
    "half a header": GOOD[:30],
    "unknown version": GOOD[:6] + b"\x09\x00" + GOOD[8:],
    "length beyond the file": GOOD[:8] + b"\xff\xff" + GOOD[10:],
    "no dictionary": GOOD.replace(b"{", b"["),
    "a call": GOOD.replace(b"False", b"foo()"),
    "bits flipped": GOOD.replace(b"descr", b"\xff\xfe\x00cr"),
    "unknown dtype": header_only("(2, 2)", "'<q9'", rest=bytes(64)),
    "no dtype": header_only("(2, 2)", "7", rest=bytes(64)),
    "shape of text": header_only("('2', 2)", rest=bytes(64)),
    "shape of floats": header_only("(2.0, 2)", rest=bytes(64)),
    "deep signs": header_only("(" + "-" * 60_000 + "1,)", rest=bytes(64)),
    "deep brackets": header_only("(" * 3000 + ")" * 3000, rest=bytes(64)),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_header(name: str) -> None:
    assert np.load(io.BytesIO(GOOD)).tolist() == [[1, 1], [1, 1]], "GOOD is good"
    Path("a.npy").write_bytes(DAMAGED[name])
    assert "header is damaged" in refused("a.npy").message


NOT_NPY: dict[str, tuple[bytes, str]] = {
    "text": (b"1 2 3\n4 5 6\n", "plain text"),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
    "html": (b"\n<!DOCTYPE html><html>404</html>", "HTML"),
    "html without a doctype": (b"<HTML><body>", "HTML"),
    "parquet": (b"PAR1\x15\x04", "Parquet"),
    "npz": (b"PK\x03\x04", "npz"),
    "gzip": (b"\x1f\x8b\x08", "gzip"),
    "noise": (bytes(range(200, 256)), "something else"),
    "empty": (b"", "the file is empty"),
}


@pytest.mark.parametrize("name", NOT_NPY)
def test_other_things_named_npy(name: str) -> None:
    content, told = NOT_NPY[name]
    Path("a.npy").write_bytes(content)
    assert told in refused("a.npy").message


def test_no_file_at_all() -> None:
    assert refused("a.npy").message == "no such file"


def test_a_folder_is_not_a_file() -> None:
    Path("a.npy").mkdir()
    assert "folder" in refused("a.npy").message


def written(path: str, **more: Any) -> mmfuse.Fused:
    return mmfuse.fuse("concat", {"a": "a.npy"}, path, **more)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_written_files_are_what_numpy_loads(dtype: str) -> None:
    x = np.array([[1.5, -0.0], [2.0**-14, 1024], [0.25, 7]])
    np.save("a.npy", x)
    written("out.npy", ids=["b", "ä\t,", "  c"], dtype=dtype)
    found = np.load("out.npy")
    assert found.dtype == np.dtype(dtype)
    assert found.tobytes() == x.astype(dtype).tobytes()
    assert Path("out.ids.txt").read_bytes() == "b\nä\t,\n  c\n".encode()
    blob = Path("out.npy").read_bytes()
    (length,) = struct.unpack_from("<H", blob, 8)
    assert (10 + length) % 64 == 0, "values are aligned"
    said = ast.literal_eval(blob[10 : 10 + length].decode())
    assert said == {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (3, 2)}


def test_written_files_are_read_back_with_their_ids() -> None:
    np.save("a.npy", np.arange(6.0).reshape(3, 2))
    written("out.npy", ids=["007", "7", "1e5"])
    again = mmfuse.fuse("concat", {"b": "out.npy"})
    assert again.ids.tolist() == ["007", "7", "1e5"]
    assert again.matrix is not None
    assert again.matrix.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("bad", ["x\ny", "x\ry", "\n"])
def test_ids_with_line_breaks_are_refused_before_anything_is_written(bad: str) -> None:
    np.save("a.npy", np.ones((2, 2)))
    with pytest.raises(OutputError, match="line break") as caught:
        written("out.npy", ids=["ok", bad])
    assert "parquet" in (caught.value.hint or "")
    assert sorted(os.listdir()) == ["a.npy"]
    written("out.parquet", ids=["ok", bad])  # what the hint says works


def test_a_wide_layout_is_not_offered() -> None:
    np.save("a.npy", np.ones((2, 2)))
    with pytest.raises(mmfuse.errors.UsageError, match="wide"):
        written("out.npy", layout="wide")
