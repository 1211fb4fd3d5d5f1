"""Labels of rows: classes by name, aligned by id like everything else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.alignment import Alignment
from mmfuse.core.comparable import comparable
from mmfuse.core.ids import Ids, IntegerIds
from mmfuse.core.join import Several
from mmfuse.core.match import ABSENT, index
from mmfuse.errors import AlignmentError, InputError, ModelError


@dataclass(frozen=True)
class Labels:
    """A label a row. values: text or integers, whose spelling is the name of a class.

    ids: of the rows; None: they stand in the order of the inputs.
    """

    label: str
    values: Ids
    ids: Ids | None
    several: Several | None = None

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.values)


@dataclass(frozen=True)
class Targets:
    """A number a row, NaN where it is not known. ids: as of labels."""

    label: str
    values: NDArray[np.float64]
    ids: Ids | None
    several: Several | None = None

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.values)


@dataclass(frozen=True)
class _Aligned:
    """The rows of an alignment, as `comparable` wants to know them."""

    label: str
    rows: int
    ids: Ids
    several: Several | None = None


def named(labels: Labels) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The names there are, in the order of values or letters, and the number of every label's."""
    if isinstance(labels.values, IntegerIds):
        found, numbers = np.unique(labels.values.values, return_inverse=True)
    else:
        found, numbers = np.unique(np.array(list(labels.values), object), return_inverse=True)
    return tuple(map(str, found.tolist())), numbers.astype(np.int64)


def classes_of(
    labels: Labels, known: Sequence[str] = ()
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The names of the classes, in the order of values or letters, and every label's number.

    known: the classes there are, if they are known already.
    Raises InputError for fewer than two, ModelError for a label that is none of those known.
    """
    names, numbers = named(labels)
    if not known:
        if len(names) < 2:
            raise InputError(
                f"all {labels.rows:,} labels are {names[0]!r}, and two classes are needed",
                where=labels.label,
            )
        return names, numbers
    for name in names:
        if name not in known:
            raise ModelError(
                f"the model has no class {name!r}",
                where=labels.label,
                hint="it has " + ", ".join(known[:10]) + (", …" if len(known) > 10 else ""),
            )
    places = np.array([known.index(name) for name in names], np.int64)
    return tuple(known), places[numbers]


def label_numbers(
    labels: Labels, numbers: NDArray[np.int64], alignment: Alignment
) -> NDArray[np.int64]:
    """The class number of every output row, `(n,)`, -1 where it has no label.

    numbers: of every label. Raises AlignmentError where rows and labels do not meet.
    """
    return _met(labels, numbers, alignment, -1)


def target_numbers(targets: Targets, alignment: Alignment) -> NDArray[np.float64]:
    """What is to be predicted of every output row, `(n,)`, NaN where that is not known.

    Raises AlignmentError as `label_numbers` does.
    """
    return _met(targets, targets.values, alignment, np.nan)


def _met(
    labels: Labels | Targets, values: NDArray[Any], alignment: Alignment, absent: float
) -> NDArray[Any]:
    """The value of every output row, by id, and `absent` where it has none."""
    n = len(alignment)
    if labels.ids is None:
        if alignment.by != "position" or labels.rows != n:
            raise AlignmentError(
                f"{labels.rows:,} labels without ids for {n:,} rows joined by {alignment.by}",
                where=labels.label,
                hint="labels need a column of ids beside them: --labels FILE:COLUMN",
            )
        return values
    rows, own = comparable([_Aligned("the inputs", n, alignment.ids), labels])
    found = index(own)
    again, first = found.duplicates()
    one, other = values[again], values[first]
    differ = (one != other) & ((one == one) | (other == other))  # NaN is as good as NaN
    if differ.any():
        raise AlignmentError(
            f"id {labels.ids[int(again[differ][0])]!r} has several labels", where=labels.label
        )
    places = found.find(rows)
    if (places == ABSENT).all():
        raise AlignmentError(
            f"no row has a label: the rows have ids such as {alignment.ids[0]!r}, "
            f"the labels {labels.ids[0]!r}",
            where=labels.label,
        )
    return np.where(places == ABSENT, values.dtype.type(absent), values[places])
