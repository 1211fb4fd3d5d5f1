"""`center`."""

from mmfuse.core.affine import subtract
from mmfuse.core.batch import Block
from mmfuse.core.normalization import Normalization
from mmfuse.core.statistics import Moments
from mmfuse.core.strategy import Learned


class Center(Normalization):
    """Give every column mean 0: x − mean; closes the gap between modalities before a mean."""

    learns = True

    def solve(self, moments: Moments) -> Learned:
        return {"mean": moments.mean}

    def normalize(self, x: Block, learned: Learned) -> None:
        subtract(x, learned["mean"])
