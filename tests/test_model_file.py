"""Hostile and damaged models: each is refused in one sentence, or is a model that can be used."""

from __future__ import annotations

import copy
import io
import json
import math
import os
import pickle
import tempfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

import mmfuse
from mmfuse.core.registry import NORMALIZATIONS, normalization
from mmfuse.errors import InputError, MmfuseError, ModelError
from mmfuse.model_file import KEY

Array = NDArray[Any]
Arrays = dict[str, Array]

ROWS, DIMS = 30, (3, 2)


def rows(seed: int = 0) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(1, 2, (ROWS, dim)).astype(np.float32)
        for name, dim in zip("ab", DIMS, strict=True)
    }


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def good(folder: Path) -> bytes:
    """The bytes of a model that has something of everything."""
    path = folder / "good.safetensors"
    mmfuse.fit(
        "pca",
        rows(),
        path,
        options={"n_components": 2},
        normalize={"a": "l2,zscore", "b": "minmax"},
        weight={"b": 2},
    )
    return path.read_bytes()


@pytest.fixture
def load(tmp_path: Path) -> Callable[[bytes], mmfuse.Model]:
    """A model of these bytes."""

    def loaded(data: bytes) -> mmfuse.Model:
        path = tmp_path / "model.safetensors"
        path.write_bytes(data)
        return mmfuse.load(path)

    return loaded


Load = Callable[[bytes], mmfuse.Model]


def taken_apart(data: bytes) -> tuple[dict[str, Any], Arrays]:
    """The description and the arrays, as the library of the format reads them."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return json.loads(header["__metadata__"][KEY]), load_tensors(data)


def together(description: Any, arrays: Arrays) -> bytes:
    text = description if isinstance(description, str) else json.dumps(description)
    return save_tensors(arrays, {KEY: text})


def assert_same(one: mmfuse.Fused, other: mmfuse.Fused) -> None:
    assert one.matrix is not None
    assert other.matrix is not None
    assert one.matrix.tobytes() == other.matrix.tobytes()


def is_refused(load: Load, data: bytes, kind: type[MmfuseError] = ModelError) -> str:
    with pytest.raises(kind) as raised:
        load(data)
    assert type(raised.value) is kind
    assert raised.value.where is not None
    assert raised.value.where.endswith("model.safetensors")
    assert "\n" not in raised.value.message
    return raised.value.message


def is_used_or_refused(load: Load, data: bytes) -> None:
    """Either a ModelError, or whatever is done with the model ends well or as an error of ours."""
    try:
        model = load(data)
    except ModelError:
        return
    uses: list[Callable[[], Any]] = [
        lambda: mmfuse.apply(model, rows(1)),
        lambda: mmfuse.go_on(model, rows(1)),
        lambda: mmfuse.merge([model, model], again),
    ]
    with tempfile.TemporaryDirectory() as place, np.errstate(all="ignore"):
        again = Path(place, "again.safetensors")
        for use in uses:
            with suppress(MmfuseError):
                use()


# --- the whole file ---------------------------------------------------------------------------


def test_another_library_reads_it_and_writes_it(good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    again = load(together(description, arrays))
    assert_same(mmfuse.apply(again, rows(1)), mmfuse.apply(load(good), rows(1)))


def test_cut_short(good: bytes, load: Load) -> None:
    head = 8 + int.from_bytes(good[:8], "little")
    places = {1, 7, 8, 9, head // 2, head - 1, head, head + 1, len(good) - 8, len(good) - 1}
    for place in places:
        is_refused(load, good[:place])


def test_something_behind_it(good: bytes, load: Load) -> None:
    assert "cut short or damaged" in is_refused(load, good + b"\0")


@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits(seed: int, good: bytes, load: Load) -> None:
    good = together(*taken_apart(good))  # without the checksum, which would tell of every one
    rng = np.random.default_rng(seed)
    head = 8 + int.from_bytes(good[:8], "little")
    for k in range(100):
        data = bytearray(good)
        end = head if k % 4 else len(good)  # most of them in what is understood
        for place in rng.integers(0, end, rng.integers(1, 4)):
            data[place] ^= 1 << rng.integers(8)
        is_used_or_refused(load, bytes(data))


def test_every_flipped_bit_is_told(good: bytes, load: Load) -> None:
    description = good.index(KEY.encode())
    for place in (*range(description, len(good), 97), len(good) - 1):
        data = bytearray(good)
        data[place] ^= 1
        is_refused(load, bytes(data))


def npy_bytes() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.ones((3, 2)))
    return stream.getvalue()


class Bomb:
    """Leaves a trace where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("unpickled",)


