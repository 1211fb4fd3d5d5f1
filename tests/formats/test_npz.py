"""npz: which array is which, what is refused and how, what is written."""

import contextlib
import io
import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfuse
from mmfuse.errors import AlignmentError, InputError, OutputError, UsageError
from mmfuse.files import zip_writer
from mmfuse.files.output import write_all

pytestmark = pytest.mark.usefixtures("here")

X = np.arange(12, dtype=np.float32).reshape(4, 3)
IDS = ["a", "b", "c", "d"]


def fuse(*inputs: Any, **more: Any) -> mmfuse.Fused:
    return mmfuse.fuse("concat", list(inputs), **more)


def refused(path: str, **more: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        fuse(f"x={path}", **more)
    assert caught.value.where == f"x={path}"
    return caught.value


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("key", ["ids", "id", "keys", "names", "filenames"])
def test_ids_by_every_name(key: str, save: Any) -> None:
    save("a.npz", X, **{key: np.array(IDS)})
    (profile,) = mmfuse.inspect(["a.npz"])
    assert (profile.rows, profile.columns, profile.ids) == (4, 3, f"array {key}")
    fused = fuse("a.npz")
    assert fused.ids.tolist() == IDS
    assert np.array_equal(fused.matrix, X)


def test_a_key_chooses_and_names() -> None:
    np.savez("a.npz", ids=np.array(IDS), img=X, txt=X[:, :2] + 100)
    fused = fuse("first=a.npz:txt", "a.npz:img")
    assert np.array_equal(fused.matrix, np.hstack([X[:, :2] + 100, X]))
    assert list(fused.columns) == ["first_0", "first_1", "img_0", "img_1", "img_2"]
    named = fuse("a.npz", column="img")
    assert np.array_equal(named.matrix, X)


def test_a_key_of_a_table_is_a_column() -> None:
    Path("a.csv").write_text("id,u,v\n1,2,3\n")
    assert fuse("a.csv:v").matrix.tolist() == [[3]]  # type: ignore[union-attr]


def test_a_key_and_a_column_contradict() -> None:
    np.savez("a.npz", img=X)
    with pytest.raises(UsageError, match="both say what to take"):
        fuse("a.npz:img", column="img")


def test_a_file_with_a_colon_in_its_name() -> None:
    np.savez("a.npz", img=X)
    np.savez("a.npz:img.npz", other=X + 1)
    assert np.array_equal(fuse("a.npz:img.npz").matrix, X + 1)


def test_several_arrays_are_listed() -> None:
    np.savez("a.npz", img=X, txt=X[:, :2])
    error = refused("a.npz")
    assert error.message == "several arrays: 'img' (4, 3) float32, 'txt' (4, 2) float32"
    assert error.hint == "choose one: NAME=FILE:img"
    error = refused("a.npz:ing")
    assert "no array 'ing'" in error.message
    assert error.hint == "did you mean 'img'?"


def test_the_array_named_as_matrices_are() -> None:
    np.savez("a.npz", other=X * 2, embeddings=X, y=np.arange(4))
    (profile,) = mmfuse.inspect(["a.npz"])
    assert profile.notes == ["left out: 'other' (4, 3) float32, 'y' (4,) int64"]
    assert np.array_equal(fuse("a.npz").matrix, X)


def test_one_axis_is_one_column_and_labels_are_none() -> None:
    np.savez("a.npz", score=X[:, 1], label=np.arange(4), id=np.array(IDS))
    assert fuse("a.npz").matrix.tolist() == X[:, 1:2].tolist()  # type: ignore[union-attr]


def test_ids_of_another_file() -> None:
    np.savez("ids.npz", other=np.arange(9), names=np.array(IDS))
    np.save("x.npy", X)
    assert fuse("x.npy", ids="ids.npz").ids.tolist() == IDS
    np.savez("ids.npz", p=np.array(IDS), q=np.array(IDS[::-1]))
    assert fuse("x.npy", ids="ids.npz:q").ids.tolist() == IDS[::-1]
    np.savez("one.npz", rows=np.array(IDS))
    assert fuse("x.npy", ids="one.npz").ids.tolist() == IDS
    with pytest.raises(InputError, match=r"no array of ids among 'p' \(4,\) <U1"):
        fuse("x.npy", ids="ids.npz")


def test_a_compressed_array_of_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmfuse.files.deflated._SCAN_BYTES", 3 * X[0].nbytes)
    np.savez_compressed("a.npz", X)
    fused = fuse("a.npz", "b=a.npz", normalize="zscore")
    expected = (X - X.mean(axis=0)) / X.std(axis=0)
    np.testing.assert_allclose(fused.matrix, np.hstack([expected, expected]), rtol=1e-6)


class _Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, ("unpickled",)


@pytest.mark.parametrize("key", ["ids", "embeddings"])
def test_objects_are_never_unpickled(key: str) -> None:
    trap = np.empty(4, object)
    trap[:] = [_Trap() for _ in range(4)]
    arrays = {"ids": np.array(IDS), "embeddings": X, key: trap}
    np.savez("a.npz", **arrays)
    error = refused("a.npz")
    assert "Python objects" in error.message
    assert "np.save" in (error.hint or "")
    assert not os.path.exists("unpickled")


def test_objects_that_nobody_wants_are_no_matter() -> None:
    np.savez("a.npz", ids=np.array(IDS), embeddings=X, more=np.array([None, 1, "x"], object))
    assert np.array_equal(fuse("a.npz").matrix, X)


def test_float_ids_are_refused() -> None:
    np.savez("a.npz", ids=np.arange(4.0), embeddings=X)
    with pytest.raises(AlignmentError, match="float64"):
        fuse("a.npz")


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def archive(entries: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as file:
        for name, data in entries.items():
            file.writestr(name, data)
    return buffer.getvalue()


def _moved(data: bytes) -> bytes:
    """An archive whose directory says that it begins later, so that its only entry lies before."""
    end = data.rindex(b"PK\x05\x06")
    (place,) = struct.unpack_from("<I", data, end + 16)
    return data[: end + 16] + struct.pack("<I", place + 100) + data[end + 20 :]


HUGE = npy(X).replace(b"(4, 3)", b"(4, 3" + b"0" * 12 + b")").replace(b" " * 12 + b"\n", b"\n")
DEFLATED = archive({"x.npy": npy(np.arange(900.0).reshape(300, 3))}, zipfile.ZIP_DEFLATED)
DAMAGED = {
    "text": (b"1,2,3\n", "not an npz file: it looks like plain text"),
    "npy": (npy(X), "not an npz file: it looks like an npy file"),
    "cut short": (archive({"x.npy": npy(X)})[:-30], "the zip archive is damaged, or cut short"),
    "no arrays": (archive({"x.txt": b"1"}), "the archive holds no arrays"),
    "not npy": (archive({"x.npy": b"hello"}), "array 'x': the npy header is damaged"),
    "claims too much": (archive({"x.npy": HUGE}), "array 'x': the file is cut short"),
    "bzip2": (archive({"x.npy": npy(X)}, zipfile.ZIP_BZIP2), "compressed in a way that npz"),
    "longer": (archive({"x.npy": npy(X) + b"\0"}, zipfile.ZIP_DEFLATED), "longer than its header"),
    "far away": (_moved(archive({"x.npy": npy(X)})), "array 'x': the archive is damaged"),
    "flipped": (DEFLATED[:400] + b"\xff\xff" + DEFLATED[402:], ""),
    "bomb": (
        (deflated := archive({"x.npy": npy(X)}, zipfile.ZIP_DEFLATED)).replace(
            struct.pack("<I", len(npy(X))), struct.pack("<I", 2**31)
        ),
        "cannot hold 2,147,483,648",
    ),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_archives(name: str) -> None:
    content, told = DAMAGED[name]
    Path("a.npz").write_bytes(content)
    assert told in refused("a.npz").message


@pytest.mark.parametrize("ids", [[2**53 + 1, -7, 0, 5], ["é", "𝄞x", "a longer one", "\0b"]])
def test_numpy_reads_what_is_written(ids: list[Any]) -> None:
    fuse_of = {"m": (X, ids), "n": (X[:3] + 1, ids[:3])}
    mmfuse.fuse("concat", fuse_of, "o.npz", join="outer")
    with np.load("o.npz") as found:  # allow_pickle is False
        assert found["ids"].tolist() == ids
        assert found["ids"].dtype.kind == ("i" if isinstance(ids[0], int) else "U")
        assert np.array_equal(found["embeddings"][:, :3], X)
        assert found["columns"].tolist() == [f"{m}_{j}" for m in "mn" for j in range(3)]
        assert found["present_n"].tolist() == [True, True, True, False]
        assert json.loads(str(found["metadata"]))["command"] == "concat"
    (profile,) = mmfuse.inspect(["o.npz"])
    assert profile.record is not None
    assert profile.notes == []
    again = Path("o.npz").read_bytes()
    mmfuse.fuse("concat", fuse_of, "o.npz", join="outer")
    assert Path("o.npz").read_bytes() == again


def test_an_archive_of_more_than_four_gigabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    def sparse(fd: int, data: bytes, offset: int) -> None:
        if data is not hole:
            write_all(fd, data, offset)

    hole = bytes(1 << 26)
    monkeypatch.setattr(zip_writer, "write_all", sparse)
    with open("o.npz", "w+b") as file:
        writer = zip_writer.ZipWriter(file.fileno())
        for name, parts in {"hole": [hole] * 64, "a.npy": [npy(X)]}.items():
            writer.begin(name, sum(map(len, parts)))
            for part in parts:
                writer.write(part)
            writer.end()
        writer.close()
    with zipfile.ZipFile("o.npz") as archived:
        assert [entry.file_size for entry in archived.infolist()] == [1 << 32, len(npy(X))]
        assert archived.infolist()[1].header_offset > 1 << 32
        assert archived.read("a.npy") == npy(X)
    assert np.array_equal(fuse("o.npz").matrix, X)


def test_an_id_that_numpy_would_cut() -> None:
    with pytest.raises(OutputError, match="ends with NUL"):
        mmfuse.fuse("concat", {"m": (X, ["a\0", "b", "c", "d"])}, "o.npz")
    assert not Path("o.npz").exists()


def test_random_bytes_never_give_anything_but_an_error() -> None:
    rng = np.random.default_rng(0)
    whole = archive({"ids.npy": npy(np.array(IDS)), "x.npy": npy(X)})
    for _ in range(150):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(0, 256)
        Path("a.npz").write_bytes(data)
        with contextlib.suppress(InputError, AlignmentError):
            assert fuse("a.npz", nan="keep").matrix is not None
