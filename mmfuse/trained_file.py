"""Trained models as files; see `described_file`."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from mmfuse import __version__
from mmfuse.core.batch import Batch
from mmfuse.core.schema import Modality, Schema
from mmfuse.described_file import (
    FORMAT_VERSION,
    Arrays,
    add,
    chain_of_file,
    numbered,
    read_described,
    taken,
    write_described,
)
from mmfuse.ensemble.calibration import calibrate
from mmfuse.ensemble.evaluation import Calibration, Of
from mmfuse.ensemble.fused_models import FusedModels
from mmfuse.ensemble.rules import Learned, Rule, rule_of
from mmfuse.ensemble.trained import Trained
from mmfuse.files.columns import MOST_COLUMNS, numbers
from mmfuse.files.inputs import InputFile
from mmfuse.files.output import OutputFile
from mmfuse.files.plain_json import fields, items, mapping, natural, one_of, text
from mmfuse.model_check import refuse_chain, refuse_unwritable
from mmfuse.prepare import DTYPES, POLICIES
from mmfuse.trained_model import TrainedModel, trained_fusion

KEY = "mmfuse_trained"
_NAMES = (
    "format_version", "version", "modalities", "classes", "fuse", "learn_weights", "seed", "rows",
    "calibrated", "evaluation", "nan", "dtype", "training",
)  # fmt: skip
_MODALITY = (
    "name", "columns", "weight", "normalize", "degenerate_columns", "estimator", "options",
)  # fmt: skip
_EVALUATION = ("folds", "scores", "classes", "confusion", "reliability", "calibrated")
_SCORE = ("name", "of", "rows", "values", "errors")


def write_trained(model: TrainedModel, file: OutputFile) -> None:
    """Write a model, all but what makes the file appear. Raises OutputError."""
    write_described(file, KEY, _described(model), _arrays(model))


def _described(model: TrainedModel) -> dict[str, Any]:
    modalities = [
        {
            "name": modality.name,
            "columns": numbered(modality.columns) or list(modality.columns),
            "weight": modality.weight,
            "normalize": [stage.name for stage in chain],
            "degenerate_columns": [stage.degenerate_columns for stage in chain],
            "estimator": estimator,
            "options": options,
        }
        for modality, chain, estimator, options in zip(
            model.schema.modalities,
            model.fusion.chains,
            model.estimators,
            model.options,
            strict=True,
        )
    ]
    return {
        "format_version": FORMAT_VERSION,
        "version": __version__,
        "modalities": modalities,
        "classes": list(model.schema.classes),
        "fuse": model.fuse,
        "learn_weights": model.learn_weights,
        "seed": model.seed,
        "rows": model.rows,
        "calibrated": bool(model.models.calibration),
        "evaluation": model.evaluation,
        "nan": model.nan,
        "dtype": model.dtype,
        "training": list(model.training),
    }


def _arrays(model: TrainedModel) -> Arrays:
    found: Arrays = {}
    for m, (chain, trained) in enumerate(
        zip(model.fusion.chains, model.models.models, strict=True)
    ):
        for k, stage in enumerate(chain):
            add(found, f"normalize.{m}.{k}", stage.learned or {})
        add(found, f"model.{m}", trained.arrays())
    add(found, "rule", model.models.learned)
    add(found, "calibration", model.models.calibration)
    return found


def read_trained(file: InputFile) -> TrainedModel:
    """A trained model from a file. Raises ModelError, also where a library is missing that it
    needs."""
    return read_described(file, KEY, _model)


def _model(content: Any, arrays: Arrays) -> TrainedModel:
    fields(content, *_NAMES)
    refuse_unwritable(content)
    text(content["version"])
    described = [
        dict(zip(_MODALITY, fields(item, *_MODALITY), strict=True))
        for item in items(content["modalities"])
    ]
    classes = tuple(map(text, items(content["classes"])))
    schema = Schema(tuple(map(_modality, described)), classes)
    twice = len(set(schema.names)) < len(described) or len(set(classes)) < len(classes)
    if not described or twice or len(classes) == 1:
        raise ValueError("modalities or classes that cannot be")
    chains = tuple(chain_of_file(arrays, item, m) for m, item in enumerate(described))
    models = tuple(
        Trained.restored(text(item["estimator"]), taken(arrays, f"model.{m}"), dim, len(classes))
        for m, (item, dim) in enumerate(zip(described, schema.dims, strict=True))
    )
    learn_weights = one_of(content["learn_weights"], (False, True))
    rule = rule_of(text(content["fuse"]), len(classes), learn_weights=learn_weights)
    strategy = FusedModels(models, rule, taken(arrays, "rule"), taken(arrays, "calibration"))
    if one_of(content["calibrated"], (False, True)) != bool(strategy.calibration):
        raise ValueError("a calibration that is told of and is not there, or the other way round")
    evaluation = content["evaluation"]
    model = TrainedModel(
        trained_fusion(schema, chains, strategy),
        content["fuse"],
        learn_weights,
        tuple(dict(mapping(item["options"])) for item in described),
        natural(content["seed"]),
        natural(content["rows"]),
        None if evaluation is None else _scores(evaluation, schema),
        one_of(content["nan"], POLICIES),
        one_of(content["dtype"], DTYPES),
        tuple(map(mapping, items(content["training"]))),
    )
    _refuse_misfits(model, rule)
    return model


def _modality(item: dict[str, Any]) -> Modality:
    columns, weight = item["columns"], item["weight"]
    names = (
        numbers(natural(columns, MOST_COLUMNS))
        if type(columns) is int
        else tuple(map(text, items(columns)))
    )
    if not names or len(set(names)) < len(names):
        raise ValueError("columns that cannot be")
    if type(weight) not in (int, float) or not 0 < weight < float("inf"):
        raise ValueError("a weight that is no number above zero")
    return Modality(text(item["name"]), names, float(weight))


def _scores(told: Any, schema: Schema) -> dict[str, Any]:
    """What a model tells of its scores, see `Evaluation`. Raises ValueError for anything else."""
    folds, scores, classes, confusion, bins, calibrated = fields(told, *_EVALUATION)
    measures = ("accuracy", "log_loss", "ece") if schema.classes else ("r2", "rmse")
    natural(folds)
    one_of(calibrated, (None, *get_args(Calibration)))
    for score in items(scores):
        name, of, rows, values, errors = fields(score, *_SCORE)
        one_of(name, ("",) if one_of(of, get_args(Of)) == "fused" else schema.names)
        natural(rows)
        _numbers([*fields(values, *measures), *fields(errors, *measures)])
    counts = [natural(count) for row in items(confusion) for count in items(row)]
    for one in items(bins):
        if len(_numbers(items(one))) != 3:
            raise ValueError("bins that cannot be")
    C = len(schema.classes)
    if not scores or tuple(items(classes)) != schema.classes or len(counts) != C * C:
        raise ValueError("scores of another model")
    if bool(bins) != bool(C) or len(confusion) != C or any(len(row) != C for row in confusion):
        raise ValueError("scores of other classes")
    return mapping(told)


def _numbers(values: list[Any]) -> list[Any]:
    if any(type(value) not in (int, float) for value in values):
        raise ValueError("a score that is no number")
    return values


def _refuse_misfits(model: TrainedModel, rule: Rule) -> None:
    """Raise ValueError, or whatever else comes of it, where what was learned does not fit."""
    M, width = len(model.schema.names), len(model.columns)
    _refuse_odd(model.models.learned)
    _refuse_odd(model.models.calibration)
    p, present = np.full((M, 1, width), 1 / width), np.ones((1, M), np.bool_)
    expected = rule.shapes(M, width, model.models.learned)
    if {name: a.shape for name, a in model.models.learned.items()} != expected:
        raise ValueError("arrays that are not those of its rule")
    if model.models.calibration:
        _refuse_curves(model.models.calibration, width)
        calibrate(model.models.calibration, p[0])
    model.models.fused(p, present)
    for chain, dim in zip(model.fusion.chains, model.schema.dims, strict=True):
        refuse_chain(chain, len(chain), dim)
    blocks = [np.zeros((1, dim)) for dim in model.schema.dims]
    with np.errstate(all="ignore"):
        for m, x in enumerate(blocks):
            model.fusion.normalize(m, x)
            np.nan_to_num(x, copy=False)
    model.fusion.fuse(Batch(blocks, model.schema.weights), np.empty((1, width)))


def _refuse_odd(learned: Learned) -> None:
    for name, array in learned.items():
        whole = name in ("classes", "ends")
        if array.dtype != (np.int64 if whole else np.float64) or not np.isfinite(array).all():
            raise ValueError(f"{name} of another kind")
        if name in ("weights", "priors") and not ((array >= 0).all() and array.any()):
            raise ValueError(f"{name} that cannot be")


def _refuse_curves(calibration: Learned, width: int) -> None:
    """Raise ValueError unless it is a temperature, or a curve a class."""
    if set(calibration) == {"temperature"}:
        if calibration["temperature"].shape != () or not calibration["temperature"] > 0:
            raise ValueError("a temperature that cannot be")
        return
    ends, x, y = calibration["ends"], calibration["x"], calibration["y"]
    steps = np.diff(ends, prepend=0)
    if len(calibration) > 3 or ends.shape != (width,) or (steps < 1).any() or x.shape != y.shape:
        raise ValueError("curves that cannot be")
    if x.shape != (ends[-1],):
        raise ValueError("curves of other points")
