"""Where labels are: a file, or values in memory."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from mmfuse.core.id_transforms import parse, transformed
from mmfuse.core.ids import Ids, TextIds
from mmfuse.core.labels import Labels, Targets
from mmfuse.errors import AlignmentError, InputError, MmfuseError
from mmfuse.files import formats
from mmfuse.files.columns import NoColumnError
from mmfuse.files.ids import label_of, read_ids, sidecar, split_column
from mmfuse.files.inputs import reading
from mmfuse.files.paths import suffix
from mmfuse.sources import Opened

Told = TypeVar("Told", bound=Labels | Targets)
NAMES = ("label", "labels", "target", "y", "class", "prediction", "predicted")
_LABELS = "labels are text or integers, one a row; a row without one is left out"


def open_labels(given: Any, opened: Opened) -> Labels:
    """Labels given as `FILE[:COLUMN]`, an array `(n,)` or a pair (array, ids).

    A file's own ids are found as those of an input are; what has no suffix, such as a stream, is
    CSV. What is read is noted in `opened`.
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
    *,
    outside_ids: bool = False,
) -> Labels:
    """Labels in a file, with its ids unless those come from elsewhere.

    Raises InputError or AlignmentError.
    """
    ids = None
    if not outside_ids and not _plain(path):
        ids = _ids_beside(path, id_column, label, opened)
    values = _column(path, column, label, opened, cure)
    if not outside_ids and ids is None and (beside := sidecar(path)) is not None:
        ids = _read(beside, None, label, opened)
    if ids is not None and len(ids) != len(values):
        raise AlignmentError(f"{len(ids):,} ids for {len(values):,} labels", where=label)
    return Labels(label, values, ids)


def rewritten(labels: Told, transform: str) -> Told:
    """Labels with other ids; see `core.id_transforms`. Raises UsageError or AlignmentError."""
    if labels.ids is None:
        return labels
    with reading(labels.label):
        return replace(labels, ids=transformed(labels.ids, parse(transform)))


def _plain(path: str) -> bool:
    """Whether a file holds labels alone, one a line or in an array."""
    told = suffix(path)
    return told == ".npy" or (told != "" and formats.by_suffix(path) is None)


def _ids_beside(path: str, column: str | None, label: str, opened: Opened) -> Ids | None:
    """The ids of a table; None where it has the labels alone."""
    try:
        return _read(path, column, label, opened)
    except NoColumnError as error:
        if error.only is not None:
            return None
        if column is None and label.startswith("labels="):  # whose ids no option names
            error.hint = "labels stand beside a column of ids, called id, key, filename or the like"
        error.where = label
        raise


def _column(path: str, column: str | None, label: str, opened: Opened, cure: str) -> Ids:
    """The labels of a file: in the column named, else in the first that is called as labels are."""
    if column is not None or _plain(path):
        return _labels(path, column, label, opened)
    for name in NAMES:
        try:
            return _labels(path, name, label, opened)
        except NoColumnError:
            continue
    raise InputError(
        "no column of labels: none is called " + ", ".join(NAMES),
        where=label,
        hint=cure,
    )


def _labels(path: str, column: str | None, label: str, opened: Opened) -> Ids:
    try:
        return _read(path, column, label, opened)
    except NoColumnError:
        raise
    except (AlignmentError, InputError) as error:
        told = _of_labels(error)
        hint = error.hint or (None if told == error.message else _LABELS)
        raise type(error)(told, where=label, hint=hint) from error


def _of_labels(error: MmfuseError) -> str:
    """What is said of ids, which labels are read as, said of labels."""
    told = error.message.removesuffix("; ids are text or integers")
    told = re.sub(r"\A(the |[0-9,]+ )?id(s?)\b", r"\1label\2", told)
    return told.replace("a JSON list of ids", "a JSON list of labels")


def _read(path: str, column: str | None, label: str, opened: Opened) -> Ids:
    file = opened.beside(path, label_of(path, label))
    ids = read_ids(file, column, in_table=not _plain(path))
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
        raise InputError(_of_labels(error), where=place, hint=_LABELS) from error


def _ids(values: Any) -> Ids:
    from mmfuse.files.memory import ids_of_values

    return ids_of_values(values)
