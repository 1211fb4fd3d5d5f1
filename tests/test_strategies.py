"""Every strategy against its formula, written once more with loops."""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mmfuse
from mmfuse.core.batch import Batch
from mmfuse.core.fusion import Fusion
from mmfuse.core.registry import strategy_class
from mmfuse.core.schema import Modality, Schema
from mmfuse.errors import ResourceError, UsageError
from mmfuse.strategies.random_lowrank import _on_a_grid

Matrix = NDArray[np.float64]
X1 = np.arange(1.0, 10).reshape(3, 3)
X2 = np.arange(10.0, 19).reshape(3, 3)
X3 = np.arange(19.0, 28).reshape(3, 3)


def fuse(
    strategy: str, *blocks: Matrix, weights: Sequence[float] | None = None, **options: Any
) -> Matrix:
    """Through the public function, in float64."""
    names = [f"m{k}" for k in range(len(blocks))]
    weight = None if weights is None else dict(zip(names, weights, strict=True))
    fused = mmfuse.fuse(
        strategy,
        dict(zip(names, blocks, strict=True)),
        weight=weight,
        options=options,
        dtype="float64",
        threads=1,
    )
    assert fused.matrix is not None
    return fused.matrix


def schema(dims: Sequence[int], weights: Sequence[float] | None = None) -> Schema:
    weights = weights or [1.0] * len(dims)
    return Schema(
        tuple(
            Modality(f"m{k}", tuple(map(str, range(dim))), w)
            for k, (dim, w) in enumerate(zip(dims, weights, strict=True))
        )
    )


def fuse_present(
    strategy: str,
    blocks: Sequence[Matrix],
    present: NDArray[np.bool_],
    weights: Sequence[float],
    **options: Any,
) -> Matrix:
    """A batch some of whose rows lack modalities, as an outer join will make it."""
    known = schema([block.shape[1] for block in blocks], weights)
    made = strategy_class(strategy)(**options)
    out = np.full((len(blocks[0]), len(made.columns(known))), np.nan)
    weighted = [
        np.where(present[:, m, None], block * weights[m], 0) for m, block in enumerate(blocks)
    ]
    made.fuse(Batch(weighted, np.array(weights), present), out, made.solve(known))
    return out


def random(*dims: int, rows: int = 6, seed: int = 0) -> list[Matrix]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rows, dim)) for dim in dims]


# concat


def test_concat_is_hstack() -> None:
    fused = fuse("concat", X1, X2, X3)
    assert fused.shape == (3, 9)
    assert fused[0].tolist() == [1, 2, 3, 10, 11, 12, 19, 20, 21]
    np.testing.assert_array_equal(fused, np.hstack([X1, X2, X3]))


def test_concat_multiplies_by_the_weights() -> None:
    blocks = random(2, 5, 1)
    fused = fuse("concat", *blocks, weights=[2, 0.5, -1])
    np.testing.assert_array_equal(fused, np.hstack([2 * blocks[0], 0.5 * blocks[1], -blocks[2]]))


def test_concat_names_and_slices() -> None:
    known = schema([2, 3])
    made = strategy_class("concat")()
    assert list(made.columns(known)) == ["m0_0", "m0_1", "m1_0", "m1_1", "m1_2"]
    assert dict(made.slices(known)) == {"m0": (0, 2), "m1": (2, 5)}


@pytest.mark.parametrize("strategy", ["concat", "outer"])
def test_two_columns_of_one_name_are_refused(strategy: str) -> None:
    known = Schema((Modality("a", ("b_0", "1")), Modality("a_b", ("0",))))
    with pytest.raises(UsageError, match="'a_b_0'"):
        strategy_class(strategy)().columns(known)


# sum, mean, max, min, product

OPERATIONS: dict[str, Callable[[list[float], list[float]], float]] = {
    "sum": lambda x, w: sum(wi * xi for wi, xi in zip(w, x, strict=True)),
    "mean": lambda x, w: sum(wi * xi for wi, xi in zip(w, x, strict=True)) / sum(w),
    "max": lambda x, w: max(wi * xi for wi, xi in zip(w, x, strict=True)),
    "min": lambda x, w: min(wi * xi for wi, xi in zip(w, x, strict=True)),
    "product": lambda x, w: float(np.prod([wi * xi for wi, xi in zip(w, x, strict=True)])),
}


