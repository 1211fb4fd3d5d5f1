"""Where the numbers are that are to be predicted: a file, or values in memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.labels import Labels, Targets
from mmfuse.core.source import Source
from mmfuse.errors import InputError
from mmfuse.files import formats
from mmfuse.files.columns import NoColumnError
from mmfuse.files.formats import Reading
from mmfuse.files.ids import label_of, read_ids, sidecar, split_column
from mmfuse.files.inputs import InputFile, reading
from mmfuse.files.memory import ids_of_values
from mmfuse.files.paths import suffix
from mmfuse.labels import NAMES, open_labels
from mmfuse.sources import Opened

_WHOLE = "classes are text or integers; --task regression takes whole numbers as they are"
_TEXT = (".csv", ".tsv", ".txt", ".json")


def open_targets(given: Any, opened: Opened) -> Targets:
    """Numbers given as `FILE[:COLUMN]`, an array `(n,)` or a pair (array, ids), as labels are.

    NaN is a row without one. Raises InputError or AlignmentError.
    """
    return _finite(_opened(given, opened))


def _opened(given: Any, opened: Opened) -> Targets:
    if isinstance(given, str | os.PathLike):
        path, column = split_column(os.fspath(given))
        if suffix(path) not in _TEXT and formats.by_suffix(path) is not None:
            return _stored(path, column, f"labels={given}", opened)
        labels = open_labels(given, opened)
        return Targets(labels.label, _numbers(list(labels.values), labels.label), labels.ids)
    values, ids = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    numbers = _numbers(values, "labels")
    return Targets("labels", numbers, None if ids is None else ids_of_values(ids))


def open_either(given: Any, opened: Opened) -> Labels | Targets:
    """Targets where some number is not whole, else labels. Raises InputError or AlignmentError."""
    if isinstance(given, str | os.PathLike):  # one that cannot be opened need not be tried twice
        opened.beside(split_column(os.fspath(given))[0], f"labels={os.fspath(given)}")
    try:
        found = _opened(given, opened)
    except InputError:
        return open_labels(given, opened)
    _finite(found)
    known = found.values[~np.isnan(found.values)]
    if not len(known) or (known != np.floor(known)).any():
        return found
    try:
        return open_labels(given, opened)
    except InputError as error:
        raise InputError(error.message, where=error.where, hint=_WHOLE) from error


def _finite(found: Targets) -> Targets:
    if np.isinf(found.values).any():
        raise InputError("a number to be predicted is infinite", where=found.label)
    return found


def _numbers(values: Any, place: str) -> NDArray[np.float64]:
    try:
        found = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"these are no numbers: {error}", where=place, hint="--task classification"
        ) from None
    if found.ndim != 1:
        raise InputError(f"numbers of shape {found.shape}; one a row is needed", where=place)
    return found


def _stored(path: str, column: str | None, label: str, opened: Opened) -> Targets:
    """A column of numbers of a table, or an array of them."""
    module = formats.by_suffix(path)
    assert module is not None
    plain = suffix(path) == ".npy" and column is None
    with reading(label):
        file = opened.beside(path, label)
        source = _source(module, file, (None,) if plain else NAMES if column is None else (column,))
        if len(source.columns) != 1:
            raise InputError(f"{len(source.columns):,} columns; one number a row is needed")
        numbers = np.concatenate([np.array(block, np.float64)[:, 0] for block in source.blocks()])
        ids, beside = source.ids, sidecar(path)
        if ids is None and beside is not None:
            other = opened.beside(beside, label_of(beside, label))
            ids = read_ids(other, None)
            opened.paths.append(other.path)
            other.verify()
    opened.paths.append(file.path)
    return Targets(label, numbers, ids)


def _source(module: formats.Format, file: InputFile, columns: Sequence[str | None]) -> Source:
    """The first of these columns that is there; None: all that the file has."""
    for name in columns:
        try:
            return module.open(file, "labels", Reading(columns=() if name is None else (name,)))
        except NoColumnError:
            if len(columns) == 1:
                raise
    raise InputError(
        "no column of numbers: none is called " + ", ".join(NAMES),
        hint="name it: --labels FILE:COLUMN",
    )
