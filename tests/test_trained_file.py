"""Hostile and damaged files of trained models: refused in one sentence, or models to be used."""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
import tempfile
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
from mmfuse import models
from mmfuse.errors import MmfuseError, ModelError
from mmfuse.model_file import KEY as OTHER_KEY
from mmfuse.trained_file import KEY

Array = NDArray[Any]
Arrays = dict[str, Array]
Load = Callable[[bytes], Any]
N = 60


def rows(seed: int = 0) -> tuple[dict[str, Array], Array]:
    rng = np.random.default_rng(seed)
    y = np.arange(N) % 3
    return {n: rng.normal(size=(N, d)) + y[:, None] for n, d in (("a", 3), ("b", 2))}, y


KINDS: dict[str, dict[str, Any]] = {
    "stack": {
        "estimator": {"a": "lda", "b": "logistic"},
        "normalize": {"a": "l2,zscore", "b": "minmax"},
        "fuse": "stack",
        "calibrate": "isotonic",
    },
    "weights": {
        "estimator": {"a": "forest", "b": "ridge"},
        "options": {"forest": {"n_estimators": 2, "max_depth": 2}},
        "normalize": "whiten",
        "learn_weights": True,
        "calibrate": "temperature",
    },
    "numbers": {"estimator": "ridge", "fuse": "bates-granger", "nan": "mean"},
    "stacked numbers": {"estimator": {"a": "ridge", "b": "sgd"}, "fuse": "stack"},
    "vote": {
        "estimator": {"a": "lda", "b": "knn"},
        "weight": {"a": 2},
        "fuse": "hard-vote",
        "folds": 0,
    },
}
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of numbers that are none
every = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bytes of models that have something of everything."""
    found = {}
    for kind, how in KINDS.items():
        path = tmp_path_factory.mktemp("models") / "model"
        x, y = rows()
        mmfuse.train(x, y + 0.5 if "numbers" in kind else y, path, **{"folds": 3, **how})
        found[kind] = path.read_bytes()
    return found


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """A model of these bytes."""

    def loaded(data: bytes) -> Any:
        path = tmp_path / "model.safetensors"
        path.write_bytes(data)
        return models.load(path)

    return loaded


def taken_apart(data: bytes) -> tuple[dict[str, Any], Arrays]:
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return json.loads(header["__metadata__"][KEY]), load_tensors(data)


def together(description: Any, arrays: Arrays) -> bytes:
    text = description if isinstance(description, str) else json.dumps(description)
    return save_tensors(arrays, {KEY: text})


def is_refused(load: Load, data: bytes) -> str:
    with pytest.raises(ModelError) as raised:
        load(data)
    assert raised.value.where is not None
    assert raised.value.where.endswith("model.safetensors")
    return raised.value.message


def is_used_or_refused(load: Load, data: bytes) -> None:
    """Either a ModelError, or whatever is done with the model ends well or as an error of ours."""
    try:
        model = load(data)
    except ModelError:
        return
    x, y = rows(1)
    with tempfile.TemporaryDirectory() as place, np.errstate(all="ignore"):
        again = Path(place, "again.safetensors")
        uses: list[Callable[[], Any]] = [
            lambda: mmfuse.predict(model, x),
            lambda: mmfuse.predict(model, {"b": x["b"]}),
            lambda: mmfuse.train_on(model, x, y, again),
            lambda: models.load(again),
        ]
        for use in uses:
            with suppress(MmfuseError):
                use()


# --- the whole file ---------------------------------------------------------------------------


@every
def test_another_library_reads_it_and_writes_it(
    kind: str, goods: dict[str, bytes], load: Load
) -> None:
    again = load(together(*taken_apart(goods[kind])))
    one, two = (mmfuse.predict(model, rows(1)[0]) for model in (again, load(goods[kind])))
    assert one.matrix is not None
    assert two.matrix is not None
    assert one.matrix.tobytes() == two.matrix.tobytes()


@every
def test_cut_short(kind: str, goods: dict[str, bytes], load: Load) -> None:
    good = goods[kind]
    head = 8 + int.from_bytes(good[:8], "little")
    for place in (1, 7, 8, 9, head // 2, head - 1, head, head + 1, len(good) - 8, len(good) - 1):
        is_refused(load, good[:place])
    is_refused(load, good + b"\0")


@every
def test_flipped_bits(kind: str, goods: dict[str, bytes], load: Load) -> None:
    good = together(*taken_apart(goods[kind]))  # without the checksum, which would tell of all
    rng = np.random.default_rng(0)
    head = 8 + int.from_bytes(good[:8], "little")
    for k in range(60):
        data = bytearray(good)
        end = head if k % 4 else len(good)  # most of them in what is understood
        for place in rng.integers(0, end, rng.integers(1, 4)):
            data[place] ^= 1 << rng.integers(8)
        is_used_or_refused(load, bytes(data))


class Bomb:
    """Leaves a trace where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("unpickled",)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (pickle.dumps(Bomb()), "a pickle; mmfuse never unpickles"),
        (save_tensors({}, {KEY: ""}), "a damaged model"),
        (save_tensors({}, {KEY: "[1]"}), "a damaged model"),
        (save_tensors({}, {KEY: "{}"}), "no version"),
        (save_tensors({}, {KEY: "[" * 200_000}), "a damaged model"),
        (save_tensors({}, {"other": "{}"}), "not a model of mmfuse"),
    ],
    ids=["pickle", "no text", "a list", "an empty object", "deep", "another key"],
)
def test_other_files(data: bytes, told: str, load: Load, here: Path) -> None:
    assert told in is_refused(load, data)
    assert not os.path.exists("unpickled")


