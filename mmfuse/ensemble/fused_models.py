"""Models of modalities fused into one, M = M1 + M2 + M3, as a strategy that predicts rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch, Block
from mmfuse.core.schema import Schema
from mmfuse.core.strategy import Extras, Learned, Strategy
from mmfuse.core.votes import likeliest
from mmfuse.ensemble.calibration import calibrate
from mmfuse.ensemble.rules import Rule
from mmfuse.ensemble.trained import Array, Trained

INNER: Mapping[str, Any] = {"option": False}


@dataclass(frozen=True, eq=False)
class FusedModels(Strategy):
    """Predicts a row by the models of the modalities it has, and fuses what they predict.

    models: of every modality, of rows that are normalised. rule: fuses them, by what it
    `learned`. calibration: see `calibrate`; empty where there is none.
    """

    fuses_present = True
    scales = False

    models: tuple[Trained, ...] = field(default=(), metadata=INNER)
    rule: Rule | None = field(default=None, metadata=INNER)
    learned: Mapping[str, NDArray[Any]] = field(default_factory=dict, metadata=INNER)
    calibration: Mapping[str, NDArray[Any]] = field(default_factory=dict, metadata=INNER)

    @property
    def predicts(self) -> Literal["classes", "numbers"]:
        return "classes" if self.models[0].classes else "numbers"

    def columns(self, schema: Schema) -> Sequence[str]:
        return schema.classes or ("prediction",)

    def extras(self, schema: Schema) -> Mapping[str, str]:
        return {"label": "int32"} if schema.classes else {}

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> Extras:
        present = batch.present
        if present is None:
            present = np.ones((len(batch), len(self.models)), np.bool_)
        p = np.zeros((len(self.models), *out.shape))
        for m, (model, block) in enumerate(zip(self.models, batch.blocks, strict=True)):
            p[m, present[:, m]] = model.predict(block[present[:, m]])
        fused, extras = self.fused(p, present)
        out[:] = fused
        return extras

    def fused(self, p: Array, present: NDArray[np.bool_]) -> tuple[Array, dict[str, Any]]:
        """Predictions of all models, `(M, n, C)`, as one, `(n, C)`, and the label beside it."""
        assert self.rule is not None
        scores, extras = self.rule.fuse(self.learned, p, present)
        label = {"label": extras["label"]} if "label" in extras else {}
        if not self.calibration:
            return scores, label
        calibrated = calibrate(self.calibration, scores)
        return calibrated, {"label": likeliest(calibrated)}
