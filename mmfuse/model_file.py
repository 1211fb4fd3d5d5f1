"""Models as files: safetensors of named arrays, and JSON that says what they are.

Read without trust: nothing runs, nothing is believed that was not checked, and whatever is not as
this module writes it is a ModelError.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse import __version__
from mmfuse.core.fusion import Fusion
from mmfuse.core.gathered import Gathered
from mmfuse.core.registry import strategy_class
from mmfuse.core.scatter import Scatter
from mmfuse.core.schema import Modality, Schema
from mmfuse.core.statistics import Moments
from mmfuse.described_file import (
    FORMAT_VERSION,
    add,
    chain_of_file,
    numbered,
    read_described,
    taken,
    write_described,
)
from mmfuse.files.inputs import InputFile
from mmfuse.files.output import OutputFile
from mmfuse.files.plain_json import fields, items, mapping, natural, one_of, text
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

KEY = "mmfuse_model"

_MOMENTS = tuple(field.name for field in dataclasses.fields(Moments))
_NAMES = (
    "format_version", "version", "strategy", "options", "modalities", "classes", "missing", "nan",
    "dtype", "rows", "training",
)  # fmt: skip
_MODALITY = ("name", "columns", "weight", "normalize", "seen", "degenerate_columns")


def write_model(model: Model, file: OutputFile) -> None:
    """Write a model, all but what makes the file appear. Raises OutputError."""
    write_described(file, KEY, _described(model), _arrays(model))


def _described(model: Model) -> dict[str, Any]:
    modalities = [
        {
            "name": modality.name,
            "columns": numbered(modality.columns) or list(modality.columns),
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


def _arrays(model: Model) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {}
    assert model.fusion.learned is not None
    add(found, "learned", model.fusion.learned)
    for m, chain in enumerate(model.fusion.chains):
        for k, stage in enumerate(chain):
            add(found, f"normalize.{m}.{k}", stage.learned or {})
    for m, moments in model.gathered.moments.items():
        add(found, f"moments.{m}", {name: getattr(moments, name) for name in _MOMENTS})
    for m, scatter in model.gathered.scatters.items():
        add(found, f"scatter.{m}", scatter.arrays())
    if model.gathered.statistic is not None:
        add(found, "statistic", model.gathered.statistic.arrays())
    assert model.gathered.energy is not None
    add(found, "gathered", {"energy": model.gathered.energy})
    add(found, "chance", {} if model.chance is None else {"spectrum": model.chance})
    return found


def read_model(file: InputFile) -> Model:
    """A model from a file. Raises ModelError."""
    return read_described(file, KEY, _model)


def _model(content: Any, arrays: dict[str, NDArray[Any]]) -> Model:
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
    chains = tuple(chain_of_file(arrays, item, m) for m, item in enumerate(described))
    seen = tuple(
        natural(item["seen"], len(c) + 1) for item, c in zip(described, chains, strict=True)
    )
    learned = taken(arrays, "learned")
    statistic = statistic_of(taken(arrays, "statistic"), strategy, schema)
    energy = column_of(taken(arrays, "gathered"), "energy")
    chance = taken(arrays, "chance")
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
    refuse_misfits(model)
    return model


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


def _moments(arrays: dict[str, NDArray[Any]], m: int) -> Moments:
    found = taken(arrays, f"moments.{m}")
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
        if own := taken(arrays, f"scatter.{m}"):
            found[m] = _scatter(own, dim)
    return found


def _scatter(own: dict[str, NDArray[Any]], dim: int) -> Scatter:
    if own["scatter"].shape != (dim, dim):
        raise ValueError("scatter of other columns")  # before an empty one takes the memory
    found: Scatter = restored(own, Scatter.empty((dim,)))
    return found
