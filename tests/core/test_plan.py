"""The cut of the rows: what it may depend on, and what it may not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfuse.core.plan import Plan, plan
from mmfuse.errors import ResourceError

DTYPES = st.sampled_from([np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)])
INPUTS = st.lists(st.tuples(st.integers(1, 20_000), DTYPES), min_size=1, max_size=4)
AMPLE = 1 << 40


@given(
    INPUTS,
    st.integers(1, 70_000),
    DTYPES,
    st.integers(1, 10**7),
    st.integers(1, 64),
    st.integers(20, 34),
)
@settings(deadline=None, max_examples=200)
def test_the_cut(
    inputs: list[tuple[int, np.dtype[np.floating]]],
    width: int,
    dtype: np.dtype[np.floating],
    rows: int,
    threads: int,
    bits: int,
) -> None:
    ample = plan(1, inputs, width, dtype, threads=1, memory=AMPLE)
    try:
        cut = plan(rows, inputs, width, dtype, threads=threads, memory=1 << bits)
    except ResourceError:
        # not even one tile of output fits beside what is read for it
        assert ample.tile_rows * width * dtype.itemsize * 7 + _read(ample, inputs) > 1 << bits
        return
    # the same rows stand in the same tile for any count of rows, threads, and memory
    assert cut.tile_rows == ample.tile_rows
    assert cut.statistic_rows == ample.statistic_rows
    assert cut.tile_rows & (cut.tile_rows - 1) == 0
    assert 16 <= cut.tile_rows <= 4096
    assert cut.block_rows % cut.tile_rows == 0
    assert cut.statistic_rows % cut.tile_rows == 0
    assert cut.block_rows >= cut.tile_rows
    # what is promised
    assert 1 <= cut.threads <= threads
    assert cut.memory <= 1 << bits
    assert cut.workspace >= cut.block_rows * width * dtype.itemsize
    assert (cut.threads - 1) * cut.block_rows < rows  # no thread without a block


def _read(cut: Plan, inputs: list[tuple[int, np.dtype[np.floating]]]) -> int:
    return cut.tile_rows * sum(dim * (dtype.itemsize + 8) for dim, dtype in inputs)


def test_more_memory_means_larger_blocks() -> None:
    inputs, width, dtype = [(512, np.dtype(np.float32))], 512, np.dtype(np.float32)
    cuts = [
        plan(10**6, inputs, width, dtype, threads=2, memory=mib << 20) for mib in (8, 12, 16, 512)
    ]
    blocks = [cut.block_rows for cut in cuts]
    assert blocks == sorted(blocks)
    assert blocks[0] < blocks[-1]
    assert len({cut.tile_rows for cut in cuts}) == 1


def test_too_wide_for_the_memory() -> None:
    with pytest.raises(ResourceError) as caught:
        plan(
            100,
            [(10, np.dtype(np.float32))],
            10**6,
            np.dtype(np.float32),
            threads=4,
            memory=64 << 20,
        )
    assert caught.value.message.startswith("1,000,000 columns need about ")
    assert caught.value.message.endswith("and 64 MiB are allowed")
    assert caught.value.hint is not None
    assert "--memory" in caught.value.hint
