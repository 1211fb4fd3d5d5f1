"""`min`."""

from dataclasses import dataclass

import numpy as np

from mmfuse.core.pooling import Pooling


@dataclass(frozen=True)
class Min(Pooling):
    """Take the smallest of the modalities element by element: z = min_m w_m x_m.

    A row that lacks a modality uses those it has. Modalities need one width (or `pad`).
    """

    operation = np.minimum
    neutral = np.inf
