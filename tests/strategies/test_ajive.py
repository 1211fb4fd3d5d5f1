"""`ajive` against its definition: matrices of rows decomposed, where it has covariances only."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

import mmfuse
from mmfuse.core import joint_rank
from mmfuse.core.joint_rank import Signal, joint_bound, triangle
from mmfuse.core.ranks import rank_option
from mmfuse.core.schema import Modality, Schema
from mmfuse.errors import InputError, UsageError
from mmfuse.strategies.ajive import Ajive

Matrix = NDArray[np.float64]
Parts = dict[str, Matrix]


def fuse(blocks: Sequence[Matrix], **options: Any) -> mmfuse.Fused:
    named = {f"m{k}": block for k, block in enumerate(blocks)}
    return mmfuse.fuse("ajive", named, options=options, dtype="float64", threads=1)


def parts(fused: mmfuse.Fused) -> Parts:
    """The columns by what they are named after, scaled to a norm of 1: `joint`, `m0`, …"""
    assert fused.matrix is not None
    scores = fused.matrix / np.sqrt(len(fused.matrix))
    kinds = [name.rpartition("_")[0].removesuffix("_individual") for name in fused.columns]
    found = {kind: scores[:, [k == kind for k in kinds]] for kind in ["joint", *kinds]}
    for name, (start, stop) in fused.summary.slices.items():
        assert (found[name] == scores[:, start:stop]).all()
    return found


def projection(scores: Matrix) -> Matrix:
    q = np.linalg.qr(scores)[0]
    return q @ q.T


def by_definition(blocks: Sequence[Matrix], ranks: Sequence[int], joint: int) -> list[Matrix]:
    """Projections on the joint space and on the individual ones, from the matrices themselves."""
    centred = [x - x.mean(axis=0) for x in blocks]
    decomposed = [np.linalg.svd(x, full_matrices=False) for x in centred]
    common = np.hstack([u[:, :r] for (u, _, _), r in zip(decomposed, ranks, strict=True)])
    j = np.linalg.svd(common, full_matrices=False)[0][:, :joint]
    found = [j @ j.T]
    for x, (_, d, _), r in zip(centred, decomposed, ranks, strict=True):
        u, own, _ = np.linalg.svd(x - j @ (j.T @ x), full_matrices=False)
        u = u[:, own > (d[r - 1] + d[r]) / 2]
        found.append(u @ u.T)
    return found


def simulated(
    n: int, dims: Sequence[int], joint: int, individual: Sequence[int], noise: float, seed: int = 0
) -> tuple[list[Matrix], Matrix, list[Matrix]]:
    """Modalities with a joint part and individual ones, and the scores of each, their means 0."""
    rng = np.random.default_rng(seed)

    def scores(k: int) -> Matrix:
        drawn = rng.normal(size=(n, k))
        return drawn - drawn.mean(axis=0)

    shared, alone = scores(joint), [scores(k) for k in individual]
    blocks = [
        shared @ rng.normal(size=(joint, d))
        + own @ rng.normal(size=(own.shape[1], d))
        + noise * rng.normal(size=(n, d))
        + rng.normal(size=d)
        for d, own in zip(dims, alone, strict=True)
    ]
    return blocks, shared, alone


@pytest.mark.parametrize(
    ("n", "dims", "joint", "individual"),
    [(200, (12, 15, 9), 2, (3, 1, 2)), (60, (80, 100), 1, (2, 1)), (90, (30, 20), 3, (2, 0))],
)
@pytest.mark.parametrize("noise", [0.05, 0.5])
def test_the_definition(
    n: int, dims: tuple[int, ...], joint: int, individual: tuple[int, ...], noise: float
) -> None:
    blocks, _, _ = simulated(n, dims, joint, individual, noise)
    ranks = [joint + k for k in individual]
    found = parts(fuse(blocks, n_components=joint, signal_rank=ranks))
    expected = by_definition(blocks, ranks, joint)
    for kind, space in zip(["joint", *(f"m{m}" for m in range(len(dims)))], expected, strict=True):
        scores = found.get(kind, np.zeros((n, 0)))
        np.testing.assert_allclose(scores @ scores.T, space, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_without_noise_the_spaces_are_those_they_were_made_of(seed: int) -> None:
    blocks, shared, alone = simulated(150, (20, 30, 25), 2, (3, 2, 1), 0, seed)
    fused = fuse(blocks)
    found = parts(fused)
    np.testing.assert_allclose(projection(found["joint"]), projection(shared), atol=1e-8)
    for m, own in enumerate(alone):
        # what is individual is told but for what it has of the joint space
        rest = own - projection(shared) @ own
        np.testing.assert_allclose(projection(found[f"m{m}"]), projection(rest), atol=1e-8)
        centred = blocks[m] - blocks[m].mean(axis=0)
        both = np.hstack([found["joint"], found[f"m{m}"]])
        np.testing.assert_allclose(both @ (both.T @ centred), centred, atol=1e-8)


@given(
    st.integers(30, 80),
    st.lists(st.tuples(st.integers(8, 40), st.integers(1, 3)), min_size=2, max_size=4),
    st.integers(1, 3),
    st.floats(0.01, 1),
    st.integers(0, 99),
)
@settings(deadline=None, max_examples=25)
def test_columns_are_uncorrelated_and_of_variance_1(
    n: int, shapes: list[tuple[int, int]], joint: int, noise: float, seed: int
) -> None:
    dims, individual = zip(*shapes, strict=True)
    blocks, _, _ = simulated(n, dims, joint, individual, noise, seed)
    fused = fuse(blocks, n_components=joint)
    assert fused.matrix is not None
    np.testing.assert_allclose(fused.matrix.mean(axis=0), 0, atol=1e-9)
    found = parts(fused)
    for kind, scores in found.items():
        np.testing.assert_allclose(scores.T @ scores, np.eye(scores.shape[1]), atol=1e-8)
        if kind != "joint":
            np.testing.assert_allclose(found["joint"].T @ scores, 0, atol=1e-8)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("n", "dims", "joint", "individual", "noise"),
    [
        (100, (100, 400), 1, (1, 2), 0.5),  # as in the paper: more columns than rows
        (400, (30, 40, 20), 2, (3, 1, 2), 0.3),
        (200, (30, 40), 0, (2, 2), 0.3),
        (200, (30, 40), 2, (0, 0), 0.3),
    ],
)
def test_auto_finds_the_ranks(
    n: int, dims: Any, joint: int, individual: Any, noise: float, seed: int
) -> None:
    blocks, _, _ = simulated(n, dims, joint, individual, noise, seed)
    fused = fuse(blocks, seed=seed)
    widths = {kind: scores.shape[1] for kind, scores in parts(fused).items()}
    expected = {"joint": joint} | {f"m{m}": k for m, k in enumerate(individual)}
    assert {**dict.fromkeys(expected, 0), **widths} == expected


def test_a_direction_that_is_weak_in_one_modality_is_not_joint() -> None:
    rng = np.random.default_rng(0)
    blocks, shared, _ = simulated(300, (20, 20), 1, (2, 2), 0.1)
    weak = rng.normal(size=(300, 1))
    blocks[0] += weak @ rng.normal(size=(1, 20))
    blocks[1] += 0.003 * weak @ rng.normal(size=(1, 20))
    found = parts(fuse(blocks))
    assert found["joint"].shape[1] == 1
    assert np.abs(np.corrcoef(found["joint"][:, 0], shared[:, 0])[0, 1]) > 0.99


def test_names_ranks_and_slices() -> None:
    known = Schema((Modality("a", tuple("0123")), Modality("b", tuple("01"))))
    made = Ajive(n_components=1, individual="2,1")
    names = ["joint_0", "a_individual_0", "a_individual_1", "b_individual_0"]
    assert list(made.columns(known)) == names
    assert dict(made.slices(known)) == {"a": (1, 3), "b": (3, 4)}
    assert dict(Ajive(n_components=1, individual=(0, 1)).slices(known)) == {"b": (1, 2)}
    assert len(Ajive().columns(known)) == 2 + 4 + 2  # the most there can be
    for wrong in ({"individual": "1,2,3"}, {"n_components": 3}, {"individual": (2, 3)}):
        with pytest.raises(UsageError):
            Ajive(**wrong).columns(known)
    with pytest.raises(UsageError, match="no columns"):
        Ajive(n_components=0, individual=0).columns(known)


@pytest.mark.parametrize("given_as", ["auto", 3, "3", "3,2", [3, 2], (3, 2), np.int64(3)])
def test_ranks(given_as: Any) -> None:
    convert = rank_option("--r", "Help.").convert
    assert convert is not None
    several = given_as in ("3,2", [3, 2], (3, 2)) if not isinstance(given_as, np.integer) else False
    expected = "auto" if given_as == "auto" else (3, 2) if several else 3
    assert convert(given_as) == expected
    assert convert(expected) == expected


@pytest.mark.parametrize("wrong", ["", "x", "1.5", -1, 0.5, True, "1,", [1, "2"], [], None])
def test_no_ranks(wrong: Any) -> None:
    convert = rank_option("--r", "Help.").convert
    assert convert is not None
    with pytest.raises(UsageError, match="--r is"):
        convert(wrong)


def test_ranks_that_the_rows_do_not_have() -> None:
    blocks, _, _ = simulated(100, (12, 10), 1, (2, 1), 0)
    with pytest.raises(InputError, match="signal of m1: a rank of 3 is asked for, and these rows"):
        fuse(blocks, signal_rank=3)
    with pytest.raises(InputError, match=r"individual columns of m0: .* have 2 at most") as caught:
        fuse(blocks, n_components=1, individual=3)
    assert caught.value.hint is not None
    assert "--individual 2 or auto, which is 2 here" in caught.value.hint
    with pytest.raises(InputError, match="joint columns: a rank of 3 is asked for"):
        fuse(blocks, n_components=3, signal_rank=2)
    with pytest.raises(InputError, match="m1 has no signal"):
        fuse([blocks[0], np.ones((100, 3))])


def test_a_weight_multiplies_individual_columns() -> None:
    blocks, _, _ = simulated(100, (12, 10), 1, (2, 1), 0.1)
    named = {"a": blocks[0], "b": blocks[1]}
    plain, weighted = (
        mmfuse.fuse("ajive", named, weight=weight, dtype="float64") for weight in (None, {"a": 3})
    )
    assert plain.matrix is not None
    factor = [3 if name.startswith("a_") else 1 for name in plain.columns]
    assert weighted.matrix is not None
    signs = np.sign((plain.matrix * weighted.matrix).sum(axis=0))  # of the largest weight
    np.testing.assert_allclose(weighted.matrix, plain.matrix * factor * signs, atol=1e-9)


def test_new_rows_are_fused_by_what_was_learned(tmp_path: Any) -> None:
    blocks, _, _ = simulated(300, (12, 10), 2, (2, 1), 0.1)
    first = {f"m{m}": (x[:200], np.arange(200)) for m, x in enumerate(blocks)}
    rest = {f"m{m}": (x[200:], np.arange(200, 300)) for m, x in enumerate(blocks)}
    mmfuse.fit("ajive", first, tmp_path / "m.mmf")
    fused = mmfuse.fuse("ajive", first)
    again = mmfuse.apply(tmp_path / "m.mmf", first)
    assert again.matrix is not None
    assert fused.matrix is not None
    assert again.matrix.tobytes() == fused.matrix.tobytes()
    new = mmfuse.apply(tmp_path / "m.mmf", rest).matrix
    assert new is not None
    assert new.shape == (100, len(fused.columns))
    np.testing.assert_allclose(new.std(axis=0), 1, atol=0.35)


# the bounds


def quantiles(draw: Callable[[int], float], count: int = 400) -> Matrix:
    found: Matrix = np.percentile([draw(k) for k in range(count)], [10, 50, 90])
    return found


@pytest.mark.parametrize(("n", "p"), [(40, 5), (6, 5), (5, 5), (4, 6), (3000, 4)])
def test_triangles_are_those_of_normal_numbers(n: int, p: int) -> None:
    rng = np.random.default_rng(0)
    shape = triangle(0, 0, n, p).shape
    assert shape == (min(n, p), p)
    ours = quantiles(lambda k: float(np.linalg.norm(triangle(1, k, n, p), 2)))
    theirs = quantiles(lambda _: float(np.linalg.norm(rng.normal(size=(n, p)), 2)))
    np.testing.assert_allclose(ours, theirs, rtol=0.08)


def test_the_diagonal_is_chi() -> None:
    drawn = np.array([triangle(2, k, 12, 4)[range(4), range(4)] for k in range(2000)])
    for j in range(4):
        assert stats.kstest(drawn[:, j], stats.chi(12 - j).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("n", "dim", "rank"), [(60, 30, 4), (25, 40, 6)])
def test_wedin_s_bound_by_its_definition(n: int, dim: int, rank: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, rank)) @ rng.normal(size=(rank, dim)) + rng.normal(size=(n, dim))
    u, d, vt = np.linalg.svd(x, full_matrices=False)

    def drawn(_: int) -> float:
        norms = []
        for matrix, basis in ((x.T, u[:, :rank]), (x, vt[:rank].T)):
            beside = rng.normal(size=basis.shape)
            beside -= basis @ (basis.T @ beside)
            norms.append(np.linalg.norm(matrix @ np.linalg.qr(beside)[0], 2))
        return float(min(max(norms) / d[rank - 1], 1))

    ours = np.percentile(joint_rank._perturbation(Signal(d, rank, dim), n, 0, 1), [10, 50, 90])
    np.testing.assert_allclose(ours, quantiles(drawn), rtol=0.05)


def test_random_subspaces_by_their_definition() -> None:
    rng = np.random.default_rng(2)
    n, ranks = 50, (3, 5, 2)

    def drawn(_: int) -> float:
        bases = [np.linalg.qr(rng.normal(size=(n, r)))[0] for r in ranks]
        return float(np.linalg.norm(np.hstack(bases), 2) ** 2)

    ours = np.percentile(joint_rank._between_random(ranks, n, 0), [10, 50, 90])
    np.testing.assert_allclose(ours, quantiles(drawn), rtol=0.05)


def test_the_bound_is_the_larger_one() -> None:
    clear = Signal(np.array([9.0, 0.1]), 1, 20)
    weak = Signal(np.array([9.0] + 15 * [8.9]), 1, 20)
    assert joint_bound([clear, clear], 1000, 0) > 1.99  # by Wedin: all but no noise
    chance = np.percentile(joint_rank._between_random([1, 1], 1000, 0), 95)
    assert joint_bound([weak, weak], 1000, 0) == pytest.approx(chance, rel=1e-5)
    assert joint_bound([weak, weak], 1000, 0) == joint_bound([weak, weak], 1000, 0)
    assert joint_bound([weak, weak], 1000, 0) != joint_bound([weak, weak], 1000, 1)
