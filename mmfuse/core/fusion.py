"""What happens to a batch: normalisations a modality, a weight, then the strategy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch, Block
from mmfuse.core.chain import (
    Chain,
    learn_chain,
    lessons,
    linear_at_last,
    linear_from_here,
    linear_maps,
    mixes,
    unlearned,
)
from mmfuse.core.gathered import Gathered
from mmfuse.core.linear_map import LinearMap, scaling
from mmfuse.core.normalization import Normalization
from mmfuse.core.scatter import Scatter
from mmfuse.core.schema import Schema
from mmfuse.core.statistics import Moments
from mmfuse.core.strategy import Extras, Learned, Strategy
from mmfuse.core.transpose import copy
from mmfuse.errors import InputError

Missing = Literal["zero", "mean", "nan", "error"]
"""What stands for a modality in a row that lacks it; `error` refuses such rows beforehand."""

Absent: TypeAlias = float | NDArray[np.float64]
"""What stands for one row: a number, or one a column."""


@dataclass(frozen=True)
class Fusion:
    """A strategy with its normalisations; `learned` is None until everything is learned.

    missing: what stands for a modality that a row lacks, after normalisation; None: as the
    strategy declares, which fuses what is present, or takes zeros.
    """

    schema: Schema
    chains: tuple[Chain, ...]
    strategy: Strategy
    learned: Learned | None = None
    missing: Missing | None = None

    @property
    def unlearned(self) -> tuple[int, ...]:
        """The modalities in whose chain a stage still has to learn."""
        return tuple(m for m, chain in enumerate(self.chains) if unlearned(chain) < len(chain))

    @property
    def seen(self) -> tuple[int, ...]:
        """Of every modality the stages before what the next pass gathers."""
        return tuple(map(unlearned, self.chains))

    @property
    def ready(self) -> bool:
        """Whether the next pass over the rows can be the last to learn from."""
        if self._fills:  # only normalised rows can be filled
            return not self.unlearned
        return all(map(linear_from_here, self.chains))

    @property
    def _fills(self) -> bool:
        """Whether the strategy may learn from rows in which something stands for a modality."""
        return self.strategy.learns and not self.fuses_present

    @property
    def passes(self) -> int:
        """How many passes over the rows it takes to learn."""
        if self.learned is not None:
            return 0
        most = max(map(lessons, self.chains))
        if not self.strategy.learns:
            return most
        if self._fills:
            return most + 1
        return max(1, *(lessons(c) + (not linear_at_last(c)) for c in self.chains))

    @property
    def copies(self) -> bool:
        """Whether the output's values are those of the inputs, but for rounding."""
        plain = not any(self.chains) and bool((self.schema.weights == 1).all())
        return self.strategy.stacks and plain

    def empty(self, *, all_moments: bool = False, shuffle: bool = False) -> Gathered:
        """What the next pass is to gather; of modalities with nothing to learn too if all are.

        shuffle: whether the strategy's statistic is wanted of shuffled rows as well.
        """
        looked_at = range(len(self.chains)) if all_moments else self.unlearned
        dims = self.schema.dims
        learns = self.strategy.learns and self.ready
        statistic = self.strategy.statistics(self.schema) if learns else None
        return Gathered(
            {m: Moments.empty(dims[m]) for m in looked_at},
            {m: Scatter.empty((dims[m],)) for m in self.unlearned if mixes(self.chains[m])},
            np.zeros(len(dims)) if all_moments else None,
            statistic,
            statistic if shuffle else None,
        )

    def learn(self, gathered: Gathered) -> Fusion:
        """Let the chains learn as far as they can, and in the end the strategy."""
        chains = tuple(
            learn_chain(chain, gathered.moments[m], gathered.scatters.get(m))
            if m in self.unlearned
            else chain
            for m, chain in enumerate(self.chains)
        )
        learned = replace(self, chains=chains)
        if gathered.statistic is None:
            return learned
        statistic = gathered.statistic.mapped(learned.maps(self.seen))
        solved = self.strategy.solve(self.schema, statistic)
        return replace(learned, learned=solved)

    def maps(self, seen: Sequence[int]) -> list[list[LinearMap]]:
        """What is done to every modality's block after the first `seen` stages of its chain.

        These stages have learned, and are linear.
        """
        return [
            [*linear_maps(chain[k:], dim), *([scaling(scale)] if scale != 1 else [])]
            for chain, k, dim, scale in zip(
                self.chains, seen, self.schema.dims, self.scales, strict=True
            )
        ]

    @cached_property
    def scales(self) -> NDArray[np.float64]:
        """What every modality's block is multiplied by, `(M,)`: its weight, but for strategies
        that see weights apart."""
        weights = self.schema.weights
        return weights if self.strategy.scales else np.ones(len(weights))

    @cached_property
    def settled(self) -> Strategy:
        """The strategy, with what was open until it had learned."""
        return self.strategy if self.learned is None else self.strategy.settled(self.learned)

    def prepare(self, m: int, x: Block) -> None:
        """Bring rows of modality `m`, in place, to where the next pass gathers."""
        _go_through(self.chains[m][: unlearned(self.chains[m])], x)

    def normalize(self, m: int, x: Block) -> list[int]:
        """Normalise rows of modality `m` in place, and scale them by its weight.

        Returns, for every stage, the rows that it left as they were.
        """
        left = _go_through(self.chains[m], x)
        if (scale := self.scales[m]) != 1:
            np.multiply(x, x.dtype.type(scale), out=x)
        return left

    @property
    def fuses_present(self) -> bool:
        """Whether the strategy is told which modalities a row has, and fuses those."""
        return self.strategy.fuses_present and self.missing is None

    def absent(self, m: int) -> Absent:
        """What stands for modality `m`, before its weight, in a row that lacks it."""
        if self.missing == "nan":
            return np.nan
        chain = self.chains[m]
        if chain and isinstance(chain[-1].normalization, MissingMean):
            learned = chain[-1].learned
            assert learned is not None
            filling: NDArray[np.float64] = learned["mean"]
            return filling
        return 0.0

    def expected_nan(self, present: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """The rows of a batch whose values are NaN because they lack a modality; None: none."""
        if present is None or self.missing != "nan":
            return None
        return np.logical_not(present.all(axis=1))

    def fuse(self, batch: Batch, out: Block) -> Extras:
        """Fuse rows of normalised blocks into `out`, rounded to its dtype once, at the end.

        Returns what the strategy has beside them.
        """
        assert self.learned is not None
        working = out.dtype if self.strategy.stacks else np.result_type(out, *batch.blocks)
        direct = self.strategy.stacks or (working == out.dtype and out.flags.c_contiguous)
        exact = out if direct else np.empty(out.shape, working)
        extras = self.settled.fuse(batch, exact, self.learned)
        if exact is not out:
            copy(exact, out)
        return extras or {}

    def shown(self, batch: Batch, *, learning: bool = False) -> Batch:
        """The batch as the strategy sees it: one that does not fuse the present sees rows filled.

        From NaN nothing is learned.
        """
        told = self.fuses_present or (learning and self.missing == "nan")
        return batch if told else replace(batch, present=None)


@dataclass(frozen=True)
class Lesson:
    """A fusion before the last pass it learns from, and what that pass gathered.

    So it can learn again, from what this and other passes gathered together.
    """

    before: Fusion
    gathered: Gathered

    @cached_property
    def fusion(self) -> Fusion:
        """The fusion that has learned all. Raises a MmfuseError where it cannot."""
        fusion = self.before.learn(self.gathered)
        if fusion.learned is None:
            fusion = replace(fusion, learned=fusion.strategy.solve(fusion.schema))
        return fusion

    @cached_property
    def chance(self) -> NDArray[np.float64] | None:
        """The `spectrum` that the strategy finds in shuffled rows; None where there are none."""
        if self.gathered.shuffled is None:
            return None
        shuffled = self.gathered.shuffled.mapped(self.fusion.maps(self.before.seen))
        strategy = replace(self.before.strategy, n_components=1)  # type: ignore[call-arg]
        try:
            return strategy.solve(self.before.schema, shuffled)["spectrum"]
        except InputError:  # nothing at all
            return np.zeros(0)


def _go_through(stages: Chain, x: Block) -> list[int]:
    left: list[int] = []
    for stage in stages:
        assert stage.learned is not None
        left.append(stage.normalization.degenerate_rows(x))
        stage.normalization.normalize(x, stage.learned)
    return left


class MissingMean(Normalization):
    """Leaves a block as it is and learns its mean, for the rows that lack the modality."""

    learns = True

    def solve(self, moments: Moments, scatter: Scatter | None = None) -> Learned:
        return {"mean": moments.mean}

    def normalize(self, x: Block, learned: Learned) -> None:
        """Nothing: only what is absent is filled."""
