"""Where rows lie that are written down in one order and read in another."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.ids import Rows

DROPPED = -1


def lay_out(rows: Rows | None, total: int, bucket: int) -> tuple[Rows | None, Rows]:
    """Places for the rows that an alignment takes, `bucket` rows of the output beside each other.

    Within a bucket they lie as in the source: whoever reads the source once writes few long runs,
    whoever reads the output's rows in order stays within one bucket. A row that several rows of
    the output take lies once, near the last of them.

    rows: for every output row its row in the source of `total` rows; None: all as they stand.
    Returns the place of every output row, shape `(len(rows),)`, None where it is its own; and the
    place of every source row, shape `(total,)`, DROPPED where no output row takes it.
    """
    if rows is None:
        return None, np.arange(total)
    buckets = np.full(total, DROPPED, np.int64)
    buckets[rows] = np.arange(len(rows)) // bucket
    kept = np.flatnonzero(buckets != DROPPED)
    targets = np.full(total, DROPPED, np.int64)
    targets[kept[np.argsort(buckets[kept], kind="stable")]] = np.arange(len(kept))
    return targets[rows], targets


def runs(targets: Rows) -> tuple[NDArray[np.intp], list[tuple[int, int, int]]]:
    """How to write rows whose places are `targets` in few pieces.

    Returns the rows that have a place, in the order of their places; and `(first, last, place)`
    of every run of them whose places follow each other.
    """
    order = np.argsort(targets, kind="stable")
    order = order[np.searchsorted(targets[order], 0) :]  # DROPPED sorts first
    places = targets[order]
    cuts = np.flatnonzero(np.diff(places) != 1) + 1
    ends = [0, *cuts.tolist(), len(order)]
    return order, [
        (first, last, int(places[first])) for first, last in pairwise(ends) if first < last
    ]
