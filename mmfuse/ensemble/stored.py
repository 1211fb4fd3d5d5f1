"""Fitted scikit-learn objects as bytes, by skops, which runs nothing that it reads.

Written canonically: the same object gives the same bytes in every process. Read without trust: of
the zip and the description in it only what this module writes is taken over into one that skops is
given, with a closed list of types, and what compiled code would not look at is looked at before.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import re
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.ensemble.estimator import Estimator
from mmfuse.errors import ModelError, UsageError

Array = NDArray[np.float64]
Bytes = NDArray[np.uint8]

_SCHEMA = "schema.json"
_TREE = "sklearn.tree._tree.Tree"
_TYPES = {
    "JsonNode": {"builtins.str"},
    "TypeNode": {"builtins.str"},
    "DictNode": {"builtins.dict"},
    "ListNode": {"builtins.list"},
    "TupleNode": {"builtins.tuple"},
    "NdArrayNode": {"numpy.ndarray", "numpy.float64", "numpy.int64", "numpy.uint64", "numpy.bool"},
}
"""What data of any estimator is made of; objects are of the types that it lists."""


def require_skops() -> Any:
    """`skops.io`, imported now. Raises UsageError where it, or scikit-learn, is not installed."""
    for needed, name in (("sklearn", "scikit-learn"), ("skops", "skops")):
        if importlib.util.find_spec(needed) is None:
            raise UsageError(f"this model is kept with {name}", hint="pip install 'mmfuse[learn]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other libraries, as it looks through them
        return importlib.import_module("skops.io")


def dumps(fitted: Any, estimator: Estimator) -> Bytes:
    """A fitted object of an estimator, `(bytes,)`.

    Raises ModelError for one of types that are not trusted, UsageError where there is no skops.
    """
    return np.frombuffer(_canonical(require_skops().dumps(fitted), estimator)[0], np.uint8)


def loads(content: Bytes, estimator: Estimator, dim: int, classes: int) -> Any:
    """The object again, of an estimator of `dim` columns and so many classes, 0 of numbers.

    Raises ModelError for all that is not an object which such an estimator has fitted, UsageError
    where skops or scikit-learn is missing.
    """
    skops = require_skops()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other versions, which are looked at here
            written, version = _canonical(content.tobytes(), estimator)
            _refuse_other_version(version)
            found = skops.loads(written, trusted=sorted(estimator.types))
            _refuse_misfit(found, estimator, dim, classes)
    except ModelError:
        raise
    except Exception as error:  # bytes of anyone's make, read by three libraries
        raise ModelError(f"a damaged model: {error or type(error).__name__}") from error
    return found


def predicted(fitted: Any, x: Array) -> Array:
    """Of rows `(n, d)`: probabilities of `fitted.classes_`, `(n, k)`, or numbers, `(n, 1)`."""
    if hasattr(fitted, "classes_"):
        return np.asarray(fitted.predict_proba(x), np.float64)
    return np.asarray(fitted.predict(x), np.float64).reshape(len(x), 1)


def refuse_unsound(fitted: Any, estimator: Estimator) -> None:
    """Raise ModelError for an object that compiled code could not be trusted with."""
    dim, width = fitted.n_features_in_, len(fitted.classes_) if hasattr(fitted, "classes_") else 1
    if not estimator.sound(fitted, dim, width):
        raise ModelError(f"not what the estimator {estimator.name} makes of rows")
    if predicted(fitted, np.zeros((1, dim))).shape != (1, width):
        raise ModelError("it predicts something else")


def _refuse_misfit(found: Any, estimator: Estimator, dim: int, classes: int) -> None:
    expected = type(estimator.classifier(0) if classes else estimator.regressor(0))
    if type(found) is not expected or found.n_features_in_ != dim:
        raise ModelError(f"a model that is no {expected.__name__} of {dim:,} columns")
    if hasattr(found, "classes_") != bool(classes):
        raise ModelError("a model of other classes")
    if classes:
        own = found.classes_
        if own.dtype != np.int64 or own.ndim != 1 or len(own) < 2 or (np.diff(own) <= 0).any():
            raise ModelError("a model whose classes are not in order")
        if own[0] < 0 or own[-1] >= classes:
            raise ModelError(f"a model of other than these {classes:,} classes")
    if getattr(found, "n_jobs", None) is not None or getattr(found, "verbose", False):
        raise ModelError("a model that starts threads, or prints")
    refuse_unsound(found, estimator)


def _refuse_other_version(version: str) -> None:
    own = importlib.import_module("sklearn").__version__
    if re.fullmatch(r"[0-9]+(\.[0-9a-z]+)*", version) is None:  # it becomes part of a command
        raise ModelError("a model of scikit-learn without a version")
    if version.split(".")[:2] != own.split(".")[:2]:
        raise ModelError(
            f"a model of scikit-learn {version}; this is {own}",
            hint=f"pip install 'scikit-learn=={version}', or train it again",
        )


def _canonical(content: bytes, estimator: Estimator) -> tuple[bytes, str]:
    """The same object, written as it always is, and the version of scikit-learn it is of.

    Raises ModelError for what is not data of an object of this estimator.
    """
    given = _members(content)
    schema = json.loads(given[_SCHEMA])
    copy = _Copy(given, estimator)
    root = copy.node(schema)
    version = str(json.loads(root["content"]["content"]["_sklearn_version"]["content"]))
    root |= {name: schema[name] for name in ("protocol", "_skops_version")}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as file:
        for name, member in copy.taken.items():
            file.writestr(zipfile.ZipInfo(name), member)
        file.writestr(zipfile.ZipInfo(_SCHEMA), json.dumps(root, separators=(",", ":")))
    return written.getvalue(), version


def _members(content: bytes) -> dict[str, bytes]:
    """The members of a zip that compresses none, so that no size is another than it is."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        listed = file.infolist()
        if any(one.compress_type != zipfile.ZIP_STORED for one in listed):
            raise ModelError("a model with compressed members")
        if sum(one.file_size for one in listed) > len(content):
            raise ModelError("a model whose members are larger than itself")
        return {one.filename: file.read(one) for one in listed}