@every
def test_an_object_that_is_a_pickle(
    kind: str, goods: dict[str, bytes], load: Load, here: Path
) -> None:
    description, arrays = taken_apart(goods[kind])
    for name in arrays:
        if name.endswith(".object"):
            bomb = np.frombuffer(pickle.dumps(Bomb()), np.uint8)
            is_refused(load, together(description, {**arrays, name: bomb}))
    assert not os.path.exists("unpickled")


def test_a_model_under_the_key_of_the_other_kind(goods: dict[str, bytes], load: Load) -> None:
    description, arrays = taken_apart(goods["stack"])
    is_refused(load, save_tensors(arrays, {OTHER_KEY: json.dumps(description)}))


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
    """The place of everything in a value of JSON, but not within what is only told."""
    yield at
    if at in (("evaluation",), ("training",)) or at[-1:] == ("options",):
        return
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
    told = {"a text": ("version",), "null": ("evaluation",), "a list": ("training",)}
    if at == told.get(odd) or (odd, at[-1:]) == ("an object", ("options",)):
        return True
    if odd == "a text" and (at[-1:] == ("name",) or at[:1] == ("classes",)):
        return len(at) > 1
    if (odd, at) == ("an object", ("evaluation",)):
        return True
    same = as_json(replaced(description, at, ODD[odd])) == as_json(description)
    return same or (odd == "true" and at == ("learn_weights",))


@pytest.mark.parametrize("odd", ODD)
@every
def test_odd_values_everywhere_in_the_description(
    kind: str, odd: str, goods: dict[str, bytes], load: Load
) -> None:
    description, arrays = taken_apart(goods[kind])
    for at in places(description):
        data = together(as_json(replaced(description, at, ODD[odd])), arrays)
        if is_allowed(at, odd, description):
            is_used_or_refused(load, data)
        else:
            is_refused(load, data)


@pytest.mark.parametrize("odd", ["1e999", "half a character"])
def test_what_could_not_be_saved_again_is_refused(
    odd: str, goods: dict[str, bytes], load: Load
) -> None:
    description, arrays = taken_apart(goods["stack"])
    for at in (("evaluation", "folds"), ("training", 0, "join"), ("evaluation", "scores", 0)):
        is_refused(load, together(as_json(replaced(description, at, ODD[odd])), arrays))


@every
def test_fields_that_are_missing_or_too_many(
    kind: str, goods: dict[str, bytes], load: Load
) -> None:
    description, arrays = taken_apart(goods[kind])
    for name in description:
        is_refused(load, together({k: v for k, v in description.items() if k != name}, arrays))
    is_refused(load, together({**description, "more": 1}, arrays))
    for name in (*description["modalities"][0], "more"):
        changed = copy.deepcopy(description)
        if name == "more":
            changed["modalities"][0]["more"] = 1
        else:
            del changed["modalities"][0][name]
        is_refused(load, together(changed, arrays))


@pytest.mark.parametrize("version", [0, 2, "1", True, 1.0, None, -1, 10**30])
def test_versions(version: Any, goods: dict[str, bytes], load: Load) -> None:
    description, arrays = taken_apart(goods["stack"])
    told = is_refused(load, together({**description, "format_version": version}, arrays))
    later = type(version) is int and version > 1
    assert told.startswith(f"a model of format {version}" if later else "a damaged model: its desc")


