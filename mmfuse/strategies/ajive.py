"""`ajive`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.eigen import eigen, rank
from mmfuse.core.joint_rank import Signal, joint_bound
from mmfuse.core.options import Param
from mmfuse.core.principal import above_noise
from mmfuse.core.projection import Projection, positive, split
from mmfuse.core.ranks import Ranks, of_each, rank_option, within
from mmfuse.core.scatter import Scatter, spans
from mmfuse.core.schema import Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.strategy import Learned, distinct, numbered
from mmfuse.errors import InputError, UsageError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ajive(Projection):
    """Part what the modalities have in common from what each has alone (AJIVE).

    Of every modality, its columns less their means, U_m are the left singular vectors of its
    signal. Left singular vectors of [U_1 … U_M] with singular values close to √M are joint: the
    columns `joint_0` …, the most common first. What is left of a modality, (I − JJᵀ) X_m with
    these J, has left singular vectors of its own: its columns `MODALITY_individual_0` …,
    orthogonal to all joint ones. All are scaled to a variance of 1; a weight multiplies a
    modality's individual columns.

    `auto` takes as joint what exceeds both Wedin's bound (the 5th percentile of 200 draws) and
    what random subspaces have in common (the 95th), and is in no modality weaker than its signal.
    All of it follows from the covariances of the columns, so rows are streamed, and new rows can
    be fused by what was learned.

    Feng, Jiang, Hannig & Marron (2018), Angle-based joint and individual variation explained,
    Journal of Multivariate Analysis 166; `auto` signals are by Gavish & Donoho (2014), The optimal
    hard threshold for singular values is 4/√3.
    """

    panel = "Learned feature-level fusion"
    least = 2
    correlates = True
    measure = "squared singular value"

    n_components: Annotated[
        int | str,
        rank_option("--n-components", "Joint columns: a number, or auto: by bounds.", each=False),
    ] = "auto"
    individual: Annotated[
        Ranks,
        rank_option(
            "--individual",
            "Individual columns of a modality: a number, one for every modality (3,2), or auto: "
            "those as strong as its signal.",
        ),
    ] = "auto"
    signal_rank: Annotated[
        Ranks,
        rank_option(
            "--signal-rank",
            "Rank of a modality's signal: a number, one for every modality (5,4), or auto: what "
            "stands out of noise.",
            1,
        ),
    ] = "auto"
    seed: Annotated[int, Param("Seed of the bounds' draws.", min=0)] = 0

    def columns(self, schema: Schema) -> Sequence[str]:
        joint, *individual = self._most(schema)
        names = numbered("joint", joint)
        for name, k in zip(schema.names, individual, strict=True):
            names += numbered(f"{name}_individual", k)
        if not names:
            raise UsageError("no columns are asked for", hint="--n-components auto")
        return distinct(names)

    def slices(self, schema: Schema) -> Mapping[str, tuple[int, int]]:
        ends = list(accumulate(self._most(schema)))
        spans = zip(schema.names, ends, ends[1:], strict=False)
        return {name: (start, stop) for name, start, stop in spans if stop > start}

    def _most(self, schema: Schema) -> list[int]:
        """How many columns there can be: joint ones, and individual ones of every modality."""
        asked = [self._joint, *of_each(self.individual, schema.names, "--individual")]
        flags = ["--n-components", *["--individual"] * len(schema.dims)]
        widths = [min(schema.dims), *schema.dims]
        owners = ["the narrowest modality", *schema.names]
        for k, width, flag, owner in zip(asked, widths, flags, owners, strict=True):
            if k is not None and k > width:
                raise UsageError(
                    f"{flag} is {k:,}, and {owner} has {width:,} columns",
                    hint=f"{flag} auto finds how many there are",
                )
        return [width if k is None else k for k, width in zip(asked, widths, strict=True)]

    @property
    def _joint(self) -> int | None:
        """Joint components that are asked for; None: `auto`."""
        return self.n_components if isinstance(self.n_components, int) else None

    def settled(self, learned: Learned) -> Self:
        individual = tuple(map(int, learned["individual_ranks"]))
        joint = learned["weights_0"].shape[1] - sum(individual)
        return replace(self, n_components=joint, individual=individual)

    def solve(self, schema: Schema, gathered: Statistic | None = None) -> Learned:
        """Also `spectrum`, the squared singular values of [U_1 … U_M], and the ranks found:
        `signal_ranks` and `individual_ranks`, `(M,)`."""
        assert isinstance(gathered, Scatter)
        joint, signals, spectrum = self._common(schema, gathered)
        weights, ranks = [positive(joint)], []
        asked = of_each(self.individual, schema.names, "--individual")
        for m, (name, columns) in enumerate(zip(schema.names, gathered.slices, strict=True)):
            own = _individual(gathered, columns, joint, signals[m], asked[m], name)
            weights.append(positive(own) * schema.weights[m])
            ranks.append(own.shape[1])
        scaled = np.sqrt(gathered.n) * np.concatenate(weights, axis=1)
        return {
            **split(schema, gathered.mean, scaled),
            "spectrum": spectrum,
            "signal_ranks": np.array([signal.rank for signal in signals]),
            "individual_ranks": np.array(ranks),
        }

    def _common(self, schema: Schema, scatter: Scatter) -> tuple[Array, list[Signal], Array]:
        """The weights of J, `(D, k)`; the modalities' signals; the spectrum of [U_1 … U_M]."""
        s, slices = scatter.matrix, scatter.slices
        asked = of_each(self.signal_rank, schema.names, "--signal-rank")
        found = [
            _signal(s[own, own], scatter.n, asked[m], self._joint or 1, schema.names[m])
            for m, own in enumerate(slices)
        ]
        signals = [signal for signal, _ in found]
        ranks = [signal.rank for signal in signals]
        u = np.zeros((len(s), sum(ranks)))  # the weights of [U_1 … U_M]
        for own, columns, (_, basis) in zip(slices, spans(ranks), found, strict=True):
            u[own, columns] = basis
        spectrum, vectors = eigen(u.T @ s @ u)
        if self._joint is None:
            bound = joint_bound(signals, scatter.n - 1, self.seed)
            k = min(int(np.count_nonzero(spectrum > bound)), *ranks)
        else:
            k = within(self._joint, -1, min(ranks), "joint columns", "--n-components")
        joint: Array = u @ (vectors[:, :k] / np.sqrt(spectrum[:k]))
        if self._joint is None:
            image = joint.T @ s
            strong = [
                np.linalg.norm(image[:, own], axis=1) >= signal.threshold
                for own, signal in zip(slices, signals, strict=True)
            ]
            joint = joint[:, np.logical_and.reduce(strong)]
        return joint, signals, spectrum


