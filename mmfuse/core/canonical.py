"""What canonical correlation analysis and its kin share: a projection a modality, and how they
meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.components import Components, at_most, number, wanted
from mmfuse.core.options import Param
from mmfuse.core.projection import Projection, positive, split
from mmfuse.core.schema import Schema
from mmfuse.core.strategy import Learned, numbered

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Canonical(Projection):
    """Projects every modality so that what the modalities have in common stands out.

    Beside `mean_m` and `weights_m` it learns `spectrum`, the strength of every component there
    is. Where the scale of a modality does not matter to what they have in common, its weight
    multiplies its projection.
    """

    least: ClassVar[int] = 2
    correlates: ClassVar[bool] = True

    n_components: Annotated[Components, wanted("squared correlation", "more than chance")] = "auto"

    def columns(self, schema: Schema) -> Sequence[str]:
        return numbered(type(self).__name__.lower(), self._components(schema))

    def _components(self, schema: Schema) -> int:
        # no more eigenvalues exceed those of the largest block than the others have columns
        most = sum(schema.dims) - max(schema.dims)
        return at_most(self.n_components, most, "these modalities")

    def kept(
        self,
        schema: Schema,
        mean: Array,
        weights: Array,
        spectrum: Array,
        strengths: Array,
        auto: Callable[[], int],
    ) -> Learned:
        """What is learned: as many of the components as are asked for, their signs fixed.

        weights: `(D, r)`, a column a component. strengths: `(r,)`, of which a share is asked for.
        """
        k = number(self.n_components, strengths, len(strengths), auto)
        learned = split(schema, mean, positive(weights[:, :k]), schema.weights)
        return {**learned, "spectrum": spectrum}


@dataclass(frozen=True)
class Combining(Canonical):
    """One whose projections stand side by side, or are added."""

    combine: Annotated[
        Literal["concat", "sum"], Param("Projections side by side, or added to one.")
    ] = "concat"

    @property
    def beside(self) -> bool:
        return self.combine == "concat"

    def columns(self, schema: Schema) -> Sequence[str]:
        own = super().columns(schema)
        return [f"{m}_{c}" for m in schema.names for c in own] if self.beside else own

    def slices(self, schema: Schema) -> Mapping[str, tuple[int, int]]:
        k = self._components(schema)
        spans = {name: (m * k, (m + 1) * k) for m, name in enumerate(schema.names)}
        return spans if self.beside else {}