@pytest.mark.parametrize(
    ("kind", "at", "other", "told"),
    [
        ("stack", ("fuse",), "stak", "no fusion 'stak'"),
        ("stack", ("fuse",), "os", "no fusion 'os'"),
        ("stack", ("fuse",), "soft-vote", "rule"),
        ("stack", ("fuse",), "sum", "sum"),
        ("stack", ("fuse",), "concat", "no fusion"),
        ("stack", ("learn_weights",), True, "learned weights"),
        ("numbers", ("fuse",), "soft-vote", "of numbers"),
        ("numbers", ("fuse",), "stack", "damaged"),
        ("numbers", ("classes",), ["x", "y"], ""),
        ("stack", ("classes",), [], ""),
        ("stack", ("classes",), ["0"], ""),
        ("stack", ("classes",), ["0", "1"], ""),
        ("stack", ("classes",), ["0", "1", "2", "3"], ""),
        ("stack", ("classes",), ["0", "1", "1"], ""),
        ("stack", ("modalities",), [], "modalities"),
        ("stack", ("modalities", 0, "name"), "b", "modalities"),
        ("stack", ("modalities", 0, "estimator"), "os", "no estimator 'os'"),
        ("stack", ("modalities", 0, "estimator"), "ldaa", "did you mean"),
        ("stack", ("modalities", 0, "estimator"), "forest", "a model with"),
        ("weights", ("modalities", 0, "estimator"), "boosting", ""),
        ("stack", ("modalities", 0, "normalize", 0), "os", "no normalization 'os'"),
        ("stack", ("modalities", 0, "normalize"), ["zscore", "l2"], ""),
        ("stack", ("modalities", 0, "columns"), 4, ""),
        ("stack", ("modalities", 0, "columns"), 10**12, ""),
        ("stack", ("modalities", 0, "columns"), ["x", "y", "x"], "columns"),
        ("stack", ("modalities", 0, "columns"), 0, "columns"),
        ("stack", ("modalities", 0, "weight"), 0, "weight"),
        ("stack", ("dtype",), "float8", "none of float16"),
        ("stack", ("nan",), "perhaps", "none of error"),
        ("stack", ("seed",), 1.5, "no natural number"),
    ],
)
def test_values_of_the_right_kind(
    kind: str, at: Place, other: Any, told: str, goods: dict[str, bytes], load: Load
) -> None:
    description, arrays = taken_apart(goods[kind])
    with pytest.raises(ModelError) as raised:
        load(together(replaced(description, at, other), arrays))
    assert told in str(raised.value)


# --- the tensors ------------------------------------------------------------------------------


@every
def test_a_tensor_that_is_missing_or_of_another_name(
    kind: str, goods: dict[str, bytes], load: Load
) -> None:
    description, arrays = taken_apart(goods[kind])
    for name in arrays:
        is_refused(load, together(description, {k: v for k, v in arrays.items() if k != name}))
        for other in (f"{name}x", name.partition(".")[2], name.replace("0", "9")):
            if other not in arrays:
                changed = {other if k == name else k: v for k, v in arrays.items()}
                is_refused(load, together(description, changed))


@every
@pytest.mark.parametrize(
    "name", ["x", "rule.x", "calibration.x", "model.0.x", "model.2.coef", "normalize.0.9.x"]
)
def test_a_tensor_too_many(kind: str, name: str, goods: dict[str, bytes], load: Load) -> None:
    description, arrays = taken_apart(goods[kind])
    is_refused(load, together(description, {**arrays, name: np.zeros(3)}))


SHAPES: dict[str, Callable[[Array], Array]] = {
    "none": lambda x: x.reshape(-1)[:0].copy(),
    "one": lambda x: x.reshape(-1)[:1].copy(),
    "a scalar": lambda x: np.array(x.reshape(-1)[0]),
    "one more": lambda x: np.append(x.reshape(-1), x.reshape(-1)[:1]),
    "one less": lambda x: x.reshape(-1)[:-1].copy(),
    "one column": lambda x: x[..., :1].copy() if x.ndim > 1 else x.reshape(-1, 1),
    "flat": lambda x: x.reshape(-1),
    "turned": lambda x: np.ascontiguousarray(x.T),
    "deep": lambda x: x[..., None],
}


