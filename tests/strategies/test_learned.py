"""Learned strategies against other libraries, published numbers and their own definitions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cca_zoo.linear as zoo
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import eigh
from sklearn.cross_decomposition import PLSSVD, PLSCanonical
from sklearn.datasets import load_iris, load_linnerud
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from statsmodels.multivariate.cancorr import CanCorr

import mmfuse
from mmfuse.errors import InputError, UsageError

Matrix = NDArray[np.float64]
SAMPLE = Path(__file__).parents[2] / "sample_data"


def fuse(strategy: str, *blocks: Any, **more: Any) -> mmfuse.Fused:
    """Through the public function, in float64; options by their names."""
    how = {k: more.pop(k) for k in list(more) if k in ("normalize", "weight", "labels", "join")}
    names = [f"m{k}" for k in range(len(blocks))]
    modalities = dict(zip(names, blocks, strict=True))
    return mmfuse.fuse(strategy, modalities, options=more, dtype="float64", threads=1, **how)


def matrix(*given: Any, **more: Any) -> Matrix:
    found = fuse(*given, **more).matrix
    assert found is not None
    return found


def learned(strategy: str, *blocks: Any, **more: Any) -> Mapping[str, Matrix]:
    how = {k: more.pop(k) for k in list(more) if k in ("normalize", "weight", "labels", "join")}
    modalities = {f"m{k}": block for k, block in enumerate(blocks)}
    model = mmfuse.fit(strategy, modalities, options=more, dtype="float64", threads=1, **how).model
    assert model is not None
    assert model.fusion.learned is not None
    return model.fusion.learned


def up_to_sign(a: Matrix, b: Matrix) -> Matrix:
    """The columns of `a` with the signs of those of `b`."""
    return a * np.sign((a * b).sum(axis=0))


def sample(*names: str) -> list[Matrix]:
    """Modalities of the sample data, their rows aligned."""
    paths = {name: next(SAMPLE.glob(f"{name}.[!i]*")) for name in names}
    fused = mmfuse.fuse("concat", {n: str(p) for n, p in paths.items()}, dtype="float64")
    assert fused.matrix is not None
    return [fused.matrix[:, slice(*fused.summary.slices[name])] for name in names]


def correlated(dims: Sequence[int], n: int = 300, seed: int = 0) -> list[Matrix]:
    """Modalities that have three hidden variables in common, off centre and of several scales."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n, 3))
    return [
        (hidden @ rng.normal(size=(3, d)) + rng.normal(size=(n, d))) * 2.0**k + 5 * k
        for k, d in enumerate(dims)
    ]


# --- pca, mfa ---------------------------------------------------------------------------------


def test_pca_is_that_of_scikit_learn():
    x, y = sample("karhunen", "fourier")
    ours = matrix("pca", x, y, normalize="zscore", n_components=20)
    joined = np.hstack([(b - b.mean(0)) / b.std(0) for b in (x, y)])
    theirs = PCA(20, svd_solver="full").fit(joined)
    np.testing.assert_allclose(
        up_to_sign(ours, theirs.transform(joined)), theirs.transform(joined), atol=1e-8
    )
    spectrum = learned("pca", x, y, normalize="zscore", n_components=20)["spectrum"]
    np.testing.assert_allclose(spectrum[:20], theirs.explained_variance_, rtol=1e-10)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.999])
def test_a_share_of_variance_takes_as_many_components_as_in_scikit_learn(share):
    (x,) = sample("karhunen")
    assert matrix("pca", x, n_components=share).shape[1] == PCA(share).fit(x).n_components_


def test_auto_finds_the_rank_below_the_noise():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 4)) @ rng.normal(size=(4, 30)) * 3 + rng.normal(size=(500, 30))
    assert matrix("pca", x).shape[1] == 4


