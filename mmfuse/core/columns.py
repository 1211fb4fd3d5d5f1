"""The engine for columns: carries them from the readers to the sink, where no row is needed.

A column of a million float32 is 4 MB: rows are picked from it within a core's cache, and tables
that are stored by columns never have to be transposed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate
from queue import SimpleQueue
from typing import Any

import numpy as np

from mmfuse.core.ids import Rows
from mmfuse.core.plan import Access, Plan
from mmfuse.core.pool import in_order
from mmfuse.core.source import ColumnReader, Matrix, Progress, Sink, unseen
from mmfuse.core.tally import Tally, all_finite


@dataclass(frozen=True)
class ColumnEngine:
    """Picks the rows of one column after another, and stacks the columns.

    readers, inputs, rows, working, weights: one a modality; rows as in an alignment, working the
    precision of arithmetic.
    """

    readers: Sequence[ColumnReader]
    inputs: Sequence[Access]
    rows: Sequence[Rows | None]
    working: Sequence[np.dtype[Any]]
    weights: Sequence[float]
    plan: Plan
    checked: bool = True
    """Whether values that are not finite are counted."""
    rounds: Collection[int] = ()
    """The modalities whose large integers were rounded as they were read."""
    progress: Progress = unseen

    def run(self, sink: Sink, dtype: np.dtype[Any]) -> Tally:
        """Write every column of every modality, one modality after the other."""
        dims = [access.dim for access in self.inputs]
        step = self.plan.columns
        tasks = [
            (m, first, min(first + step, dim))
            for m, dim in enumerate(dims)
            for first in range(0, dim, step)
        ]
        before = list(accumulate(dims, initial=0))
        spaces: SimpleQueue[_Workspace] = SimpleQueue()
        for _ in range(self.plan.threads):
            spaces.put(_Workspace(self.inputs, self.working, self.plan, dtype))

        def work(task: tuple[int, int, int]) -> Tally:
            m, first, last = task
            tally, space = Tally.empty(len(dims)), spaces.get()
            try:
                stored = space.stored(m, last - first)
                self.readers[m].read(first, last, stored)
                # what leaves the range of its dtype becomes infinite, and is counted
                with np.errstate(over="ignore", invalid="ignore"):
                    for j, column in enumerate(stored, before[m] + first):
                        sink.write_column(j, self._column(m, column, space, tally))
            finally:
                spaces.put(space)
            return tally

        tally = Tally.empty(len(dims))

        def take(task: tuple[int, int, int], found: Tally) -> None:
            nonlocal tally
            tally = tally.merge(found)
            self.progress("fusing columns", task[2] - task[1], before[-1])

        in_order(work, tasks, self.plan.threads, take)
        return tally

    def _column(self, m: int, stored: Matrix, space: _Workspace, tally: Tally) -> Matrix:
        """A column of modality `m` as the output has it."""
        rows, picked, x, out = self.rows[m], space.picked[m], space.working[m], space.out
        if rows is None:
            picked[:] = stored
        else:
            stored.take(rows, out=picked, mode="clip")
        if x is not picked:
            x[:] = picked
        tally.count_nonfinite(m, x[:, None], range(len(x)), self.checked)
        tally.measure(m, x[:, None], range(len(x)), len(x))
        if m in self.rounds:
            tally.count_large(m, x)
        if self.weights[m] != 1:
            np.multiply(x, x.dtype.type(self.weights[m]), out=x)
        if x.dtype != out.dtype:
            out[:] = x
        elif self.weights[m] == 1:
            return x  # which has been looked at
        else:
            out = x
        if not all_finite(out):
            if self.checked:
                tally.count_overflow(out)
            else:
                tally.count_infinite(out, [x], beside=True)
        return out


class _Workspace:
    """One thread's arrays: columns as stored, and one column picked, computed with, and out."""

    def __init__(
        self,
        inputs: Sequence[Access],
        working: Sequence[np.dtype[Any]],
        plan: Plan,
        dtype: np.dtype[Any],
    ) -> None:
        self._inputs = inputs
        largest = max(access.rows * access.dtype.itemsize for access in inputs)
        self._bytes = np.empty(plan.columns * largest, np.uint8)
        arrays = {kind: np.empty(plan.rows, kind) for kind in (*working, dtype)}
        self.picked = [
            arrays[access.dtype] if access.dtype == x else np.empty(plan.rows, access.dtype)
            for access, x in zip(inputs, working, strict=True)
        ]
        self.working = [arrays[x] for x in working]
        self.out = arrays[dtype]

    def stored(self, m: int, columns: int) -> Matrix:
        """Room for whole columns of modality `m`, shape `(columns, n)`."""
        access = self._inputs[m]
        size = columns * access.rows * access.dtype.itemsize
        return self._bytes[:size].view(access.dtype).reshape(columns, access.rows)
