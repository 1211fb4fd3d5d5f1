"""`sqrt-dim`."""

from mmfuse.core.batch import Block
from mmfuse.core.linear_map import LinearMap, scaling
from mmfuse.core.normalization import Normalization
from mmfuse.core.strategy import Learned


class SqrtDim(Normalization):
    """Block scaling: x / √d, so that a wide modality does not outweigh a narrow one."""

    linear = True

    def normalize(self, x: Block, learned: Learned) -> None:
        x *= x.dtype.type(x.shape[1] ** -0.5)

    def linear_map(self, learned: Learned, dim: int) -> LinearMap:
        return scaling(dim**-0.5)