def _signal(
    scatter: Array, n: int, asked: int | None, least: int, name: str
) -> tuple[Signal, Array]:
    """A modality's signal, and the weights of its left singular vectors, `(d, r)`."""
    values, vectors = eigen(scatter)
    most = min(rank(values), max(n - 1, 0))
    if most == 0:
        raise InputError(
            f"{name} has no signal: its rows do not vary", hint="are its features constant?"
        )
    auto = max(above_noise(np.maximum(values, 0), n), least)
    r = within(asked, auto, most, f"signal of {name}", "--signal-rank")
    singular = np.sqrt(values[:most])
    return Signal(singular, r, len(scatter)), vectors[:, :r] / singular[:r]


def _individual(
    scatter: Scatter, own: slice, joint: Array, signal: Signal, asked: int | None, name: str
) -> Array:
    """The weights of the left singular vectors of what J leaves of a modality, `(D, r)`."""
    image = joint.T @ scatter.matrix[:, own]
    values, vectors = eigen(scatter.matrix[own, own] - image.T @ image)
    # what is left is not less precise than what it was taken from
    precision = signal.singular[0] ** 2 * signal.dim * np.finfo(np.float64).eps
    left = max(scatter.n - 1 - joint.shape[1], 0)
    most = min(int(np.count_nonzero(values > precision)), left)
    auto = int(np.count_nonzero(np.sqrt(np.maximum(values, 0)) > signal.threshold))
    r = within(asked, auto, most, f"individual columns of {name}", "--individual")
    v = vectors[:, :r] / np.sqrt(values[:r])
    weights: Array = -joint @ (image @ v)
    weights[own] += v
    return weights
