"""Models of anyone's make, each with the sentence that refuses it; more stand by topic."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mmfuse
from mmfuse.core.statistic import same_shapes
from mmfuse.ensemble import stored, trained
from mmfuse.ensemble.estimator import estimator_of
from mmfuse.ensemble.rules import rule_of
from mmfuse.ensemble.trained import Trained
from mmfuse.errors import ModelError, UsageError

X = np.random.default_rng(0).normal(size=(30, 4))
Y = np.arange(30) % 3
Arrays = dict[str, NDArray[Any]]


def arrays(name: str) -> Arrays:
    options = {"n_estimators": 2, "max_depth": 2} if name == "forest" else {}
    return dict(Trained.fit(name, X, Y, 3, 0, options).arrays())


def packed(content: bytes) -> Arrays:
    return {"object": np.frombuffer(content, np.uint8)}


def edited(name: str, edit: Callable[[dict[str, Any]], Any]) -> Arrays:
    """An object whose description was changed."""
    given = arrays(name)["object"].tobytes()
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(given)) as old, zipfile.ZipFile(written, "w") as new:
        for member in old.namelist():
            content = old.read(member)
            if member == "schema.json":
                schema = json.loads(content)
                edit(schema["content"]["content"])
                content = json.dumps(schema).encode()
            new.writestr(member, content)
    return packed(written.getvalue())


def swollen() -> Arrays:
    """An archive whose directory claims that a member is longer than all of it."""
    data = bytearray(arrays("sgd")["object"].tobytes())
    place = data.index(b"PK\x01\x02")
    data[place + 20 : place + 28] = struct.pack("<II", len(data) + 1, len(data) + 1)
    return packed(bytes(data))


def of_objects(attributes: dict[str, Any]) -> None:
    attributes["coef_"]["type"] = "json"


def without_nodes(attributes: dict[str, Any]) -> None:
    tree = attributes["estimators_"]["content"][0]["content"]["content"]["tree_"]
    tree["content"]["content"]["nodes"]["__class__"] = "float64"


BAD: dict[str, tuple[str, str, Callable[[], Arrays]]] = {
    "another array": (
        "logistic",
        "a model with an array 'more'",
        lambda: {**arrays("logistic"), "more": np.zeros(1)},
    ),
    "no class at all": (
        "logistic",
        "a linear model of numbers that are not finite",
        lambda: {**arrays("logistic"), "intercept": np.full(3, -np.inf)},
    ),
    "an endless intercept": (
        "logistic",
        "a linear model with an intercept that is none",
        lambda: {**arrays("logistic"), "intercept": np.array([0, 0, np.inf])},
    ),
    "other columns": (
        "logistic",
        "a linear model with other coef",
        lambda: {**arrays("logistic"), "coef": np.zeros((5, 3))},
    ),
    "a penalty": (
        "ridge",
        "statistics or a penalty that cannot be",
        lambda: {**arrays("ridge"), "penalty": np.array(-1.0)},
    ),
    "a name that is not there": (
        "lda",
        "a damaged model of the estimator lda: 'penalty'",
        dict,
    ),
    "more than an object": (
        "sgd",
        "a model with other arrays",
        lambda: {**arrays("sgd"), "more": np.zeros(1)},
    ),
    "a member too long": ("sgd", "a model whose members are larger than itself", swollen),
    "objects in an array": (
        "sgd",
        "a model with an array of objects",
        lambda: edited("sgd", of_objects),
    ),
    "a tree without nodes": (
        "forest",
        "a model with a tree that lacks an array",
        lambda: edited("forest", without_nodes),
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_model_is_told(what: str) -> None:
    name, told, make = BAD[what]
    with pytest.raises(ModelError) as raised:
        Trained.restored(name, make(), 4, 3)
    assert told in raised.value.message


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"n_features_in_": 5}, "a model that is no KNeighborsClassifier of 4 columns"),
        ({}, "a model of other classes"),
        ({"classes_": np.array([1, 0])}, "a model whose classes are not in order"),
        ({"classes_": np.array([0, 3])}, "a model of other than these 3 classes"),
        ({"classes_": np.array([0, 2]), "n_jobs": 2}, "a model that starts threads, or prints"),
    ],
)
def test_an_object_that_is_not_what_the_model_says(changed: dict[str, Any], told: str) -> None:
    knn = estimator_of("knn")
    found = knn.classifier(0)
    for name, value in {"n_features_in_": 4, **changed}.items():
        setattr(found, name, value)
    with pytest.raises(ModelError, match=told):
        stored._refuse_misfit(found, knn, 4, 3)


def test_an_object_that_predicts_other_classes() -> None:
    odd = SimpleNamespace(
        n_features_in_=4, classes_=np.arange(3), predict_proba=lambda x: np.ones((len(x), 2))
    )
    trusting = SimpleNamespace(name="knn", sound=lambda *_: True)
    with pytest.raises(ModelError, match="it predicts something else"):
        stored.refuse_unsound(odd, trusting)  # type: ignore[arg-type]


def test_an_object_that_cannot_predict() -> None:
    with (
        pytest.raises(ModelError, match="the model cannot be applied: odd"),
        trained._errors("be applied"),
    ):
        raise ValueError("odd")


def test_statistics_of_other_data() -> None:
    own = {"sum": np.zeros(2)}
    with pytest.raises(ModelError, match="statistics of the training data are not those of its"):
        same_shapes(own, {"sum": np.zeros(3)})
    told = "there are statistics of the training data that it does not have"
    with pytest.raises(ModelError, match=told):
        same_shapes(own, {**own, "more": np.zeros(2)})


def test_a_sum_is_no_rule_of_single_models() -> None:
    with pytest.raises(UsageError, match="a sum is of models that are learned together"):
        rule_of("sum", 3)


def test_a_trained_model_is_not_explained_or_merged() -> None:
    model = mmfuse.train({"a": X}, Y, estimator="lda", folds=0).model
    fitted = mmfuse.fit("pca", {"a": X, "b": X}, options={"n_components": 1}).model
    told = "a model that train made"
    with pytest.raises(ModelError, match=told):
        mmfuse.explain(model)
    with pytest.raises(ModelError, match=told):
        mmfuse.merge([fitted, model])