def test_mfa_is_pca_of_modalities_divided_by_their_first_singular_value():
    blocks = correlated([5, 12])
    centred = [b - b.mean(0) for b in blocks]
    n = len(blocks[0])
    scaled = [b / (np.linalg.svd(b, compute_uv=False)[0] / np.sqrt(n - 1)) for b in centred]
    theirs = PCA(4, svd_solver="full").fit_transform(np.hstack(scaled))
    ours = matrix("mfa", *blocks, n_components=4)
    np.testing.assert_allclose(up_to_sign(ours, theirs), theirs, atol=1e-10)
    weighted = matrix("mfa", *blocks, n_components=4, weight={"m1": 3})
    theirs = PCA(4, svd_solver="full").fit_transform(np.hstack([scaled[0], 3 * scaled[1]]))
    np.testing.assert_allclose(up_to_sign(weighted, theirs), theirs, atol=1e-10)


def test_mfa_does_not_see_the_unit_of_a_modality():
    x, y = correlated([5, 12])
    plain, other = (matrix("mfa", x, y * f, n_components=3) for f in (1, 1e6))
    np.testing.assert_allclose(up_to_sign(other, plain), plain, atol=1e-9)


# --- cca --------------------------------------------------------------------------------------

# of MATLAB's canoncorr for these data, as the tests of mvlearn carry them
CANONCORR = [1.000000000000000, 0.533992991387982, 0.355995327591988]
# of the exercise data of A. C. Linnerud, as in many textbooks
LINNERUD = [0.795608, 0.200556, 0.072570]


def test_canonical_correlations_of_canoncorr():
    eye = np.eye(3)
    x, y = np.vstack([eye, 2 * eye]), np.vstack([np.fliplr(eye), 0.1 * eye])
    np.testing.assert_allclose(learned("cca", x, y)["spectrum"], CANONCORR, atol=1e-12)


def test_canonical_correlations_of_the_linnerud_data():
    exercise, body = load_linnerud(return_X_y=True)
    np.testing.assert_allclose(learned("cca", exercise, body)["spectrum"], LINNERUD, atol=5e-7)


def test_cca_is_that_of_statsmodels():
    x, y = sample("fourier", "karhunen")
    np.testing.assert_allclose(learned("cca", x, y)["spectrum"], CanCorr(x, y).cancorr, atol=1e-9)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_cca_is_that_of_cca_zoo(shrinkage):
    x, y = sample("fourier", "karhunen")
    model = zoo.RidgeCCA(n_components=6, shrinkage=shrinkage).fit([x, y])
    ours = matrix("cca", x, y, n_components=6, shrinkage=shrinkage)
    for own, its in zip(np.split(ours, 2, axis=1), model.transform([x, y]), strict=True):
        # they are of one scale where nothing is shrunk
        scale = np.sqrt((its**2).sum(0) / (own**2).sum(0))
        np.testing.assert_allclose(up_to_sign(own, its) * scale, its, atol=1e-5 * np.abs(its).max())
        if not shrinkage:
            np.testing.assert_allclose(own.var(axis=0, ddof=1), 1, rtol=1e-9)


def test_cca_by_its_definition():
    x, y = correlated([4, 6])
    ours = matrix("cca", x, y, n_components=4)
    a, b = ours[:, :4], ours[:, 4:]
    rho = learned("cca", x, y, n_components=4)["spectrum"]
    np.testing.assert_allclose(np.cov(a.T), np.eye(4), atol=1e-10)
    np.testing.assert_allclose(np.cov(b.T), np.eye(4), atol=1e-10)
    np.testing.assert_allclose(np.cov(a.T, b.T)[:4, 4:], np.diag(rho), atol=1e-10)
    added = matrix("cca", x, y, n_components=4, combine="sum")
    np.testing.assert_allclose(added, a + b, atol=1e-10)


