"""Rows in a random order of every modality's own."""

from __future__ import annotations

import numpy as np

from mmfuse.core.batch import Batch
from mmfuse.core.shuffled import shuffled


def rows_of(x: np.ndarray) -> list[list[float]]:
    return sorted(x.tolist())


def test_rows_that_have_the_modality_change_places_and_lose_their_mean() -> None:
    x = np.random.default_rng(0).normal(3, 1, (40, 2))
    present = np.column_stack([np.arange(40) % 3 > 0, np.zeros(40, bool)])
    found = shuffled(Batch([x, x], np.ones(2), present), 1).blocks
    has = present[:, 0]
    assert not found[0][~has].any()
    assert not np.array_equal(found[0][has], x[has] - x[has].mean(axis=0))
    expected = rows_of(x[has] - x[has].mean(axis=0))
    np.testing.assert_allclose(rows_of(found[0][has]), expected, atol=1e-12)
    assert not found[1].any()  # which no row has
