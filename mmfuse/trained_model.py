"""Models of modalities fused into one, with how they were made: what `train` makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mmfuse.core.chain import Chain
from mmfuse.core.fusion import Fusion
from mmfuse.core.schema import Schema
from mmfuse.ensemble.estimator import ESTIMATORS, estimator_of
from mmfuse.ensemble.fused_models import FusedModels
from mmfuse.ensemble.modality_model import ModalityModel
from mmfuse.ensemble.problem import Problem
from mmfuse.errors import ModelError
from mmfuse.nonfinite import NanPolicy


@dataclass(frozen=True)
class TrainedModel:
    """What `train` makes, and `predict` predicts new rows with.

    fusion: the models behind their normalisations. fuse: the rule that fuses them, by name;
        learn_weights: whether it learned its weights. options: of every modality's estimator.
    rows: labelled ones that it learned from. evaluation: see `ensemble.evaluation.Evaluation`;
        None where nothing was left out to be predicted.
    nan, dtype, training: as of a `Model`.
    """

    fusion: Fusion
    fuse: str
    learn_weights: bool
    options: tuple[dict[str, Any], ...]
    seed: int
    rows: int
    evaluation: dict[str, Any] | None = None
    nan: NanPolicy = "error"
    dtype: str = "float32"
    training: tuple[dict[str, Any], ...] = field(default=())

    strategy = "predict"

    @property
    def schema(self) -> Schema:
        """The modalities in their order: names, columns, weights."""
        return self.fusion.schema

    @property
    def models(self) -> FusedModels:
        """The models and their rule."""
        strategy = self.fusion.strategy
        assert isinstance(strategy, FusedModels)
        return strategy

    @property
    def learned_from(self) -> int:
        """How many rows were learned from."""
        return self.rows

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the classes, or `prediction`."""
        return tuple(self.models.columns(self.schema))

    @property
    def estimators(self) -> tuple[str, ...]:
        """Every modality's, by name."""
        return tuple(model.name for model in self.models.models)

    def as_dict(self) -> dict[str, Any]:
        """What it tells, as plain data."""
        return {
            "fuse": self.fuse,
            "rows": self.rows,
            "classes": list(self.schema.classes),
            "modalities": [
                {
                    "name": modality.name,
                    "columns": modality.dim,
                    "normalize": [stage.name for stage in chain],
                    "weight": modality.weight,
                    "estimator": estimator,
                    "options": options,
                }
                for modality, chain, estimator, options in zip(
                    self.schema.modalities,
                    self.fusion.chains,
                    self.estimators,
                    self.options,
                    strict=True,
                )
            ],
            "scores": self.evaluation,
        }

    def refuse_more(self) -> None:
        """Raise ModelError if some model cannot learn from further rows."""
        able = [n for n in ESTIMATORS.modules if ESTIMATORS.attribute(n, "goes_on") == "True"]
        for name, estimator in zip(self.schema.names, self.estimators, strict=True):
            if not estimator_of(estimator).goes_on:
                raise ModelError(
                    f"the model of {name}, of the estimator {estimator}, cannot learn from more "
                    "rows",
                    hint=f"train again on all rows, or with {', '.join(able)} or --fuse sum, "
                    "which can",
                )

    def went_on(self, problem: Problem, training: Sequence[dict[str, Any]]) -> TrainedModel:
        """The model that has learned from further rows too; normalisations, the rule and what it
        learned stay. Raises ModelError if it cannot."""
        self.refuse_more()
        models = []
        for m, (chain, trained) in enumerate(
            zip(self.fusion.chains, self.models.models, strict=True)
        ):
            has, one = problem.present[:, m], ModalityModel(chain, trained)
            if has.any():
                one = one.went_on(problem.blocks[m][has], problem.y[has])
            models.append(one.trained)
        strategy = replace(self.models, models=tuple(models))
        return replace(
            self,
            fusion=replace(self.fusion, strategy=strategy),
            rows=self.rows + problem.n,
            evaluation=None,
            training=(*self.training, *training),
        )


def trained_fusion(schema: Schema, chains: tuple[Chain, ...], strategy: FusedModels) -> Fusion:
    """The fusion of trained models, which has nothing to learn."""
    return Fusion(schema, chains, strategy, learned={})
