"""What each model gives, as a table for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmfuse.cli.report import aligned
from mmfuse.files.paths import short

_TITLES = {
    "accuracy": "accuracy", "log_loss": "log loss", "ece": "calibration error", "r2": "R2",
    "rmse": "RMSE",
}  # fmt: skip

_OPTIONS = 100  # characters


def score_table(told: Mapping[str, Any]) -> list[str]:
    """The lines of an `ensemble.evaluation.Evaluation`, given as plain data."""
    scores = told["scores"]
    measures = [measure for measure in _TITLES if measure in scores[0]["values"]]
    rows = [["model", "rows", *(_TITLES[measure] for measure in measures)]]
    rows += [
        [_name(one), f"{one['rows']:,}", *(_value(one, measure) for measure in measures)]
        for one in scores
    ]
    note = f"of rows not learned from: mean of {told['folds']} folds ± standard error"
    if told["calibrated"]:
        note += f"; fused calibrated by {told['calibrated']}"
    return [*aligned(rows, right=set(range(1, len(rows[0])))), note]


def trained_table(told: Mapping[str, Any]) -> list[str]:
    """The lines of `TrainedModel.as_dict`."""
    predicts = f"{len(told['classes']):,} classes" if told["classes"] else "numbers"
    rows = [["modality", "columns", "normalised", "estimator", "options"]]
    rows += [
        [
            short(m["name"]),
            f"{m['columns']:,}",
            ",".join(m["normalize"]) or "none",
            m["estimator"],
            short(" ".join(f"{name}={value}" for name, value in m["options"].items()), _OPTIONS),
        ]
        for m in told["modalities"]
    ]
    scores = [] if told["scores"] is None else ["", *score_table(told["scores"])]
    head = f"{told['fuse']} of {len(rows) - 1} models of {predicts}, of {told['rows']:,} rows"
    return [head, "", *aligned(rows, right={1}), *scores]


def _name(one: Mapping[str, Any]) -> str:
    if one["of"] == "fused":
        return "fused"
    return f"without {short(one['name'])}" if one["of"] == "without" else short(one["name"])


def _value(one: Mapping[str, Any], measure: str) -> str:
    value, error = one["values"][measure], one["errors"][measure]
    if measure == "accuracy":
        return f"{100 * value:.2f} ± {100 * error:.2f} %"
    return f"{value:.4f} ± {error:.4f}"
