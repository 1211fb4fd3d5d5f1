"""Predictions of which only the predicted class is known, as columns of zeros and ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Rows
from mmfuse.core.labels import named
from mmfuse.core.plan import Storage, Way
from mmfuse.core.source import Matrix, Scratch, Source, Taken
from mmfuse.errors import InputError
from mmfuse.files.formats import Reading
from mmfuse.labels import labels_of, open_labels
from mmfuse.request import Input
from mmfuse.sources import Opened

_BLOCK = 1 << 14


def predicted_labels(item: Input, how: Reading, opened: Opened) -> Source:
    """A model's predictions as one column a class: 1 for the class that it takes a row for, else 0.

    Raises InputError or AlignmentError.
    """
    if len(how.columns) > 1:
        raise InputError("predicted labels stand in one column", hint="--column NAME=COLUMN")
    if isinstance(item.value, str):
        column = how.columns[0] if how.columns else None
        labels = labels_of(
            *(item.path, column, item.label, opened, how.id_column),
            cure="name it: --column NAME=COLUMN",
            outside_ids=how.outside_ids,
        )
    else:
        labels = open_labels(item.value, opened)
    names, numbers = named(labels)
    return LabelSource(
        name=item.name,
        label=item.label,
        columns=names,
        rows=len(numbers),
        dtype=np.dtype(np.float32),
        ids=None if how.outside_ids else labels.ids,
        id_source="" if labels.ids is None or how.outside_ids else "of the labels",
        numbers=numbers,
    )


@dataclass(kw_only=True)
class LabelSource(Source):
    """Labels as columns of zeros and ones. numbers: `(n,)`, of every row's class."""

    numbers: NDArray[np.int64]

    @property
    def storage(self) -> Storage:
        return "memory"

    def blocks(self) -> Iterator[Matrix]:
        for start in range(0, self.rows, _BLOCK):
            part = slice(start, min(start + _BLOCK, self.rows))
            out = np.empty((part.stop - start, len(self.columns)), self.dtype)
            self.read(part, out)
            yield out

    def reader(self, rows: Rows | None, way: Way, scratch: Scratch) -> Taken:
        return Taken(self, rows)

    def read(self, rows: slice | Rows, out: Matrix) -> None:
        """Fill `out`, shape `(k, classes)`, with these rows."""
        out[:] = 0
        out[np.arange(len(out)), self.numbers[rows]] = 1

    def close(self) -> None:
        """Nothing to give back."""
