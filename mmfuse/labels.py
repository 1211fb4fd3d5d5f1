"""Where labels are: a file, or values in memory."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from mmfuse.core.ids import Ids, TextIds
from mmfuse.core.labels import Labels
from mmfuse.errors import AlignmentError, InputError, MmfuseError
from mmfuse.files import formats
from mmfuse.files.ids import read_ids, sidecar, split_column
from mmfuse.files.paths import suffix
from mmfuse.sources import Opened

NAMES = ("label", "labels", "target", "y", "class", "prediction", "predicted")
_PLAIN = (".npy", ".txt", ".json")


def open_labels(given: Any, opened: Opened) -> Labels:
    """Labels given as `FILE[:COLUMN]`, an array `(n,)` or a pair (array, ids).

    A file's own ids are found as those of an input are. What is read is noted in `opened`.
    Raises InputError or AlignmentError.
    """
    if isinstance(given, str | os.PathLike):
        return _of_file(os.fspath(given), opened)
    values, ids = given if isinstance(given, tuple) and len(given) == 2 else (given, None)
    return Labels("labels", _of_values(values, "labels"), None if ids is None else _ids(ids))


def _of_file(spec: str, opened: Opened) -> Labels:
    path, column = split_column(spec)
    return labels_of(path, column, f"labels={spec}", opened)


def labels_of(
    path: str,
    column: str | None,
    label: str,
    opened: Opened,
    id_column: str | None = None,
    cure: str = "name it: --labels FILE:COLUMN",
) -> Labels:
    """Labels in a file. Raises InputError or AlignmentError."""
    if suffix(path) in _PLAIN or formats.by_suffix(path) is None:
        values = _column(path, column, label, opened, cure)
        beside = sidecar(path)
        ids = None if beside is None else _read(beside, None, label, opened)
    else:
        ids = _read(path, id_column, label, opened)
        values = _column(path, column, label, opened, cure)
    if ids is not None and len(ids) != len(values):
        raise AlignmentError(f"{len(ids):,} ids for {len(values):,} labels", where=label)
    return Labels(label, values, ids)


def _column(path: str, column: str | None, label: str, opened: Opened, cure: str) -> Ids:
    """The labels of a file: in the column named, else in the first that is called as labels are."""
    if column is not None or suffix(path) in _PLAIN:
        return _labels(path, column, label, opened)
    for name in NAMES:
        try:
            return _labels(path, name, label, opened)
        except InputError:
            continue  # the ids were read, so the file is sound: it has no such column
    raise InputError(
        "no column of labels: none is called " + ", ".join(NAMES),
        where=label,
        hint=cure,
    )


def _labels(path: str, column: str | None, label: str, opened: Opened) -> Ids:
    try:
        return _read(path, column, label, opened)
    except AlignmentError as error:
        raise AlignmentError(
            f"these are no labels: {error.message}",
            where=label,
            hint="labels are text or integers, one a row; a row without one is left out",
        ) from error


def _read(path: str, column: str | None, label: str, opened: Opened) -> Ids:
    ids, file = read_ids(path, column, label)
    if file.path not in opened.paths:
        opened.paths.append(file.path)
    file.verify()
    return ids


def _of_values(values: Any, place: str) -> Ids:
    array = np.asarray(values)
    if array.dtype.kind == "b":
        return TextIds.of(map(str, array.tolist()))
    try:
        return _ids(array)
    except MmfuseError as error:
        raise InputError(f"these are no labels: {error.message}", where=place) from error


def _ids(values: Any) -> Ids:
    from mmfuse.files.memory import ids_of_values

    return ids_of_values(values)
