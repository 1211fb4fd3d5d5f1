"""The parts of `benchmarks/` that say what is true: figures, sentences, verification."""

from __future__ import annotations

import math
import statistics
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

HOME = Path(__file__).resolve().parents[1] / "benchmarks"
if not HOME.exists():
    pytest.skip("the benchmarks are not part of a source distribution", allow_module_level=True)


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    """The scripts import each other by name, as they do when they are run."""
    monkeypatch.syspath_prepend(str(HOME))


def contestant(name, walls, role="peer", failure=None, private=100.0):
    runs = [{"wall": w, "cpu": 2 * w, "private": private, "resident": 1.0} for w in walls]
    return {"name": name, "role": role, "runs": runs, "failure": failure}


def lines(*contestants):
    from summary import summarize

    return summarize({"contestants": list(contestants)})


def sentences(*contestants):
    from report import comparison

    return " ".join(comparison(lines(*contestants)))


seconds = st.floats(1e-3, 1e3)


@given(st.lists(st.tuples(seconds, seconds), min_size=1))
def test_a_ratio_is_the_median_of_the_rounds_ratios(rounds):
    own, peer = zip(*rounds, strict=True)
    _, line = lines(contestant("mmfuse", own, "mmfuse"), contestant("peer", peer))
    each = [b / a for a, b in rounds]
    assert line.ratios["wall"] == statistics.median(each)
    assert line.spread == (min(each), max(each))
    assert line.figures["wall"] == statistics.median(peer)


def test_a_failure_has_no_figures_and_spoils_no_other():
    first, failed, other = lines(
        contestant("mmfuse", [1.0, 2.0], "mmfuse"),
        contestant("broken", [0.5], failure="took more than 1 s"),
        contestant("peer", [3.0, 6.0]),
    )
    assert (failed.figures, failed.ratios, failed.spread) == ({}, {}, None)
    assert failed.failure == "took more than 1 s"
    assert other.ratios["wall"] == 3.0
    assert first.ratios["wall"] == 1.0


def test_without_a_reference_there_are_figures_but_no_ratios():
    _, line = lines(
        contestant("mmfuse", [1.0], "mmfuse", failure="exit code 1"), contestant("peer", [3.0])
    )
    assert (line.figures["wall"], line.ratios, line.spread) == (3.0, {}, None)


def test_sentences_name_who_wins():
    own = contestant("mmfuse", [1.0, 1.0, 1.0], "mmfuse")
    quick = contestant("quick", [0.5, 0.25, 0.75])
    even = contestant("even", [0.9, 1.1, 1.2], private=50.0)
    slow = contestant("slow", [2.0, 4.0, 3.0])
    said = sentences(own, slow, quick, even)
    assert "Faster than mmfuse: quick (0.50 of its time)." in said
    assert "As fast within the noise: even (1.10 of its time)." in said
    assert "Less CPU time: quick (0.50 of it)." in said
    assert "Less private memory: even (0.50 of it)." in said
    assert "slow" not in said
    assert "mmfuse is the fastest; next comes slow (3.00 times its time)." in sentences(own, slow)
    assert sentences(own, contestant("cp", [0.1], "limit")) == ""


@given(st.floats(1e-3, 1e6), st.floats(1.5, 1e6))
def test_ticks_lie_on_the_axis(low, factor):
    from growth import ticks

    found = ticks(low, low * factor)
    assert found == sorted(set(found))
    assert len(found) <= 13
    for value in found:
        assert low <= value * (1 + 1e-9)
        assert value <= low * factor * (1 + 1e-9)
        mantissa = value / 10 ** math.floor(math.log10(value) + 1e-9)
        assert any(math.isclose(mantissa, m, rel_tol=1e-9) for m in (1, 2, 5))


def test_an_axis_is_logarithmic():
    from growth import Axis

    axis = Axis(1.0, 100.0, 0.0, 50.0)
    assert [axis.place(value) for value in (1.0, 10.0, 100.0)] == pytest.approx([0, 25, 50])


def test_every_strategy_and_normalisation_is_measured_and_verified():
    import jobs
    import verify

    from mmfuse.core.registry import NORMALIZATIONS, STRATEGIES, strategy_class

    every = {name: strategy_class(name) for name in STRATEGIES.modules}
    streaming = {name for name, one in every.items() if not (one.learns or one.whole)}
    rules = {name for name in streaming if every[name].of_predictions}
    assert set(jobs.RULES) == set(verify.RULES) == rules
    assert {*jobs.STRATEGIES, *jobs.RULES} == set(verify.STRATEGIES) == streaming
    assert set(jobs.NORMALIZATIONS) == set(verify.NORMALIZATIONS) == set(NORMALIZATIONS.modules)


def test_every_job_has_a_name_of_its_own_and_one_reference(tmp_path):
    from jobs import growth, standard
    from learned import learned

    found = standard(tmp_path, 1000) + growth(tmp_path, 1000) + learned(tmp_path, 1000)
    assert len({job.name for job in found}) == len(found)
    for job in found:
        roles = [one.role for one in job.contestants]
        assert roles[0] == "mmfuse"
        assert roles.count("mmfuse") == 1
        outs = [one.out for one in job.contestants if one.out and one.role != "limit"]
        assert len(set(outs)) == len(outs)