def test_cca_with_a_ridge_solves_its_eigenproblem():
    x, y = correlated([4, 6])
    s = np.cov(x.T, y.T)
    sx, sy, sxy = s[:4, :4] + 0.7 * np.eye(4), s[4:, 4:] + 0.7 * np.eye(6), s[:4, 4:]
    squares = eigh(sxy @ np.linalg.solve(sy, sxy.T), sx, eigvals_only=True)[::-1]
    found = learned("cca", x, y, ridge=0.7, n_components=4)
    a, b = found["weights_0"], found["weights_1"]
    np.testing.assert_allclose(a.T @ sx @ a, np.eye(4), atol=1e-10)
    np.testing.assert_allclose(b.T @ sy @ b, np.eye(4), atol=1e-10)
    np.testing.assert_allclose(a.T @ sxy @ b, np.diag(np.sqrt(squares[:4])), atol=1e-10)
    z = matrix("cca", x, y, ridge=0.7, n_components=4)
    rho = [np.corrcoef(z[:, k], z[:, 4 + k])[0, 1] for k in range(4)]
    np.testing.assert_allclose(found["spectrum"], rho, atol=1e-10)
    # regularised alike, mcca of two modalities finds the same
    other = matrix("mcca", x, y, ridge=0.7, n_components=4)
    np.testing.assert_allclose(up_to_sign(other, z), z, atol=1e-9)
    several = learned("mcca", x, y, ridge=0.7)["spectrum"]
    np.testing.assert_allclose(several, 1 + np.sqrt(squares[:4]), atol=1e-10)


@pytest.mark.parametrize("regular", [{"shrinkage": 0.1}, {"ridge": 2.0}])
def test_a_regularised_direction_without_variance_has_no_correlation(regular):
    x, y = correlated([6, 5])
    for extra in (x[:, :1] + x[:, 1:2], np.zeros((len(x), 1))):  # repeated, and constant
        found = learned("cca", np.hstack([x, extra]), np.hstack([y, y]), n_components=3, **regular)
        assert np.isfinite(found["spectrum"]).all()
        assert (found["spectrum"] <= 1).all()
        z = matrix("cca", np.hstack([x, extra]), np.hstack([y, y]), n_components=3, **regular)
        rho = [np.corrcoef(z[:, k], z[:, 3 + k])[0, 1] for k in range(3)]
        np.testing.assert_allclose(found["spectrum"][:3], rho, atol=1e-9)


def test_correlations_by_chance_are_not_kept():
    rng = np.random.default_rng(3)
    shared = rng.normal(size=(2000, 2))
    x, y = (np.hstack([shared, rng.normal(size=(2000, 40))]) for _ in range(2))
    assert matrix("cca", x, y, combine="sum").shape[1] == 2
    assert matrix("mcca", x, y, combine="sum").shape[1] == 2
    assert matrix("gcca", x, y).shape[1] == 2


@pytest.mark.parametrize("strategy", ["cca", "mcca", "gcca"])
@pytest.mark.parametrize("regular", [{}, {"shrinkage": 0.5}, {"ridge": 1.0}])
def test_a_modality_of_its_own_is_nothing_in_common(strategy, regular):
    rng = np.random.default_rng(4)
    alone = [rng.normal(size=(5000, 2)) @ rng.normal(size=(2, 10)) for _ in range(2)]
    x, y = (b + 0.5 * rng.normal(size=b.shape) for b in alone)
    fused = fuse(strategy, x, y, normalize="zscore", **regular)
    assert len(fused.columns) == (1 if strategy == "gcca" else 2)  # the least there is


@pytest.mark.parametrize("strategy", ["cca", "mcca", "gcca"])
def test_auto_does_not_depend_on_rounding(strategy):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(20, 30)), rng.normal(size=(20, 30))
    widths = {
        matrix(strategy, x[order], y[order]).shape[1]
        for order in (rng.permutation(20) for _ in range(5))
    }
    assert widths == {1 if strategy == "gcca" else 2}


@pytest.mark.parametrize("strategy", ["cca", "mcca", "gcca", "lda"])
@pytest.mark.parametrize("normalize", ["none", "whiten", "zscore,whiten", "whiten,zscore"])
def test_constant_columns_have_no_weight(strategy, normalize):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(500, 8))
    x[:, 2], x[:, 5] = 0.7, 0
    y = x[:, [0, 1, 3]] + rng.normal(size=(500, 3))
    labels = np.arange(500) % 3 if strategy == "lda" else None
    found = learned(strategy, x, y, normalize={"m0": normalize}, labels=labels)
    weights = np.abs(found["weights_0"])
    assert weights[[2, 5]].max() < 1e-6 * weights.max()


