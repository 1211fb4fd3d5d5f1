"""Similarity networks of rows, and their fusion.

A network of n rows is a symmetric matrix of `(n, n)` float64 numbers. There is room for few of
them, so everything here works in place, a few rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.eigen import eigen
from mmfuse.core.projection import positive

Array = NDArray[np.float64]

_ROWS = 128
_CELLS = 1 << 18  # what a processor's own cache holds


class Part(NamedTuple):
    """Rows of a matrix that is mostly zeros: the columns `(u,)` that have anything else, and the
    weights in those, `(k, u)`."""

    rows: slice | NDArray[np.intp]
    columns: NDArray[np.intp]
    weights: Array


def affinity(x: NDArray[Any], neighbors: int, mu: float) -> Array:
    """The network of rows `(n, d)`: the density of N(0, (μσ_ij)²) at their distance ρ_ij.

    σ_ij is the mean of ρ_ij and of the mean distances of i and of j to their nearest neighbours.
    """
    w = distances(x)
    # each row is its own nearest, at distance 0, and none of its neighbours
    near = np.concatenate(
        [
            np.partition(w[rows], neighbors, axis=1)[:, : neighbors + 1].sum(axis=1) / neighbors
            for rows in _runs(len(w), _ROWS)
        ]
    )
    for rows in _runs(len(w), _ROWS):
        scale = w[rows] + near
        scale += near[rows, None]
        scale *= mu / 3
        # rows that are equal to all their neighbours are at distance 0 in units of 0
        np.maximum(scale, mu * np.finfo(np.float64).eps, out=scale)
        w[rows] /= scale
        np.square(w[rows], out=w[rows])
        w[rows] *= -0.5
        np.exp(w[rows], out=w[rows])
        scale *= np.sqrt(2 * np.pi)
        w[rows] /= scale
    return w


def distances(x: NDArray[Any]) -> Array:
    """The Euclidean distances of rows `(n, d)`, in units of their mean; all 0 where that is 0."""
    # by differences: the distance of rows that are equal has to be 0, and not a rounding error
    points = x.astype(np.float64)
    points /= np.abs(points).max() or 1.0
    found = np.empty((len(points), len(points)))
    for i in range(len(points)):
        apart = points[i:] - points[i]
        found[i, i:] = np.sqrt(np.einsum("nd,nd->n", apart, apart))
        found[i:, i] = found[i, i:]
    found /= found.mean() or 1.0
    return found


def fused(networks: Sequence[Array], neighbors: int, iterations: int) -> Array:
    """The network that these become by diffusing through each other; they are taken over.

    P_v ← S_v (mean of the other P) S_vᵀ + I, P_v being the network v with rows that sum to 1 and
    S_v what it has of the nearest neighbours.
    """
    for network in networks:
        _normalize(network)
    nearest = [_nearest(network, neighbors) for network in networks]
    total = networks[0].copy()
    _add(networks[1:], total)
    between = np.empty_like(total)
    for _ in range(iterations):
        for network, parts in zip(networks, nearest, strict=True):
            np.subtract(total, network, out=network)
            _multiply(parts, network, between.T)
            _multiply(parts, between, network)
            network /= len(networks) - 1
            _diagonal(network)[:] += 1
        total[:] = networks[0]
        _add(networks[1:], total)
    total /= len(networks)
    _normalize(total)
    _diagonal(total)[:] += 0.5
    return total


def embedding(network: Array, count: int) -> Array:
    """The spectral embedding of a network, `(n, count)`; the network is taken over.

    Column j is D^(−1/2) v, v being the eigenvector of the (j + 2)th smallest eigenvalue of the
    normalised Laplacian I − D^(−1/2) W D^(−1/2), ‖v‖ = 1, its sign such that the largest entry is
    positive. W is the network with a diagonal of zeros, D its row sums. The eigenvector of the
    smallest eigenvalue, 0, is constant and left out.
    """
    _diagonal(network)[:] = 0
    root = np.sqrt(network.sum(axis=1))
    constant = root / np.linalg.norm(root)
    for rows in _runs(len(network), _ROWS):
        network[rows] /= root[rows, None] * root
        # the constant one to the other end, lest it be mixed with others of nearly its eigenvalue
        network[rows] -= 2 * constant[rows, None] * constant
    _, vectors = eigen(network)
    return positive(vectors[:, :count] / root[:, None])


def _normalize(network: Array) -> None:
    """Divide every row by its sum, and take the mean of that and its transpose."""
    inverse = 0.5 / network.sum(axis=1)
    for rows in _runs(len(network), _ROWS):
        network[rows] *= inverse[rows, None] + inverse


def _nearest(network: Array, neighbors: int) -> list[Part]:
    """The largest entries of every row, and those equal to the least of them; rows sum to 1."""
    n = len(network)
    runs = list(_runs(n, _ROWS))
    least = np.concatenate(
        [np.partition(network[rows], n - neighbors, axis=1)[:, n - neighbors] for rows in runs]
    )
    equal = (
        np.concatenate([(network[rows] >= least[rows, None]).sum(axis=1) for rows in runs])
        > 2 * neighbors
    )
    parts = []
    for i in np.flatnonzero(~equal).tolist():
        columns = np.flatnonzero(network[i] >= least[i])
        parts.append(_part(slice(i, i + 1), columns, network[i : i + 1, columns], least[i]))
    # rows that many others equal have all of those as neighbours; together they are a product
    if equal.any():
        together = np.flatnonzero(equal)
        columns = np.flatnonzero(
            np.logical_or.reduce([network[i] >= least[i] for i in together.tolist()])
        )
        weights = network[np.ix_(together, columns)]
        parts.append(_part(together, columns, weights, least[together, None]))
    return parts


def _part(
    rows: slice | NDArray[np.intp], columns: NDArray[np.intp], weights: Array, least: Array
) -> Part:
    weights[weights < least] = 0
    weights /= weights.sum(axis=1, keepdims=True)
    return Part(rows, columns, weights)


def _multiply(parts: Sequence[Part], matrix: Array, out: Array) -> None:
    """The product of a matrix of these parts with another."""
    for rows, columns, weights in parts:
        for run in _runs(len(matrix), max(256, _CELLS // len(columns))):
            out[rows, run] = weights @ matrix[columns, run]


def _add(networks: Sequence[Array], total: Array) -> None:
    for network in networks:
        total += network


def _diagonal(matrix: Array) -> Array:
    """The diagonal, to be written to."""
    diagonal: Array = matrix.reshape(-1)[:: len(matrix) + 1]
    return diagonal


def _runs(n: int, step: int) -> Iterator[slice]:
    """0…n in runs of `step`."""
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def network_bytes(rows: int, dims: Sequence[int], neighbors: int) -> int:
    """What affinities, their fusion and its embedding take beside the features, measured.

    The networks, their sum and a product, or five matrices while eigenvectors are found; and one
    as a reserve for neighbourhoods of equal rows.
    """
    matrices = max(len(dims) + 3, 5)
    a_row = 8 * (2 * max(dims) + 6 * _ROWS) + len(dims) * (32 * min(neighbors, rows) + 600)
    return 8 * matrices * rows**2 + rows * a_row
