"""`sqrt-dim`."""

from mmfuse.core.batch import Block
from mmfuse.core.normalization import Normalization
from mmfuse.core.strategy import Learned


class SqrtDim(Normalization):
    """Block scaling: x / √d, so that a wide modality does not outweigh a narrow one."""

    def normalize(self, x: Block, learned: Learned) -> None:
        x *= x.dtype.type(x.shape[1] ** -0.5)