@pytest.mark.parametrize("strategy", ["cca", "mcca", "gcca"])
def test_a_constant_that_is_filled_stays_one(strategy):
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(300, 4)), rng.normal(size=(200, 3))
    y[:, 2] = 0.1
    modalities = {"a": (x, np.arange(300)), "b": (y, np.arange(200))}
    how = {"join": "outer", "missing": "mean", "options": {"n_components": 1}}
    model = mmfuse.fit(strategy, modalities, **how).model
    assert model is not None
    weights = np.abs(model.fusion.learned["weights_1"])
    assert weights[2].max() < 1e-6 * weights.max()


def test_a_modality_that_does_not_vary_has_nothing_in_common():
    x = np.random.default_rng(0).normal(size=(80, 5))
    for strategy in ("cca", "mcca", "gcca"):
        with pytest.raises(InputError, match="nothing to learn"):
            fuse(strategy, x, np.full((80, 2), 3.0))


# --- mcca, gcca -------------------------------------------------------------------------------


def test_mcca_of_two_is_one_plus_the_correlation():
    x, y = correlated([4, 6])
    rho = learned("cca", x, y)["spectrum"]
    np.testing.assert_allclose(learned("mcca", x, y)["spectrum"], 1 + rho, atol=1e-10)
    ours, theirs = (matrix(name, x, y, n_components=3) for name in ("mcca", "cca"))
    np.testing.assert_allclose(up_to_sign(ours, theirs), theirs, atol=1e-9)


def test_mcca_solves_its_eigenproblem():
    blocks = correlated([4, 6, 3])
    c = np.cov(np.hstack(blocks).T)
    d = np.zeros_like(c)
    for start, stop in ((0, 4), (4, 10), (10, 13)):
        d[start:stop, start:stop] = c[start:stop, start:stop]
    values = eigh(c, d, eigvals_only=True)[::-1]
    spectrum = learned("mcca", *blocks)["spectrum"]
    np.testing.assert_allclose(spectrum, values[values > 1 + 1e-12], atol=1e-10)


@pytest.mark.parametrize("shrinkage", [0.0, 0.3])
def test_mcca_is_that_of_cca_zoo(shrinkage):
    blocks = [(b - b.mean(0)) / b.std(0) for b in sample("fourier", "karhunen", "morphology")]
    model = zoo.MCCA(n_components=3, shrinkage=shrinkage).fit(blocks)
    ours = matrix("mcca", *blocks, n_components=3, shrinkage=shrinkage)
    for own, its in zip(np.split(ours, 3, axis=1), model.transform(blocks), strict=True):
        scale = np.sqrt((its**2).sum(0) / (own**2).sum(0))
        np.testing.assert_allclose(up_to_sign(own, its) * scale, its, atol=1e-5 * np.abs(its).max())


def test_gcca_is_that_of_cca_zoo():
    blocks = correlated([4, 6, 5])
    weights = [1.0, 2.0, 0.5]
    model = zoo.GCCA(n_components=3, view_weights=weights).fit(blocks)
    ours = matrix(
        "gcca", *blocks, n_components=3, weight=dict(zip(["m0", "m1", "m2"], weights, strict=True))
    )
    scores = [view * w for view, w in zip(model.transform(blocks), weights, strict=True)]
    theirs = np.sum(scores, axis=0)
    theirs *= np.sqrt(len(theirs) / (theirs**2).sum(axis=0))
    np.testing.assert_allclose(up_to_sign(ours, theirs), theirs, atol=1e-6)


def masked(
    blocks: Sequence[Matrix], lacking: float, seed: int = 5
) -> tuple[list[Any], NDArray[np.bool_]]:
    """Modalities with ids, of which some rows lack some; and which have which, by id."""
    rng = np.random.default_rng(seed)
    n = len(blocks[0])
    has = rng.random((n, len(blocks))) > lacking
    has[:, 0] |= ~has.any(axis=1)
    ids = np.arange(n)
    return [(b[has[:, m]], ids[has[:, m]]) for m, b in enumerate(blocks)], has


