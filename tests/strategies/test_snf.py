"""`snf` against snfpy, against its formula with loops, and by what clustering makes of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import snf
import snf.datasets
from numpy.typing import NDArray
from sklearn.cluster import KMeans, spectral_clustering
from sklearn.manifold import spectral_embedding
from sklearn.metrics import v_measure_score

import mmfuse
from mmfuse.core.batch import Batch
from mmfuse.core.networks import affinity, distances, embedding, fused
from mmfuse.core.schema import Modality, Schema
from mmfuse.errors import InputError, ResourceError, UsageError
from mmfuse.strategies.snf import Snf

Matrix = NDArray[np.float64]


@pytest.fixture(autouse=True)
def _unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """snfpy calls scikit-learn's check of arrays with an argument it has no more."""
    monkeypatch.setattr(snf.compute, "check_array", lambda x, **_: np.array(x, float))


@pytest.fixture(scope="module")
def digits() -> Any:
    """200 handwritten digits each of three kinds, in four modalities; with labels."""
    return snf.datasets.load_digits()


def two(rows: int = 30, seed: int = 0) -> list[Matrix]:
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(rows, dim)) for dim in (4, 3)]


def fuse(*blocks: Matrix, **options: Any) -> Matrix:
    names = {f"m{k}": block for k, block in enumerate(blocks)}
    found = mmfuse.fuse("snf", names, options=options, dtype="float64").matrix
    assert found is not None
    return found


def network(blocks: Sequence[Matrix], k: int, mu: float, t: int) -> Matrix:
    return fused([affinity(block, k, mu) for block in blocks], k, t)


def loops(blocks: Sequence[Matrix], k: int, mu: float, t: int) -> Matrix:
    """The fused network by the paper's formulas, number by number."""
    n, m = len(blocks[0]), len(blocks)
    p, s = [], []
    for x in blocks:
        rho = np.array([[np.sqrt(sum((a - b) ** 2)) for b in x] for a in x])
        near = [np.mean(sorted(np.delete(rho[i], i))[:k]) for i in range(n)]
        w = np.empty((n, n))
        for i in range(n):
            for j in range(n):
                sigma = mu * (near[i] + near[j] + rho[i, j]) / 3
                w[i, j] = np.exp(-((rho[i, j] / sigma) ** 2) / 2) / sigma
        w /= w.sum(axis=1, keepdims=True)
        w = (w + w.T) / 2
        local = np.zeros((n, n))
        for i in range(n):
            nearest = np.argsort(w[i])[-k:]
            local[i, nearest] = w[i, nearest] / w[i, nearest].sum()
        p.append(w)
        s.append(local)
    for _ in range(t):
        total = sum(p)
        p = [s[v] @ ((total - p[v]) / (m - 1)) @ s[v].T + np.eye(n) for v in range(m)]
    w = sum(p) / m
    w = w / w.sum(axis=1, keepdims=True)
    found: Matrix = (w + w.T + np.eye(n)) / 2
    return found


@pytest.mark.parametrize(("k", "mu", "t"), [(5, 0.5, 4), (1, 0.3, 1), (24, 0.8, 3), (7, 0.5, 0)])
def test_the_network_by_its_formula(k: int, mu: float, t: int) -> None:
    blocks = [*two(25), two(25, seed=1)[0]]
    np.testing.assert_allclose(network(blocks, k, mu, t), loops(blocks, k, mu, t), rtol=1e-9)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_the_network_is_snfpy_s(digits: Any, count: int) -> None:
    affinities = snf.compute.make_affinity(digits.data[:count], metric="euclidean", K=20, mu=0.5)
    expected = snf.compute.snf(affinities, K=20, t=20)
    scored = [zscore(x) for x in digits.data[:count]]
    np.testing.assert_allclose(network(scored, 20, 0.5, 20), expected, rtol=1e-10, atol=1e-14)


def zscore(x: Matrix) -> Matrix:
    spread = x.std(axis=0)
    scored: Matrix = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return scored


def test_digits_are_clustered_as_published(digits: Any) -> None:
    modalities = {f"m{k}": x for k, x in enumerate(digits.data)}
    matrix = mmfuse.fuse("snf", modalities, normalize="zscore", options={"n_components": 2}).matrix
    found = KMeans(3, n_init=10, random_state=0).fit_predict(matrix)
    w = network([zscore(x) for x in digits.data], 20, 0.5, 20)
    expected = spectral_clustering(w, n_clusters=3, random_state=0)
    assert v_measure_score(found, expected) == pytest.approx(1)
    assert round(v_measure_score(found, digits.labels), 4) == 0.9734  # snfpy's README


def test_the_embedding_is_scikit_learn_s() -> None:
    w = network(two(60), 10, 0.5, 5)
    expected = spectral_embedding(w, n_components=6, drop_first=False, random_state=0)
    found = fuse(*two(60), n_components=5, neighbors=10, iterations=5)
    assert np.ptp(expected[:, 0]) < 1e-9  # the constant one that is left out
    largest = np.abs(found).argmax(axis=0)
    assert (found[largest, range(5)] > 0).all()
    signs = np.sign((expected[:, 1:] * found).sum(axis=0))
    np.testing.assert_allclose(found, expected[:, 1:] * signs, rtol=1e-7, atol=1e-9)


def test_the_embedding_solves_its_equation() -> None:
    w = network(two(), 8, 0.5, 5)
    np.fill_diagonal(w, 0)
    degree = w.sum(axis=1)
    y = embedding(w.copy(), 29)  # all there are
    # of (D − W) y = λ D y
    values = ((y.T @ (np.diag(degree) - w)) * y.T).sum(axis=1)
    np.testing.assert_allclose((np.diag(degree) - w) @ y, degree[:, None] * y * values, atol=1e-12)
    np.testing.assert_allclose(y.T @ (degree[:, None] * y), np.eye(29), atol=1e-12)
    np.testing.assert_allclose(degree @ y, 0, atol=1e-12)
    assert (np.diff(values) > -1e-12).all()