OTHER_FILES = {
    "pickle": (lambda: pickle.dumps(Bomb()), "a pickle; mmfuse never unpickles"),
    "npy": (npy_bytes, "an npy file"),
    "text": (lambda: b"hello\n", "plain text"),
    "JSON": (lambda: b'{"format_version": 1}', "plain text"),
    "tensors": (lambda: save_tensors({"x": np.ones((3, 2))}), "not a model of mmfuse"),
    "no tensor": (lambda: save_tensors({}), "not a model of mmfuse"),
    "zeros": (lambda: bytes(1 << 16), "not a safetensors file"),
    "a huge header": (lambda: (1 << 62).to_bytes(8, "little") + b"{}", "100,000,000 is the most"),
    "no text": (lambda: save_tensors({}, {KEY: ""}), "a damaged model"),
    "no object": (lambda: save_tensors({}, {KEY: "[1]"}), "a damaged model"),
    "an empty object": (lambda: save_tensors({}, {KEY: "{}"}), "no version"),
    "deep": (lambda: save_tensors({}, {KEY: "[" * 200_000}), "a damaged model"),
    "deep header": (lambda: (200_001).to_bytes(8, "little") + b"{" + b"[" * 200_000, "damaged"),
}


@pytest.mark.parametrize("what", OTHER_FILES)
def test_other_files(what: str, load: Load, here: Path) -> None:
    make, told = OTHER_FILES[what]
    assert told in is_refused(load, make())
    assert not os.path.exists("unpickled")


def test_an_empty_file(load: Load) -> None:
    assert is_refused(load, b"", InputError) == "the file is empty"


def test_places_where_no_model_can_be(here: Path) -> None:
    for path, told in (
        (here, "this is a folder"),
        (here / "none", "no such file"),
        (Path("/dev/null"), "not a regular file"),
    ):
        with pytest.raises(InputError, match=told):
            mmfuse.load(path)


@pytest.mark.parametrize(("content", "code"), [("a model", 0), ("nothing", 3), ("other things", 7)])
def test_a_pipe_is_read_once(content: str, code: int, good: bytes, here: Path, mmfuse: Any) -> None:
    os.mkfifo("pipe")
    for name, block in rows(1).items():
        np.save(f"{name}.npy", block)
    data = {"a model": good, "nothing": b"", "other things": b"x" * 100_000}[content]
    writer = threading.Thread(target=Path("pipe").write_bytes, args=(data,))
    writer.start()
    done = mmfuse("apply", "pipe", "a.npy", "b.npy", "-o", "out.npy")
    writer.join(timeout=10)
    assert not writer.is_alive()
    assert done.code == code, done.err
    assert os.path.exists("out.npy") == (code == 0)


# --- the description --------------------------------------------------------------------------

Place = tuple[str | int, ...]
ODD: dict[str, Any] = {
    "null": None,
    "-1": -1,
    "true": True,
    "1e999": math.inf,
    "a text": "x",
    "a list": [],
    "an object": {},
    "a huge number": 10**400,
    "half a character": "\ud800",
}


def places(value: Any, at: Place = ()) -> Iterator[Place]:
    """The place of everything in a value of JSON."""
    yield at
    inner = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    for key, item in inner:
        yield from places(item, (*at, key))


def replaced(value: Any, at: Place, other: Any) -> Any:
    if not at:
        return other
    changed = copy.deepcopy(value)
    inner = changed
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = other
    return changed


def as_json(description: Any) -> str:
    return json.dumps(description).replace("Infinity", "1e999")


def is_allowed(at: Place, odd: str, description: Any) -> bool:
    """Whether a value may stand there: what is only told, names, and other things by chance."""
    free = {"a text": [("version",), ("modalities", 0, "name"), ("modalities", 1, "name")]}
    free["-1"] = [("modalities", 0, "weight"), ("modalities", 1, "weight")]
    free["a list"] = [("training",)]
    free["an object"] = [("options",), ("training", 0)]
    same = as_json(replaced(description, at, ODD[odd])) == as_json(description)
    return same or at in free.get(odd, [])


