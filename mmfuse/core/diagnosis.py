"""What the ids of two modalities say of each other: the same, moved, written otherwise, missing."""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log
from shlex import quote
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.finding import Finding
from mmfuse.core.id_transforms import parse, transformed
from mmfuse.core.ids import Ids, IntegerIds, Rows
from mmfuse.core.join import distinct, first_rows
from mmfuse.core.match import ABSENT, index
from mmfuse.core.order import order
from mmfuse.core.suggest import Suggestion, sampled, suggest

_LITTLE = 0.5  # of a modality's ids: less in common is no accident
_CHANCE = 0.01

_SPELLINGS = {
    "strip": ("white-space", "spaces around ids"),
    "lower": ("letter-case", "upper and lower case"),
    "strip,lower": ("letter-case", "spaces, and upper and lower case"),
    "nfc": ("unicode-form", "the Unicode form of letters"),
    "basename": ("folder", "a folder before the name"),
    "stem": ("suffix", "a folder or a suffix"),
    "stem,lower": ("suffix", "a suffix, and upper and lower case"),
    "int": ("zero-padding", "zeros or a sign before numbers"),
    "stem,int": ("zero-padding", "a suffix, and zeros before numbers"),
}
_OTHER_SPELLING = ("int-and-text", "letters around a number")


class Named(NamedTuple):
    """The ids of a modality."""

    name: str
    ids: Ids


@dataclass(frozen=True)
class Meeting:
    """The ids of two modalities, each once, where it stands first.

    rows, their_rows: the row of every id in its file. met: where every id of `one` is among those
    of `other`, or ABSENT. alone: which ids of `other` are not in `one`.
    """

    one: Named
    other: Named
    rows: Rows
    their_rows: Rows
    met: Rows
    alone: NDArray[np.bool_]

    @classmethod
    def of(cls, one: Named, other: Named) -> Meeting:
        """Look the ids of each up in the other."""
        a, b = one.ids, other.ids
        if a.kind != b.kind:
            a, b = a.as_text(), b.as_text()
        a, rows = _unique(a)
        b, their_rows = _unique(b)
        met, back = index(b).find(a), index(a).find(b)
        return cls(Named(one.name, a), Named(other.name, b), rows, their_rows, met, back == ABSENT)

    @property
    def names(self) -> tuple[str, str]:
        """Of the two."""
        return self.one.name, self.other.name

    @property
    def pairs(self) -> tuple[Rows, Rows]:
        """The rows of the common ids in the one file and in the other, in the first's order."""
        has = self.met != ABSENT
        return self.rows[has].astype(np.int64), self.their_rows[self.met[has]].astype(np.int64)


def repeated(named: Named) -> list[Finding]:
    """Whether ids stand twice in one modality."""
    first, _ = index(named.ids).duplicates()
    if not len(first):
        return []
    rows = len(first)
    return [
        Finding(
            "duplicate-ids",
            "wrong",
            (named.name,),
            f"{rows:,} row{'s repeat' if rows > 1 else ' repeats'} an id",
            {"rows": rows},
            tuple(dict.fromkeys(named.ids[row] for row in np.unique(first).tolist()))[:3],
            "--duplicates first",
        )
    ]


def identity(meeting: Meeting) -> list[Finding]:
    """What two modalities have in common, what each lacks, and in which order it stands."""
    one, other, unmet = meeting.one, meeting.other, meeting.met == ABSENT
    if counted := _counted_otherwise(one, other):
        return [counted]
    spelling = _spelling(meeting)
    if unmet.all():
        return spelling or [
            Finding(
                "nothing-common",
                "wrong",
                meeting.names,
                "no id in common",
                {"common": 0},
                (*_some(one.ids, np.arange(1)), *_some(other.ids, np.arange(1))),
                "--id-column NAME=COLUMN",
            )
        ]
    common = one.ids.take(np.flatnonzero(~unmet))
    found = [*spelling, order(meeting.names, common, *meeting.pairs)]
    if not spelling:  # ids that are written otherwise are not missing
        found += [*_missing(one, other, unmet), *_missing(other, one, meeting.alone)]
    return found


