"""`sum`."""

from dataclasses import dataclass

import numpy as np

from mmfuse.core.pooling import Pooling


@dataclass(frozen=True)
class Sum(Pooling):
    """Add the modalities element by element: z = Σ w_m x_m.

    A row that lacks a modality is the sum of those it has. Modalities need one width (or `pad`).
    """

    operation = np.add
    neutral = 0.0