@pytest.fixture
def fused(tmp_path):
    """Small inputs and what mmfuse would write of them, by NumPy alone."""
    import data

    data.make(tmp_path, "tiny", 200, ["npy"])
    names = ("image", "text", "audio")
    ids = [np.load(tmp_path / f"{name}.ids.npy") for name in names]
    arrays = [np.load(tmp_path / f"{name}.npy") for name in names]
    pairs = zip(ids, arrays, strict=True)
    rows = [dict(zip(one.tolist(), array, strict=True)) for one, array in pairs]
    kept = [number for number in ids[0].tolist() if all(number in one for one in rows)]
    matrix = np.array([np.concatenate([one[number] for one in rows]) for number in kept])
    return tmp_path, np.array(kept), matrix


def verified(folder, ids, matrix, any_order=False):
    import verify

    out = folder / "out.npy"
    np.save(out, matrix)
    np.save(folder / "out.ids.npy", ids)
    verify.verify(folder, out, "concat", "none", any_order)


def test_a_right_output_is_accepted(fused):
    folder, ids, matrix = fused
    verified(folder, ids, matrix)
    verified(folder, ids[::-1], matrix[::-1], any_order=True)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda ids, matrix: (ids[:-1], matrix[:-1]),
        lambda ids, matrix: (ids[::-1], matrix[::-1]),
        lambda ids, matrix: (ids, matrix[::-1]),
        lambda ids, matrix: (ids, matrix + np.float32(1e-3)),
        lambda ids, matrix: (ids, matrix.astype(np.float64)),
    ],
    ids=["row missing", "other order", "rows swapped", "values off", "wider type"],
)
def test_a_wrong_output_is_refused(fused, spoil):
    folder, ids, matrix = fused
    with pytest.raises(AssertionError):
        verified(folder, *spoil(ids, matrix))


def predictions(folder, rule):
    """The output of a rule over small files of predictions."""
    import data

    import mmfuse

    data.make(folder, "predictions", 200, ["npy"])
    inputs = [f"{name}={folder / name}.npy" for name in ("image", "text", "audio")]
    out = folder / "out.parquet"
    mmfuse.fuse(rule, inputs, out, layout="vector")
    return out


