"""`additive`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from mmfuse.core.batch import Batch, Block
from mmfuse.core.class_scatter import ClassScatter, class_scatter_bytes
from mmfuse.core.options import Param
from mmfuse.core.projection import project, split
from mmfuse.core.ridge import ridge_of, shares_of
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Extras, Learned, Strategy
from mmfuse.core.target_scatter import TargetScatter, target_scatter_bytes
from mmfuse.core.votes import likeliest


@dataclass(frozen=True)
class Additive(Strategy):
    """Predict by one linear model a modality, which add up: ŷ = b + Σ_m W_mᵀ (x_m − μ_m).

    Learned together by ridge regression, in one pass, from statistics that merge. Of classes, ŷ
    is regressed on their one-hot vectors, so that it sums to 1; what is negative becomes 0 and
    rows are divided by their sums. A modality that a row lacks adds nothing. Rows without a label
    or a modality are predicted, not learned from.

    Hoerl & Kennard (1970), Ridge regression: biased estimation for nonorthogonal problems.
    """

    panel = "Model-level fusion"
    learns = True
    supervised = True
    fuses_present = True

    alpha: Annotated[float, Param("Penalty on the squared coefficients.", min=0)] = 1.0
    task: Annotated[
        Literal["classification", "regression"], Param("Whether labels are classes or numbers.")
    ] = "classification"

    @property
    def predicts(self) -> Literal["classes", "numbers"]:
        return "classes" if self.task == "classification" else "numbers"

    def columns(self, schema: Schema) -> Sequence[str]:
        return schema.classes or ("prediction",)

    def extras(self, schema: Schema) -> Mapping[str, str]:
        return {"label": "int32"} if schema.classes else {}

    def statistics(self, schema: Schema) -> ClassScatter | TargetScatter:
        if schema.classes:
            return ClassScatter.empty(schema.dims, len(schema.classes))
        return TargetScatter.empty(schema.dims)

    def statistic_bytes(self, schema: Schema) -> int:
        if schema.classes:
            return class_scatter_bytes(schema.dims, len(schema.classes))
        return target_scatter_bytes(schema.dims)

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """`mean_m`, μ_m of shape `(d_m,)`; `weights_m`, W_m of shape `(d_m, C)`; `intercept`, b."""
        assert isinstance(gathered, ClassScatter | TargetScatter)
        joint = gathered.joint if isinstance(gathered, TargetScatter) else gathered
        coef, mean, intercept = ridge_of(joint, self.alpha)
        return {**split(schema, mean, coef), "intercept": intercept}

    def fuse(self, batch: Batch, out: Block, learned: Learned) -> Extras:
        scores = np.zeros(out.shape)
        for m in range(len(batch.blocks)):
            project(batch, m, learned, scores, add=m > 0)
        scores += learned["intercept"]
        if self.task == "regression":
            out[:] = scores
            return {}
        scores = shares_of(scores)
        out[:] = scores
        return {"label": likeliest(scores)}
