"""The normalisations of one modality, one behind the other, and how they learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from mmfuse.core.linear_map import LinearMap
from mmfuse.core.normalization import Normalization
from mmfuse.core.scatter import Scatter
from mmfuse.core.statistics import Moments
from mmfuse.core.strategy import Learned


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

    def learn(self, moments: Moments, scatter: Scatter | None) -> Stage:
        """The stage with what it learns of the block before it."""
        return replace(
            self,
            learned=self.normalization.solve(moments, scatter),
            degenerate_columns=self.normalization.degenerate_columns(moments),
        )


Chain: TypeAlias = tuple[Stage, ...]


def unlearned(chain: Chain) -> int:
    """The place of the first stage that has to learn; the chain's length where none has."""
    return next((k for k, stage in enumerate(chain) if stage.learned is None), len(chain))


def look(chain: Chain) -> int:
    """How many stages know all they need after one pass before the first that has to learn.

    The moments after a linear stage follow from those before it. They do not after one that is
    not linear, nor do the extents after one that mixes columns.
    """
    mixed = False
    for k in range(unlearned(chain), len(chain)):
        normalization = chain[k].normalization
        if chain[k].learned is None and mixed:
            return k
        if not normalization.linear:
            return k + (chain[k].learned is None)
        mixed = mixed or normalization.mixes
    return len(chain)


def linear_from_here(chain: Chain) -> bool:
    """Whether all from the first stage that has to learn on is linear, and learns at once."""
    rest = chain[unlearned(chain) :]
    return look(chain) == len(chain) and all(stage.normalization.linear for stage in rest)


def mixes(chain: Chain) -> bool:
    """Whether a stage that learns from the next pass wants the block's scatter."""
    return any(stage.normalization.mixes for stage in chain[unlearned(chain) : look(chain)])


def lessons(chain: Chain) -> int:
    """Passes until every stage has learned."""
    count = 0
    while unlearned(chain) < len(chain):
        end = look(chain)
        chain = (*(replace(stage, learned={}) for stage in chain[:end]), *chain[end:])
        count += 1
    return count


def linear_at_last(chain: Chain) -> bool:
    """Whether the last of those passes sees everything through linear maps."""
    while not linear_from_here(chain):
        end = look(chain)
        if unlearned(chain[end:]) == len(chain) - end:
            return False
        chain = (*(replace(stage, learned={}) for stage in chain[:end]), *chain[end:])
    return True


def learn_chain(chain: Chain, moments: Moments, scatter: Scatter | None) -> Chain:
    """Let the stages that can learn from moments before the first of them."""
    stages = list(chain)
    passed: list[Stage] = []  # linear ones, which the moments have not been carried through yet
    for k in range(unlearned(chain), look(chain)):
        if stages[k].learned is None:
            for one in linear_maps(passed, len(moments.mean)):
                moments = moments.mapped(one)
                scatter = None if scatter is None else scatter.mapped([[one]])
            passed = []
            stages[k] = stages[k].learn(moments, scatter)
        passed.append(stages[k])
    return tuple(stages)


def linear_maps(stages: Sequence[Stage], dim: int) -> list[LinearMap]:
    """What linear stages that have learned do to a block of `dim` columns."""
    maps = []
    for stage in stages:
        assert stage.learned is not None
        maps.append(stage.normalization.linear_map(stage.learned, dim))
    return maps
