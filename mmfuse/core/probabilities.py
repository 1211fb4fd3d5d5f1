"""Whether predictions are probabilities, and what they look like if they are not."""

from __future__ import annotations

from typing import Literal

import numpy as np

from mmfuse.core.batch import Batch, Block
from mmfuse.core.unfit import UnfitRowsError

Kind = Literal["probabilities", "logits", "scores", "labels"]
KINDS: tuple[Kind, ...] = ("probabilities", "logits", "scores", "labels")
STAGES: dict[str, tuple[str, ...]] = {
    "probabilities": (),
    "logits": ("softmax",),
    "scores": ("share",),
    "labels": (),
}
"""The normalisation that makes probabilities of each."""

_OFF = 0.01  # probabilities of few digits, such as 0.33 0.33 0.33
_FIRST = 3


def refuse_others(batch: Batch) -> None:
    """Raise UnfitRowsError for a modality whose rows are no probabilities; NaN counts as one."""
    for m, block in enumerate(batch.blocks):
        total = block.sum(axis=1, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            bad = (np.abs(total - 1) > _OFF) | (block.min(axis=1) < 0)
        bad &= np.isfinite(total)
        if batch.present is not None:
            bad &= batch.present[:, m]
        if bad.any():
            message, hint = _told(block[bad], float(total[bad][0]))
            raise UnfitRowsError(message, np.flatnonzero(bad)[:_FIRST].tolist(), m, hint)


def _told(block: Block, total: float) -> tuple[str, str]:
    """The message and the hint."""
    low, high = float(block.min()), float(block.max())
    if low == high == 0:
        return "these are no probabilities: rows of zeros alone", "leave such rows out of the file"
    if low < 0:
        kind, cure = f"values from {low:.4g} to {high:.4g}", "logits"
        made = "takes them for logits, and their softmax"
    else:
        kind, cure = f"rows that sum to {total:.4g}", "scores"
        made = "divides every row by its sum"
    return f"these are no probabilities: {kind}", f"--from NAME={cure} {made}"
