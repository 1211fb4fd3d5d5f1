"""In which order the common ids of two modalities stand, and what pairing by position would do."""

from __future__ import annotations

import numpy as np

from mmfuse.core.finding import Finding
from mmfuse.core.ids import Ids, Rows
from mmfuse.core.join import natural_order

_MOSTLY = 0.5  # of the common ids: so many that stand equally far apart were moved together
_FEWEST = 3  # ids; fewer are in some order by chance
_LOOKED_AT = 10_000  # ids; what is in order is so from its beginning on
_TOLD = {
    "natural": "natural order (2 before 10)",
    "lexicographic": "lexicographic order (10 before 2)",
}


def order(names: tuple[str, str], ids: Ids, own: Rows, theirs: Rows) -> Finding:
    """Compare the rows of the common ids.

    ids: the common ids in the first file's order; own, theirs: their rows in the two files.
    """
    common, apart = len(own), theirs - own
    moved = np.flatnonzero(apart)
    mispaired = len(moved)
    numbers: dict[str, float] = {"common": common, "mispaired": mispaired}
    told = f"{common:,} id{'s' if common > 1 else ''} in common"
    by_position = f"by position {mispaired:,} would meet a stranger"
    examples = tuple(ids[int(row)] for row in moved[:3])
    if not mispaired:
        return Finding("same-order", "ok", names, f"{told}, in the same rows", numbers)
    distances, counts = np.unique(apart, return_counts=True)
    shift, count = int(distances[counts.argmax()]), int(counts.max())
    if shift and count > _MOSTLY * common:
        numbers |= {"shift": shift, "shifted": count}
        rows = f"{abs(shift):,} row{'s' if abs(shift) > 1 else ''}"
        told += f", {count:,} of them {rows} {'later' if shift > 0 else 'earlier'} in {names[1]}"
        return Finding("shifted", "note", names, f"{told}; {by_position}", numbers, examples)
    if (theirs[1:] > theirs[:-1]).all():
        told += ", in the same order, but not in the same rows"
        return Finding("same-order", "ok", names, f"{told}; {by_position}", numbers, examples)
    first, second = _kind(ids), _kind(ids.take(np.argsort(theirs)))
    if {first, second} == {"natural", "lexicographic"}:
        told += f", in {_TOLD[first]} in {names[0]} and in {_TOLD[second]} in {names[1]}"
        return Finding(
            "sorted-otherwise", "note", names, f"{told}; {by_position}", numbers, examples
        )
    told += f", in another order; {by_position}"
    return Finding("reordered", "ok", names, told, numbers, examples)


def _kind(ids: Ids) -> str:
    """natural (2 before 10), lexicographic (10 before 2), or no order."""
    ids = ids.take(slice(0, _LOOKED_AT))
    if len(ids) < _FEWEST:
        return "no"
    if (np.diff(natural_order(ids)) == 1).all():
        return "natural"
    texts = list(ids)
    return "lexicographic" if texts == sorted(texts) else "no"
