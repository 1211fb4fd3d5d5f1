"""Models as files: safetensors of named arrays, and JSON that says what they are.

Read without trust: nothing runs, nothing is believed that was not checked, and whatever is not as
this module writes it is a ModelError.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse import __version__
from mmfuse.core.chain import Chain, Stage
from mmfuse.core.fusion import Fusion
from mmfuse.core.gathered import Gathered
from mmfuse.core.registry import strategy_class
from mmfuse.core.scatter import Scatter
from mmfuse.core.schema import Modality, Schema
from mmfuse.core.statistics import Moments
from mmfuse.core.strategy import Learned
from mmfuse.errors import InputError, MmfuseError, ModelError
from mmfuse.files.inputs import InputFile, as_bytes, open_input
from mmfuse.files.npy_header import NpyHeader, whole_array
from mmfuse.files.output import OutputFile, write_all, writing
from mmfuse.files.plain_json import fields, items, mapping, natural, one_of, parsed, text
from mmfuse.files.safetensors_header import read_tensors, tensors_head
from mmfuse.model import Model
from mmfuse.model_check import (
    column_of,
    refuse_misfits,
    refuse_unusable,
    refuse_unwritable,
    restored,
    statistic_of,
)
from mmfuse.prepare import DTYPES, MISSING, POLICIES
from mmfuse.stages import stage_of

FORMAT_VERSION = 1
_DAMAGE = (
    LookupError, TypeError, ValueError, ArithmeticError, AttributeError, AssertionError,
    RecursionError,
)  # fmt: skip
KEY = "mmfuse_model"

_MOMENTS = tuple(field.name for field in dataclasses.fields(Moments))
_NAMES = (
    "format_version", "version", "strategy", "options", "modalities", "classes", "missing", "nan",
    "dtype", "rows", "training",
)  # fmt: skip
_MODALITY = ("name", "columns", "weight", "normalize", "seen", "degenerate_columns")


def write_model(model: Model, file: OutputFile) -> None:
    """Write a model, all but what makes the file appear. Raises OutputError."""
    arrays = dict(sorted(_arrays(model).items(), key=lambda item: -item[1].dtype.itemsize))
    description = json.dumps(_described(model), ensure_ascii=False, sort_keys=True, allow_nan=False)
    forms = {name: (array.shape, array.dtype) for name, array in arrays.items()}
    head, begins = tensors_head(forms, {KEY: description})
    with writing(file.path):
        write_all(file.fd, head, 0)
        for name, array in arrays.items():
            write_all(file.fd, as_bytes(array), begins[name])


def _described(model: Model) -> dict[str, Any]:
    modalities = [
        {
            "name": modality.name,
            "columns": _numbered(modality.columns) or list(modality.columns),
            "weight": modality.weight,
            "normalize": [stage.name for stage in chain],
            "seen": seen,
            "degenerate_columns": [stage.degenerate_columns for stage in chain],
        }
        for modality, chain, seen in zip(
            model.schema.modalities, model.fusion.chains, model.seen, strict=True
        )
    ]
    return {
        "format_version": FORMAT_VERSION,
        "version": __version__,
        "strategy": model.strategy,
        "options": model.options,
        "modalities": modalities,
        "classes": list(model.schema.classes),
        "missing": model.fusion.missing,
        "nan": model.nan,
        "dtype": model.dtype,
        "rows": model.rows,
        "training": list(model.training),
    }


def _numbered(columns: Sequence[str]) -> int:
    """How many columns there are, if their names are their numbers; else 0."""
    return len(columns) if columns == tuple(map(str, range(len(columns)))) else 0


def _arrays(model: Model) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    assert model.fusion.learned is not None
    _add(found, "learned", model.fusion.learned)
    for m, chain in enumerate(model.fusion.chains):
        for k, stage in enumerate(chain):
            _add(found, f"normalize.{m}.{k}", stage.learned or {})
    for m, moments in model.gathered.moments.items():
        _add(found, f"moments.{m}", {name: getattr(moments, name) for name in _MOMENTS})
    for m, scatter in model.gathered.scatters.items():
        _add(found, f"scatter.{m}", scatter.arrays())
    if model.gathered.statistic is not None:
        _add(found, "statistic", model.gathered.statistic.arrays())
    assert model.gathered.energy is not None
    _add(found, "gathered", {"energy": model.gathered.energy})
    _add(found, "chance", {} if model.chance is None else {"spectrum": model.chance})
    return found


def _add(found: dict[str, NDArray[Any]], prefix: str, arrays: Learned) -> None:
    for name, array in arrays.items():
        native = array.dtype.newbyteorder("<")
        found[f"{prefix}.{name}"] = np.array(array, native, order="C")


@contextmanager
def model_errors(place: str) -> Iterator[None]:
    """Everything that goes wrong with a model, as a ModelError that names the file."""
    try:
        yield
    except ModelError as error:
        raise ModelError(error.message, where=error.where or place, hint=error.hint) from error
    except MmfuseError as error:
        raise ModelError(
            f"not a model that can be used: {error.message}", where=place, hint=error.hint
        ) from error
    except _DAMAGE as error:
        raise ModelError(f"a damaged model: {error}", where=place) from error


def is_model(file: InputFile) -> bool:
    """Whether a file is a model, as far as its header tells."""
    try:
        return KEY in read_tensors(file).metadata
    except InputError:
        return False


def read_model(path: str) -> Model:
    """A model from a file. Raises InputError if there is none to be read, else ModelError."""
    file = open_input(path, path)
    with model_errors(path):
        tensors = read_tensors(file)
        if KEY not in tensors.metadata:
            raise ModelError(
                "not a model of mmfuse",
                hint="mmfuse fit writes one, and every strategy does with --save",
            )
        content = parsed(tensors.metadata[KEY])
        arrays = {name: _array(file, name, header) for name, header in tensors.headers.items()}
        file.verify()
        return _model(content, arrays)


def _array(file: InputFile, name: str, header: NpyHeader | InputError) -> NDArray[Any]:
    if isinstance(header, InputError):
        raise header
    if math.prod(header.shape) == 0 and max(header.shape) > 1 << 24:
        raise ValueError(f"tensor {name} of shape {header.shape}")  # of no bytes, so of any length
    array = whole_array(file, header)
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise ValueError(f"NaN in tensor {name}")
    return array


def _model(content: Any, arrays: dict[str, NDArray[Any]]) -> Model:
    _check_version(content)
    fields(content, *_NAMES)
    refuse_unwritable(content)
    text(content["version"])
    strategy = strategy_class(text(content["strategy"]))(**mapping(content["options"]))
    described = [
        dict(zip(_MODALITY, fields(item, *_MODALITY), strict=True))
        for item in items(content["modalities"])
    ]
    moments = {m: _moments(arrays, m) for m in range(len(described))}
    modalities = tuple(_modality(item, moments[m]) for m, item in enumerate(described))
    schema = Schema(modalities, tuple(map(text, items(content["classes"]))))
    refuse_unusable(strategy, schema)
    chains = tuple(_chain(arrays, item, m) for m, item in enumerate(described))
    seen = tuple(
        natural(item["seen"], len(c) + 1) for item, c in zip(described, chains, strict=True)
    )
    learned = _taken(arrays, "learned")
    statistic = statistic_of(_taken(arrays, "statistic"), strategy, schema)
    energy = column_of(_taken(arrays, "gathered"), "energy")
    chance = _taken(arrays, "chance")
    missing = one_of(content["missing"], (None, *MISSING))
    fusion = Fusion(schema, chains, strategy, learned, missing)
    model = Model(
        strategy=content["strategy"],
        fusion=fusion,
        gathered=Gathered(moments, _scatters(arrays, schema), energy, statistic),
        seen=seen,
        rows=natural(content["rows"]),
        nan=one_of(content["nan"], POLICIES),
        dtype=one_of(content["dtype"], DTYPES),
        training=tuple(map(mapping, items(content["training"]))),
        chance=column_of(chance, "spectrum") if chance else None,
    )
    if arrays:
        raise ValueError(f"a tensor named {next(iter(arrays))!r}")
    refuse_misfits(model)
    return model


def _check_version(content: Any) -> None:
    version = mapping(content).get("format_version")
    if type(version) is not int or version < 1:
        raise ValueError("its description has no version")
    if version > FORMAT_VERSION:
        raise ModelError(
            f"a model of format {version}; this mmfuse reads 1 to {FORMAT_VERSION}",
            hint="it was written by a later mmfuse: update",
        )


def _modality(item: Mapping[str, Any], moments: Moments) -> Modality:
    columns = item["columns"]
    names = (
        tuple(map(str, range(columns)))
        if type(columns) is int and (columns == len(moments.mean))
        else tuple(map(text, items(columns)))
    )
    if len(names) != len(moments.mean) or len(set(names)) < len(names):
        raise ValueError("columns that are not those of the statistics")
    weight = item["weight"]
    if type(weight) not in (int, float) or not math.isfinite(weight):
        raise ValueError("a weight that is no number")
    return Modality(text(item["name"]), names, float(weight))


def _chain(arrays: dict[str, NDArray[Any]], item: Mapping[str, Any], m: int) -> Chain:
    names, counts = items(item["normalize"]), items(item["degenerate_columns"])
    return tuple(
        Stage(
            text(name),
            stage_of(name).normalization,
            _taken(arrays, f"normalize.{m}.{k}"),
            natural(count),
        )
        for k, (name, count) in enumerate(zip(names, counts, strict=True))
    )


def _moments(arrays: dict[str, NDArray[Any]], m: int) -> Moments:
    found = _taken(arrays, f"moments.{m}")
    columns = [found[name] for name in _MOMENTS]
    if len(found) != len(_MOMENTS) or any(
        c.dtype != np.float64 or c.ndim != 1 or len(c) != len(columns[0]) for c in columns
    ):
        raise ValueError("moments of other columns")
    moments = Moments(*columns)
    if (
        not np.isfinite(moments.mean).all()
        or not ((moments.count >= 0) & (moments.count < np.inf)).all()
    ):
        raise ValueError("moments of no rows")
    return moments


def _scatters(arrays: dict[str, NDArray[Any]], schema: Schema) -> dict[int, Scatter]:
    found = {}
    for m, dim in enumerate(schema.dims):
        if own := _taken(arrays, f"scatter.{m}"):
            found[m] = _scatter(own, dim)
    return found


def _scatter(own: dict[str, NDArray[Any]], dim: int) -> Scatter:
    if own["scatter"].shape != (dim, dim):
        raise ValueError("scatter of other columns")  # before an empty one takes the memory
    found: Scatter = restored(own, Scatter.empty((dim,)))
    return found


def _taken(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    """The arrays below a prefix, which are taken out."""
    names = [name for name in arrays if name.startswith(prefix + ".")]
    return {name[len(prefix) + 1 :]: arrays.pop(name) for name in names}
