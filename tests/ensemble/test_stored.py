"""Objects as bytes: the same in every process, and nothing of anyone's make runs or crashes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

from mmfuse.ensemble.estimator import ESTIMATORS, estimator_of
from mmfuse.ensemble.stored import dumps, loads
from mmfuse.ensemble.trained import Trained
from mmfuse.errors import ModelError

X, Y = load_iris(return_X_y=True)
STORED = [name for name in ESTIMATORS.modules if estimator_of(name).keeps == "object"]
SMALL = {
    "boosting": {"max_iter": 3},
    "forest": {"n_estimators": 3, "max_depth": 4},
    "mlp": {"hidden_layer_sizes": [4], "max_iter": 5},
}


def content(name: str, classes: int = 3) -> bytes:
    x, y = (X, Y) if classes else load_diabetes(return_X_y=True)
    return Trained.fit(name, x, y, classes, 0, SMALL.get(name)).arrays()["object"].tobytes()


FITTED = {name: content(name) for name in STORED}


def load(name: str, given: bytes, dim: int = 4, classes: int = 3):
    arrays = {"object": np.frombuffer(given, np.uint8)}
    return Trained.restored(name, arrays, dim, classes)


def parts(given: bytes):
    """The description and the other members."""
    with zipfile.ZipFile(io.BytesIO(given)) as file:
        members = {one: file.read(one) for one in file.namelist()}
    return json.loads(members.pop("schema.json")), members


def joined(schema, members, compression=zipfile.ZIP_STORED) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", compression) as file:
        for name, member in members.items():
            file.writestr(name, member)
        file.writestr("schema.json", json.dumps(schema))
    return written.getvalue()


def attributes(node):
    return node["content"]["content"]


def number(text) -> dict[str, str]:
    value = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
    return {**value, "content": text}


def saved(array) -> bytes:
    written = io.BytesIO()
    np.save(written, array)
    return written.getvalue()


@pytest.mark.parametrize("name", STORED)
def test_the_bytes_do_not_depend_on_the_process(name):
    code = (
        "from test_stored import content\nimport hashlib\n"
        f"print(hashlib.sha256(content({name!r})).hexdigest())"
    )
    ran = {
        subprocess.run(
            [sys.executable, "-c", "x = [object() for _ in range(%d)]\n%s" % (n, code)],  # noqa: UP031
            check=True, capture_output=True, text=True, cwd=__file__.rpartition("/")[0],
            env={"PYTHONHASHSEED": str(n), "OMP_NUM_THREADS": str(n)},
        ).stdout
        for n in (1, 2)
    }  # fmt: skip
    import hashlib

    assert ran == {hashlib.sha256(FITTED[name]).hexdigest() + "\n"}


@pytest.mark.parametrize("name", STORED)
def test_what_was_read_is_written_the_same(name):
    estimator = estimator_of(name)
    found = loads(np.frombuffer(FITTED[name], np.uint8), estimator, 4, 3)
    assert dumps(found, estimator).tobytes() == FITTED[name]


@pytest.mark.parametrize("name", STORED)
def test_a_model_of_others(name):
    for dim, classes in ((5, 3), (4, 2), (4, 0)):
        with pytest.raises(ModelError):
            load(name, FITTED[name], dim, classes)
    with pytest.raises(ModelError):
        load(name, content(name, 0), 10, 3)
    for other in set(STORED) - {name}:
        with pytest.raises(ModelError, match="a model that holds a type that is not trusted"):
            load(other, FITTED[name])


@pytest.mark.parametrize("name", STORED)
def test_cut_short(name):
    given = FITTED[name]
    for end in np.linspace(0, len(given) - 1, 60).astype(int):
        with pytest.raises(ModelError):
            load(name, given[:end])


@pytest.mark.parametrize("name", STORED)
def test_random_bytes(name):
    """Of the file, where sums of the members catch most, and of members with new sums."""
    random = np.random.default_rng(5)
    schema, members = parts(FITTED[name])
    text = json.dumps(schema).encode()
    for turn in range(150):
        given = bytearray(FITTED[name])
        if turn % 3:
            for k in random.integers(len(given), size=random.integers(1, 4)):
                given[k] = random.integers(256)
            harmless(name, bytes(given))
            continue
        own = {one: bytearray(member) for one, member in members.items()}
        flipped = own[random.choice(list(own))] if turn % 2 else bytearray(text)
        flipped[random.integers(len(flipped))] = random.integers(256)
        try:
            described = json.loads(flipped) if not turn % 2 else schema
        except ValueError:
            continue
        harmless(name, joined(described, {one: bytes(member) for one, member in own.items()}))


def harmless(name: str, given: bytes) -> None:
    try:
        model = load(name, given)
        with np.errstate(all="ignore"):
            assert model.predict(X).shape == (150, 3)
        if estimator_of(name).goes_on:
            model.went_on(X, Y)
    except ModelError:
        pass


HOSTILE = [
    {"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"},
    {"__class__": "system", "__module__": "os", "__loader__": "TypeNode"},
    {"__class__": "system", "__module__": "posix", "__loader__": "JsonNode", "content": "1"},
    {"__class__": "add", "__module__": "numpy", "__loader__": "FunctionNode"},
    {
        "__class__": "methodcaller", "__module__": "operator", "__loader__": "OperatorFuncNode",
        "attrs": number('"x"'),
    },
    {
        "__class__": "Popen", "__module__": "subprocess", "__loader__": "ConstructorFromReduceNode",
        "content": {
            "__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode",
            "content": [number('"touch ran"')],
        },
    },
    {
        "__class__": "partial", "__module__": "functools", "__loader__": "PartialNode",
        "content": {},
    },
    {
        "__class__": "LogisticRegression", "__module__": "sklearn.linear_model._logistic",
        "__loader__": "ObjectNode", "content": number("null"),
    },
]  # fmt: skip


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda node: node["__class__"])
def test_a_type_that_is_not_trusted_is_refused(name, hostile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    schema, members = parts(FITTED[name])
    attributes(schema)["n_features_in_"] = hostile
    with pytest.raises(ModelError, match="a model that holds a type that is not trusted"):
        load(name, joined(schema, members))
    with pytest.raises(ModelError, match="a model that holds a type that is not trusted"):
        load(name, joined({**hostile, "protocol": 2, "_skops_version": "0.16.0"}, members))
    assert not list(tmp_path.iterdir())


def test_a_bomb_is_refused_before_it_is_blown_up():
    schema, members = parts(FITTED["knn"])
    members["0.npy"] = bytes(1 << 26)
    with pytest.raises(ModelError, match="a model with compressed members"):
        load("knn", joined(schema, members, zipfile.ZIP_DEFLATED))
    schema, members = parts(FITTED["knn"])
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1099511627776, 4), }"
    head += b" " * (117 - len(head)) + b"\n"
    members["0.npy"] = b"\x93NUMPY\x01\x00v\x00" + head
    with pytest.raises(ModelError):
        load("knn", joined(schema, members))


def test_a_description_that_is_too_deep():
    deep = '{"__class__":"list","__module__":"builtins","__loader__":"ListNode","content":['
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as file:
        file.writestr("schema.json", deep * 5000 + "]}" * 5000)
    with pytest.raises(ModelError, match="recursion"):
        load("knn", written.getvalue())


def test_a_model_of_another_scikit_learn_says_which():
    schema, members = parts(FITTED["sgd"])
    attributes(schema)["_sklearn_version"] = number('"0.99.1"')
    with pytest.raises(
        ModelError, match=r"(?s)a model of scikit-learn 0\.99\.1; this is .*scikit-learn==0\.99\.1"
    ):
        load("sgd", joined(schema, members))


def tree_of(schema):
    return attributes(attributes(schema)["estimators_"]["content"][0])["tree_"]


@pytest.mark.parametrize(
    "values",
    [
        {"left_child": 0}, {"left_child": 1 << 40}, {"right_child": -7}, {"feature": 4},
        {"feature": -3},
    ],
)  # fmt: skip
def test_a_tree_leads_down_to_nodes_that_it_has(values):
    schema, members = parts(FITTED["forest"])
    name = tree_of(schema)["content"]["content"]["nodes"]["file"]
    nodes = np.load(io.BytesIO(members[name]))
    for field, value in values.items():
        nodes[field][0] = value
    members[name] = saved(nodes)
    with pytest.raises(ModelError, match="not what the estimator forest makes of rows"):
        load("forest", joined(schema, members))


@pytest.mark.parametrize(
    ("array", "value"),
    [
        ("widths", []), ("widths", [3, 3]), ("widths", [1 << 61]), ("nodes", 7), ("nodes", []),
        ("nodes", [1, 2]), ("values", [1.5]),
    ],
)  # fmt: skip
def test_a_tree_has_arrays_of_its_sizes(array, value):
    schema, members = parts(FITTED["forest"])
    own = tree_of(schema)
    given = {**own["content"]["content"], "widths": own["__reduce__"]["args"]["content"][1]}
    members["bad.npy"] = saved(np.array(value))
    given[array]["file"] = "bad.npy"
    with pytest.raises(ModelError, match="a model with a tree of other sizes than its own"):
        load("forest", joined(schema, members))


@pytest.mark.parametrize("value", ["0", "-1", "2", "1000000000", "null"])
@pytest.mark.parametrize("told", ["outputs", "node_count"])
def test_a_tree_tells_its_sizes(told, value):
    schema, members = parts(FITTED["forest"])
    own = tree_of(schema)
    if told == "outputs":
        own["__reduce__"]["args"]["content"][2] = number(value)
    else:
        own["content"]["content"][told] = number(value)
    with pytest.raises(ModelError, match="a model with a tree of other sizes than its own"):
        load("forest", joined(schema, members))


def test_a_network_has_the_layers_that_it_tells():
    schema, members = parts(FITTED["mlp"])
    attributes(schema)["hidden_layer_sizes"] = number("1000000000000")
    with pytest.raises(ModelError, match="mlp"):
        load("mlp", joined(schema, members))


@pytest.mark.parametrize(
    "values",
    [{"left": 0}, {"right": 1 << 30}, {"feature_idx": 4}, {"is_categorical": 1}],
)
def test_a_boosted_tree_leads_down_to_nodes_that_it_has(values):
    schema, members = parts(FITTED["boosting"])
    tree = attributes(schema)["_predictors"]["content"][0]["content"][0]
    name = attributes(tree)["nodes"]["file"]
    nodes = np.load(io.BytesIO(members[name]))
    for field, value in values.items():
        nodes[field][0] = value
    members[name] = saved(nodes)
    with pytest.raises(ModelError, match="boosting"):
        load("boosting", joined(schema, members))


@pytest.mark.parametrize(("name", "array"), [("knn", "_y"), ("knn", "_fit_X"), ("sgd", "coef_")])
def test_arrays_are_of_their_shapes_and_in_their_range(name, array):
    for change in (lambda a: a + 1000 if array == "_y" else a[:, :2], lambda a: a[:1]):
        schema, members = parts(FITTED[name])
        file = attributes(schema)[array]["file"]
        members[file] = saved(change(np.load(io.BytesIO(members[file]))))
        with pytest.raises(ModelError, match=name):
            load(name, joined(schema, members))


def test_what_no_estimator_needs_is_not_taken_over():
    """Numbers by which one node stands for another, and members that nothing refers to."""
    schema, members = parts(FITTED["forest"])
    args = tree_of(schema)["__reduce__"]["args"]["content"]
    schema["content"]["content"]["estimators_"]["__id__"] = 1
    attributes(schema)["n_estimators"]["__id__"] = args[2]["__id__"] = 7
    given = joined(schema, {**members, "more.npy": b"?"})
    estimator = estimator_of("forest")
    found = loads(np.frombuffer(given, np.uint8), estimator, 4, 3)
    assert dumps(found, estimator).tobytes() == FITTED["forest"]