def pooled(
    name: str, blocks: Sequence[Matrix], weights: Sequence[float], present: NDArray[np.bool_]
) -> Matrix:
    """The formula, number by number, over the modalities that a row has."""
    width = max(block.shape[1] for block in blocks)
    padded = [np.pad(block, ((0, 0), (0, width - block.shape[1]))) for block in blocks]
    out = np.empty((len(blocks[0]), width))
    for i, j in product(range(len(out)), range(width)):
        has = [m for m in range(len(blocks)) if present[i, m]]
        out[i, j] = OPERATIONS[name]([padded[m][i, j] for m in has], [weights[m] for m in has])
    return out


@pytest.mark.parametrize("name", list(OPERATIONS))
@pytest.mark.parametrize("weights", [[1, 1, 1], [2, 0.5, 1.5]])
@pytest.mark.parametrize("dims", [(4, 4, 4), (2, 5, 3)])
def test_pools(name: str, weights: list[float], dims: tuple[int, int, int]) -> None:
    blocks = random(*dims)
    fused = fuse(name, *blocks, weights=weights, pad=len(set(dims)) > 1)
    everything = np.ones((6, 3), bool)
    np.testing.assert_allclose(fused, pooled(name, blocks, weights, everything), rtol=1e-13)


@pytest.mark.parametrize("name", list(OPERATIONS))
@pytest.mark.parametrize("weights", [[1, 1, 1], [2, 0.5, 1.5]])
@pytest.mark.parametrize("dims", [(4, 4, 4), (2, 5, 3)])
def test_pools_use_what_a_row_has(
    name: str, weights: list[float], dims: tuple[int, int, int]
) -> None:
    present = np.array([p for p in product([True, False], repeat=3) if any(p)])
    blocks = random(*dims, rows=len(present))
    fused = fuse_present(name, blocks, present, weights, pad=len(set(dims)) > 1)
    np.testing.assert_allclose(fused, pooled(name, blocks, weights, present), rtol=1e-13)


@pytest.mark.parametrize(
    ("name", "neutral"),
    [("sum", 0), ("mean", 0), ("product", 1), ("max", -np.inf), ("min", np.inf)],
)
def test_a_row_without_any_modality_is_the_operation_s_neutral(name: str, neutral: float) -> None:
    present = np.array([[True, True], [False, False]])
    fused = fuse_present(name, random(3, 3, rows=2), present, [1, 1])
    assert fused[1].tolist() == [neutral] * 3


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_pools_need_one_width(name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} needs modalities of one width: m0 2, m1 3") as e:
        fuse(name, *random(2, 3))
    assert e.value.hint is not None
    assert "--pad" in e.value.hint


@pytest.mark.parametrize("weights", [[0, 0], [1, -1], [3, -1]])
def test_mean_needs_weights_that_make_a_mean(weights: list[float]) -> None:
    with pytest.raises(UsageError, match="mean needs weights"):
        fuse("mean", X1, X2, weights=weights)


@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "product", "outer", "sketch"])
def test_a_float32_block_beside_a_float64_one_is_computed_in_float64(name: str) -> None:
    blocks = random(4, 4)
    mixed = [blocks[0].astype(np.float32), blocks[1]]
    known = schema([4, 4])
    made = strategy_class(name)()
    learned, width = made.solve(known), len(made.columns(known))
    out, exact = np.empty((6, width)), np.empty((6, width))
    made.fuse(Batch(mixed, np.ones(2)), out, learned)
    made.fuse(Batch([block.astype(np.float64) for block in mixed], np.ones(2)), exact, learned)
    np.testing.assert_allclose(out, exact, rtol=1e-13, atol=1e-13)


# outer


@pytest.mark.parametrize("dims", [(3,), (2, 4), (3, 1, 2)])
@pytest.mark.parametrize("ones", [True, False])
def test_outer_is_kron(dims: tuple[int, ...], ones: bool) -> None:
    blocks = random(*dims)
    fused = fuse("outer", *blocks, ones=ones)
    for i, row in enumerate(fused):
        factors = [np.r_[1, block[i]] if ones else block[i] for block in blocks]
        np.testing.assert_allclose(row, reduce(np.kron, factors), rtol=1e-14)
    if ones:
        assert (fused[:, 0] == 1).all()


def test_outer_is_einsum_in_c_order() -> None:
    a, b, c = random(2, 3, 4)
    expected = np.einsum("ni,nj,nk->nijk", a, b, c).reshape(6, -1)
    np.testing.assert_allclose(fuse("outer", a, b, c, ones=False), expected, rtol=1e-14)


