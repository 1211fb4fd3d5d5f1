"""The count sketch: columns hashed into bins, signed and summed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Block

ARRANGED = ("columns", "signs", "layers", "places")


def arrange(h: NDArray[np.int64], s: NDArray[np.int8], bins: int) -> dict[str, NDArray[Any]]:
    """The order of work of `count_sketch` for columns of hashes `h` and signs `s`, both `(d,)`.

    The columns are taken in layers: the first of every bin, the second of every bin that has
    two, and so on. The fullest bins come first, so that a layer is summed into the first by one
    addition of neighbouring columns.

    columns, signs: `(d + 1,)`, the columns in that order; between the first layer and the
        second stands a column with the sign 0, for the bins that are empty.
    layers: the number of columns in each layer.
    places: `(bins,)`, where in the first layer each bin stands.
    """
    count = np.bincount(h, minlength=bins)
    place = np.empty(bins, np.int64)
    place[np.argsort(-count, kind="stable")] = np.arange(bins)
    by_bin = np.argsort(h, kind="stable")
    layer = np.empty(len(h), np.int64)
    layer[by_bin] = np.arange(len(h)) - (np.cumsum(count) - count)[h[by_bin]]
    order = np.lexsort((place[h], layer))
    layers = np.bincount(layer)
    columns, signs = np.insert(order, layers[0], 0), np.insert(s[order], layers[0], 0)
    places = np.minimum(place, layers[0])
    return dict(zip(ARRANGED, (columns, signs, layers, places), strict=True))


def count_sketch(x: Block, arranged: Mapping[str, NDArray[Any]], out: Block) -> None:
    """Write Σ_{j: h(j) = b} s(j) x_j of every row of `x` into column b of `out`."""
    # `clip` checks nothing, so that NumPy does not buffer; a row is summed in the order of h
    terms = np.take(x.astype(out.dtype, copy=False), arranged["columns"], axis=1, mode="clip")
    terms *= arranged["signs"].astype(out.dtype)
    first, *others = arranged["layers"].tolist()
    start = first + 1
    for width in others:
        terms[:, :width] += terms[:, start : start + width]
        start += width
    np.take(terms, arranged["places"], axis=1, out=out, mode="clip")