@pytest.mark.parametrize("shape", SHAPES)
@every
def test_shapes(kind: str, shape: str, goods: dict[str, bytes], load: Load) -> None:
    description, arrays = taken_apart(goods[kind])
    for name, array in arrays.items():
        reshaped = SHAPES[shape](array)
        if reshaped.shape == array.shape:
            continue
        data = together(description, {**arrays, name: reshaped})
        if name.endswith(".object") or (name.startswith("normalize.") and not reshaped.ndim):
            is_used_or_refused(load, data)  # a zip may end in anything, and numbers are stretched
        else:
            is_refused(load, data)


@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool", "float16", "int32"])
@every
def test_dtypes(kind: str, dtype: str, goods: dict[str, bytes], load: Load) -> None:
    description, arrays = taken_apart(goods[kind])
    for name, array in arrays.items():
        if array.dtype == dtype:
            continue
        with np.errstate(all="ignore"):
            changed = together(description, {**arrays, name: array.astype(dtype)})
        if name.startswith("normalize."):
            is_used_or_refused(load, changed)
        else:
            is_refused(load, changed)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, 0.0])
@every
def test_numbers_that_cannot_be(
    kind: str, value: float, goods: dict[str, bytes], load: Load
) -> None:
    description, arrays = taken_apart(goods[kind])
    for name, array in arrays.items():
        if array.dtype.kind != "f" and not (array.dtype.kind == "i" and abs(value) <= 1):
            continue
        spoilt = array.copy()
        spoilt.reshape(-1)[-1] = value
        data = together(description, {**arrays, name: spoilt})
        if np.isnan(value):
            assert is_refused(load, data) == f"a damaged model: NaN in tensor {name}"
        elif np.isinf(value) and name.startswith(("rule.", "calibration.")):
            is_refused(load, data)
        else:
            is_used_or_refused(load, data)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("stack", "rule.classes", [0, 1, 3]),
        ("stack", "rule.classes", [-1, 1, 2]),
        ("stack", "rule.classes", [0, 2, 1]),
        ("stack", "rule.classes", [0, 1, 1]),
        ("stack", "calibration.ends", [0, 1, 2]),
        ("stack", "calibration.ends", [3, 2, 9]),
        ("stack", "calibration.ends", [-1, 2, 9]),
        ("weights", "calibration.temperature", 0.0),
        ("weights", "calibration.temperature", -1.0),
        ("weights", "rule.weights", [-1.0, 2.0]),
        ("weights", "rule.priors", [-1.0, 1.0, 1.0]),
        ("vote", "rule.weights", [1.0, -1.0]),
    ],
)
def test_values_that_cannot_be(
    kind: str, name: str, value: Any, goods: dict[str, bytes], load: Load
) -> None:
    description, arrays = taken_apart(goods[kind])
    changed = np.array(value, arrays[name].dtype)
    assert name.endswith(("ends", "temperature")) or changed.shape == arrays[name].shape
    is_refused(load, together(description, {**arrays, name: changed}))


def test_curves_of_other_points(goods: dict[str, bytes], load: Load) -> None:
    description, arrays = taken_apart(goods["stack"])
    for name in ("calibration.x", "calibration.y"):
        arrays[name] = np.append(arrays[name], 1.0)
    told = is_refused(load, together(description, arrays))
    assert told == "a damaged model: curves of other points"


@pytest.mark.parametrize(
    ("at", "other", "told"),
    [
        (("reliability", 0), [0.5, 1.0], "bins that cannot be"),
        (("reliability", 0, 1), "x", "a score that is no number"),
        (("scores", 0, "values", "ece"), True, "a score that is no number"),
        (("scores",), [], "scores of another model"),
        (("classes",), ["0", "1", "x"], "scores of another model"),
        (("confusion",), [[1, 2, 3]], "scores of another model"),
        (("confusion",), [[1] * 9], "scores of other classes"),
        (("reliability",), [], "scores of other classes"),
    ],
)
def test_scores_that_cannot_be(
    at: Place, other: Any, told: str, goods: dict[str, bytes], load: Load
) -> None:
    description, arrays = taken_apart(goods["stack"])
    changed = replaced(description, ("evaluation", *at), other)
    assert is_refused(load, together(changed, arrays)) == f"a damaged model: {told}"


def test_claims_take_no_memory(goods: dict[str, bytes], load: Load) -> None:
    description, arrays = taken_apart(goods["stack"])
    for columns in (10**9, 10**12, 1 << 62):
        changed = replaced(description, ("modalities", 0, "columns"), columns)
        is_refused(load, together(changed, arrays))