def test_clusters_that_hardly_touch_are_told_apart() -> None:
    rng = np.random.default_rng(3)
    label = np.repeat(np.arange(4), 15)
    blocks = [1e4 * np.eye(4)[label] + rng.normal(size=(60, 4)) for _ in range(2)]
    found = fuse(*blocks, n_components=3, neighbors=10, mu=0.1)
    centres = np.array([found[label == k].mean(axis=0) for k in range(4)])
    apart = np.linalg.norm(found[:, None] - centres, axis=2)
    assert apart.argmin(axis=1).tolist() == label.tolist()
    assert np.sort(apart, axis=1)[:, 0].max() < 1e-4 * np.sort(apart, axis=1)[:, 1].min()


def test_equal_rows_are_all_neighbours() -> None:
    blocks = two(40)
    blocks[1][10:30] = 0  # as rows that lack a modality
    w = network(blocks, 5, 0.5, 10)
    assert np.isfinite(w).all()
    rng = np.random.default_rng(4)
    order = rng.permutation(40)
    moved = network([block[order] for block in blocks], 5, 0.5, 10)
    np.testing.assert_allclose(moved, w[np.ix_(order, order)], rtol=1e-9)
    same = np.ones((40, 2))
    flat = network([blocks[0], same], 5, 0.5, 10)
    assert np.isfinite(flat).all()


def test_distances() -> None:
    x = two(20)[0]
    x[3] = x[17]
    found = distances(x)
    expected = np.linalg.norm(x[:, None] - x, axis=2)
    np.testing.assert_allclose(found, expected / expected.mean(), rtol=1e-12)
    assert found[3, 17] == 0
    assert (found == found.T).all()
    assert not distances(np.ones((4, 2))).any()
    np.testing.assert_allclose(distances(x * 1e200), found, rtol=1e-12)
    np.testing.assert_allclose(distances(x * 1e-200), found, rtol=1e-12)


def test_scales_of_modalities_do_not_matter() -> None:
    a, b = two()
    plain = fuse(a, b, n_components=3)
    np.testing.assert_allclose(fuse(a * 1e6, b * 1e-6, n_components=3), plain, atol=1e-9)


def test_the_order_of_rows_and_modalities() -> None:
    a, b = two()
    plain = fuse(a, b, n_components=3)
    order = np.random.default_rng(5).permutation(len(a))
    np.testing.assert_allclose(fuse(a[order], b[order], n_components=3), plain[order], atol=1e-10)
    np.testing.assert_allclose(fuse(b, a, n_components=3), plain, atol=1e-10)
    assert fuse(a, b, n_components=3).tobytes() == plain.tobytes()


def test_names() -> None:
    known = Schema((Modality("a", ("0",)), Modality("b", ("0",))))
    assert list(Snf(n_components=2).columns(known)) == ["snf_0", "snf_1"]


def test_too_few_rows() -> None:
    blocks = two(10)
    assert fuse(*blocks, neighbors=9, n_components=9).shape == (10, 9)
    with pytest.raises(InputError, match="20 neighbours a row, and 10 rows have 9") as caught:
        fuse(*blocks)
    assert caught.value.hint is not None
    assert "--neighbors 9" in caught.value.hint
    with pytest.raises(InputError, match="10 columns, and 10 rows have 9"):
        fuse(*blocks, neighbors=5)


def test_it_works_in_memory_and_says_so() -> None:
    blocks = dict(zip("ab", two(500), strict=True))
    with pytest.raises(ResourceError, match="holds all 500 rows in memory") as caught:
        mmfuse.fuse("snf", blocks, memory=8 << 20)
    assert caught.value.exit_code == 6
    with pytest.raises(UsageError):
        mmfuse.fit("snf", blocks, "model.mmf")


def test_values_that_are_not_finite() -> None:
    a, b = two()
    a[3, 1] = np.nan
    with pytest.raises(InputError, match="1 value is NaN"):
        fuse(a, b)
    with pytest.raises(UsageError, match="--nan keep lets values pass"):
        mmfuse.fuse("snf", {"a": a, "b": b}, nan="keep")


def test_one_row_of_nan_would_make_all_rows_nan() -> None:
    a, b = two()
    ids = np.arange(len(a))
    with pytest.raises(UsageError, match="--missing nan would make every row NaN"):
        mmfuse.fuse("snf", {"a": (a, ids), "b": (b, ids + 1)}, join="outer", missing="nan")


@pytest.mark.parametrize("count", [2, 5])
def test_the_memory_it_asks_for(count: int) -> None:
    import tracemalloc

    rows = 400
    rng = np.random.default_rng(6)
    blocks = [rng.normal(size=(rows, 8)) for _ in range(count)]
    known = Schema(tuple(Modality(f"m{m}", tuple("01234567")) for m in range(count)))
    made, out = Snf(iterations=2), np.empty((rows, 10))
    batch = Batch(blocks, np.ones(count))
    tracemalloc.start()
    try:
        made.fuse(batch, out, {})
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    asked = made.workspace(rows, known)
    assert most < asked < 3 * most


def test_one_that_says_nothing_of_memory_is_given_what_the_rows_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    before = mmfuse.fuse("snf", {"x": x, "y": x[::-1]}).matrix
    monkeypatch.delattr(Snf, "workspace")
    after = mmfuse.fuse("snf", {"x": x, "y": x[::-1]}).matrix
    assert before is not None
    assert after is not None
    assert before.tobytes() == after.tobytes()
