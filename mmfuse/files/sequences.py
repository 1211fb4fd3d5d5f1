"""Sequences `(n, t, d)`: read as rows of t * d values, pooled into one vector a row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Rows
from mmfuse.core.plan import Storage, Way
from mmfuse.core.source import Matrix, Part, RowReader, Scratch, Source, Taken
from mmfuse.core.steps import STEP_POOLS, StepPool, padding, pool_steps, pooled_dtype
from mmfuse.errors import UsageError, count
from mmfuse.files.formats import Reading

_PIECE_BYTES = 4 << 20


@dataclass(kw_only=True)
class SequenceSource(Source):
    """A modality of sequences.

    flat: the same with all steps of a row one behind the other. steps: of each row.
    mask_zeros: whether steps of zeros alone are padding, which does not count.
    """

    flat: Source
    steps: int
    pool: StepPool
    mask_zeros: bool
    _empty: NDArray[np.bool_] = field(init=False)  # rows that are padding alone, as far as read

    def __post_init__(self) -> None:
        self._empty = np.zeros(self.rows, np.bool_)

    @property
    def storage(self) -> Storage:
        return self.flat.storage

    @property
    def streams(self) -> bool:
        return self.flat.streams

    def blocks(self) -> Iterator[Matrix]:
        return self._pooled_blocks(0, self.flat.blocks())

    def parts(self) -> Sequence[Part]:
        return [
            Part(part.start, part.rows, partial(self._part, part)) for part in self.flat.parts()
        ]

    def verify(self) -> None:
        self.flat.verify()

    def reader(self, rows: Rows | None, way: Way, scratch: Scratch) -> Taken:
        if way != "gather":
            return super().reader(rows, way, scratch)
        taken = self.flat.reader(rows, way, scratch)
        return Taken(_PoolingReader(self, taken.reader), taken.rows)

    def found(self, rows: Rows | None) -> tuple[str, ...]:
        empty = np.flatnonzero(self._empty)
        if rows is not None:
            empty = empty[np.isin(empty, rows)]
        if not len(empty):
            return ()
        return (f"{count(len(empty), 'row')} padding alone, and zeros in the output",)

    def pooled(self, block: Matrix, rows: slice | Rows) -> Matrix:
        """The rows of a block of the flat source, whose numbers are `rows`, pooled."""
        x = block.reshape(len(block), self.steps, -1)
        padded = padding(x) if self.mask_zeros else None
        if padded is not None:
            self._empty[rows] = padded.all(axis=1)
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is counted later
            return pool_steps(x, self.pool, padded).astype(self.dtype, copy=False)

    def _part(self, part: Part) -> Iterator[Matrix]:
        return self._pooled_blocks(part.start, part.blocks())

    def _pooled_blocks(self, start: int, blocks: Iterable[Matrix]) -> Iterator[Matrix]:
        for block in blocks:
            rows = slice(start, start + len(block))
            # more rows than there should be are told by whoever reads
            yield self.pooled(block, rows) if rows.stop <= self.rows else block
            start += len(block)


class _PoolingReader:
    """Pools rows as they are read, a few at a time."""

    def __init__(self, source: SequenceSource, reader: RowReader) -> None:
        self._source, self._reader = source, reader

    def read(self, rows: slice | Rows, out: Matrix) -> None:
        """Fill `out`, shape `(k, d)`, with the rows."""
        if isinstance(rows, slice):
            rows = np.arange(rows.start, rows.stop)
        flat = self._source.flat
        width = len(flat.columns)
        step = max(1, _PIECE_BYTES // (width * flat.dtype.itemsize))
        room = np.empty((min(step, len(rows)), width), flat.dtype)
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            self._reader.read(part, room[: len(part)])
            out[start : start + step] = self._source.pooled(room[: len(part)], part)

    def close(self) -> None:
        """Give back what reading took."""
        self._reader.close()


def sequence_source(flat: Source, shape: Sequence[int], how: Reading) -> SequenceSource:
    """The source of sequences of `shape` `(n, t, d)`, as `how.pool` says.

    Raises UsageError for an unknown operation.
    """
    _, steps, dim = shape
    pool = next((known for known in STEP_POOLS if known == how.pool), None)
    if pool is None:
        raise UsageError(f"--pool is {how.pool!r}; it must be one of {', '.join(STEP_POOLS)}")
    names = [str(j) for j in range(dim)]
    if pool == "flatten":
        names = [f"{step}_{name}" for step, name in product(range(steps), names)]
    notes = f"{pool} of {steps:,} steps" if pool != "flatten" else f"{steps:,} steps side by side"
    return SequenceSource(
        name=flat.name,
        label=flat.label,
        columns=tuple(names),
        rows=flat.rows,
        dtype=pooled_dtype(flat.dtype, pool),
        ids=flat.ids,
        id_source=flat.id_source,
        notes=(*flat.notes, notes),
        flat=flat,
        steps=steps,
        pool=pool,
        mask_zeros=how.mask_zeros,
    )
