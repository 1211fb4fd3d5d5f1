"""`max`."""

from dataclasses import dataclass

import numpy as np

from mmfuse.core.pooling import Pooling


@dataclass(frozen=True)
class Max(Pooling):
    """Take the largest of the modalities element by element: z = max_m w_m x_m.

    A row that lacks a modality uses those it has. Modalities need one width (or `pad`).
    """

    operation = np.maximum
    neutral = -np.inf