def _unique(ids: Ids) -> tuple[Ids, Rows]:
    """Every id once, and the row where it stands first."""
    return distinct(ids, first_rows(ids, index(ids)))


def _some(ids: Ids, rows: NDArray[np.integer]) -> tuple[str, ...]:
    return tuple(ids[int(row)] for row in rows[:3])


def _counted_otherwise(one: Named, other: Named) -> Finding | None:
    """Whether both count their rows, one from 0 and one from 1, say."""
    a, b = one.ids, other.ids
    if not (isinstance(a, IntegerIds) and isinstance(b, IntegerIds) and len(a) == len(b) > 1):
        return None
    start, other_start = int(a.values[0]), int(b.values[0])
    counts = all((np.diff(ids.values) == 1).all() for ids in (a, b))
    if abs(start - other_start) != 1 or not counts:
        return None
    return Finding(
        "counted-otherwise",
        "wrong",
        (one.name, other.name),
        f"both number their {len(a):,} rows, {one.name} from {start} on and {other.name} "
        f"from {other_start}",
        {"rows": len(a), "first": start, "second": other_start},
        (a[0], b[0]),
        "--by-position",
    )


def _spelling(meeting: Meeting) -> list[Finding]:
    """Whether ids that do not meet would, were they written the same way."""
    a = meeting.one.ids.take(np.flatnonzero(meeting.met == ABSENT))
    b = meeting.other.ids.take(np.flatnonzero(meeting.alone))
    a, b = sampled([a, b])
    found = suggest([a, b]) if len(a) and len(b) else None
    if found is None:
        return []
    code, what = _SPELLINGS.get(found.transform, _OTHER_SPELLING)
    return [
        Finding(
            code,
            "wrong",
            meeting.names,
            f"{found.met:,} of {found.tried:,} ids are the same but for {what}",
            {"ids": found.met, "tried": found.tried},
            _as_written(a, b, found),
            f"--id-transform {quote(found.transform)}",
        )
    ]


def _as_written(a: Ids, b: Ids, found: Suggestion) -> tuple[str, ...]:
    """The first id that a transform lets meet, as both write it."""
    steps = parse(found.transform)
    x, y = transformed(a, steps).as_text(), transformed(b, steps).as_text()
    rows = index(y).find(x)
    row = int(np.argmax(rows != ABSENT))
    return (a[row], b[int(rows[row])])


def _missing(one: Named, other: Named, unmet: NDArray[np.bool_]) -> list[Finding]:
    """Which ids of `one` are not in `other`, and where they stood."""
    rows = np.flatnonzero(unmet)
    if not len(rows):
        return []
    count, total = len(rows), len(one.ids)
    told, code = f"{count:,} of {total:,} ids of {one.name}", "missing"
    if _in_one_piece(rows, total):
        last, first = rows[-1] == total - 1, rows[0] == 0
        code = "missing-tail" if last else "missing-head" if first else "missing-block"
        end = "the last " if last else "the first " if first else ""
        told = end + told + ("" if end else f", which follow id {one.ids[int(rows[0]) - 1]!r},")
    elif count > _LITTLE * total:
        code = "missing-most"
    scattered = code == "missing"
    return [
        Finding(
            code,
            "ok" if scattered else "wrong",
            (one.name, other.name),
            f"{told} {'is' if count == 1 else 'are'} missing in {other.name}",
            {"missing": count, "of": total, "first_row": int(rows[0]) + 1},
            _some(one.ids, rows),
            None if scattered else "--join outer",
        )
    ]


def _in_one_piece(rows: NDArray[np.intp], total: int) -> bool:
    """Whether rows follow each other, which some of the rows of a file hardly do by chance."""
    count = len(rows)
    if count == total or count != rows[-1] - rows[0] + 1:
        return False
    choices = lgamma(total + 1) - lgamma(count + 1) - lgamma(total - count + 1)
    return log(total - count + 1) - choices < log(_CHANCE)
