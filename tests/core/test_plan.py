"""How the work is done: what it may depend on, and what it may not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfuse.core.plan import Access, Plan, plan
from mmfuse.errors import ResourceError

F4 = np.dtype(np.float32)
DTYPES = st.sampled_from([np.dtype(np.float16), F4, np.dtype(np.float64)])
ACCESSES = st.builds(
    Access,
    st.integers(1, 10**7),
    st.integers(1, 20_000),
    DTYPES,
    st.sampled_from(["memory", "file", "stream"]),
    st.booleans(),
    st.booleans(),
)
INPUTS = st.lists(ACCESSES, min_size=1, max_size=4)
AMPLE = 1 << 50
MIB = 1 << 20


@given(
    INPUTS,
    st.integers(1, 70_000),
    DTYPES,
    st.integers(1, 10**7),
    st.integers(1, 64),
    st.integers(20, 34),
    st.integers(0, 40),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
)
@settings(deadline=None, max_examples=300)
def test_what_is_promised(
    inputs: list[Access],
    width: int,
    dtype: np.dtype[np.floating],
    rows: int,
    threads: int,
    bits: int,
    cache_bits: int,
    passes: int,
    columnar: bool,
    columnwise: bool,
) -> None:
    more = {
        "cache": 1 << cache_bits,
        "passes": passes,
        "columnar": columnar,
        "columnwise": columnwise,
    }
    ample = plan(rows, inputs, width, dtype, threads=1, memory=AMPLE, cache=AMPLE)
    try:
        made = plan(rows, inputs, width, dtype, threads=threads, memory=1 << bits, **more)
    except ResourceError:
        # not even one tile of output fits beside what is read for it
        assert ample.tile_rows * width * dtype.itemsize * 7 + _read(ample, inputs) > 1 << bits - 1
        return
    assert len(made.ways) == len(inputs)
    assert 1 <= made.threads <= threads
    assert made.memory <= 1 << bits
    if made.columns:
        assert columnar
        assert columnwise
        assert all(access.columnar for access in inputs)
        assert set(made.ways) == {"columns"}
        assert made.columns <= width
        return
    # the same rows stand in the same tile for any count of threads and any memory
    assert made.tile_rows == ample.tile_rows
    assert made.statistic_rows == ample.statistic_rows
    assert made.tile_rows & (made.tile_rows - 1) == 0
    assert 16 <= made.tile_rows <= 2048
    assert made.tile_rows < max(2 * rows, 17)
    assert made.block_rows % made.tile_rows == 0
    assert made.statistic_rows % made.tile_rows == 0
    assert made.bucket_rows % made.block_rows == 0
    assert made.block_rows >= made.tile_rows
    assert made.bucket_rows >= made.block_rows
    assert made.workspace >= made.block_rows * width * dtype.itemsize
    assert (made.threads - 1) * made.block_rows < rows  # no thread without a block
    sizes = {"memory": made.stored, "partitioned": made.spilled}
    for way, size in sizes.items():
        expected = sum(
            min(rows if access.taken is None else access.taken, access.rows)
            * access.dim
            * access.dtype.itemsize
            for access, chosen in zip(inputs, made.ways, strict=True)
            if chosen == way
        )
        assert size == expected
    for access, way in zip(inputs, made.ways, strict=True):
        assert (
            way
            in {
                "memory": {"gather"},
                "file": {"gather"} if access.ordered else {"gather", "memory", "partitioned"},
                "stream": {"memory", "partitioned", *(["sequential"] if access.ordered else [])},
            }[access.storage]
        )


def _read(made: Plan, inputs: list[Access]) -> int:
    computed = {False: 8, True: 32}  # bytes a value: pooled and spread too, where rows are patchy
    return made.tile_rows * sum(a.dim * (a.dtype.itemsize + computed[a.patchy]) for a in inputs)


class TestWays:
    ROWS, DIM = 1_000_000, 256  # 1 GB of float32

    def ways(self, *inputs: Access, memory: int = 512 * MIB, **more: int) -> tuple[str, ...]:
        made = plan(
            self.ROWS,
            inputs,
            sum(access.dim for access in inputs),
            F4,
            threads=2,
            memory=memory,
            **{"cache": 8 << 30, **more},
        )
        return made.ways

    def access(self, storage: str, ordered: bool = False, dim: int = DIM) -> Access:
        return Access(self.ROWS, dim, F4, storage, ordered)  # type: ignore[arg-type]

    def test_files_of_random_access_are_gathered_from_while_the_system_can_hold_them(self) -> None:
        inputs = [self.access("file"), self.access("file"), self.access("file", ordered=True)]
        assert self.ways(*inputs, cache=2_048_000_000) == ("gather",) * 3
        assert self.ways(*inputs, cache=2_047_999_999) == ("partitioned", "partitioned", "gather")

    def test_what_is_in_memory_stays_there(self) -> None:
        assert self.ways(self.access("memory"), cache=0) == ("gather",)

    def test_what_comes_in_the_order_of_the_output_streams(self) -> None:
        ordered, other = self.access("stream", ordered=True), self.access("stream")
        assert self.ways(ordered, other) == ("sequential", "partitioned")

    def test_what_fits_is_decoded_into_memory_once(self) -> None:
        small, large = self.access("stream", dim=40), self.access("stream")
        assert self.ways(small, large, small) == ("memory", "partitioned", "partitioned")
        assert self.ways(small, large, small, memory=1 << 30) == ("memory", "partitioned", "memory")

    def test_a_stream_is_read_once_for_several_passes(self) -> None:
        small, large = self.access("stream", True, dim=40), self.access("stream", True)
        assert self.ways(small, large) == ("sequential", "sequential")
        assert self.ways(small, large, passes=2) == ("memory", "partitioned")

    def test_a_bucket_is_what_the_system_holds_easily(self) -> None:
        made = plan(
            self.ROWS, [self.access("stream")] * 2, 512, F4, threads=2, memory=512 * MIB, cache=0
        )
        assert made.ways == ("partitioned",) * 2
        assert 64 * MIB < made.bucket_rows * 512 * 4 <= 128 * MIB


class TestColumns:
    def planned(self, rows: int, memory: int, by_columns: bool = True, **more: bool) -> Plan:
        inputs = [Access(rows, 512, F4, "stream", True, by_columns)] * 2
        return plan(
            rows, inputs, 1024, F4, threads=2, memory=memory, cache=1 << 40,
            **{"columnar": True, "columnwise": True, **more},
        )  # fmt: skip

    def test_columns_are_read_some_at_a_time(self) -> None:
        made = self.planned(100_000, 512 * MIB)
        assert made.ways == ("columns",) * 2
        assert 1 < made.columns <= 12 * MIB // 400_000

    def test_one_at_a_time_if_they_are_long(self) -> None:
        made = self.planned(10_000_000, 512 * MIB)
        assert made.columns == 1
        assert made.memory <= 512 * MIB

    def test_not_if_one_does_not_fit(self) -> None:
        assert self.planned(100_000_000, 512 * MIB).ways == ("sequential",) * 2

    def test_not_unless_input_and_output_and_fusion_allow_it(self) -> None:
        assert not self.planned(1000, 512 * MIB, by_columns=False).columns
        assert not self.planned(1000, 512 * MIB, columnar=False).columns
        assert not self.planned(1000, 512 * MIB, columnwise=False).columns


def test_more_memory_means_larger_blocks() -> None:
    cuts = [
        plan(10**6, [Access(1, 512, F4)], 512, F4, threads=2, memory=mib * MIB, cache=0)
        for mib in (96, 128, 160, 1024)
    ]
    blocks = [cut.block_rows for cut in cuts]
    assert blocks == sorted(blocks)
    assert blocks[0] < blocks[-1]
    assert len({cut.tile_rows for cut in cuts}) == 1


def test_too_wide_for_the_memory() -> None:
    with pytest.raises(ResourceError) as caught:
        plan(100, [Access(100, 10, F4)], 10**6, F4, threads=4, memory=128 * MIB, cache=0)
    assert caught.value.message.startswith("1,000,000 columns need about ")
    assert caught.value.message.endswith("and 128 MiB are allowed")
    assert caught.value.hint is not None
    assert "--memory" in caught.value.hint