@dataclass
class _Copy:
    """A description of an object, copied node by node: nothing that is not named here comes along.

    given: the members there are. taken: those that the copy refers to, numbered as they come, and
    each once, whether or not arrays that are alike were one. names: theirs, by what they hold.
    """

    given: Mapping[str, bytes]
    estimator: Estimator
    taken: dict[str, bytes] = field(default_factory=dict)
    names: dict[bytes, str] = field(default_factory=dict)

    def node(self, node: Any) -> dict[str, Any]:
        """Raises ModelError for a type that is not trusted."""
        loader, kind = node["__loader__"], f"{node['__module__']}.{node['__class__']}"
        wanted = "TreeNode" if kind == _TREE else "ObjectNode"
        if kind not in _TYPES.get(loader, self.estimator.types if loader == wanted else ()):
            raise ModelError(f"a model that holds a type that is not trusted: {kind}, a {loader}")
        copy = {name: node[name] for name in ("__class__", "__module__", "__loader__")}
        if loader == "JsonNode":
            copy["content"] = str(node["content"])
        elif loader == "NdArrayNode":
            copy |= {"type": "numpy", "file": self.member(node)}
        elif loader == "DictNode":
            copy |= self.mapping(node)
        elif loader in ("ListNode", "TupleNode"):
            copy["content"] = [self.node(one) for one in node["content"]]
        elif loader == "TreeNode":
            copy |= self.tree(node)
        elif loader == "ObjectNode":
            copy["content"] = self.node(node["content"])
        return copy

    def mapping(self, node: Any) -> dict[str, Any]:
        """Of a dictionary, all keys but those that are not needed."""
        types = dict(zip(node["content"], node["key_types"]["content"], strict=True))
        keys = [key for key in types if key not in self.estimator.unneeded]
        return {
            "content": {key: self.node(node["content"][key]) for key in keys},
            "key_types": self.node({**node["key_types"], "content": [types[key] for key in keys]}),
        }

    def member(self, node: Any) -> str:
        """The new name of an array's member."""
        if node["type"] != "numpy":
            raise ModelError("a model with an array of objects")
        array = _clean(self.given[node["file"]])
        name = self.names.setdefault(array, f"{len(self.names)}.npy")
        self.taken[name] = array
        return name

    def tree(self, node: Any) -> dict[str, Any]:
        """Of a tree, which takes its sizes, `(columns, [width], outputs)`, and nodes on trust."""
        args, state = self.node(node["__reduce__"]["args"]), self.node(node["content"])
        columns, widths, outputs = args["content"]
        nodes, values = (self.array(state["content"][name]) for name in ("nodes", "values"))
        width, told = self.array(widths), (columns, outputs, state["content"]["node_count"])
        if (
            (args["__loader__"], state["__loader__"]) != ("TupleNode", "DictNode")
            or any(one["__loader__"] != "JsonNode" for one in told)
            or width.shape != (1,)
            or nodes.ndim != 1
            or not len(nodes)
            or values.shape != (len(nodes), 1, width[0])
            or [one["content"] for one in told[1:]] != ["1", str(len(nodes))]
        ):
            raise ModelError("a model with a tree of other sizes than its own")
        return {"__reduce__": {"args": args}, "content": state}

    def array(self, node: Any) -> NDArray[Any]:
        """That of a node which is one, and was copied."""
        if node["__class__"] != "ndarray":
            raise ModelError("a model with a tree that lacks an array")
        return _read(self.taken[node["file"]])


def _read(content: bytes) -> NDArray[Any]:
    found: NDArray[Any] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    return found


def _clean(content: bytes) -> bytes:
    """An array's file, with zeros between its fields, where memory holds whatever it held."""
    array = _read(content)
    if not array.dtype.names:
        return content
    clean = np.zeros(array.size, array.dtype)
    for name in array.dtype.names:
        clean[name] = array.ravel()[name]
    return content[: len(content) - array.nbytes] + clean.tobytes()
