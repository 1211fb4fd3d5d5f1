"""`dempster-shafer`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from mmfuse.core.batch import Block
from mmfuse.core.options import Param
from mmfuse.core.prediction_rule import PredictionRule
from mmfuse.core.schema import Schema
from mmfuse.core.strategy import Extras
from mmfuse.core.unfit import UnfitRowsError
from mmfuse.core.votes import Array, Votes, normalized
from mmfuse.errors import UsageError

_ALL = 1e-12
_FIRST = 3


@dataclass(frozen=True)
class DempsterShafer(PredictionRule):
    """Combine the models' beliefs, discounted by how reliable each is, by Dempster's rule.

    A weight α from 0 to 1 is a model's reliability: m(c) = α p(c), and what is left, 1 − α, is
    belief in the whole frame, which says nothing. `conflict` is the product mass of beliefs that
    exclude each other; Dempster's rule divides by the rest, and Yager's gives it to the frame.
    `unknown` is the frame's mass, of which every class gets an equal part in its probability.

    Dempster (1967), Upper and lower probabilities induced by a multivalued mapping; Shafer
    (1976), A mathematical theory of evidence; Yager (1987), On the Dempster-Shafer framework and
    new combination rules; Smets & Kennes (1994), The transferable belief model.
    """

    panel = "Model-level fusion"

    rule: Annotated[Literal["dempster", "yager"], Param("Where belief in conflict goes.")] = (
        "dempster"
    )

    def columns(self, schema: Schema) -> list[str]:
        for modality in schema.modalities:
            if modality.weight > 1:
                raise UsageError(
                    f"the weight of {modality.name} is {modality.weight:g}; here it says how "
                    "reliable a model is, from 0 to 1"
                )
        return list(super().columns(schema))

    def extras(self, schema: Schema) -> Mapping[str, str]:
        return {**super().extras(schema), "conflict": "float64", "unknown": "float64"}

    def decide(self, votes: Votes, out: Block | Array) -> Extras:
        masses, frame = _conjunction(votes)
        conflict = np.clip(1 - masses.sum(axis=1) - frame, 0, 1)
        if self.rule == "yager":
            frame = frame + conflict
        else:
            if (whole := conflict >= 1 - _ALL).any():
                raise UnfitRowsError(
                    "models exclude each other: their conflict is 1, and Dempster's rule has no "
                    "answer",
                    np.flatnonzero(whole)[:_FIRST].tolist(),
                    hint="--rule yager has one; --weight 0.99 lets no model be certain",
                )
            masses, frame = masses / (1 - conflict)[:, None], frame / (1 - conflict)
        scores = masses + (frame / masses.shape[1])[:, None]
        out[:] = scores
        return {"label": self.label(votes, scores), "conflict": conflict, "unknown": frame}

    def combine(self, votes: Votes) -> Array:
        scores = np.empty(votes.p.shape[1:])
        self.decide(votes, scores)
        return scores


def _conjunction(votes: Votes) -> tuple[Array, Array]:
    """The masses `(k, C)` of classes and that of the frame `(k,)`, of all models together.

    An absent model believes in the frame alone, which changes nothing.
    """
    masses, frame = np.zeros(votes.p.shape[1:]), np.ones(votes.p.shape[1])
    for p, present, reliable in zip(votes.p, votes.present, votes.weights, strict=True):
        alpha = np.where(present, reliable, 0.0)
        own, left = alpha[:, None] * normalized(p), 1 - alpha
        masses = masses * own + masses * left[:, None] + frame[:, None] * own
        frame = frame * left
    return masses, frame
