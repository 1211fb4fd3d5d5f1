"""`product`."""

from dataclasses import dataclass

import numpy as np

from mmfuse.core.pooling import Pooling


@dataclass(frozen=True)
class Product(Pooling):
    """Multiply the modalities element by element (Hadamard product): z = Π w_m x_m.

    A row that lacks a modality uses those it has. Modalities need one width (or `pad`).
    """

    operation = np.multiply
    neutral = 1.0