@pytest.mark.parametrize("dims", [(3,), (2, 4), (3, 1, 2)])
def test_outer_writes_into_columns_of_a_wider_array(dims: tuple[int, ...]) -> None:
    blocks, known, made = random(*dims), schema(dims), strategy_class("outer")()
    width = len(made.columns(known))
    wide = np.full((6, width + 2), np.nan)
    made.fuse(Batch(blocks, np.ones(len(dims))), wide[:, 1:-1], {})
    np.testing.assert_array_equal(wide[:, 1:-1], fuse("outer", *blocks))
    assert np.isnan(wide[:, [0, -1]]).all()


def test_outer_s_kernel() -> None:
    blocks = random(3, 2, 4)
    fused = fuse("outer", *blocks, weights=[1, 2, 0.5])
    weighted = [w * block for w, block in zip([1, 2, 0.5], blocks, strict=True)]
    expected = np.prod([1 + block @ block.T for block in weighted], axis=0)
    np.testing.assert_allclose(fused @ fused.T, expected, rtol=1e-12)


def test_outer_s_names_are_its_factors() -> None:
    names = strategy_class("outer")().columns(schema([2, 1]))
    assert list(names) == ["1", "m1_0", "m0_0", "m0_0*m1_0", "m0_1", "m0_1*m1_0"]
    names = strategy_class("outer")(ones=False).columns(schema([2, 1]))
    assert list(names) == ["m0_0*m1_0", "m0_1*m1_0"]


def test_outer_refuses_to_be_too_wide() -> None:
    blocks = random(9, 9)
    assert fuse("outer", *blocks, max_columns=100).shape == (6, 100)
    with pytest.raises(ResourceError) as caught:
        fuse("outer", *blocks, max_columns=99)
    assert caught.value.exit_code == 6
    assert caught.value.message == "outer would have 10 x 10 = 100 columns, more than 99"
    assert caught.value.hint is not None
    assert "sketch" in caught.value.hint


# sketch


def count_sketch(x: Matrix, h: NDArray[Any], s: NDArray[Any], width: int) -> Matrix:
    sketch = np.zeros(width)
    for j, value in enumerate(x):
        sketch[h[j]] += s[j] * value
    return sketch


def convolved(a: Matrix, b: Matrix) -> Matrix:
    """Circular convolution by its definition."""
    out = np.zeros(len(a))
    for i, j in product(range(len(a)), repeat=2):
        out[(i + j) % len(a)] += a[i] * b[j]
    return out


@pytest.mark.parametrize("dims", [(4,), (3, 5), (20, 2, 7)])
@pytest.mark.parametrize("width", [1, 2, 7, 16])
def test_sketch_by_definition(dims: tuple[int, ...], width: int) -> None:
    blocks = random(*dims)
    learned = strategy_class("sketch")(n_components=width, seed=3).solve(schema(dims))
    fused = fuse("sketch", *blocks, n_components=width, seed=3)
    rooted = fuse("sketch", *blocks, n_components=width, seed=3, signed_sqrt=True)
    for i in range(len(fused)):
        sketches = [
            count_sketch(block[i], learned[f"h_{m}"], learned[f"s_{m}"], width)
            for m, block in enumerate(blocks)
        ]
        expected = reduce(convolved, sketches)
        np.testing.assert_allclose(fused[i], expected, rtol=1e-10, atol=1e-12)
        root = np.sign(expected) * np.sqrt(np.abs(expected))
        np.testing.assert_allclose(rooted[i], root / np.sqrt((root**2).sum()), atol=1e-5)


def test_sketch_of_a_zero_row() -> None:
    blocks = random(3, 4)
    blocks[0][2] = 0
    fused = fuse("sketch", *blocks, signed_sqrt=True)
    assert not fused[2].any()
    np.testing.assert_allclose(np.linalg.norm(np.delete(fused, 2, 0), axis=1), 1, rtol=1e-12)


# both random strategies


