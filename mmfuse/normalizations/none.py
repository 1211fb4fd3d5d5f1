"""`none`."""

from mmfuse.core.batch import Block
from mmfuse.core.normalization import Normalization
from mmfuse.core.strategy import Learned


class NoNormalization(Normalization):
    """Leave the block as it is."""

    def normalize(self, x: Block, learned: Learned) -> None:
        """Nothing."""
