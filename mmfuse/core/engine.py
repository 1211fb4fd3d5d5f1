"""The engine: carries blocks of aligned rows from the readers through the fusion to the sink.

Every pass has one form. The rows are cut as the plan says, workers take cuts in any order, and
what they find is merged in the order of the rows, so that results do not depend on threads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.aligned import Aligned
from mmfuse.core.batch import Batch, Block
from mmfuse.core.fusion import Fusion, Lesson
from mmfuse.core.gathered import Gathered
from mmfuse.core.plan import Plan
from mmfuse.core.pool import in_order
from mmfuse.core.shuffled import shuffled
from mmfuse.core.source import Matrix, Progress, Sink, unseen
from mmfuse.core.statistics import sum_of_squares
from mmfuse.core.tally import Tally, all_finite
from mmfuse.core.unfit import UnfitRowsError
from mmfuse.core.workspace import Workspace

Found = TypeVar("Found")


@dataclass(frozen=True)
class Engine:
    """Reads aligned rows in parallel.

    taken, dtypes: one a modality; dtypes as read. working: the precision of arithmetic.
    """

    taken: Sequence[Aligned]
    dtypes: Sequence[np.dtype[Any]]
    working: Sequence[np.dtype[Any]]
    plan: Plan
    checked: bool = True
    """Whether values that are not finite are counted."""
    rounds: Collection[int] = ()
    """The modalities whose large integers were rounded as they were read."""
    progress: Progress = unseen
    labels: NDArray[Any] | None = None
    """The number of every row's class, -1 where it has none; or what is to be predicted of it,
    NaN where that is not known."""
    extras: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    """Where what stands beside the fused rows goes, `(n,)` each."""

    def fit(
        self,
        fusion: Fusion,
        accept: Callable[[Tally], None],
        *,
        keep: bool = False,
        shuffle: bool = False,
    ) -> Lesson:
        """Let every stage and the strategy learn, in as few passes as `Fusion.passes` says.

        accept: raises for what a pass found and the fusion cannot learn from.
        keep: gather the moments of every modality, for a model. shuffle: gather what the strategy
            learns from of shuffled rows as well.
        """
        lesson = Lesson(fusion, fusion.empty())
        wanted = keep or fusion.strategy.learns
        while wanted or fusion.unlearned:
            last = fusion.ready
            gathered, tally = self.gather(fusion, all_moments=keep and last, shuffle=shuffle)
            accept(tally)
            lesson = Lesson(fusion, gathered)
            fusion = lesson.fusion if last else fusion.learn(gathered)
            wanted = wanted and not last
        return lesson

    def gather(
        self, fusion: Fusion, *, all_moments: bool = True, shuffle: bool = False
    ) -> tuple[Gathered, Tally]:
        """What a fusion that has not learned all wants to know of the rows."""
        empty = fusion.empty(all_moments=all_moments, shuffle=shuffle)
        total = empty, Tally.empty(len(self.taken))

        def take(start: int, found: tuple[Gathered, Tally]) -> None:
            nonlocal total
            total = total[0].merge(found[0]), total[1].merge(found[1])

        self._pass(
            "learning", partial(self._gather, fusion, empty), self.plan.statistic_rows, take, fusion
        )
        return total

    def finite_rows(self, fusion: Fusion) -> NDArray[np.bool_]:
        """Which output rows have finite values only, shape `(n,)`."""
        finite = np.ones(self.plan.rows, bool)

        def take(start: int, found: NDArray[np.bool_]) -> None:
            finite[start : start + len(found)] = found

        self._pass("checking", self._finite, self.plan.statistic_rows, take, fusion)
        return finite

    def run(self, fusion: Fusion, sink: Sink, width: int, dtype: np.dtype[Any]) -> Tally:
        """Fuse all rows into the sink."""
        tally = Tally.empty(len(self.taken))

        def produce(space: Workspace, start: int, stop: int) -> tuple[Matrix | None, Tally]:
            block, found = self._fuse(fusion, space, start, stop)
            if not sink.positional:
                return block.copy(), found
            sink.write(start, block)
            return None, found

        def take(start: int, found: tuple[Matrix | None, Tally]) -> None:
            nonlocal tally
            block, part = found
            if block is not None:
                sink.write(start, block)
            tally = tally.merge(part)

        self._pass("fusing", produce, self.plan.block_rows, take, fusion, width, dtype)
        return tally

    def _pass(
        self,
        name: str,
        work: Callable[[Workspace, int, int], Found],
        step: int,
        take: Callable[[int, Found], None],
        fusion: Fusion,
        width: int = 0,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        """`work` over all rows, `step` at a time, on the plan's threads; `take` in row order."""
        n = self.plan.rows
        spaces: SimpleQueue[Workspace] = SimpleQueue()
        own = self.taken, fusion.schema.dims, self.dtypes, self.working, self.plan
        for _ in range(self.plan.threads):
            spaces.put(Workspace(*own, width, dtype))

        def task(start: int) -> Found:
            space = spaces.get()
            try:
                # what leaves the range of its dtype becomes infinite or NaN, and is counted
                with np.errstate(over="ignore", invalid="ignore"):
                    return work(space, start, min(start + step, n))
            finally:
                spaces.put(space)

        def progress(start: int, found: Found) -> None:
            take(start, found)
            self.progress(name, min(step, n - start), n)

        in_order(task, range(0, n, step), self.plan.threads, progress)

    def _gather(
        self, fusion: Fusion, empty: Gathered, space: Workspace, start: int, stop: int
    ) -> tuple[Gathered, Tally]:
        tally = Tally.empty(len(self.taken))
        moments, scatters = dict(empty.moments), dict(empty.scatters)
        energy = None if empty.energy is None else empty.energy.copy()
        others = empty.shuffled
        wanted = range(len(self.taken)) if empty.statistic is not None else moments

        def tiles() -> Iterator[Batch]:
            nonlocal others
            for first in range(start, stop, self.plan.tile_rows):
                last = min(first + self.plan.tile_rows, stop)
                loaded = {m: space.load(m, first, last) for m in wanted}
                for m, (x, places) in loaded.items():
                    tally.count_nonfinite(m, x, places, self.checked)
                    if energy is not None:
                        energy[m] += sum_of_squares(x)
                    fusion.prepare(m, x)
                    if m in moments:
                        moments[m] = moments[m].update(x)
                    if m in scatters:
                        alone = Batch([x], np.ones(1))
                        scatters[m] = scatters[m].merge(empty.scatters[m].gather([alone]))
                if empty.statistic is not None:
                    blocks = [x for x, _ in loaded.values()]
                    batch = self._batch(fusion, space, blocks, first, last, learning=True)
                    shown = fusion.shown(batch, learning=True)
                    yield shown
                    if others is not None:
                        others = others.merge(others.gather([shuffled(shown, first)]))

        if empty.statistic is None:
            next(tiles(), None)  # to the end: it yields for a statistic only
            return Gathered(moments, scatters, energy), tally
        statistic = empty.statistic.gather(tiles())
        return Gathered(moments, scatters, energy, statistic, others), tally

    def _batch(
        self,
        fusion: Fusion,
        space: Workspace,
        blocks: Sequence[Block],
        start: int,
        stop: int,
        *,
        learning: bool = False,
    ) -> Batch:
        """The rows start…stop of the output, those that lack a modality filled.

        learning: whether the blocks are not scaled yet.
        """
        weights = np.ones(len(blocks)) if learning else fusion.schema.weights
        scales = weights if learning else fusion.scales
        present = self._present(start, stop)
        if present is not None:
            fillings = [fusion.absent(m) * scale for m, scale in enumerate(scales)]
            blocks = [
                space.spread(m, x, present[:, m], filling)
                for m, (x, filling) in enumerate(zip(blocks, fillings, strict=True))
            ]
        labels = None if self.labels is None else self.labels[start:stop]
        return Batch(blocks, weights, present, labels)

    def _finite(self, space: Workspace, start: int, stop: int) -> NDArray[np.bool_]:
        finite = np.ones(stop - start, bool)
        for first in range(start, stop, self.plan.tile_rows):
            last = min(first + self.plan.tile_rows, stop)
            for m in range(len(self.taken)):
                x, places = space.load(m, first, last)
                finite[np.asarray(places) - start] &= np.isfinite(x).all(axis=1)
        return finite

    def _fuse(
        self, fusion: Fusion, space: Workspace, start: int, stop: int
    ) -> tuple[Matrix, Tally]:
        tally = Tally.empty(len(self.taken))
        out = space.out[: stop - start]
        copies = fusion.copies
        for first in range(start, stop, self.plan.tile_rows):
            last = min(first + self.plan.tile_rows, stop)
            loaded = [space.load(m, first, last) for m in range(len(self.taken))]
            for m, (x, places) in enumerate(loaded):
                tally.measure(m, x, places, self.plan.rows)
                if m in self.rounds:
                    tally.count_large(m, x)
                if not copies:
                    tally.count_nonfinite(m, x, places, self.checked)
                    tally.count_degenerate(m, fusion.normalize(m, x))
            blocks = [x for x, _ in loaded]
            batch = self._batch(fusion, space, blocks, first, last)
            tile = out[first - start : last - start]
            try:
                told = fusion.fuse(fusion.shown(batch), tile)
            except UnfitRowsError as error:
                raise error.after(first) from None
            for name, values in told.items():
                self.extras[name][first:last] = values
            if self.checked and not all_finite(tile):
                if copies:  # then a look at the copy has been enough until now
                    for m, (x, places) in enumerate(loaded):
                        tally.count_nonfinite(m, x, places, self.checked)
                tally.count_overflow(tile, fusion.expected_nan(batch.present))
            elif not self.checked and not (copies and {*self.working} == {tile.dtype}):
                tally.count_infinite(tile, batch.blocks, beside=fusion.strategy.stacks)
        return out, tally

    def _present(self, start: int, stop: int) -> NDArray[np.bool_] | None:
        """Which of the rows have which modality, shape `(stop - start, M)`; None: all have all."""
        masks = [taken.present(start, stop) for taken in self.taken]
        if all(mask is None for mask in masks):
            return None
        whole = np.ones(stop - start, np.bool_)
        return np.column_stack([whole if mask is None else mask for mask in masks])