def by_definition(
    blocks: Sequence[Matrix], has: NDArray[np.bool_], w: Sequence[float], ridge: float
) -> tuple[Matrix, Matrix]:
    """Eigenvalues and, scaled, eigenvectors of N^(−1/2) Σ w_m K_m P_m K_m N^(−1/2), `(n, n)`."""
    n = len(has)
    root = 1 / np.sqrt(has @ w)
    total = np.zeros((n, n))
    for m, block in enumerate(blocks):
        x = np.where(has[:, m, None], block - block[has[:, m]].mean(axis=0), 0)
        rows = has[:, m].sum()
        s = x.T @ x + ridge * (rows - 1) * np.eye(x.shape[1])
        total += w[m] * x @ np.linalg.pinv(s, rcond=1e-12) @ x.T
    values, vectors = np.linalg.eigh(root[:, None] * total * root)
    g = root[:, None] * vectors[:, ::-1] * np.sqrt((has @ w).sum())
    return values[::-1], g


@pytest.mark.parametrize("lacking", [0.0, 0.3, 0.6])
@pytest.mark.parametrize("ridge", [0.0, 0.5])
@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (1.0, 3.0, 0.5)])
def test_gcca_by_its_definition_with_rows_that_lack_a_modality(lacking, ridge, weights):
    blocks = correlated([4, 6, 5])
    given, has = masked(blocks, lacking)
    values, g = by_definition(blocks, has, weights, ridge)
    how = {"weight": dict(zip(["m0", "m1", "m2"], weights, strict=True)), "join": "outer"}
    # a weight multiplies the block, and so the covariance beside which the ridge stands
    scaled = {f"m{m}": (b[0] / weights[m], b[1]) for m, b in enumerate(given)}
    fused = mmfuse.fuse(
        "gcca",
        scaled,
        options={"n_components": 3, "ridge": ridge},
        dtype="float64",
        sort_ids=True,
        **how,
    )
    assert fused.matrix is not None
    assert fused.ids.tolist() == list(range(len(has)))
    np.testing.assert_allclose(up_to_sign(fused.matrix, g[:, :3]), g[:, :3], atol=1e-9)
    model = mmfuse.fit("gcca", scaled, options={"ridge": ridge}, dtype="float64", **how).model
    assert model is not None
    spectrum = model.fusion.learned["spectrum"]
    np.testing.assert_allclose(spectrum, values[: len(spectrum)], atol=1e-10)
    assert len(spectrum) == 15


def test_gcca_needs_weights_above_zero():
    with pytest.raises(UsageError, match="gcca needs weights above zero"):
        fuse("gcca", *correlated([3, 4]), weight={"m0": 0})


# --- pls --------------------------------------------------------------------------------------


def test_pls_is_plscanonical_of_scikit_learn():
    x, y = correlated([8, 6])
    theirs = np.hstack(PLSCanonical(5, scale=False, max_iter=10_000, tol=1e-14).fit_transform(x, y))
    ours = matrix("pls", x, y, n_components=5)
    np.testing.assert_allclose(up_to_sign(ours, theirs), theirs, atol=1e-6)


def test_pls_of_columns_of_unit_variance_on_real_data():
    x, y = sample("fourier", "karhunen")
    model = PLSCanonical(3, scale=True, max_iter=50_000, tol=1e-15).fit(x, y)
    theirs = np.hstack(model.transform(x, y))
    ours = matrix("pls", x, y, n_components=3, normalize="zscore")
    theirs *= np.sqrt(len(x) / (len(x) - 1))  # its standard deviations are of ddof 1
    np.testing.assert_allclose(up_to_sign(ours, theirs), theirs, atol=1e-4)


def test_pls_without_deflation_is_plssvd_of_scikit_learn():
    x, y = correlated([8, 6])
    theirs = np.hstack(PLSSVD(4, scale=False).fit_transform(x, y))
    ours = matrix("pls", x, y, n_components=4, deflation="none")
    np.testing.assert_allclose(up_to_sign(ours, theirs), theirs, atol=1e-8)


def test_components_of_pls_are_uncorrelated():
    z = matrix("pls", *correlated([8, 6]), n_components=6)
    for own in np.split(z, 2, axis=1):
        s = np.cov(own.T)
        np.testing.assert_allclose(s, np.diag(np.diag(s)), atol=1e-8 * s.max())


def test_covariances_by_chance_are_not_kept():
    rng = np.random.default_rng(0)
    shared = 5 * rng.normal(size=(1000, 1))
    x, y = (np.hstack([shared, rng.normal(size=(1000, 30))]) for _ in range(2))
    assert matrix("pls", x, y, combine="sum").shape[1] == 1


