"""Rows that are absent or several, read in any cut."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfuse.core import aligned
from mmfuse.core.aligned import Aligned, Pool
from mmfuse.core.source import ArrayReader, Taken

REDUCED = {"mean": np.mean, "max": np.max, "std": np.std}


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=30),
    st.sampled_from(["mean", "max", "std"]),
    st.integers(0, 29),
    st.integers(1, 64),
    st.sampled_from([np.float32, np.int8, np.float64]),
)
@settings(deadline=None, max_examples=300)
def test_reading(counts: list[int], pool: Pool, start: int, piece: int, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    array = rng.integers(-99, 99, (sum(counts) + 1, 3)).astype(dtype)
    order = rng.permutation(len(array))[: sum(counts)]
    ends = np.cumsum(counts)
    rows = Aligned(Taken(ArrayReader(array), order), array.dtype, ends, pool)
    start = min(start, len(counts) - 1)
    stop = len(counts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aligned, "_PIECE_BYTES", piece)
        kind = np.float64 if rows.pools else array.dtype
        found = rows.read(start, stop, np.empty((stop - start, 3), kind))
    groups = [
        array[order[end - count : end]].astype(float)
        for count, end in zip(counts[start:], ends[start:], strict=True)
        if count
    ]
    expected = [REDUCED[pool](group, axis=0) for group in groups]
    np.testing.assert_allclose(found, np.array(expected).reshape(-1, 3), atol=1e-12)
    has = rows.present(start, stop)
    assert (np.ones(stop - start, bool) if has is None else has).tolist() == [
        count > 0 for count in counts[start:]
    ]
    assert rows.pools == (max(counts) > 1 or pool == "std")
    kept = np.flatnonzero(rng.integers(0, 2, len(counts)))
    fewer = rows.keep(kept)
    if len(kept):
        fewer_kind = np.float64 if fewer.pools else array.dtype
        whole = np.empty((len(counts), 3), kind)
        everything = rows.read(0, len(counts), whole)
        places = np.cumsum(np.array(counts) > 0) - 1
        wanted = everything[places[kept[np.array(counts)[kept] > 0]]].copy()
        np.testing.assert_array_equal(
            fewer.read(0, len(kept), np.empty((len(kept), 3), fewer_kind)), wanted
        )


def test_any_rows_of_several_and_of_none() -> None:
    """Also where the rows that are asked for end before the last."""
    counts = [0, 2, 1, 0, 0, 3, 1, 1]
    array = np.arange(2.0 * sum(counts)).reshape(-1, 2)
    ends = np.cumsum(counts)
    rows = Aligned(Taken(ArrayReader(array), None), array.dtype, ends)
    for start in range(len(counts)):
        for stop in range(start + 1, len(counts) + 1):
            own = [array[e - c : e] for c, e in zip(counts, ends, strict=True)][start:stop]
            found = rows.read(start, stop, np.full((stop - start, 2), 77.0))
            wanted = [group.mean(axis=0) for group in own if len(group)]
            np.testing.assert_allclose(found, np.reshape(wanted, (-1, 2)))
            has = rows.present(start, stop)
            if all(counts[start:stop]):
                assert has is None
            else:
                assert has is not None
                assert has.tolist() == [count > 0 for count in counts[start:stop]]


def test_rows_that_stand_for_one_each() -> None:
    array = np.arange(10, dtype=np.int16).reshape(5, 2)
    rows = Aligned(Taken(ArrayReader(array), np.array([4, 0, 2, 1])), array.dtype)
    assert not rows.pools
    assert rows.present(0, 4) is None
    found = rows.read(1, 3, np.zeros((4, 2), np.int16))
    assert found.tolist() == array[[0, 2]].tolist()
    kept = rows.keep(np.array([3, 0]))
    assert kept.read(0, 2, np.zeros((2, 2), np.int16)).tolist() == array[[1, 4]].tolist()
    assert kept.dtype == np.int16
