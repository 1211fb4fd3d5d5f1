"""safetensors: held against the real library, and every lie of a header refused."""

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfuse
from mmfuse.errors import AlignmentError, InputError

pytestmark = pytest.mark.usefixtures("here")

X = np.arange(12, dtype=np.float32).reshape(4, 3)
F32 = {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 48]}


def put(header: Any, data: bytes = X.tobytes(), name: str = "a.safetensors") -> str:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    Path(name).write_bytes(len(text).to_bytes(8, "little") + text + data)
    return name


def fuse(*inputs: Any, **more: Any) -> mmfuse.Fused:
    return mmfuse.fuse("concat", list(inputs), **more)


def refused(path: str) -> InputError:
    with pytest.raises(InputError) as caught:
        fuse(f"x={path}")
    assert caught.value.where == f"x={path}"
    return caught.value


DAMAGED: dict[str, tuple[Any, str]] = {
    "not JSON": (b'{"x": ', "damaged"),
    "a list": (b"{}]", "damaged"),
    "not UTF-8": (b'{"\xff": 1}', "damaged"),
    "a name twice": (b'{"x": 1, "x": 2}', "'x' stands there twice"),
    "deep": (b'{"x":' + b"[" * 100_000, "damaged"),
    "no shape": ({"x": {"dtype": "F32", "data_offsets": [0, 48]}}, "tensor 'x'"),
    "negative": ({"x": {**F32, "shape": [-4, -3]}}, "tensor 'x'"),
    "floats": ({"x": {**F32, "shape": [4.0, 3]}}, "tensor 'x'"),
    "another size": ({"x": {**F32, "shape": [4, 4]}}, "tensor 'x'"),
    "backwards": ({"x": {**F32, "data_offsets": [48, 0]}}, "tensor 'x'"),
    "a hole": ({"x": {**F32, "data_offsets": [4, 52]}}, "does not follow"),
    "an overlap": ({"x": F32, "y": F32}, "does not follow"),
    "beyond the file": ({"x": {**F32, "shape": [5, 3], "data_offsets": [0, 60]}}, "cut short"),
    "not all of the file": ({"x": {**F32, "shape": [3, 3], "data_offsets": [0, 36]}}, "damaged"),
    "unknown dtype": ({"x": {**F32, "dtype": "Q7"}}, "unknown dtype 'Q7'"),
    "a list as dtype": ({"x": {**F32, "dtype": ["F32"]}}, "damaged: tensor 'x'"),
    "metadata": ({"__metadata__": {"a": 1}, "x": F32}, "texts only"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_headers(name: str) -> None:
    header, told = DAMAGED[name]
    assert told in refused(put(header)).message


def test_claimed_lengths() -> None:
    Path("a.safetensors").write_bytes((10**9).to_bytes(8, "little") + b"{}")
    assert "100,000,000 is the most" in refused("a.safetensors").message
    Path("a.safetensors").write_bytes((100).to_bytes(8, "little") + b"{}")
    assert "its header does not end" in refused("a.safetensors").message
    Path("a.safetensors").write_bytes(b"1,2\n3,4\n5,6\n")
    assert "looks like plain text" in refused("a.safetensors").message


def test_bfloat16_is_told() -> None:
    path = put({"x": {"dtype": "BF16", "shape": [4, 6], "data_offsets": [0, 48]}})
    error = refused(path)
    assert "dtype BF16, which NumPy does not have" in error.message
    assert "float32" in (error.hint or "")


def test_bfloat16_that_nobody_wants() -> None:
    other = {"dtype": "BF16", "shape": [2], "data_offsets": [48, 52]}
    assert np.array_equal(fuse(put({"x": F32, "w": other}, X.tobytes() + b"1234")).matrix, X)


@pytest.mark.parametrize("listed", ["{", "[1, [2]]", '{"a": 1}', '["a", 1, "c", "d"]', "[1, 2]"])
def test_ids_that_are_none(listed: str) -> None:
    path = put({"__metadata__": {"ids": listed}, "x": F32})
    with pytest.raises(mmfuse.MmfuseError) as caught:
        fuse(path)
    assert caught.value.exit_code in (3, 4)


def test_sidecars_and_keys() -> None:
    both = {"v": F32, "w": {**F32, "data_offsets": [48, 96]}}
    put(both, X.tobytes() + (X + 1).tobytes())
    Path("a.ids.txt").write_text("p\nq\nr\ns\n")
    fused = fuse("a.safetensors:w")
    assert fused.ids.tolist() == ["p", "q", "r", "s"]
    assert np.array_equal(fused.matrix, X + 1)
    assert "several arrays" in refused("a.safetensors").message


@pytest.mark.parametrize("listed", ['["p", "q", "r", "s"]', None])
def test_ids_of_another_file(listed: str | None) -> None:
    np.save("x.npy", X)
    held = {"ids": {"dtype": "I32", "shape": [4], "data_offsets": [0, 16]}}
    metadata = {} if listed is None else {"__metadata__": {"ids": listed}}
    path = put({**metadata, **held}, np.arange(4, dtype="<i4").tobytes())
    expected = [0, 1, 2, 3] if listed is None else ["p", "q", "r", "s"]
    assert fuse("x.npy", ids=path).ids.tolist() == expected
    assert fuse("x.npy", ids=f"{path}:ids").ids.tolist() == [0, 1, 2, 3]
    with pytest.raises(InputError, match="no array 'id'"):
        fuse("x.npy", ids=f"{path}:id")


@pytest.mark.parametrize("names", [None, '["no", "end"', '["a", "b"]', '["a", "a", "c"]', '"abc"'])
def test_columns_without_sound_names_of_classes_are_numbered(names: str | None) -> None:
    flags = {
        "label": {"dtype": "U8", "shape": [4], "data_offsets": [48, 52]},
        "n_models": {"dtype": "U8", "shape": [4], "data_offsets": [52, 56]},
    }
    metadata = {"mmfuse": "{}"} if names is None else {"mmfuse": "{}", "label": names}
    put({"__metadata__": metadata, "embeddings": F32, **flags}, X.tobytes() + bytes(8))
    assert list(fuse("a.safetensors").columns) == ["a_0", "a_1", "a_2"]


CODES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


@pytest.mark.parametrize("code", CODES)
def test_every_dtype_of_the_library(code: str) -> None:
    library = pytest.importorskip("safetensors.numpy", reason="in the development group")
    values = (np.arange(12) % 5).astype(code).reshape(4, 3)
    library.save_file({"emb": values, "ids": np.arange(4)[::-1].copy()}, "a.safetensors")
    fused = fuse("a.safetensors", dtype="float64")
    assert fused.ids.tolist() == [3, 2, 1, 0]
    assert np.array_equal(fused.matrix, values.astype(np.float64))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("ids", [[2**53 + 1, -7, 0, 5], ["é", "𝄞", 'q"u', "\0"]])
def test_the_library_reads_what_is_written(ids: list[Any], dtype: str) -> None:
    library = pytest.importorskip("safetensors", reason="in the development group")
    inputs = {"m": (X, ids), "n": (X[:3], ids[:3])}
    mmfuse.fuse("concat", inputs, "o.safetensors", dtype=dtype, join="outer")
    with library.safe_open("o.safetensors", "numpy") as file:
        assert file.get_tensor("embeddings").dtype == dtype
        assert np.array_equal(file.get_tensor("embeddings")[:, :3], X)
        assert file.get_tensor("present_n").tolist() == [True, True, True, False]
        metadata = file.metadata()
        text = isinstance(ids[0], str)
        found = json.loads(metadata["ids"]) if text else file.get_tensor("ids").tolist()
        assert found == ids
        assert json.loads(metadata["mmfuse"])["command"] == "concat"
    (profile,) = mmfuse.inspect(["o.safetensors"])
    assert profile.record is not None
    assert profile.notes == []


def test_random_bytes_never_give_anything_but_an_error() -> None:
    rng = np.random.default_rng(0)
    whole = Path(put({"__metadata__": {"ids": '["a","b","c","d"]'}, "x": F32})).read_bytes()
    for _ in range(200):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 2):
            data[place] = rng.integers(0, 256)
        Path("a.safetensors").write_bytes(data)
        with contextlib.suppress(InputError, AlignmentError):
            assert fuse("a.safetensors", nan="keep").matrix is not None
