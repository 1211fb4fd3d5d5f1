"""Which columns of a table are the ids and which are features: the rules, apart from any file."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mmfuse.errors import InputError, ResourceError

MOST_COLUMNS = 1 << 22
"""Their names alone take a quarter of a gigabyte then."""

Kind = Literal["number", "vector", "other"]

ID_NAMES = (
    "id", "_id", "ids", "key", "uuid", "sample_id", "item_id", "image_id", "custom_id",
    "filename", "filenames", "file_name", "image_path", "path", "url",
)  # fmt: skip
VECTOR_NAMES = ("embedding", "embeddings", "emb", "vector", "vectors", "features", "feature")
_OTHERS = {"index", "label", "labels", "target", "y", "split", "fold", "time_ns"}
NEVER_FEATURES = {*ID_NAMES, *_OTHERS, "unnamed: 0", ""}
BESIDE = ("time_ns", "n_models", "conflict", "unknown", "label")
"""What mmfuse writes beside the features, and `present_MODALITY`."""
_BELIEFS = ["conflict", "unknown", "n_models"]


@dataclass(frozen=True)
class Choice:
    """The columns taken of a table.

    ids: the id column, if any. vector: the vector column; None: `features` are columns each.
    notes: what was left out, for people. doubtful: columns of numbers that were, for their names.
    """

    ids: str | None
    vector: str | None
    features: tuple[str, ...]
    notes: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()


def choose(
    kinds: Mapping[str, Kind],
    *,
    id_column: str | None,
    wanted: Sequence[str],
    time: str | None = None,
    present: Sequence[str] = (),
    flags: Sequence[str] = (),
    index: Sequence[str] = (),
) -> Choice:
    """Decide on the columns of a table.

    kinds: every column's kind. id_column: named by the user. wanted: the user's feature columns,
    names or globs. time: the column of times, named by the user. present: columns that say whether
    a row had a modality, written by mmfuse. flags: columns that may be such, left out with a note
    unless they are wanted. index: columns that were the index of a pandas
    DataFrame.

    Raises InputError: a named column is not there or not numeric; no numeric column is left.
    """
    refuse_half_characters(kinds)
    if time is not None:
        _require(kinds, time)
        kinds = {name: kind for name, kind in kinds.items() if name != time}
    ids = _id_column(kinds, id_column, index)
    if wanted:
        names = _expand(kinds, wanted, ids)
        vectors = [name for name in names if kinds[name] == "vector"]
        if len(names) == 1 and vectors:
            return Choice(ids, names[0], ())
        bad = next((name for name in names if kinds[name] != "number"), None)
        if bad is not None:
            raise InputError(f"column {bad!r} is not one of numbers")
        return Choice(ids, None, tuple(names))
    if (vector := _vector_column(kinds, ids)) is not None:
        return Choice(ids, vector, (), _left_out(kinds, {ids, vector, *present}))
    features = tuple(
        name
        for name, kind in kinds.items()
        if kind == "number"
        and name != ids
        and name.lower() not in NEVER_FEATURES
        and name not in present
        and name not in flags
        and name not in index
    )
    if not features:
        raise InputError(
            "no numeric column to take as a feature",
            hint="name the feature columns with --column NAME=COLUMN",
        )
    doubtful = [
        name for name, kind in kinds.items() if kind == "number" and name.lower() in _OTHERS
    ]
    doubtful = [name for name in doubtful if name not in {ids, *present, *flags, *index}]
    left = _left_out(kinds, {ids, *features, *present})
    return Choice(ids, None, features, left, tuple(doubtful))


def beside(names: Sequence[str]) -> list[str]:
    """Those of a fused file's columns that may stand beside its features, `BESIDE`.

    Classes may be called `conflict` or `unknown` too, but `n_models` follows on no such two.
    """
    runs = any(list(names[k : k + 3]) == _BELIEFS for k in range(len(names)))
    return [name for name in names if name in BESIDE and (runs or name not in _BELIEFS[:2])]


class NoColumnError(InputError):
    """A file has no column or array of that name, or none of ids.

    only: the one column there is, which is of ids if the file is.
    """

    only: str | None = None


def classes_or_numbers(names: Any, width: int) -> tuple[str, ...]:
    """Names of so many columns, if that is what they are, else numbers from 0."""
    if isinstance(names, list) and len(names) == width == len(set(map(str, names))):
        refuse_half_characters(map(str, names))
        return tuple(map(str, names))
    return numbers(width)


def refuse_half_characters(names: Iterable[str]) -> None:
    """Raise InputError for names that no file can hold: JSON and NumPy have texts that are not."""
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        raise InputError("the name of a column is not valid UTF-8") from error


def refuse_too_many(width: int) -> None:
    """Raise ResourceError for more columns than mmfuse has names for."""
    if width > MOST_COLUMNS:
        raise ResourceError(f"{width:,} columns; {MOST_COLUMNS:,} are the most")


def numbers(width: int) -> tuple[str, ...]:
    """The names of so many columns that have none. Raises ResourceError for too many."""
    refuse_too_many(width)
    return tuple(map(str, range(width)))


def choose_ids(names: Sequence[str], named: str | None) -> str:
    """The id column of a table. Raises NoColumnError where it cannot be told."""
    found = _id_column(dict.fromkeys(names, "other"), named)
    if found is None:
        error = NoColumnError("no id column", hint="name it: --ids NAME=FILE:COLUMN")
        error.only = names[0] if len(names) == 1 else None
        raise error
    return found


def _id_column(
    kinds: Mapping[str, Kind], named: str | None, index: Sequence[str] = ()
) -> str | None:
    if named is not None:
        _require(kinds, named)
        return named
    # pandas calls an index without a name so; it may be ids, or what sorting left of row numbers
    own = [name for name in index if not name.startswith("__index_level_")]
    return next((n for n in (*ID_NAMES, *own) if kinds.get(n, "vector") != "vector"), None)


def _vector_column(kinds: Mapping[str, Kind], ids: str | None) -> str | None:
    vectors = [name for name, kind in kinds.items() if kind == "vector" and name != ids]
    if len(vectors) <= 1:
        return vectors[0] if vectors else None
    named = next((name for name in VECTOR_NAMES if name in vectors), None)
    if named is None:
        raise InputError(
            "several vector columns: " + ", ".join(map(repr, vectors)),
            hint="choose one with --column NAME=COLUMN",
        )
    return named


def _expand(kinds: Mapping[str, Kind], wanted: Sequence[str], ids: str | None) -> list[str]:
    """Names and globs to column names, each once, in the order asked for.

    A glob takes what can be a feature; a name is taken at its word.
    """
    names: dict[str, None] = {}
    usable = [name for name, kind in kinds.items() if kind != "other" and name != ids]
    for pattern in wanted:
        matches = [pattern] if pattern in kinds else fnmatch.filter(usable, pattern)
        if not matches:
            _require(kinds, pattern)
        names.update(dict.fromkeys(matches))
    return list(names)


def _require(kinds: Mapping[str, Kind], name: str) -> None:
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, n=1)
        raise NoColumnError(
            f"no column {name!r}",
            hint=f"did you mean {near[0]!r}?" if near else f"it has {_listed(list(kinds))}",
        )


def _left_out(kinds: Mapping[str, Kind], taken: set[str | None]) -> tuple[str, ...]:
    left = [name for name in kinds if name not in taken]
    return (f"left out: {_listed(left)}",) if left else ()


def _listed(names: Sequence[str]) -> str:
    more = f", … ({len(names):,} in all)" if len(names) > 5 else ""
    return ", ".join(map(repr, names[:5])) + more