RULES = [
    "soft-vote", "log-pool", "product-rule", "max-rule", "min-rule", "median-rule", "hard-vote",
    "borda-vote", "dempster-shafer", "weighted-mean",
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_verified(rule, tmp_path):
    import verify

    out = predictions(tmp_path, rule)
    verify.verify(tmp_path, out, rule, "none", False)
    for other in {"max-rule", "min-rule"} - {rule}:
        with pytest.raises(AssertionError):
            verify.verify(tmp_path, out, other, "none", False)


@pytest.fixture
def factors(tmp_path, monkeypatch):
    """A small set with something to learn: the folder, ids, and both modalities' rows, centred."""
    import data
    import verify

    monkeypatch.setitem(data.WIDTHS, "factors", {"image": 12, "text": 10})
    data.make(tmp_path, "factors", 600, ["npy"])
    names = ("image", "text")
    ids, rows = verify.align([np.load(tmp_path / f"{name}.ids.npy") for name in names])
    x, y = (
        np.load(tmp_path / f"{name}.npy")[row].astype(np.float64)
        for name, row in zip(names, rows, strict=True)
    )
    return tmp_path, ids, x - x.mean(axis=0), y - y.mean(axis=0)


def components(strategy, x, y, k=3):
    """By decompositions of the rows themselves; those of CCA of any scale."""
    if strategy == "pca":
        u, s, _ = np.linalg.svd(np.hstack([x, y]), full_matrices=False)
        return u[:, :k] * s[:k]
    a, b = (np.linalg.qr(z)[0] for z in (x, y))
    u, _, v = np.linalg.svd(a.T @ b, full_matrices=False)
    return np.hstack([5 * a @ u[:, :k], b @ v[:k].T])


def check_components(folder, ids, strategy, matrix, k=3, approximate=False):
    import verify_learned

    np.save(folder / "out.npy", matrix.astype(np.float32))
    np.save(folder / "out.ids.npy", ids)
    place = folder / "out.npy"
    verify_learned.verify(folder, place, strategy, "image,text", k, approximate)


@pytest.mark.parametrize("strategy", ["pca", "cca"])
def test_components_are_accepted_whatever_their_signs(factors, strategy):
    folder, ids, x, y = factors
    matrix = components(strategy, x, y)
    check_components(folder, ids, strategy, matrix)
    check_components(folder, ids, strategy, matrix * [1, -1, 1] if strategy == "pca" else -matrix)


@pytest.mark.parametrize("strategy", ["pca", "cca"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda ids, z, worse: (ids[::-1], z),
        lambda ids, z, worse: (ids, z[::-1]),
        lambda ids, z, worse: (ids, worse),
        lambda ids, z, worse: (ids, z + 0.1 * z.std(axis=0) * np.sin(np.arange(len(z)))[:, None]),
        lambda ids, z, worse: (ids, z[:, :-1]),
    ],
    ids=["other order", "rows swapped", "later components", "noise", "a column less"],
)
def test_wrong_components_are_refused(factors, strategy, spoil):
    folder, ids, x, y = factors
    right, more = components(strategy, x, y), components(strategy, x, y, k=4)
    last = np.flatnonzero(np.arange(more.shape[1]) % 4)  # without the first of each
    found, matrix = spoil(ids, right, more[:, last])
    with pytest.raises(AssertionError):
        check_components(folder, found, strategy, matrix)


def test_an_approximation_may_be_further_off(factors):
    folder, ids, x, y = factors
    matrix = components("pca", x, y)
    matrix += 0.005 * matrix.std(axis=0) * np.random.default_rng(0).normal(size=matrix.shape)
    with pytest.raises(AssertionError, match="another space"):
        check_components(folder, ids, "pca", matrix)
    check_components(folder, ids, "pca", matrix, approximate=True)


def test_the_modalities_of_factors_have_as_much_in_common_as_factors(tmp_path):
    import data
    import factors
    import verify_learned

    data.make(tmp_path, "factors", 4000, ["npy"])
    inputs = verify_learned._inputs(tmp_path, ["image", "text", "audio"])
    spectrum = np.linalg.eigvalsh(inputs.covariance)[::-1]
    every = factors.SHARED + sum(factors.OWN.values())
    gaps = spectrum[:-1] / spectrum[1:]
    assert gaps[:400].argmax() + 1 == every == 256


def test_contestants_run_as_installed(monkeypatch):
    import measure

    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("SOMETHING_ELSE", "1")
    found = measure.environment()
    assert "OPENBLAS_NUM_THREADS" not in found
    assert "PYTHONDONTWRITEBYTECODE" not in found
    assert found["SOMETHING_ELSE"] == "1"


def test_a_digit_that_is_not_fused_counts_as_wrong():
    import digits
    from digits_data import labels
    from digits_fusion import Fused

    ids = np.array([f"digit-{number:04}" for number in range(0, 2000, 200)], object)
    fused = Fused(ids[:4], labels(ids[:4]) + np.array([0, 0, 0, 1]))
    assert digits.accuracy(fused, ids) == pytest.approx(3 / 10)
    assert digits.accuracy_of_fused(fused, ids) == pytest.approx(3 / 4)
    assert digits.coverage(fused, ids) == pytest.approx(4 / 10)
    assert digits.cell([0.5, 0.7, math.nan]) == "60.0 ± 10.0"


def test_folds_share_no_digit_and_hold_every_one_out_once():
    import digits
    from digits_data import labels

    ids = [f"digit-{number:04}" for number in range(2000)]
    folds = list(digits.split(ids))
    assert sorted(one for _, test in folds for one in test) == ids
    for train, test in folds:
        assert not set(train) & set(test)
        assert (np.bincount(labels(test)) == 20).all()


@pytest.mark.parametrize("strategy", ["pca", "lda"])
def test_nothing_is_learned_of_digits_held_out(strategy):
    import digits
    from digits_data import digits as sample
    from digits_fusion import Way, predictions

    data = {name: sample()[name] for name in ("fourier", "zernike")}
    train, test = next(digits.split([f"digit-{number:04}" for number in range(2000)]))
    way = Way(strategy, tuple(data))
    whole = predictions(way, data, train, test)
    alone = predictions(way, data, train, test[:20])
    known = dict(zip(whole.ids, whole.predicted, strict=True))
    assert [known[one] for one in alone.ids] == alone.predicted.tolist()


def test_where_no_digit_is_complete_none_is_fused():
    from digits_data import digits as sample
    from digits_fusion import Way, predictions

    data = {name: sample()[name] for name in ("fourier", "zernike")}
    shared = set(data["fourier"][1]) & set(data["zernike"][1])
    train = np.array(sorted(shared), object)
    test = np.array(sorted(set(data["fourier"][1]) - shared), object)
    assert len(test)
    assert predictions(Way("concat", tuple(data)), data, train, test).ids.size == 0


def test_a_run_says_why_it_failed():
    from measure import measure

    run = measure([sys.executable, "-c", "raise ValueError('no such luck')"], 60)
    assert run.failure == "ValueError: no such luck"
    assert measure(["true"], 60).failure is None
    assert measure(["sleep", "60"], 0.05).failure == "took more than 0.05 s"


def test_a_run_that_takes_too_much_memory_is_ended(monkeypatch):
    import measure

    monkeypatch.setattr(measure, "memory", lambda _: measure._SPARE_MEGABYTES + 100.0)
    hungry = "import time; held = b'x' * (200 << 20); time.sleep(60)"
    run = measure.measure([sys.executable, "-c", hungry], 50)
    assert run.failure == "needs more than the 0.1 GB of memory there are"
    assert run.private > 100