def expectation(
    strategy: str, kernel: Callable[[Matrix], Matrix], dims: Sequence[int], width: int
) -> None:
    """E⟨z, z'⟩ over seeds is the product of kernels, within five standard errors."""
    rng = np.random.default_rng(1)
    blocks = [np.abs(rng.normal(size=(3, dim))) / np.sqrt(dim) for dim in dims]
    known, batch = schema(dims), Batch(blocks, np.ones(len(dims)))
    products = []
    for seed in range(800):
        made = strategy_class(strategy)(n_components=width, seed=seed)
        z = np.empty((3, width))
        Fusion(known, ((),) * len(dims), made, made.solve(known)).fuse(batch, z)
        products.append(z @ z.T)
    sample = np.array(products)
    expected = np.prod([kernel(block @ block.T) for block in blocks], axis=0)
    error = sample.std(axis=0, ddof=1) / np.sqrt(len(sample))
    assert (np.abs(sample.mean(axis=0) - expected) < 5 * error + 1e-9).all()
    assert (error < 0.1 * expected).all()  # sharp enough to tell a wrong formula


@pytest.mark.parametrize("dims", [(6, 5), (4, 3, 5)])
def test_sketch_s_expectation(dims: tuple[int, ...]) -> None:
    expectation("sketch", lambda inner: inner, dims, 16)


@pytest.mark.parametrize("dims", [(6, 5), (4, 3, 5)])
def test_random_lowrank_s_expectation(dims: tuple[int, ...]) -> None:
    expectation("random-lowrank", lambda inner: 1 + inner, dims, 16)


@pytest.mark.parametrize("dims", [(4,), (3, 50), (20, 2, 7)])
def test_random_lowrank_by_definition(dims: tuple[int, ...]) -> None:
    blocks, width = random(*dims), 9
    learned = strategy_class("random-lowrank")(n_components=width, seed=3).solve(schema(dims))
    fused = fuse("random-lowrank", *blocks, n_components=width, seed=3)
    assert {value for r in learned.values() for value in np.unique(r).tolist()} == {-1, 1}
    for i, k in product(range(6), range(width)):
        factors = [np.r_[1, block[i]] @ learned[f"r_{m}"][:, k] for m, block in enumerate(blocks)]
        np.testing.assert_allclose(fused[i, k], np.prod(factors) / np.sqrt(width), rtol=1e-9)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-30, 1e30, 1e200])
def test_random_lowrank_at_any_scale(scale: float) -> None:
    (block,) = random(40)
    (r,) = strategy_class("random-lowrank")(n_components=4).solve(schema([40])).values()
    fused = fuse("random-lowrank", block * scale, n_components=4)
    np.testing.assert_allclose(fused, (r[0] + (block * scale) @ r[1:]) / 2, rtol=1e-9)


@pytest.mark.parametrize("dim", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        *(("float32", scale) for scale in (1e-42, 1.0, 1e30)),
        *(("float64", scale) for scale in (1e-320, 1.0, 1e300)),
    ],
)
def test_random_lowrank_s_sums_are_exact(dim: int, dtype: str, scale: float) -> None:
    # exact: the same in any order, so from the last column to the first too
    block = (random(dim)[0] * scale).astype(dtype)
    block[1] = 0
    rounded = _on_a_grid(block)
    sign = np.resize([1.0, 1, -1], dim)
    forwards, backwards = np.add.accumulate(rounded * sign, axis=1)[:, -1], rounded[:, ::-1]
    np.testing.assert_array_equal(
        np.add.accumulate(backwards * sign[::-1], axis=1)[:, -1], forwards
    )
    np.testing.assert_allclose(
        rounded, block, rtol=0, atol=4 * dim * np.spacing(np.abs(rounded).max())
    )


@pytest.mark.parametrize("strategy", ["sketch", "random-lowrank"])
def test_seeds(strategy: str) -> None:
    blocks = random(5, 4)
    one, again, other = (fuse(strategy, *blocks, n_components=8, seed=s) for s in (1, 1, 2))
    assert one.tobytes() == again.tobytes()
    assert not np.isclose(one, other).all(axis=1).any()
    assert one.tobytes() != fuse(strategy, *blocks, n_components=8).tobytes()


@pytest.mark.parametrize("strategy", ["sketch", "random-lowrank"])
def test_modalities_are_drawn_independently(strategy: str) -> None:
    learned = strategy_class(strategy)().solve(schema([300, 300]))
    drawn = [name for name in learned if name in ("h_0", "s_0", "r_0")]
    assert drawn
    for one, other in ((name, name.replace("_0", "_1")) for name in drawn):
        assert abs(np.corrcoef(learned[one].ravel(), learned[other].ravel())[0, 1]) < 0.3