# --- lda, dca ---------------------------------------------------------------------------------


def test_lda_is_that_of_scikit_learn():
    x, y = load_iris(return_X_y=True)
    theirs = LinearDiscriminantAnalysis(solver="svd").fit(x, y).transform(x)
    ours = matrix("lda", x[:, :2], x[:, 2:], labels=y)
    np.testing.assert_allclose(up_to_sign(ours, theirs), theirs, atol=1e-9)


def test_lda_on_real_data_with_classes_by_name():
    blocks = sample("karhunen", "fourier")
    rng = np.random.default_rng(0)
    y = rng.choice(["b", "a", "d", "c"], len(blocks[0]), p=[0.4, 0.3, 0.2, 0.1])
    joined = np.hstack(blocks)
    theirs = LinearDiscriminantAnalysis(solver="svd").fit(joined, y).transform(joined)
    ours = matrix("lda", *blocks, labels=y)
    np.testing.assert_allclose(up_to_sign(ours, theirs), theirs, atol=1e-7)


def test_rows_without_a_label_are_fused_and_not_learned_from():
    x, y = load_iris(return_X_y=True)
    ids, some = np.arange(150), np.arange(0, 150, 2)
    whole = fuse("lda", (x, ids), labels=(y[some], ids[some]))
    theirs = LinearDiscriminantAnalysis(solver="svd").fit(x[some], y[some]).transform(x)
    assert whole.matrix is not None
    np.testing.assert_allclose(up_to_sign(whole.matrix, theirs), theirs, atol=1e-9)
    assert any("75 rows" in note for note in whole.summary.notes)


def test_dca_by_its_definition():
    x, y = correlated([8, 6])
    labels = np.random.default_rng(0).integers(0, 4, len(x))
    x[labels == 1, :3] += 2
    y[labels == 2, 2:] -= 3
    z = matrix("dca", x, y, labels=labels)
    a, b = z[:, :3], z[:, 3:]
    # only like components meet
    np.testing.assert_allclose(np.cov(a.T, b.T)[:3, 3:], np.eye(3), atol=1e-9)
    d = learned("dca", x, y, labels=labels)["spectrum"]
    for own in (a, b):  # before U D^(−1/2), the scatter between classes was the identity
        means = np.stack([own[labels == c].mean(0) for c in range(4)])
        counts = np.bincount(labels) / (len(x) - 1)
        between = (means - own.mean(0)).T * counts @ (means - own.mean(0))
        np.testing.assert_allclose(between, np.diag(1 / d[:3]), atol=1e-9)


@pytest.mark.parametrize("strategy", ["lda", "dca"])
def test_labels_are_wanted(strategy):
    blocks = correlated([3, 4])
    with pytest.raises(UsageError, match=f"{strategy} learns from labels"):
        fuse(strategy, *blocks)
    with pytest.raises(InputError, match="all 300 labels are 'a', and two classes are needed"):
        fuse(strategy, *blocks, labels=["a"] * 300)
    with pytest.raises(UsageError, match="pca does not learn from labels"):
        fuse("pca", *blocks, labels=["a", "b"] * 150)


# --- random-projection, whiten ------------------------------------------------------------------


def test_random_projections_keep_inner_products_on_average():
    x, y = correlated([4, 6], n=5)
    total = np.zeros((5, 5))
    seeds = 400
    for seed in range(seeds):
        z = matrix("random-projection", x, y, n_components=50, seed=seed)
        total += z @ z.T / seeds
    expected = x @ x.T + y @ y.T
    norms = np.diag(expected)
    # the variance of one is (‖x‖²‖x'‖² + ⟨x, x'⟩²) / k
    error = np.sqrt((norms * norms[:, None] + expected**2) / 50 / seeds)
    assert (np.abs(total - expected) < 4.5 * error).all()


