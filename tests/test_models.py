"""Models: what is learned once, saved, applied, merged and gone on with, as if learned at once.

What holds for every strategy is tested with every one that takes rows as they come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from suited import predicted, suited, suited_chain, suited_weight

import mmfuse
from mmfuse.core.options import options
from mmfuse.core.registry import NORMALIZATIONS, STRATEGIES, strategy_class
from mmfuse.core.strategy import Strategy
from mmfuse.errors import AlignmentError, InputError, ModelError, UsageError

Matrix = NDArray[Any]
Rows = dict[str, tuple[Matrix, Matrix]]

DIM, WIDTH = 4, 2
ROW_WISE = [
    name
    for name in STRATEGIES.modules
    if not (strategy_class(name).whole or strategy_class(name).supervised)
]
LEARNING = [name for name in ROW_WISE if strategy_class(name).learns]
GOING_ON = [*NORMALIZATIONS.modules, "zscore,sqrt-dim", "l2,zscore", "l2,minmax,sqrt-dim"]
CHAINS = [*GOING_ON, "center,l2", "zscore,l2,zscore"]

every_strategy = pytest.mark.parametrize("strategy", ROW_WISE)
every_learner = pytest.mark.parametrize("strategy", LEARNING)


def made(strategy: str) -> Strategy:
    known = {option.name for option in options(strategy_class(strategy))}
    return strategy_class(strategy)(**({"n_components": WIDTH} if "n_components" in known else {}))


def rows(
    first: int, stop: int, dtype: str = "float32", seed: int = 0, strategy: str = "concat"
) -> Rows:
    """Two modalities of ids first … stop − 1 that share two factors, each in its own order.

    strategy: which they are to suit.
    """
    rng = np.random.default_rng([seed, first, stop])
    strength = np.random.default_rng(seed).normal(0, 1, (2, 2, DIM)) * [[[3.0], [1.5]]]
    factors = rng.normal(0, 1, (stop - first, 2))
    found = {}
    for m, name in enumerate(("image", "text")):
        x = 1 + factors @ strength[m] + 0.5 * rng.normal(0, 1, (stop - first, DIM))
        order = rng.permutation(stop - first)
        found[name] = (suited(strategy, x[order].astype(dtype)), order + first)
    return found


def going_on(strategy: str, normalize: str | None) -> str | None:
    """Normalisations with which a model goes on, and after which probabilities are such still."""
    return "l2,softmax" if predicted(strategy) == "classes" else normalize


def joined(*parts: Rows) -> Rows:
    return {
        name: (
            np.concatenate([part[name][0] for part in parts]),
            np.concatenate([part[name][1] for part in parts]),
        )
        for name in parts[0]
    }


def chosen(modalities: Rows, name: str, kept: Matrix) -> Rows:
    """The rows whose ids are kept of one modality, all of the others."""
    x, ids = modalities[name]
    has = np.isin(ids, kept)
    return {**modalities, name: (x[has], ids[has])}


def fit(strategy: str, modalities: Any, *output: Any, **how: Any) -> mmfuse.Model:
    model = mmfuse.fit(made(strategy), modalities, *output, threads=1, **how).model
    assert model is not None
    return model


def go_on(model: mmfuse.Model, modalities: Any, **how: Any) -> mmfuse.Model:
    further = mmfuse.go_on(model, modalities, threads=1, **how).model
    assert further is not None
    return further


def apply(model: Any, modalities: Any, **how: Any) -> Matrix:
    matrix = mmfuse.apply(model, modalities, threads=1, **how).matrix
    assert matrix is not None
    return matrix


def learned(model: mmfuse.Model) -> Mapping[str, Matrix]:
    assert model.fusion.learned is not None
    return model.fusion.learned


def statistics(model: mmfuse.Model) -> dict[str, Matrix]:
    """Everything that was gathered, by name."""
    statistic = model.gathered.statistic
    found = {} if statistic is None else dict(statistic.arrays())
    for m, moments in model.gathered.moments.items():
        found |= {f"{m} {name}": array for name, array in vars(moments).items()}
    for m, scatter in model.gathered.scatters.items():
        found |= {f"{m} {name}": array for name, array in scatter.arrays().items()}
    return found


def assert_close(found: Matrix, expected: Matrix, share: float = 1e-10) -> None:
    """Equal but for a share of the largest value, or of 1, the size that all data here have."""
    assert found.shape == expected.shape
    largest = np.abs(expected).max(initial=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=share * largest)


def assert_same_model(one: mmfuse.Model, other: mmfuse.Model) -> None:
    """Equal but for rounding: statistics, what was learned of them, and outputs."""
    assert (one.rows, one.learned_from) == (other.rows, other.learned_from)
    assert one.columns == other.columns
    for found, expected in (
        (statistics(one), statistics(other)),
        (learned(one), learned(other)),
    ):
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            assert_close(found[name], array)
    fresh = rows(900, 950, "float64", strategy=one.strategy)
    assert_close(apply(one, fresh, dtype="float64"), apply(other, fresh, dtype="float64"))


# --- fit, apply, save, load -------------------------------------------------------------------


def assert_fit_and_apply_are_fuse(strategy: str, normalize: str | None, dtype: str) -> None:
    modalities = rows(0, 70, dtype, strategy=strategy)
    how: dict[str, Any] = {"normalize": suited_chain(strategy, normalize), "dtype": dtype}
    how["weight"] = {"text": suited_weight(strategy, 0.5)}
    fused = mmfuse.fuse(made(strategy), modalities, threads=1, **how)
    model = fit(strategy, modalities, **how)
    applied = mmfuse.apply(model, modalities, threads=1)
    assert fused.matrix is not None
    assert applied.matrix is not None
    assert applied.matrix.dtype == dtype
    assert applied.matrix.tobytes() == fused.matrix.tobytes()
    assert applied.columns == fused.columns == model.columns
    assert applied.ids.tolist() == fused.ids.tolist()
    assert applied.summary.slices == fused.summary.slices
    assert (model.rows, model.learned_from, model.dtype) == (70, 70, dtype)


@every_strategy
@pytest.mark.parametrize("normalize", [None, "l2,zscore"])
def test_fit_and_apply_are_fuse(strategy: str, normalize: str | None) -> None:
    assert_fit_and_apply_are_fuse(strategy, normalize, "float32")


@pytest.mark.parametrize("strategy", ["concat", "pca"])
@pytest.mark.parametrize("normalize", CHAINS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_fit_and_apply_are_fuse_with_every_chain(
    strategy: str, normalize: str | None, dtype: str
) -> None:
    assert_fit_and_apply_are_fuse(strategy, normalize, dtype)


@every_strategy
def test_a_saved_model_is_the_model(strategy: str, tmp_path: Path) -> None:
    modalities, fresh = (rows(*ids, strategy=strategy) for ids in ((0, 70), (900, 930)))
    how: dict[str, Any] = {"normalize": {"image": going_on(strategy, "l2,zscore")}}
    how["weight"] = {"text": suited_weight(strategy, 0.5)}
    model = fit(strategy, modalities, tmp_path / "fitted", **how)
    mmfuse.fuse(made(strategy), modalities, save=tmp_path / "saved", threads=1, **how)
    mmfuse.merge([tmp_path / "fitted", fit(strategy, fresh, **how)], tmp_path / "merged")
    assert (tmp_path / "saved").read_bytes() == (tmp_path / "fitted").read_bytes()
    loaded = mmfuse.load(tmp_path / "fitted")
    assert apply(loaded, fresh).tobytes() == apply(model, fresh).tobytes()
    assert apply(tmp_path / "fitted", fresh).tobytes() == apply(model, fresh).tobytes()
    assert (loaded.columns, loaded.options, loaded.seen) == (
        *(model.columns, model.options, model.seen),
    )
    save = mmfuse.merge([loaded, fit(strategy, fresh, **how)], tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "merged").read_bytes()
    assert save.rows == 100


@every_strategy
def test_saving_what_was_loaded_gives_the_same_bytes(strategy: str, tmp_path: Path) -> None:
    from mmfuse.files.output import OutputFile
    from mmfuse.model_file import write_model

    path = tmp_path / "model"
    fit(strategy, rows(0, 70, strategy=strategy), path, normalize=suited_chain(strategy, "minmax"))
    with OutputFile(str(tmp_path / "again")) as file:
        write_model(mmfuse.load(path), file)
        file.commit()
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_arrays_and_files_make_the_same_model(tmp_path: Path) -> None:
    modalities = rows(0, 50)
    for name, (x, ids) in modalities.items():
        np.save(tmp_path / f"{name}.npy", x)
        (tmp_path / f"{name}.ids.txt").write_text("".join(f"{i}\n" for i in ids))
    files = fit("pca", [tmp_path / f"{name}.npy" for name in modalities])
    arrays = fit("pca", modalities)
    for name, array in learned(arrays).items():
        assert learned(files)[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("strategy", ["concat", "pca"])
def test_the_order_in_which_modalities_are_given_does_not_matter(strategy: str) -> None:
    model, fresh = fit(strategy, rows(0, 50)), rows(900, 930)
    turned = dict(reversed(fresh.items()))
    assert list(turned) != list(fresh)
    assert apply(model, turned).tobytes() == apply(model, fresh).tobytes()


@pytest.mark.parametrize("strategy", ["concat", *LEARNING])
def test_threads_and_memory_change_no_byte_of_a_model(strategy: str, tmp_path: Path) -> None:
    modalities = rows(0, 9000)
    written = set()
    for k, how in enumerate(({"threads": 1}, {"threads": 2}, {"threads": 2, "memory": 4 << 20})):
        path = tmp_path / str(k)
        mmfuse.fit(made(strategy), modalities, path, normalize="zscore", **how)
        written.add(path.read_bytes())
    assert len(written) == 1


def test_nothing_is_changed_by_being_used() -> None:
    model, modalities = fit("pca", rows(0, 50), normalize="zscore"), rows(50, 90)
    before = {name: array.copy() for name, array in learned(model).items()}
    sums = {name: array.copy() for name, array in statistics(model).items()}
    given = {name: x.copy() for name, (x, _) in modalities.items()}
    apply(model, modalities)
    go_on(model, modalities)
    mmfuse.merge([model, model])
    assert all(np.array_equal(learned(model)[name], array) for name, array in before.items())
    assert all(np.array_equal(statistics(model)[name], array) for name, array in sums.items())
    assert all(np.array_equal(modalities[name][0], x) for name, x in given.items())


# --- merge, go on -----------------------------------------------------------------------------


def assert_parts_are_the_whole(strategy: str, normalize: str | None) -> None:
    parts = [rows(*ids, strategy=strategy) for ids in ((0, 60), (60, 75), (75, 160))]
    how: dict[str, Any] = {"normalize": normalize}
    how["weight"] = {"text": suited_weight(strategy, 0.5)}
    whole = fit(strategy, joined(*parts), **how)
    models = [fit(strategy, part, **how) for part in parts]
    assert_same_model(mmfuse.merge(models), whole)
    further = go_on(go_on(models[0], parts[1]), parts[2])
    assert_same_model(further, whole)


@every_strategy
def test_models_of_parts_are_the_model_of_the_whole(strategy: str) -> None:
    assert_parts_are_the_whole(strategy, going_on(strategy, "zscore"))


@pytest.mark.parametrize("strategy", ["concat", "pca"])
@pytest.mark.parametrize("normalize", GOING_ON)
def test_parts_are_the_whole_with_every_chain_that_lets_them(
    strategy: str, normalize: str | None
) -> None:
    assert_parts_are_the_whole(strategy, normalize)


@every_learner
def test_merging_is_associative_and_commutative(strategy: str) -> None:
    a, b, c = (fit(strategy, rows(k, k + 40), normalize="zscore") for k in (0, 40, 80))
    assert_same_model(mmfuse.merge([a, b]), mmfuse.merge([b, a]))
    assert_same_model(mmfuse.merge([mmfuse.merge([a, b]), c]), mmfuse.merge([a, b.merge(c)]))
    assert_same_model(mmfuse.merge([a, b, c]), mmfuse.merge([c, a, b]))


@pytest.mark.parametrize("strategy", ["concat", "pca"])
def test_going_on_with_rows_in_other_orders(strategy: str) -> None:
    model, part = fit(strategy, rows(0, 60), normalize="zscore"), rows(60, 160)
    expected = go_on(model, part)
    for seed, name in enumerate(part):
        x, ids = part[name]
        order = np.random.default_rng(seed).permutation(len(x))
        turned = {**part, name: (x[order], ids[order])}
        assert_same_model(go_on(model, turned), expected)
        assert_same_model(go_on(model, dict(reversed(turned.items()))), expected)


def test_a_model_that_went_on_says_so(tmp_path: Path) -> None:
    path = tmp_path / "model"
    fit("pca", rows(0, 60), path)
    done = mmfuse.go_on(path, rows(60, 160), path)
    assert done.summary.learned == 160
    model = mmfuse.load(path)
    assert (model.rows, model.learned_from, len(model.training)) == (160, 160, 2)
    assert [part["join"]["rows"] for part in model.training] == [60, 100]


IMPOSSIBLE = {
    "zscore,l2": "by zscore before what is not linear, which therefore depends on all rows",
    "center,l2": "image is normalised by center before what is not linear",
    "zscore,l2,zscore": "image is normalised by zscore before what is not linear",
    "l2,minmax,softmax,center": "image is normalised by minmax before what is not linear",
}


@pytest.mark.parametrize("strategy", ["concat", "pca"])
@pytest.mark.parametrize("normalize", IMPOSSIBLE)
def test_what_depends_on_all_rows_cannot_go_on(strategy: str, normalize: str) -> None:
    if normalize == "zscore,l2" and strategy == "concat":
        normalize = "zscore,l2,center"
    told = IMPOSSIBLE.get(normalize, "zscore before what is not linear")
    model = fit(strategy, rows(0, 60), normalize={"image": normalize})
    with pytest.raises(ModelError, match=told) as raised:
        mmfuse.go_on(model, {"image": "no such file", "text": "no such file"})
    assert raised.value.hint is not None
    with pytest.raises(ModelError, match=told):
        mmfuse.merge([model, model])


OTHERS: dict[str, tuple[str, Callable[[], mmfuse.Model]]] = {
    "strategy": (
        "strategy cannot be merged: pca and concat",
        lambda: fit("concat", rows(0, 40)),
    ),
    "options": (
        "options cannot be merged: {'n_components': 2} and {'n_components': 3}",
        lambda: mmfuse.fit("pca", rows(0, 40), options={"n_components": 3}).model,  # type: ignore
    ),
    "modalities": (
        "modalities cannot be merged: ('image', 'text') and ('image', 'words')",
        lambda: fit("pca", {"image": rows(0, 40)["image"], "words": rows(0, 40)["text"]}),
    ),
    "order": (
        "modalities cannot be merged: ('image', 'text') and ('text', 'image')",
        lambda: fit("pca", dict(reversed(rows(0, 40).items()))),
    ),
    "columns": (
        "columns cannot be merged: of ",
        lambda: fit("pca", {**rows(0, 40), "text": rows(0, 40)["image"][0][:, :3]}, by="position"),
    ),
    "names of columns": (
        "columns cannot be merged: of text, number 2 is '1' in one and 'b' in the other",
        lambda: fit("pca", {**rows(0, 40), "text": framed(*rows(0, 40)["text"], "0b23")}),
    ),
    "weights": (
        "weights cannot be merged: [1.0, 1.0] and [1.0, 2.0]",
        lambda: fit("pca", rows(0, 40), weight={"text": 2}),
    ),
    "normalisations": (
        "normalisations cannot be merged: [[], []] and [['l2'], []]",
        lambda: fit("pca", rows(0, 40), normalize={"image": "l2"}),
    ),
    "missing": (
        "--missing cannot be merged: None and zero",
        lambda: fit("pca", rows(0, 40), missing="zero"),
    ),
    "nan": (
        "--nan cannot be merged: error and drop",
        lambda: fit("pca", rows(0, 40), nan="drop"),
    ),
}


def framed(x: Matrix, ids: Matrix, columns: str) -> Any:
    """The same rows as a table, whose columns have names."""
    return pd.DataFrame(x, pd.Index(ids, name="id"), list(columns))


@pytest.mark.parametrize("what", OTHERS)
def test_models_that_were_made_otherwise_are_not_merged(what: str, tmp_path: Path) -> None:
    told, make = OTHERS[what]
    path = tmp_path / "merged"
    path.write_text("old")
    with pytest.raises(ModelError) as raised:
        mmfuse.merge([fit("pca", rows(0, 40)), make()], path)
    assert raised.value.message.startswith("models of other ")
    assert told in raised.value.message
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_one_model_is_not_merged() -> None:
    with pytest.raises(UsageError, match="two models or more"):
        mmfuse.merge([fit("pca", rows(0, 40))])


def test_a_file_is_not_merged_with_itself(tmp_path: Path) -> None:
    model, path = fit("pca", rows(0, 40)), tmp_path / "model.safetensors"
    fit("pca", rows(0, 40), path)
    (tmp_path / "link").symlink_to(path)
    before = path.read_bytes()
    for twice in ([path, str(path)], [path, model, tmp_path / "link"]):
        with pytest.raises(UsageError, match="named twice, and its rows would count twice"):
            mmfuse.merge(twice, path)
    assert path.read_bytes() == before
    assert mmfuse.merge([path, model]).rows == 80  # equal rows may be others


# --- values that are not finite ---------------------------------------------------------------


def spoilt(modalities: Rows) -> tuple[Rows, set[int]]:
    """The same with some values of the first modality that are not finite, and the ids of those."""
    x, ids = modalities["image"]
    x = x.copy()
    x[[3, 8, 20], [0, 2, 0]] = [np.nan, np.inf, -np.inf]
    return {**modalities, "image": (x, ids)}, set(ids[[3, 8, 20]].tolist())


def with_zero(modalities: Rows) -> Rows:
    x, ids = modalities["image"]
    return {**modalities, "image": (np.where(np.isfinite(x), x, 0).astype(x.dtype), ids)}


def with_mean(modalities: Rows, of: Rows) -> Rows:
    x, ids = modalities["image"]
    known = of["image"][0].astype(np.float64)
    mean = np.nanmean(np.where(np.isfinite(known), known, np.nan), axis=0)
    return {**modalities, "image": (np.where(np.isfinite(x), x, mean).astype(x.dtype), ids)}


@every_learner
def test_nan_becomes_zero(strategy: str) -> None:
    bad, _ = spoilt(rows(0, 70))
    fresh, _ = spoilt(rows(900, 930))
    model = fit(strategy, bad, nan="zero", normalize="zscore")
    clean = fit(strategy, with_zero(bad), normalize="zscore")
    assert apply(model, fresh).tobytes() == apply(clean, with_zero(fresh)).tobytes()
    assert_close(
        learned(go_on(model, fresh))["weights_0"],
        learned(go_on(clean, with_zero(fresh)))["weights_0"],
    )


@every_learner
def test_nan_becomes_the_mean_of_what_was_learned_from(strategy: str) -> None:
    bad, _ = spoilt(rows(0, 70, "float64"))
    fresh, _ = spoilt(rows(900, 930, "float64"))
    model = fit(strategy, bad, nan="mean", dtype="float64")
    clean = fit(strategy, with_mean(bad, bad), dtype="float64")
    assert_close(apply(model, fresh), apply(clean, with_mean(fresh, bad)))
    with pytest.raises(ModelError, match="image is normalised by nan-mean before what is not lin"):
        go_on(model, fresh)


@every_learner
def test_rows_with_nan_are_dropped(strategy: str) -> None:
    bad, ids = spoilt(rows(0, 70))
    fresh, dropped = spoilt(rows(900, 930))
    model = fit(strategy, bad, nan="drop")
    kept = chosen(bad, "image", np.setdiff1d(np.arange(70), list(ids)))
    assert (model.rows, model.learned_from) == (67, 67)
    applied = mmfuse.apply(model, fresh)
    assert applied.matrix is not None
    good = chosen(fresh, "image", np.setdiff1d(np.arange(900, 930), list(dropped)))
    assert applied.matrix.tobytes() == apply(fit(strategy, kept), good).tobytes()
    assert set(applied.ids.tolist()) == set(range(900, 930)) - dropped
    assert go_on(model, fresh).learned_from == 67 + 27


def test_nan_that_nobody_expected() -> None:
    fresh, ids = spoilt(rows(900, 930))
    model = fit("pca", rows(0, 70))
    for use in (apply, go_on):
        with pytest.raises(InputError, match="3 values are NaN or infinite"):
            use(model, fresh)
    assert len(apply(model, fresh, nan="drop")) == 27
    kept = mmfuse.apply(model, fresh, nan="keep")
    assert kept.matrix is not None
    assert set(kept.ids[~np.isfinite(kept.matrix).all(axis=1)].tolist()) == ids
    with pytest.raises(InputError, match="3 values are NaN or infinite"):
        apply(fit("pca", rows(0, 70), nan="mean"), fresh, nan="error")


@pytest.mark.parametrize(
    ("was", "now"),
    [("error", "zero"), ("error", "mean"), ("zero", "mean"), ("zero", "keep"), ("mean", "keep")],
)
def test_a_model_does_not_mend_as_it_did_not_learn_to(was: Any, now: Any) -> None:
    model = fit("concat", rows(0, 70), nan=was)
    with pytest.raises(UsageError, match=f"--nan {now} is not how .*, which is --nan {was}"):
        apply(model, spoilt(rows(900, 930))[0], nan=now)


@every_learner
def test_from_nan_nothing_is_learned(strategy: str) -> None:
    with pytest.raises(UsageError, match="nothing is learned"):
        fit(strategy, spoilt(rows(0, 70))[0], nan="keep")


# --- rows that lack a modality ----------------------------------------------------------------


def test_what_lacks_a_modality_teaches_nothing_and_counts_as_its_mean() -> None:
    modalities = rows(0, 80, "float64")
    lacking = chosen(modalities, "text", np.arange(50))
    model = fit("pca", lacking, join="outer", dtype="float64")
    whole = fit("pca", chosen(modalities, "text", np.arange(50)), dtype="float64")
    assert (model.rows, model.learned_from, whole.learned_from) == (80, 50, 50)
    for name, array in learned(whole).items():
        assert_close(learned(model)[name], array)

    fresh = rows(900, 930, "float64")
    applied = mmfuse.apply(model, chosen(fresh, "text", np.arange(900, 910)), join="outer")
    assert applied.matrix is not None
    of = learned(model)
    for row, i in zip(applied.matrix, applied.ids.tolist(), strict=True):
        found = {name: x[ids == i] for name, (x, ids) in fresh.items()}
        expected = (found["image"] - of["mean_0"]) @ of["weights_0"]
        if i < 910:
            expected += (found["text"] - of["mean_1"]) @ of["weights_1"]
        np.testing.assert_allclose(row, expected[0], rtol=1e-9, atol=1e-9)


PRESENT = [name for name in ROW_WISE if strategy_class(name).fuses_present]
NEEDING = [name for name in ROW_WISE if not strategy_class(name).fuses_present]


@pytest.mark.parametrize("strategy", PRESENT)
@pytest.mark.parametrize("absent", ["image", "text"])
def test_a_modality_that_is_not_given_is_one_that_every_row_lacks(
    strategy: str, absent: str
) -> None:
    known, fresh = (rows(*ids, strategy=strategy) for ids in ((0, 70), (900, 930)))
    model = fit(strategy, known, normalize=suited_chain(strategy, "zscore"))
    given = {name: value for name, value in fresh.items() if name != absent}
    found = mmfuse.apply(model, given)
    other = joined(rows(800, 801, strategy=strategy), fresh)
    other = chosen(other, absent, np.array([800]))
    outer = mmfuse.apply(model, other, join="outer")
    assert found.matrix is not None
    assert outer.matrix is not None
    rest = outer.ids != 800
    assert found.ids.tolist() == outer.ids[rest].tolist()
    assert np.isfinite(found.matrix).all()
    assert found.matrix.tobytes() == outer.matrix[rest].tobytes()
    assert f"{absent}: is not given: every row lacks it" in found.summary.notes


@pytest.mark.parametrize("strategy", NEEDING)
def test_a_modality_that_is_needed(strategy: str) -> None:
    model, fresh = fit(strategy, rows(0, 70)), rows(900, 930)
    with pytest.raises(ModelError, match="the model needs text too") as raised:
        apply(model, {"image": fresh["image"]})
    assert raised.value.hint == "--missing zero puts zeros there; the model has image, text"
    ids = fresh["image"][1]
    zeros = (np.zeros_like(rows(900, 930)["text"][0]), ids)
    explicit = apply(model, {"image": fresh["image"], "text": zeros})
    filled = apply(model, {"image": fresh["image"]}, missing="zero")
    np.testing.assert_array_equal(filled, explicit)


def lacking(first: int, stop: int) -> tuple[Rows, Matrix]:
    """Rows of which the later half lacks the text, and which do in the order of the first."""
    half = (first + stop) // 2
    return chosen(rows(first, stop, "float64"), "text", np.arange(first, half)), np.arange(
        half, stop
    )


@pytest.mark.parametrize("missing", ["zero", "mean", "nan"])
def test_what_stands_for_a_modality_at_apply(missing: Any) -> None:
    known, _ = lacking(0, 80)
    fresh, without = lacking(900, 930)
    how: dict[str, Any] = {"normalize": "l2", "weight": {"text": 3}, "dtype": "float64"}
    model = fit("concat", known, missing=missing, join="outer", **how)
    x = known["text"][0]
    mean = (x / np.linalg.norm(x, axis=1, keepdims=True)).mean(axis=0)
    expected = {"zero": np.zeros(DIM), "mean": 3 * mean, "nan": np.full(DIM, np.nan)}[missing]
    applied = mmfuse.apply(model, fresh, join="outer")
    assert applied.matrix is not None
    blocks = applied.matrix[np.isin(applied.ids, without), DIM:]
    assert len(blocks) == len(without)
    np.testing.assert_allclose(blocks, np.tile(expected, (len(blocks), 1)), rtol=1e-12)


@pytest.mark.parametrize("was", ["zero", "mean", "nan"])
@pytest.mark.parametrize("now", ["zero", "nan"])
def test_something_else_stands_for_it_at_apply(was: Any, now: Any) -> None:
    fresh, without = lacking(900, 930)
    model = fit("concat", lacking(0, 80)[0], missing=was, join="outer", normalize="zscore")
    applied = mmfuse.apply(model, fresh, join="outer", missing=now)
    assert applied.matrix is not None
    blocks = applied.matrix[np.isin(applied.ids, without), DIM:]
    expected = 0 if now == "zero" else np.nan
    assert np.array_equal(blocks, np.full(blocks.shape, expected), equal_nan=True)
    assert applied.summary.missing == now


@pytest.mark.parametrize("strategy", ["concat", "pca"])
def test_a_mean_that_was_not_learned_is_not_made_up(strategy: str) -> None:
    model, (fresh, _) = fit(strategy, rows(0, 70)), lacking(900, 930)
    with pytest.raises(ModelError, match="rows lack text, and the model has not learned its mean"):
        apply(model, fresh, join="outer", missing="mean")
    assert len(apply(model, fresh, missing="mean")) == 15  # of which none lacks it


@pytest.mark.parametrize("strategy", ["concat", "pca"])
def test_rows_that_lack_a_modality_can_be_refused(strategy: str) -> None:
    fresh, _ = lacking(900, 930)
    model = fit(strategy, rows(0, 70), missing="error")
    with pytest.raises(AlignmentError, match="15 of 30 rows lack text"):
        apply(model, fresh, join="outer")
    assert len(apply(model, fresh)) == 15


# --- what is learned --------------------------------------------------------------------------


def spectrum(model: mmfuse.Model) -> Matrix:
    return learned(model)["spectrum"]


def test_weights_multiply_the_block() -> None:
    x, y = rows(0, 70, "float64").values()
    weighted = fit("pca", {"x": x, "y": y}, weight={"x": 3, "y": -0.5}, dtype="float64")
    scaled = fit("pca", {"x": (3 * x[0], x[1]), "y": (-0.5 * y[0], y[1])}, dtype="float64")
    assert_close(spectrum(weighted), spectrum(scaled))
    fresh = rows(900, 930, "float64")
    u, v = fresh["image"], fresh["text"]
    assert_close(
        apply(weighted, {"x": u, "y": v}),
        apply(scaled, {"x": (3 * u[0], u[1]), "y": (-0.5 * v[0], v[1])}),
    )


@pytest.mark.parametrize("parts", [1, 3])
def test_large_means_cost_nothing(parts: int) -> None:
    rng = np.random.default_rng(0)
    x = 1e8 + rng.normal(0, 1, (900, 6)) * [1, 1, 1, 1, 1e-2, 1]
    x[:, 5] += x[:, 0] - 1e8
    centred = x - x.mean(axis=0)
    expected = np.linalg.eigvalsh(centred.T @ centred / (len(x) - 1))[::-1]
    models = [fit("pca", {"x": part}, dtype="float64") for part in np.array_split(x, parts)]
    found = models[0] if parts == 1 else mmfuse.merge(models)
    np.testing.assert_allclose(spectrum(found), expected, rtol=1e-6)
    scores = apply(found, {"x": x})
    np.testing.assert_allclose(scores.var(axis=0, ddof=1), expected[:WIDTH], rtol=1e-6)
    assert np.abs(scores.mean(axis=0)).max() < 1e-7


def test_components_are_those_of_the_singular_value_decomposition() -> None:
    modalities = rows(0, 90, "float64")
    order = {name: x[np.argsort(ids)] for name, (x, ids) in modalities.items()}
    stacked = np.hstack(list(order.values()))
    centred = stacked - stacked.mean(axis=0)
    _, singular, v = np.linalg.svd(centred, full_matrices=False)
    model = fit("pca", modalities, dtype="float64")
    np.testing.assert_allclose(spectrum(model), singular**2 / 89, rtol=1e-10)
    scores = apply(model, {name: (x, np.arange(90)) for name, x in order.items()})
    np.testing.assert_allclose(np.abs(scores), np.abs(centred @ v[:WIDTH].T), atol=1e-9)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.9, 0.99, 0.9999])
def test_a_share_of_the_variance(share: float) -> None:
    modalities = rows(0, 90, "float64")
    model = mmfuse.fit("pca", modalities, options={"n_components": share}, dtype="float64").model
    assert model is not None
    reached = np.cumsum(spectrum(model)) / spectrum(model).sum()
    k = len(model.columns)
    assert reached[k - 1] >= share
    assert k == 1 or reached[k - 2] < share
    assert apply(model, modalities).shape == (90, k)


@pytest.mark.parametrize("factors", [1, 3, 5])
def test_auto_finds_what_stands_out_of_noise(factors: int) -> None:
    rng = np.random.default_rng(factors)
    signal = rng.normal(0, 1, (400, factors)) @ rng.normal(0, 3, (factors, 30))
    x = signal + rng.normal(0, 1, signal.shape)
    model = mmfuse.fit("pca", {"x": x}).model
    assert model is not None
    assert len(model.columns) == factors
    assert model.columns == tuple(f"pca_{k}" for k in range(factors))


def test_a_number_of_components() -> None:
    for k in (1, 3, 8):
        model = mmfuse.fit("pca", rows(0, 90), options={"n_components": k}).model
        assert model is not None
        assert len(model.columns) == k
        assert all(a >= b for a, b in pairwise(spectrum(model)))
    with pytest.raises(UsageError, match="9, and these modalities have 8 at most"):
        mmfuse.fit("pca", rows(0, 90), options={"n_components": 9})


# --- data from which there is little to learn -------------------------------------------------

_RNG = np.random.default_rng(0)
_X, _Y = _RNG.normal(0, 1, (40, 3)), _RNG.normal(0, 1, (40, 3))
POOR: dict[str, tuple[Matrix, Matrix]] = {
    "all constant": (np.full((40, 3), 0.1), np.full((40, 3), 7.7)),
    "all zero": (np.zeros((40, 3)), np.zeros((40, 3))),
    "one row": (_X[:1], _Y[:1]),
    "two rows": (_X[:2], _Y[:2]),
    "one constant": (np.full((40, 3), 0.1), _Y),
    "a constant column": (np.column_stack([_X[:, 0], np.full(40, 0.1), _X[:, 2]]), _Y),
    "repeated columns": (np.column_stack([_X[:, 0], _X[:, 0], _X[:, 2]]), _Y),
    "the same twice": (_X, _X),
    "fewer rows than columns": (_RNG.normal(0, 1, (5, 9)), _RNG.normal(0, 1, (5, 9))),
    "tiny": (_X * 1e-30, _Y * 1e-30),
    "huge": (_X * 1e30, _Y * 1e30),
    "of very different sizes": (_X * 1e-15, _Y * 1e15),
}


def outcome(strategy: str, x: Matrix, y: Matrix, normalize: str | None) -> mmfuse.Model | str:
    known = {option.name for option in options(strategy_class(strategy))}
    asked = {"n_components": 1} if "n_components" in known else {}
    how: dict[str, Any] = {"options": asked, "normalize": normalize, "dtype": "float64"}
    try:
        model = mmfuse.fit(strategy, {"x": x, "y": y}, threads=1, **how).model
    except InputError as error:
        return str(error)
    assert model is not None
    return model


@every_learner
@pytest.mark.parametrize("data", POOR)
@pytest.mark.parametrize("normalize", [None, "zscore"])
def test_poor_data_give_finite_numbers_or_a_clear_error(
    strategy: str, data: str, normalize: str | None
) -> None:
    x, y = POOR[data]
    found = outcome(strategy, x, y, normalize)
    if isinstance(found, str):
        assert "\nhint: " in found
        assert "nan" not in found
        return
    for array in learned(found).values():
        assert not np.isnan(array).any()
    assert np.isfinite(apply(found, {"x": x, "y": y})).all()


@pytest.mark.parametrize("data", ["all constant", "all zero", "one row"])
@pytest.mark.parametrize("normalize", [None, "zscore", "l2"])
def test_nothing_to_learn(data: str, normalize: str | None) -> None:
    found = outcome("pca", *POOR[data], normalize)
    assert isinstance(found, str)
    assert found.startswith("there is nothing to learn: no component of these rows varies\n")


@pytest.mark.parametrize(
    ("data", "rank"),
    [
        ("two rows", 1),
        ("one constant", 3),
        ("a constant column", 5),
        ("repeated columns", 5),
        ("the same twice", 3),
        ("fewer rows than columns", 4),
    ],
)
def test_no_more_components_than_the_data_have(data: str, rank: int) -> None:
    x, y = POOR[data]
    for k in range(1, rank + 2):
        if k <= rank:
            model = mmfuse.fit("pca", {"x": x, "y": y}, options={"n_components": k}).model
            assert model is not None
            assert len(model.columns) == k
        else:
            with pytest.raises(InputError, match=f"{k} components are asked for, .* have {rank}\n"):
                mmfuse.fit("pca", {"x": x, "y": y}, options={"n_components": k})
