"""Statistics that strategies learn from: the same for any cut and order, and as their formulas."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmfuse.core.batch import Batch
from mmfuse.core.class_scatter import ClassScatter, class_scatter_bytes
from mmfuse.core.linear_map import LinearMap, scaling
from mmfuse.core.present_scatter import PresentScatter, present_scatter_bytes
from mmfuse.core.row_products import RowProducts, row_products_bytes
from mmfuse.core.rows import Gather, Rows
from mmfuse.core.scatter import Scatter, scatter_bytes
from mmfuse.core.schema import Modality, Schema
from mmfuse.core.statistic import Statistic
from mmfuse.core.target_scatter import TargetScatter, target_scatter_bytes
from mmfuse.errors import ModelError

Matrix = NDArray[np.float64]
DIMS = (3, 2)
CLASSES = 3
WEIGHTS = np.array([1.0, 2.5])
EMPTY: dict[str, Callable[[], Statistic]] = {
    "scatter": lambda: Scatter.empty(DIMS),
    "classes": lambda: ClassScatter.empty(DIMS, CLASSES),
    "present": lambda: PresentScatter.empty(DIMS, WEIGHTS),
    "targets": lambda: TargetScatter.empty(DIMS),
}
every = pytest.mark.parametrize("kind", EMPTY)


def rows(n: int, seed: int, kind: str = "classes", lacking: bool = True) -> Batch:
    """Rows of two modalities; some lack one, none both, and some have no label, or no number."""
    rng = np.random.default_rng(seed)
    blocks = [rng.normal(0, 1 + m, (n, dim)) for m, dim in enumerate(DIMS)]
    has = rng.random((n, len(DIMS))) > (0.3 if lacking else -1)
    has[:, 0] |= ~has.any(axis=1)
    for m, block in enumerate(blocks):
        block[~has[:, m]] = 0
    labels: NDArray[Any] = rng.integers(-1, CLASSES, n)
    if kind == "targets":
        labels = np.where(labels < 0, np.nan, blocks[0][:, 0] + rng.normal(5, 1, n))
    return Batch(blocks, np.ones(len(DIMS)), has, labels)


def cut(batch: Batch, start: int, stop: int) -> Batch:
    part = slice(start, stop)
    assert batch.present is not None
    assert batch.labels is not None
    return Batch(
        [block[part] for block in batch.blocks],
        batch.weights,
        batch.present[part],
        batch.labels[part],
    )


def assert_same(a: Statistic, b: Statistic, scale: float = 1.0) -> None:
    assert a.n == b.n
    assert a.dims == b.dims
    for name, array in a.arrays().items():
        np.testing.assert_allclose(b.arrays()[name], array, rtol=1e-10, atol=1e-9 * scale)


@every
@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(0, 60),
    seed=st.integers(0, 1000),
    cuts=st.lists(st.integers(0, 60), max_size=6),
    tiles=st.booleans(),
)
def test_any_cut_gives_the_same(kind: str, n: int, seed: int, cuts: list[int], tiles: bool) -> None:
    batch = rows(n, seed, kind)
    whole = EMPTY[kind]().gather([batch])
    ends = sorted({0, n, *(min(c, n) for c in cuts)})
    parts = [cut(batch, a, b) for a, b in pairwise(ends)]
    if tiles:
        assert_same(whole, EMPTY[kind]().gather(parts))
    else:
        total = EMPTY[kind]()
        for part in parts:
            total = total.merge(EMPTY[kind]().gather([part]))
        assert_same(whole, total)


@every
@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.integers(0, 20), min_size=3, max_size=3), seed=st.integers(0, 1000))
def test_merging_has_a_neutral_and_no_order(kind: str, sizes: list[int], seed: int) -> None:
    a, b, c = (EMPTY[kind]().gather([rows(n, seed + k, kind)]) for k, n in enumerate(sizes))
    assert_same(a.merge(b).merge(c), a.merge(b.merge(c)))
    assert_same(a.merge(b), b.merge(a))
    for one, other in ((a, EMPTY[kind]()), (EMPTY[kind](), a)):
        merged = one.merge(other)
        for name, array in a.arrays().items():
            assert merged.arrays()[name].tobytes() == array.tobytes()


@every
def test_means_that_are_large_cost_no_precision(kind: str) -> None:
    near = rows(400, 1, kind)
    assert near.labels is not None
    shifted = Batch(
        [
            np.where(near.present[:, m, None], block + 1e8, 0)  # type: ignore[index]
            for m, block in enumerate(near.blocks)
        ],
        near.weights,
        near.present,
        near.labels + 1e8 if kind == "targets" else near.labels,
    )
    parts = [cut(shifted, k, k + 50) for k in range(0, 400, 50)]
    plain, moved = EMPTY[kind]().gather([near]), EMPTY[kind]()
    for part in parts:
        moved = moved.merge(EMPTY[kind]().gather([part]))
    for name, array in plain.arrays().items():
        expected = array + 1e8 if name.startswith("mean") else array
        np.testing.assert_allclose(moved.arrays()[name], expected, rtol=1e-6, atol=1e-5)


@every
def test_mapped_is_what_is_gathered_of_mapped_rows(kind: str) -> None:
    batch = rows(80, 2, kind)
    rng = np.random.default_rng(0)
    shift = rng.normal(size=3)
    maps: Sequence[Sequence[LinearMap]] = [
        [LinearMap(shift, rng.normal(size=3)), LinearMap(0.0, rng.normal(size=(3, 3)))],
        [scaling(2.5)],
    ]
    blocks = []
    for m, (block, chain) in enumerate(zip(batch.blocks, maps, strict=True)):
        for one in chain:
            block = one.of_points(block)
        blocks.append(np.where(batch.present[:, m, None], block, 0))  # type: ignore[index]
    image = Batch(blocks, batch.weights, batch.present, batch.labels)
    assert_same(EMPTY[kind]().gather([batch]).mapped(maps), EMPTY[kind]().gather([image]))


@every
def test_restored_from_its_arrays(kind: str) -> None:
    found = EMPTY[kind]().gather([rows(50, 3, kind)])
    again = EMPTY[kind]().restored(found.arrays())
    assert (again.n, again.dims) == (found.n, DIMS)
    np.testing.assert_array_equal(again.covariance, found.covariance)
    assert_same(found.merge(found), again.merge(found))
    for name, array in found.arrays().items():
        assert again.arrays()[name].tobytes() == array.tobytes()
        for damaged in (array[..., None], array.astype("S8"), None):
            given = {**found.arrays(), name: damaged}
            if damaged is None:
                del given[name]
            with pytest.raises(ModelError, match=r"^the statistics .* those of its schema$"):
                EMPTY[kind]().restored(given)
    with pytest.raises(ModelError, match=r"^there are statistics .* it does not have$"):
        EMPTY[kind]().restored({**found.arrays(), "more": np.zeros(1)})


@every
@pytest.mark.parametrize("n", [4095, 4096, 4097, 10_000])
def test_any_number_of_rows_at_once(kind: str, n: int) -> None:
    batch = rows(n, 8, kind)
    whole = EMPTY[kind]().gather([batch])
    ends = [0, 3000, 4090, n]
    assert_same(whole, EMPTY[kind]().gather([cut(batch, a, b) for a, b in pairwise(ends)]), n)
    halves = [EMPTY[kind]().gather([cut(batch, a, b)]) for a, b in pairwise([0, n // 2, n])]
    assert_same(whole, halves[0].merge(halves[1]), n)


@every
def test_rows_that_have_all_need_not_say_so(kind: str) -> None:
    batch = rows(40, 9, kind, lacking=False)
    silent = Batch(batch.blocks, batch.weights, None, batch.labels)
    assert_same(EMPTY[kind]().gather([batch]), EMPTY[kind]().gather([silent]))
    assert EMPTY[kind]().gather([silent]).n > 0


@every
def test_tiles_of_which_no_row_counts_are_passed_over(kind: str) -> None:
    batch = rows(40, 10, kind)
    assert batch.labels is not None
    unknown = np.full(5, np.nan if kind == "targets" else -1, batch.labels.dtype)
    nothing = Batch(
        [block[:5] for block in batch.blocks],
        batch.weights,
        np.zeros((5, len(DIMS)), np.bool_) if kind == "scatter" else None,
        unknown,
    )
    tiles = [cut(batch, 0, 0), *([] if kind == "present" else [nothing]), batch]
    if kind == "classes":
        tiles.insert(0, Batch(nothing.blocks, batch.weights))
    assert_same(EMPTY[kind]().gather([batch]), EMPTY[kind]().gather(tiles))
    assert_same(EMPTY[kind]().gather([batch]), EMPTY[kind]().gather(tiles[::-1]))


@every
def test_sums_of_float32_are_float64(kind: str) -> None:
    batch = rows(500, 11, kind)
    narrow = [block.astype(np.float32) for block in batch.blocks]
    wide = [block.astype(np.float64) for block in narrow]
    found, exact = (
        EMPTY[kind]().gather([Batch(blocks, batch.weights, batch.present, batch.labels)])
        for blocks in (narrow, wide)
    )
    assert_same(found, exact)
    assert {array.dtype.kind for array in found.arrays().values()} <= {"f", "i"}
    assert all(array.dtype.itemsize == 8 for array in found.arrays().values())


@every
def test_constant_columns_have_no_scatter_at_all(kind: str) -> None:
    batch = rows(90, 12, kind)
    for block in batch.blocks:
        block[:, 0] = 0.1
    parts = [cut(batch, a, b) for a, b in pairwise((0, 31, 32, 90))]
    found = EMPTY[kind]().gather(parts[:2]).merge(EMPTY[kind]().gather(parts[2:]))
    for column in (0, DIMS[0]):
        assert found.covariance[column, column] == 0
        assert np.abs(found.covariance[column]).max() < 1e-15


def test_means_that_are_the_same_are_not_spread() -> None:
    """To the bit, however many rows there are, and also where a class has none."""
    for n in range(2, 40):
        labels = np.where(np.arange(n) % 3 > 0, 1, 2)
        blocks = [np.full((n, dim), 1e8 / 3) for dim in DIMS]
        found = ClassScatter.empty(DIMS, CLASSES).gather([Batch(blocks, WEIGHTS, None, labels)])
        np.testing.assert_array_equal(found.mean, np.full(5, 1e8 / 3))
        np.testing.assert_array_equal(found.spread, np.zeros((CLASSES, 5)))


def test_a_statistic_takes_the_memory_that_it_says() -> None:
    for told, kind in (
        (scatter_bytes(DIMS), "scatter"),
        (class_scatter_bytes(DIMS, CLASSES), "classes"),
        (present_scatter_bytes(DIMS), "present"),
        (target_scatter_bytes(DIMS), "targets"),
    ):
        large = [a.nbytes for a in EMPTY[kind]().arrays().values() if a.ndim == 2]
        pairs = {"present": 8 * len(DIMS) ** 2}  # one a pair of modalities, not a column
        assert told == sum(large) - pairs.get(kind, 0), kind
    assert row_products_bytes(7) == RowProducts(7)._rows.nbytes


def test_all_rows_themselves() -> None:
    batch = rows(30, 13)
    assert batch.labels is not None
    assert batch.present is not None
    parts = [cut(batch, a, b) for a, b in pairwise((0, 10, 11, 30))]
    parts[1] = Batch(parts[1].blocks, parts[1].weights, None, parts[1].labels)
    found = Rows(DIMS).gather(parts[:2]).merge(Rows(DIMS).gather(parts[2:]))
    assert (found.n, found.dims) == (30, DIMS)
    whole = [block.copy() for block in batch.blocks]
    for block in batch.blocks:
        block[:] = 99  # tiles are used again for the rows that come
    for m, block in enumerate(whole):
        np.testing.assert_array_equal(found.block(m), block)
    np.testing.assert_array_equal(found.labels, batch.labels)
    expected = batch.present.copy()
    expected[10] = True
    np.testing.assert_array_equal(found.present, expected)
    assert found.mapped([[], []]) is found
    schema = Schema((Modality("a", ("f", "g", "h")), Modality("b", ("f", "g"))))
    assert Gather().statistics(schema).dims == DIMS


# --- by their formulas --------------------------------------------------------------------------


def complete(batch: Batch) -> tuple[Matrix, NDArray[Any]]:
    assert batch.present is not None
    assert batch.labels is not None
    whole = batch.present.all(axis=1)
    return np.hstack([b[whole] for b in batch.blocks]), batch.labels[whole]


def test_scatter_by_its_formula() -> None:
    batch = rows(90, 4)
    x, _ = complete(batch)
    found = Scatter.empty(DIMS).gather([batch])
    assert found.n == len(x)
    np.testing.assert_allclose(found.mean, x.mean(axis=0))
    np.testing.assert_allclose(found.covariance, np.cov(x.T))


def test_class_scatter_by_its_formula() -> None:
    batch = rows(90, 5)
    x, labels = complete(batch)
    found = ClassScatter.empty(DIMS, CLASSES).gather([batch])
    assert found.n == (labels >= 0).sum()
    np.testing.assert_allclose(found.mean, x[labels >= 0].mean(axis=0))
    within = np.zeros((5, 5))
    for c in range(CLASSES):
        own = x[labels == c]
        np.testing.assert_allclose(found.means[c], own.mean(axis=0))
        within += (own - own.mean(0)).T @ (own - own.mean(0))
    np.testing.assert_allclose(found.within, within)
    total = (x[labels >= 0] - found.mean).T @ (x[labels >= 0] - found.mean)
    np.testing.assert_allclose(found.within + found.spread.T @ found.spread, total)
    np.testing.assert_allclose(found.covariance, np.cov(x[labels >= 0].T))


def test_present_scatter_by_its_formula() -> None:
    batch = rows(90, 6)
    has = batch.present
    assert has is not None
    found = PresentScatter.empty(DIMS, WEIGHTS).gather([batch])
    x = np.hstack(
        [
            np.where(has[:, m, None], b - b[has[:, m]].mean(axis=0), 0)
            for m, b in enumerate(batch.blocks)
        ]
    )
    v = 1 / (has @ WEIGHTS)
    np.testing.assert_allclose(found.counts, np.einsum("i,il,im->lm", v, has, has))
    np.testing.assert_allclose(found.sums, np.einsum("i,il,ij->lj", v, has, x), atol=1e-12)
    np.testing.assert_allclose(found.products, np.einsum("i,ij,ik->jk", v, x, x), atol=1e-12)
    for m, own in enumerate(found.own):
        alone = batch.blocks[m][has[:, m]]
        np.testing.assert_allclose(own.covariance, np.cov(alone.T))
    assert found.weights is found.merge(found).weights is WEIGHTS
    assert found.restored(found.arrays()).weights is WEIGHTS


def test_the_covariance_of_rows_that_lack_a_modality() -> None:
    """Within one of those that have it, between two of those that have both."""
    batch = rows(90, 14)
    has = batch.present
    assert has is not None
    found = PresentScatter.empty(DIMS, WEIGHTS).gather([batch]).covariance
    one, other = (block[has[:, m]] for m, block in enumerate(batch.blocks))
    np.testing.assert_allclose(found[:3, :3], np.cov(one.T))
    np.testing.assert_allclose(found[3:, 3:], np.cov(other.T))
    both = has.all(axis=1)
    apart = [
        (block[both] - alone.mean(axis=0)) * np.sqrt(len(alone) / (len(alone) - 1))
        for block, alone in zip(batch.blocks, (one, other), strict=True)
    ]
    np.testing.assert_allclose(found[:3, 3:], apart[0].T @ apart[1] / both.sum())
    np.testing.assert_array_equal(found, found.T)


def test_modalities_that_never_meet_vary_apart() -> None:
    batch = rows(40, 15, lacking=False)
    assert batch.present is not None
    batch.present[:25, 1] = batch.present[25:, 0] = False
    for m, block in enumerate(batch.blocks):
        block[~batch.present[:, m]] = 0
    found = PresentScatter.empty(DIMS, WEIGHTS).gather([batch]).covariance
    np.testing.assert_array_equal(found[:3, 3:], np.zeros((3, 2)))
    np.testing.assert_allclose(found[:3, :3], np.cov(batch.blocks[0][:25].T))


@every
@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_the_covariance_of_few_rows(kind: str, n: int) -> None:
    batch = rows(n, 16, kind, lacking=False)
    batch.labels[:] = np.arange(n) % CLASSES  # type: ignore[index]
    found = EMPTY[kind]().gather([batch])
    assert found.n == n
    expected = np.cov(np.hstack(batch.blocks).T) if n > 1 else np.zeros((5, 5))
    np.testing.assert_allclose(found.covariance, expected, atol=1e-14)


def test_target_scatter_by_its_formula() -> None:
    batch = rows(90, 7, "targets")
    x, numbers = complete(batch)
    known = np.isfinite(numbers)
    found = TargetScatter.empty(DIMS).gather([batch])
    assert 0 < found.n == known.sum() < len(x)
    np.testing.assert_allclose(found.covariance, np.cov(x[known].T))
    off = x[known] - numbers[known, None]
    np.testing.assert_allclose(found.errors, np.cov(off.T, ddof=0), atol=1e-12)
