"""What happens to a batch: normalisations a modality, a weight, then the strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch, Block
from mmfuse.core.normalization import Normalization
from mmfuse.core.schema import Schema
from mmfuse.core.statistics import Moments
from mmfuse.core.strategy import Learned, Strategy
from mmfuse.core.transpose import copy

Missing = Literal["zero", "mean", "nan", "error"]
"""What stands for a modality in a row that lacks it; `error` refuses such rows beforehand."""

Absent: TypeAlias = float | NDArray[np.float64]
"""What stands for one row: a number, or one a column."""


@dataclass(frozen=True)
class Stage:
    """One normalisation of a chain, with what it learned; None until it has learned."""

    name: str
    normalization: Normalization
    learned: Learned | None = None
    degenerate_columns: int = 0

    @classmethod
    def of(cls, name: str, normalization: Normalization) -> Stage:
        """A stage that knows whether it still has to learn."""
        return cls(name, normalization, None if normalization.learns else {})

    def learn(self, moments: Moments) -> Stage:
        """The stage with what it learns of the moments of the block before it."""
        return replace(
            self,
            learned=self.normalization.solve(moments),
            degenerate_columns=self.normalization.degenerate_columns(moments),
        )


@dataclass(frozen=True)
class Fusion:
    """A strategy with its normalisations; `learned` is None until everything is learned.

    missing: what stands for a modality that a row lacks, after normalisation; None: as the
    strategy declares, which fuses what is present, or takes zeros.
    """

    schema: Schema
    chains: tuple[tuple[Stage, ...], ...]
    strategy: Strategy
    learned: Learned | None = None
    missing: Missing | None = None

    @property
    def unlearned(self) -> tuple[int, ...]:
        """The modalities in whose chain a stage still has to learn."""
        return tuple(
            m for m, chain in enumerate(self.chains) if any(s.learned is None for s in chain)
        )

    @property
    def copies(self) -> bool:
        """Whether the output's values are those of the inputs, but for rounding."""
        plain = not any(self.chains) and bool((self.schema.weights == 1).all())
        return self.strategy.stacks and plain

    def learn(self, moments: Mapping[int, Moments]) -> Fusion:
        """Give the first stage that waits for it the moments of its modality's block."""
        chains = tuple(
            _learn_first(chain, moments[m]) if m in moments else chain
            for m, chain in enumerate(self.chains)
        )
        return replace(self, chains=chains)

    def solve(self) -> Fusion:
        """The fusion with what the strategy itself learns."""
        return replace(self, learned=self.strategy.solve(self.schema))

    def normalize(self, m: int, x: Block) -> list[int]:
        """Normalise rows of modality `m` in place, up to the first stage that has not learned.

        Returns, for every stage, the rows that it left as they were.
        """
        left: list[int] = []
        for stage in self.chains[m]:
            if stage.learned is None:
                return left
            left.append(stage.normalization.degenerate_rows(x))
            stage.normalization.normalize(x, stage.learned)
        if (weight := self.schema.weights[m]) != 1:
            np.multiply(x, x.dtype.type(weight), out=x)
        return left

    @property
    def fuses_present(self) -> bool:
        """Whether the strategy is told which modalities a row has, and fuses those."""
        return self.strategy.fuses_present and self.missing is None

    def absent(self, m: int) -> Absent:
        """What stands for modality `m` in a row that lacks it."""
        if self.missing == "nan":
            return np.nan
        chain = self.chains[m]
        if chain and isinstance(chain[-1].normalization, MissingMean):
            learned = chain[-1].learned
            assert learned is not None
            filling: NDArray[np.float64] = learned["mean"] * self.schema.weights[m]
            return filling
        return 0.0

    def expected_nan(self, present: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """The rows of a batch whose values are NaN because they lack a modality; None: none."""
        if present is None or self.missing != "nan":
            return None
        return np.logical_not(present.all(axis=1))

    def fuse(
        self, blocks: Sequence[Block], out: Block, present: NDArray[np.bool_] | None = None
    ) -> None:
        """Fuse rows of normalised blocks into `out`, rounded to its dtype once, at the end.

        present: which rows have which modality, shape `(n, M)`; None: all have all.
        """
        if not self.fuses_present:
            present = None
        assert self.learned is not None
        working = out.dtype if self.strategy.stacks else np.result_type(out, *blocks)
        direct = self.strategy.stacks or (working == out.dtype and out.flags.c_contiguous)
        exact = out if direct else np.empty(out.shape, working)
        self.strategy.fuse(Batch(blocks, self.schema.weights, present), exact, self.learned)
        if exact is not out:
            copy(exact, out)


class MissingMean(Normalization):
    """Leaves a block as it is and learns its mean, for the rows that lack the modality."""

    learns = True

    def solve(self, moments: Moments) -> Learned:
        return {"mean": moments.mean}

    def normalize(self, x: Block, learned: Learned) -> None:
        """Nothing: only what is absent is filled."""


def _learn_first(chain: tuple[Stage, ...], moments: Moments) -> tuple[Stage, ...]:
    k = next(k for k, stage in enumerate(chain) if stage.learned is None)
    return (*chain[:k], chain[k].learn(moments), *chain[k + 1 :])
