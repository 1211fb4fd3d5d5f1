"""A picture of a training: which class is taken for which, and how right what is predicted is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmfuse.files.output import OutputFile
from mmfuse.plot import BLUE, GREY, ORANGE, plainly, saved, shown

_MOST = 30


def draw_scores(told: Mapping[str, Any], file: OutputFile) -> None:
    """Write the picture of an `Evaluation`, as plain data, of the kind that the suffix says."""
    from matplotlib.figure import Figure

    count = 3 if told["classes"] else 1
    with plainly():
        figure = Figure(figsize=(4.6 * count, 4.2), layout="constrained")
        axes = figure.subplots(1, count, squeeze=False)[0]
        _scores(axes[0], told)
        if told["classes"]:
            _confusion(axes[1], told)
            _reliability(axes[2], told)
        saved(figure, file)


def _scores(axis: Any, told: Mapping[str, Any]) -> None:
    measure = "accuracy" if told["classes"] else "r2"
    rows = told["scores"][::-1]
    colours = {"model": BLUE, "fused": ORANGE, "without": GREY}
    axis.barh(
        range(len(rows)),
        [row["values"][measure] for row in rows],
        xerr=[row["errors"][measure] for row in rows],
        color=[colours[row["of"]] for row in rows],
    )
    axis.set_yticks(range(len(rows)), [_name(row) for row in rows])
    lowest = min(row["values"][measure] for row in rows)
    axis.set_xlim(max(0.0, lowest - 0.1) if lowest > 0 else None, 1)
    axis.set_xlabel(f"{measure}, ± standard error of {told['folds']} folds")


def _name(row: Mapping[str, Any]) -> str:
    if row["of"] == "fused":
        return "fused"
    return f"without {shown(row['name'])}" if row["of"] == "without" else shown(row["name"])


def _confusion(axis: Any, told: Mapping[str, Any]) -> None:
    matrix = np.array(told["confusion"], np.float64)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    classes = [shown(name) for name in told["classes"]]
    if len(classes) <= _MOST:
        axis.set_xticks(range(len(classes)), classes, rotation=90)
        axis.set_yticks(range(len(classes)), classes)
        for i, j in zip(*np.nonzero(matrix), strict=True):
            colour = "white" if shares[i, j] > 0.5 else "black"
            axis.text(j, i, f"{matrix[i, j]:.0f}", ha="center", va="center", color=colour, size=7)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    axis.set_title("rows that were not learned from", fontsize=10)


def _reliability(axis: Any, told: Mapping[str, Any]) -> None:
    counts, confidence, accuracy = np.array(told["reliability"]).T
    some = counts > 0
    axis.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    axis.plot(confidence[some], accuracy[some], color=BLUE, marker="o", markersize=4)
    axis.bar(
        (np.arange(len(counts)) + 0.5) / len(counts),
        counts / max(counts.sum(), 1),
        width=1 / len(counts),
        color=BLUE,
        alpha=0.15,
    )
    axis.set_xlim(0, 1)
    axis.set_ylim(0, 1)
    axis.set_xlabel("probability of the predicted class")
    axis.set_ylabel("share that is right (bars: share of rows)")
    calibrated = f", {told['calibrated']}" if told["calibrated"] else ""
    axis.set_title(f"calibration of what is fused{calibrated}", fontsize=10)
