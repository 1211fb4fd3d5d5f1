"""Rows that lack a modality, and ids that stand for several rows: what comes out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from suited import predicted, suited, suited_labels

import mmfuse
from mmfuse.core.batch import Batch
from mmfuse.core.options import options
from mmfuse.core.registry import STRATEGIES, strategy_class
from mmfuse.core.schema import Modality, Schema
from mmfuse.core.strategy import Learned, Strategy
from mmfuse.errors import AlignmentError, InputError, UsageError

Matrix = NDArray[Any]
NAMES, DIM, IDS = "abc", 5, 700

every_strategy = pytest.mark.parametrize("strategy", list(STRATEGIES.modules))
row_wise = pytest.mark.parametrize(
    "strategy", [name for name in STRATEGIES.modules if not strategy_class(name).whole]
)


def made(strategy: str) -> Strategy:
    known = {option.name for option in options(strategy_class(strategy))}
    width = 2 if strategy_class(strategy).supervised else 4  # one less than classes
    return strategy_class(strategy)(**({"n_components": width} if "n_components" in known else {}))


def some(strategy: str, modalities: Any) -> Any:
    """As many of the modalities as the strategy takes, as it takes them."""
    fitting = list(modalities.items())[: strategy_class(strategy).most]
    return {name: (suited(strategy, x), ids) for name, (x, ids) in fitting}


def fuse(strategy: str, modalities: Any, **more: Any) -> mmfuse.Fused:
    """With labels, if the strategy wants any."""
    ids = np.arange(IDS)
    labels = suited_labels(strategy, ids)
    labels = None if labels is None else (labels, ids)
    return mmfuse.fuse(made(strategy), modalities, labels=labels, **more)


@pytest.fixture
def modalities() -> dict[str, tuple[Matrix, Matrix]]:
    """Three modalities of 80 % of the ids each, in an order of their own."""
    rng = np.random.default_rng(0)
    found = {}
    for name in NAMES:
        ids = rng.permutation(IDS)[: IDS * 8 // 10]
        found[name] = (rng.normal(1, 2, (len(ids), DIM)).astype(np.float32), ids)
    return found


def filled(modalities: dict[str, tuple[Matrix, Matrix]], ids: Matrix) -> dict[str, Matrix]:
    """Every modality in the order of `ids`, zeros where it lacks one."""
    whole = {}
    for name, (matrix, own) in modalities.items():
        whole[name] = np.zeros((len(ids), matrix.shape[1]), np.float32)
        place = {int(text): row for row, text in enumerate(ids)}
        for values, text in zip(matrix, own, strict=True):
            whole[name][place[int(text)]] = values
    return whole


def present(modalities: dict[str, tuple[Matrix, Matrix]], ids: Matrix) -> NDArray[np.bool_]:
    return np.column_stack([np.isin(ids, own) for _, own in modalities.values()])


def outer(strategy: str, modalities: Any, **more: Any) -> mmfuse.Fused:
    return fuse(strategy, modalities, join="outer", **more)


of_features = pytest.mark.parametrize(
    "strategy", [name for name in STRATEGIES.modules if predicted(name) is None]
)
of_predictions = pytest.mark.parametrize(
    "strategy", [name for name in STRATEGIES.modules if predicted(name) is not None]
)


@of_features
def test_zeros_are_what_explicit_zeros_are(strategy: str, modalities: Any) -> None:
    modalities = some(strategy, modalities)
    fused = outer(strategy, modalities, missing="zero")
    assert set(fused.ids.tolist()) == {i for _, ids in modalities.values() for i in ids.tolist()}
    whole = {name: (x, fused.ids) for name, x in filled(modalities, fused.ids).items()}
    explicit = fuse(strategy, whole)
    assert fused.matrix is not None
    assert explicit.matrix is not None
    assert fused.matrix.tobytes() == explicit.matrix.tobytes()
    assert fused.summary.missing == "zero"


@of_predictions
@pytest.mark.parametrize("missing", ["zero", "mean", "nan"])
def test_a_prediction_is_not_made_up(strategy: str, missing: Any, modalities: Any) -> None:
    modalities = some(strategy, modalities)
    with pytest.raises(UsageError, match=f"--missing {missing} would make up a prediction"):
        outer(strategy, modalities, missing=missing)
    with pytest.raises(AlignmentError, match="lack a, and --missing error refuses that"):
        outer(strategy, modalities, missing="error")
    inner = fuse(strategy, modalities, missing="error")
    assert inner.matrix is not None
    assert inner.matrix.tobytes() == fuse(strategy, modalities).matrix.tobytes()  # type: ignore
    if not strategy_class(strategy).supervised:
        model = mmfuse.fit(made(strategy), modalities).model
        assert model is not None
        with pytest.raises(UsageError, match=f"--missing {missing} would make up"):
            mmfuse.apply(model, modalities, join="outer", missing=missing)


@every_strategy
def test_what_a_strategy_declares(
    strategy: str, modalities: Any, solve: Callable[..., Learned]
) -> None:
    modalities = some(strategy, modalities)
    fused = outer(strategy, modalities)
    kind = strategy_class(strategy)
    assert fused.matrix is not None
    assert fused.summary.missing == ("present" if kind.fuses_present else "zero")
    blocks = list(filled(modalities, fused.ids).values())
    columns = tuple(map(str, range(blocks[0].shape[1])))
    classes = () if predicted(strategy) == "numbers" else ("0", "1", "2")
    schema = Schema(tuple(Modality(name, columns) for name in modalities), classes)
    expected = np.empty(fused.matrix.shape, np.float32)
    has = present(modalities, fused.ids) if kind.fuses_present else None
    one = made(strategy)
    learned = solve(one, schema, blocks, has, suited_labels(strategy, fused.ids))
    one.fuse(Batch(blocks, np.ones(len(blocks)), has), expected, learned)
    np.testing.assert_allclose(fused.matrix, expected, rtol=1e-6, atol=1e-6)


@row_wise
def test_complete_rows_are_those_of_the_inner_join(strategy: str, modalities: Any) -> None:
    modalities = some(strategy, modalities)
    inner = fuse(strategy, modalities, sort_ids=True)
    fused = outer(strategy, modalities, sort_ids=True)
    complete = present(modalities, fused.ids).all(axis=1)
    assert fused.ids[complete].tolist() == inner.ids.tolist() == sorted(inner.ids.tolist())
    assert inner.matrix is not None
    assert fused.matrix is not None
    if strategy == "gcca":  # learns from rows that lack a modality too
        assert np.isfinite(fused.matrix).all()
    elif made(strategy).learns:  # of the same rows, in other tiles
        np.testing.assert_allclose(fused.matrix[complete], inner.matrix, rtol=1e-5, atol=1e-5)
    else:
        assert fused.matrix[complete].tobytes() == inner.matrix.tobytes()
    assert inner.summary.missing is None


def test_a_mean_is_that_of_the_normalised_rows_that_are_there(modalities: Any) -> None:
    fused = outer("concat", modalities, normalize="l2", weight={"b": 3}, missing="mean")
    assert fused.matrix is not None
    has = present(modalities, fused.ids)
    for m, (name, (rows, _)) in enumerate(modalities.items()):
        part = fused.matrix[:, m * DIM : (m + 1) * DIM]
        unit = rows / np.linalg.norm(rows.astype(float), axis=1, keepdims=True)
        expected = unit.mean(axis=0) * (3 if name == "b" else 1)
        np.testing.assert_allclose(
            part[~has[:, m]], np.tile(expected, (int((~has[:, m]).sum()), 1)), rtol=1e-5
        )


def test_learned_normalisations_see_the_rows_that_are_there(modalities: Any) -> None:
    fused = outer("concat", modalities, normalize="zscore")
    assert fused.matrix is not None
    has = present(modalities, fused.ids)
    for m, (rows, ids) in enumerate(modalities.values()):
        part = fused.matrix[:, m * DIM : (m + 1) * DIM]
        expected = (rows - rows.mean(axis=0)) / rows.std(axis=0)
        order = {int(i): row for row, i in enumerate(ids)}
        taken = [order[int(i)] for i in fused.ids[has[:, m]]]
        np.testing.assert_allclose(part[has[:, m]], expected[taken], rtol=1e-4, atol=1e-5)
        assert not part[~has[:, m]].any()


def test_nan_is_told_from_values_that_are_not_finite(modalities: Any) -> None:
    fused = outer("concat", modalities, missing="nan")
    assert fused.matrix is not None
    has = np.repeat(present(modalities, fused.ids), DIM, axis=1)
    assert np.isnan(fused.matrix).tolist() == (~has).tolist()
    rows, ids = modalities["b"]
    rows[3, 1] = np.inf
    with pytest.raises(InputError) as caught:
        outer("concat", modalities, missing="nan")
    assert repr(str(ids[3])) in caught.value.message
    assert outer("concat", modalities, nan="drop").summary.rows == len(fused.ids) - 1


def test_error_and_left(modalities: Any) -> None:
    with pytest.raises(AlignmentError) as caught:
        outer("mean", modalities, missing="error")
    assert "lack a, and --missing error refuses that" in caught.value.message
    left = mmfuse.fuse("mean", modalities, join="left")
    assert left.ids.tolist() == modalities["a"][1].tolist()
    with pytest.raises(UsageError, match="--missing is 'none'"):
        outer("mean", modalities, missing="none")


def test_threads_and_formats_change_no_byte(modalities: Any, tmp_path: Path) -> None:
    found: dict[str, set[bytes]] = {"npy": set(), "csv": set(), "parquet": set()}
    for suffix in found:
        files = {}
        for name, (rows, ids) in modalities.items():
            again = np.concatenate([ids, ids[:50]])  # these stand for two rows each
            rows = np.round(np.concatenate([rows, rows[:50] + 1]) * 8) / 8  # exact as text
            frame = pd.DataFrame(rows, columns=[f"f{j}" for j in range(DIM)]).assign(id=again)
            files[name] = tmp_path / f"{name}.{suffix}"
            if suffix == "npy":
                np.save(files[name], rows)
                np.save(tmp_path / f"{name}.ids.npy", again)
            elif suffix == "csv":
                frame.to_csv(files[name], index=False)
            else:
                frame.to_parquet(files[name], row_group_size=100)
        for threads in (1, 2):
            for memory in (512 << 20, 4 << 20):
                fused = mmfuse.fuse(
                    "concat", files, join="outer", duplicates="mean", normalize="zscore",
                    missing="mean", threads=threads, memory=memory,
                )  # fmt: skip
                assert fused.matrix is not None
                found[suffix].add(fused.matrix.tobytes())
    assert {len(results) for results in found.values()} == {1}
    assert found["npy"] == found["parquet"]  # numbers of a text file are float64


@pytest.mark.parametrize("how", ["mean", "max", "first"])
@pytest.mark.parametrize("dtype", ["float32", "int8", "float64"])
def test_duplicates_are_what_pandas_groups(how: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    ids, rows = rng.integers(0, 40, 200), rng.integers(-99, 99, (200, 3)).astype(dtype)
    other = np.arange(40)[::-1]
    fused = mmfuse.fuse(
        "concat",
        {"x": (rows, ids), "y": (np.ones((40, 1)), other)},
        duplicates=how,  # type: ignore[arg-type]
        dtype="float64",
    )
    expected = pd.DataFrame(rows.astype(float)).groupby(ids, sort=False).agg(how)
    assert fused.ids.tolist() == expected.index.tolist()
    assert fused.matrix is not None
    np.testing.assert_allclose(fused.matrix[:, :3], expected.to_numpy(), rtol=1e-14)


def test_explode_is_a_merge() -> None:
    rng = np.random.default_rng(2)
    left = pd.DataFrame({"id": rng.integers(0, 9, 30), "v": np.arange(30.0)})
    right = pd.DataFrame({"id": rng.integers(3, 12, 30), "w": np.arange(30.0)})
    fused = mmfuse.fuse("concat", {"l": left, "r": right}, duplicates="explode", dtype="float64")
    expected = left.merge(right, on="id")
    assert fused.matrix is not None
    found = sorted(zip(fused.ids.tolist(), *fused.matrix.T.tolist(), strict=True))
    assert found == sorted(expected.itertuples(index=False, name=None))


@pytest.mark.parametrize("layout", ["vector", "wide"])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_flags_in_parquet(modalities: Any, tmp_path: Path, layout: Any, compression: str) -> None:
    out = tmp_path / "o.parquet"
    more = {"layout": layout, "compression": compression}
    mmfuse.fuse("concat", modalities, out, join="outer", **more)
    frame = pd.read_parquet(out)
    flags = frame[[f"present_{name}" for name in NAMES]].to_numpy()
    assert flags.dtype == bool
    assert flags.tolist() == present(modalities, frame["id"].to_numpy()).tolist()
    again = mmfuse.fuse("concat", {"x": out})  # the flags are no features
    assert again.summary.columns == 3 * DIM
    mmfuse.fuse("concat", modalities, out, **more)
    assert not [name for name in pd.read_parquet(out).columns if name.startswith("present")]


@pytest.mark.parametrize(
    "suffix", ["csv", "tsv", "parquet", "feather", "npz", "jsonl", "safetensors"]
)
def test_flags_are_no_features_when_read_back(modalities: Any, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"o.{suffix}"
    mmfuse.fuse("concat", modalities, out, join="outer")
    again = mmfuse.fuse("concat", {"x": out})
    assert again.summary.columns == 3 * DIM
    told = any("present_a" in note for note in again.summary.notes)
    assert told == (
        suffix in ("csv", "tsv", "jsonl")
    )  # which have no record that says what they are


def test_two_columns_of_one_name_are_refused() -> None:
    rows = pd.DataFrame({"id": [1, 2], "a": [1.0, 2.0]})
    with pytest.raises(UsageError, match="would be named 'present_a'"):
        mmfuse.fuse("concat", {"present": rows, "a": rows[:1]}, join="outer")