@pytest.mark.parametrize("odd", ODD)
def test_odd_values_everywhere_in_the_description(odd: str, good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    for at in places(description):
        if at[:1] == ("training",) and len(at) > 2:
            continue  # of which the next test is
        data = together(as_json(replaced(description, at, ODD[odd])), arrays)
        if is_allowed(at, odd, description):
            load(data)
            is_used_or_refused(load, data)
        else:
            is_refused(load, data)


@pytest.mark.parametrize("odd", ["1e999", "half a character"])
def test_what_could_not_be_saved_again_is_refused(odd: str, good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    for at in places(description["training"], ("training",)):
        if len(at) > 2:
            is_refused(load, together(as_json(replaced(description, at, ODD[odd])), arrays))


def test_fields_that_are_missing_or_too_many(good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    for name in description:
        is_refused(load, together({k: v for k, v in description.items() if k != name}, arrays))
    is_refused(load, together({**description, "more": 1}, arrays))
    for name in description["modalities"][0]:
        changed = copy.deepcopy(description)
        del changed["modalities"][0][name]
        is_refused(load, together(changed, arrays))


@pytest.mark.parametrize("version", [0, 2, "1", True, 1.0, None, -1, 10**30])
def test_versions(version: Any, good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    told = is_refused(load, together({**description, "format_version": version}, arrays))
    later = type(version) is int and version > 1
    assert told.startswith(f"a model of format {version}" if later else "a damaged model: its desc")


def test_names_that_stand_twice(good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    twice = json.dumps(description)[:-1] + ', "rows": 30}'
    assert "stands there twice" in is_refused(load, together(twice, arrays))
    description["modalities"][1]["name"] = "a"
    assert "two modalities of one name" in is_refused(load, together(description, arrays))


@pytest.mark.parametrize(
    ("at", "other", "told"),
    [
        (("strategy",), "pcaa", "no strategy 'pcaa'"),
        (("strategy",), "../pca", "no strategy"),
        (("strategy",), "os", "no strategy"),
        (("modalities", 0, "normalize", 0), "os", "no normalization 'os'"),
        (("modalities", 0, "normalize", 0), "softmaxx", "did you mean"),
        (("options", "n_components"), 0, "--n-components is 0"),
        (("options", "n_components"), 6, "have 5 at most"),
        (("options", "other"), 1, "other"),
        (("modalities", 0, "columns"), 4, "a list is expected"),
        (("modalities", 0, "columns"), 10**12, "a list is expected"),
        (("modalities", 0, "columns"), ["x", "y", "x"], "not those of the statistics"),
        (("modalities", 0, "columns"), ["x", "y"], "not those of the statistics"),
        (("modalities", 0, "seen"), 0, "is not where it is said to be"),
        (("modalities", 0, "seen"), 3, "no natural number"),
        (("modalities", 0, "degenerate_columns"), [0], "a damaged model"),
        (("dtype",), "float8", "none of float16"),
        (("nan",), "perhaps", "none of error"),
        (("missing",), "no", "none of None"),
    ],
)
def test_values_of_the_right_kind(
    at: Place, other: Any, told: str, good: bytes, load: Load
) -> None:
    description, arrays = taken_apart(good)
    with pytest.raises(ModelError) as raised:
        load(together(replaced(description, at, other), arrays))
    assert told in str(raised.value)


# --- the tensors ------------------------------------------------------------------------------


def test_a_tensor_that_is_missing(good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    for name in arrays:
        data = together(description, {k: v for k, v in arrays.items() if k != name})
        if name == "learned.spectrum":  # which is told only
            is_used_or_refused(load, data)
        else:
            is_refused(load, data)


def test_a_tensor_of_another_name(good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    for name in arrays:
        for other in (f"{name}x", f"x{name}", name.partition(".")[2], name.replace("0", "9")):
            if other in arrays or name == "learned.spectrum":
                continue
            changed = {other if k == name else k: v for k, v in arrays.items()}
            is_refused(load, together(description, changed))


@pytest.mark.parametrize(
    "name",
    [
        *(
            "x",
            "gathered.more",
            "moments.0.more",
            "moments.2.mean",
            "scatter.0.n",
            "statistic.more",
        ),
        *("normalize.0.0.more", "normalize.0.1.more", "normalize.0.2.mean", "normalize.2.0.mean"),
    ],
)
def test_a_tensor_too_many(name: str, good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    is_refused(load, together(description, {**arrays, name: np.zeros(3)}))


SHAPES: dict[str, Callable[[Array], Array]] = {
    "one row": lambda x: x[None],
    "one number": lambda x: np.array(x.reshape(-1)[0]),
    "a list of one": lambda x: x.reshape(-1)[:1].copy(),
    "empty": lambda x: x.reshape(-1)[:0].copy(),
    "one more": lambda x: np.append(x, x.reshape(-1)[:1]),
    "one less": lambda x: x.reshape(-1)[:-1].copy(),
    "one column": lambda x: x[..., :1].copy() if x.ndim > 1 else x[:, None],
    "flat": lambda x: x.reshape(-1),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str, good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    for name, array in arrays.items():
        reshaped = SHAPES[shape](array) if array.ndim else np.array([array, array])
        if reshaped.shape == array.shape or name == "learned.spectrum":
            continue
        is_refused(load, together(description, {**arrays, name: reshaped}))


@pytest.mark.parametrize("name", ["learned.weights_0", "learned.weights_1"])
def test_weights_of_another_number_of_components(name: str, good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    for columns in (0, 1, 3):
        changed = np.zeros((len(arrays[name]), columns))
        is_refused(load, together(description, {**arrays, name: changed}))


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool", "float16"])
def test_dtypes(dtype: str, good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    for name, array in arrays.items():
        if array.dtype == dtype or name.startswith("learned."):
            continue
        changed = {**arrays, name: array.astype(dtype)}
        is_refused(load, together(description, changed))
    if dtype == "bool":
        for name in ("learned.weights_0", "learned.mean_1"):
            is_refused(load, together(description, {**arrays, name: arrays[name].astype(bool)}))


def test_nan_in_a_tensor(good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    for name, array in arrays.items():
        if array.dtype.kind == "f":
            spoilt = array.copy()
            spoilt.reshape(-1)[-1] = np.nan
            told = is_refused(load, together(description, {**arrays, name: spoilt}))
            assert told == f"a damaged model: NaN in tensor {name}"


@pytest.mark.parametrize(
    "name", ["learned.weights_0", "learned.mean_1", "moments.0.mean", "moments.1.count"]
)
def test_infinity_in_a_tensor(name: str, good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    spoilt = arrays[name].copy()
    spoilt.reshape(-1)[0] = np.inf
    is_refused(load, together(description, {**arrays, name: spoilt}))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("name", ["statistic.scatter", "statistic.mean"])
def test_infinity_that_sums_can_reach_is_told_when_it_matters(
    name: str, good: bytes, load: Load
) -> None:
    description, arrays = taken_apart(good)
    spoilt = arrays[name].copy()
    spoilt.reshape(-1)[0] = np.inf
    model = load(together(description, {**arrays, name: spoilt}))
    with pytest.raises(InputError, match="too large"):
        mmfuse.go_on(model, rows(1))
    assert_same(mmfuse.apply(model, rows(1)), mmfuse.apply(load(good), rows(1)))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda x: x[:1], "of other components"),
        (lambda x: x[None], "of other components"),
        (lambda x: x.astype(np.float32), "of another kind"),
        (lambda x: x * np.inf, "of another kind"),
    ],
    ids=["fewer", "a row", "float32", "infinite"],
)
def test_a_spectrum_that_does_not_tell_of_every_component(
    change: Callable[[Array], Array], told: str, good: bytes, load: Load
) -> None:
    description, arrays = taken_apart(good)
    arrays["learned.spectrum"] = np.ascontiguousarray(change(arrays["learned.spectrum"]))
    assert is_refused(load, together(description, arrays)) == f"a damaged model: a spectrum {told}"


def test_energies_that_are_infinite(good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    arrays["gathered.energy"] = np.array([1, np.inf])
    told = is_refused(load, together(description, arrays))
    assert told == "a damaged model: energy that is infinite"


def test_fewer_rows_than_none(good: bytes, load: Load) -> None:
    description, arrays = taken_apart(good)
    is_refused(load, together(description, {**arrays, "statistic.n": np.array(-1)}))


MIXING = [name for name in NORMALIZATIONS.modules if normalization(name).mixes]


@pytest.mark.parametrize("name", MIXING)
def test_normalisations_that_mix_columns(name: str, load: Load, tmp_path: Path) -> None:
    path = tmp_path / "mixed"
    mmfuse.fit("concat", rows(), path, normalize={"a": name})
    description, arrays = taken_apart(path.read_bytes())
    assert {"scatter.0.n", "scatter.0.mean", "scatter.0.scatter"} < set(arrays)
    for key, array in arrays.items():
        if not key.startswith(("scatter.", "normalize.")):
            continue
        is_refused(load, together(description, {k: v for k, v in arrays.items() if k != key}))
        if array.ndim:
            is_refused(load, together(description, {**arrays, key: array[:1].copy()}))
    whole = {k: v for k, v in arrays.items() if not k.startswith("scatter.")}
    assert "those of its normalisations" in is_refused(load, together(description, whole))


def with_header(change: Callable[[dict[str, Any]], None], data: bytes) -> bytes:
    """The file with another header, and the same values behind it."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    change(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[end:]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("shape", [1 << 40, 1 << 40]),
        ("shape", [1 << 62]),
        ("shape", [-3]),
        ("shape", [3.0]),
        ("shape", 3),
        ("shape", None),
        ("dtype", "F128"),
        ("dtype", "BF16"),
        ("dtype", ["F64"]),
        ("data_offsets", [0, 1 << 62]),
        ("data_offsets", [24, 0]),
        ("data_offsets", [0]),
        ("data_offsets", "x"),
    ],
)
def test_headers_of_tensors(field: str, value: Any, good: bytes, load: Load) -> None:
    def change(header: dict[str, Any]) -> None:
        header["learned.mean_0"][field] = value

    is_refused(load, with_header(change, good))


def test_a_dtype_that_numpy_lacks(good: bytes, load: Load) -> None:
    def change(header: dict[str, Any]) -> None:
        tensor = header["learned.mean_0"]
        header["learned.mean_0"] = {**tensor, "dtype": "BF16", "shape": [4 * DIMS[0]]}

    assert "of dtype BF16, which NumPy does not have" in is_refused(load, with_header(change, good))


def test_huge_tensors_of_no_bytes(good: bytes, load: Load) -> None:
    def change(header: dict[str, Any]) -> None:
        header["z"] = {"dtype": "F64", "shape": [0, 1 << 60], "data_offsets": [0, 0]}

    is_refused(load, with_header(change, good))


# --- memory -----------------------------------------------------------------------------------


def of_width(width: int, strategy: str, options: dict[str, Any], learned: Arrays) -> bytes:
    """A model of one modality of which nothing is large but what it says of itself."""
    description = {
        "format_version": 1,
        "version": "0",
        "strategy": strategy,
        "options": options,
        "modalities": [
            {
                "name": "a",
                "columns": width,
                "weight": 1.0,
                "normalize": [],
                "seen": 0,
                "degenerate_columns": [],
            }
        ],
        "classes": [],
        "missing": None,
        "nan": "error",
        "dtype": "float32",
        "rows": 1,
        "training": [],
    }
    zeros = np.zeros(width)
    names = ("count", "mean", "deviation", "minimum", "maximum")
    moments = {f"moments.0.{name}": zeros for name in names}
    energy = {"gathered.energy": np.zeros(1)}
    return together(description, {**moments, **energy, **learned})


def test_such_a_model_is_one(load: Load) -> None:
    assert load(of_width(3, "concat", {}, {})).columns == ("a_0", "a_1", "a_2")


@pytest.mark.parametrize(
    ("strategy", "more", "told"),
    [
        ("snf", {}, "a strategy that fuses all rows at once"),
        ("concat", {"statistic.n": np.array(1)}, "statistics of a strategy that does not learn"),
        ("concat", {"learned.more": np.zeros(3)}, "arrays that are not those of concat"),
    ],
)
def test_what_a_strategy_does_not_have(strategy: str, more: Arrays, told: str, load: Load) -> None:
    assert is_refused(load, of_width(3, strategy, {}, more)) == f"a damaged model: {told}"


@pytest.mark.parametrize(
    ("strategy", "options", "learned"),
    [
        ("sketch", {"n_components": 10**12}, {}),
        ("sketch", {"n_components": 10**7}, {}),
        ("random-lowrank", {"n_components": 10**12}, {}),
        ("pca", {"n_components": 1}, {"statistic.n": np.array(1)}),
        ("pca", {"n_components": 10**12}, {"statistic.n": np.array(1)}),
    ],
    ids=["sketch", "less", "random-lowrank", "statistics", "components"],
)
def test_claims_take_no_memory(
    strategy: str, options: dict[str, Any], learned: Arrays, load: Load
) -> None:
    data = of_width(20_000, strategy, options, learned)
    tracemalloc.start()
    try:
        is_refused(load, data)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