def test_whiten_is_the_inverse_root_of_the_covariance():
    x = correlated([6])[0]
    z = matrix("concat", x, normalize="whiten")
    values, vectors = np.linalg.eigh(np.cov(x.T))
    ridge = 1e-6 * values.mean()
    expected = (x - x.mean(0)) @ (vectors / np.sqrt(values + ridge)) @ vectors.T
    np.testing.assert_allclose(z, expected, atol=1e-9)
    np.testing.assert_allclose(np.cov(z.T), np.eye(6), atol=1e-4)


def test_whiten_leaves_directions_without_variance_at_zero():
    x = correlated([6])[0]
    z = matrix("concat", np.hstack([x, x[:, :1], np.ones((len(x), 1))]), normalize="whiten")
    assert np.isfinite(z).all()
    np.testing.assert_allclose(z[:, 7], 0, atol=1e-9)
    np.testing.assert_allclose(z[:, 0], z[:, 6], atol=1e-6)
    # chained: what comes after sees white columns
    chained = matrix("pca", x, normalize="whiten,zscore", n_components=6)
    np.testing.assert_allclose(chained.var(axis=0), 1, rtol=1e-3)


# --- odd data ---------------------------------------------------------------------------------

LEARNED = ["pca", "mfa", "cca", "mcca", "gcca", "pls", "lda", "dca"]


def odd(kind: str) -> list[Matrix]:
    x, y = correlated([5, 4])
    if kind == "constant column":
        x[:, 2] = 7.5
    elif kind == "equal columns":
        x[:, 2], y[:, 3] = x[:, 1], 3 * y[:, 0]
    elif kind == "equal modalities":
        y = x.copy()
    elif kind == "wide":
        x, y = correlated([40, 30], n=20)
    elif kind == "large mean":
        x += 1e8
    elif kind == "other units":
        x *= np.logspace(-9, 9, 5)
    return [x, y]


@pytest.mark.parametrize(
    "kind",
    ["constant column", "equal columns", "equal modalities", "wide", "large mean", "other units"],
)
@pytest.mark.parametrize("strategy", LEARNED)
def test_odd_data_give_an_answer(strategy, kind):
    x, y = odd(kind)
    labels = (np.arange(len(x)) % 3) if strategy in ("lda", "dca") else None
    fused = fuse(strategy, x, y, labels=labels)
    assert fused.matrix is not None
    assert np.isfinite(fused.matrix).all()
    assert fused.matrix.shape[1] >= 1


@pytest.mark.parametrize("strategy", LEARNED)
def test_what_does_not_vary_teaches_nothing(strategy):
    labels = (np.arange(30) % 3) if strategy in ("lda", "dca") else None
    with pytest.raises(InputError, match="nothing to learn"):
        fuse(strategy, np.ones((30, 3)), np.full((30, 2), 5.0), labels=labels)


@pytest.mark.parametrize("strategy", ["cca", "mcca", "gcca"])
def test_correlations_do_not_depend_on_units(strategy):
    x, y = correlated([5, 4])
    plain = learned(strategy, x, y)["spectrum"]
    other = learned(strategy, x * np.logspace(-9, 9, 5), y + 1e6)["spectrum"]
    np.testing.assert_allclose(other[:4], plain[:4], atol=1e-6)


@pytest.mark.parametrize("strategy", LEARNED)
def test_large_means_cost_no_precision(strategy):
    x, y = correlated([5, 4])
    labels = (np.arange(len(x)) % 3) if strategy in ("lda", "dca") else None
    near = learned(strategy, x, y, labels=labels)["spectrum"]
    far = learned(strategy, x + 1e8, y - 1e8, labels=labels)["spectrum"]
    np.testing.assert_allclose(far, near, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("strategy", LEARNED)
def test_more_components_than_there_are_is_an_error_that_tells_how_many(strategy):
    labels = (np.arange(300) % 3) if strategy in ("lda", "dca") else None
    with pytest.raises((UsageError, InputError), match=r"at most|these rows have"):
        fuse(strategy, *correlated([5, 4]), labels=labels, n_components=10)


@pytest.mark.parametrize("strategy", LEARNED)
@pytest.mark.parametrize("asked", ["many", "1.5", "0", 0, -1, 1.0, ""])
def test_components_that_are_no_number_or_share(strategy, asked):
    with pytest.raises(UsageError, match="--n-components is"):
        fuse(strategy, *correlated([5, 4]), n_components=asked)
