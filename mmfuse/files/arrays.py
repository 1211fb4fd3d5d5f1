"""Which of a file's named arrays are the ids and which is the matrix: the rules of npz and such."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from mmfuse.errors import InputError
from mmfuse.files.columns import ID_NAMES, NEVER_FEATURES, VECTOR_NAMES, NoColumnError
from mmfuse.files.formats import Reading

_ID_NAMES = dict.fromkeys(("ids", "id", "keys", "names", "filenames", *ID_NAMES))


class Form(NamedTuple):
    """What is known of an array before its values."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def numeric(self) -> bool:
        """Whether it may hold features."""
        return self.dtype.names is None and self.dtype.kind in "fiub" and len(self.shape) > 0


class ArrayChoice(NamedTuple):
    """The arrays taken of a file. notes: what was left out, for people."""

    ids: str | None
    features: str
    notes: tuple[str, ...]


def choose_arrays(
    forms: Mapping[str, Form], how: Reading, *, own: Collection[str] = ()
) -> ArrayChoice:
    """Decide on the arrays of a file.

    own: arrays that mmfuse wrote beside the matrix.

    Raises InputError, with the arrays that there are: one that was named is not there; no array
    of numbers; several, and no rule that tells which.
    """
    ids = id_array(forms, how.id_column, required=False)
    if len(how.columns) > 1:
        raise InputError("a modality is one array of this file, and several were named")
    if how.columns:
        features = how.columns[0]
        _require(forms, features)
    else:
        features = _features(forms, {ids, *own})
    left = [name for name in forms if name not in {ids, features, *own}]
    notes = (f"left out: {_listed(forms, left)}",) if left and not how.columns else ()
    return ArrayChoice(ids, features, notes)


def id_array(forms: Mapping[str, Form], named: str | None, *, required: bool) -> str | None:
    """The array of ids: the one named, else by the names that ids have.

    Raises InputError: the one named is not there, or none is found where one is required.
    """
    if named is not None:
        _require(forms, named)
        return named
    flat = [name for name, form in forms.items() if len(form.shape) == 1]
    found = next((name for name in _ID_NAMES if name in flat), None)
    if found is None and required:
        error = NoColumnError(
            f"no array of ids among {_listed(forms, list(forms))}",
            hint="name it: --ids NAME=FILE:KEY",
        )
        error.only = next(iter(forms)) if len(forms) == 1 else None
        raise error
    return found


def _features(forms: Mapping[str, Form], taken: set[str | None]) -> str:
    """The only matrix, or the one named as matrices are; without any, the only other array."""
    usable = [
        name
        for name, form in forms.items()
        if form.numeric and name not in taken and name.lower() not in NEVER_FEATURES
    ]
    found = [name for name in usable if len(forms[name].shape) > 1] or usable
    if not found:
        raise InputError(f"no array of numbers; the file has {_listed(forms, list(forms))}")
    named = [name for name in VECTOR_NAMES if name in found]
    if len(found) > 1 and not named:
        raise InputError(
            f"several arrays: {_listed(forms, found)}",
            hint=f"choose one: NAME=FILE:{found[0]}",
        )
    return (named or found)[0]


def _require(forms: Mapping[str, Form], name: str) -> None:
    if name not in forms:
        near = difflib.get_close_matches(name, forms, n=1)
        raise NoColumnError(
            f"no array {name!r}; the file has {_listed(forms, list(forms))}",
            hint=f"did you mean {near[0]!r}?" if near else None,
        )


def _listed(forms: Mapping[str, Form], names: list[str]) -> str:
    told = (f"{name!r} {forms[name].shape} {forms[name].dtype}" for name in names[:10])
    more = f", … ({len(names):,} in all)" if len(names) > 10 else ""
    return ", ".join(told) + more
