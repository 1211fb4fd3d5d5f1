"""What every strategy and every normalisation keeps to, whatever it computes.

Nothing is named here but the symmetric strategies: a new module is found and tested.
"""

import dataclasses
import inspect
import pickle
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from suited import predicted, suited, suited_chain, suited_labels, suited_weight

import mmfuse
from mmfuse.core.batch import Batch
from mmfuse.core.normalization import Normalization
from mmfuse.core.options import options
from mmfuse.core.registry import NORMALIZATIONS, STRATEGIES, normalization, strategy_class
from mmfuse.core.scatter import Scatter
from mmfuse.core.schema import Modality, Schema
from mmfuse.core.statistics import Moments
from mmfuse.core.strategy import Learned, Strategy
from mmfuse.errors import UsageError

Matrix = NDArray[Any]
ROWS, DIM = 150, 6
SYMMETRIC = [
    *("sum", "mean", "max", "min", "product"),
    *(name for name in STRATEGIES.modules if strategy_class(name).of_predictions),
]
WIDTH = 4  # where a strategy has a width of its own

every_strategy = pytest.mark.parametrize("strategy", list(STRATEGIES.modules))
row_wise = pytest.mark.parametrize(
    "strategy", [name for name in STRATEGIES.modules if not strategy_class(name).whole]
)
every_normalization = pytest.mark.parametrize("name", list(NORMALIZATIONS.modules))
both_dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def made(strategy: str) -> Strategy:
    known = {option.name for option in options(strategy_class(strategy))}
    width = 2 if strategy_class(strategy).supervised else WIDTH  # one less than classes
    return strategy_class(strategy)(**({"n_components": width} if "n_components" in known else {}))


Solve = Callable[..., Learned]


def fitting(strategy: str, modalities: Any) -> Any:
    """As many of the modalities as the strategy takes."""
    most = strategy_class(strategy).most
    return dict(list(modalities.items())[:most])


def inputs(
    strategy: str, dtype: str = "float32", names: str = "abc"
) -> dict[str, tuple[Matrix, Matrix]]:
    """Three modalities whose rows only partly agree, each in an order of its own."""
    rng = np.random.default_rng(0)
    found = {}
    for name in names:
        block = rng.normal(1, 2, (ROWS, DIM)).astype(dtype)
        found[name] = (suited(strategy, block), rng.permutation(ROWS + 20)[:ROWS])
    return found


def schema(blocks: Sequence[Matrix], strategy: str) -> Schema:
    """Modalities of these widths, and three classes if the strategy learns of classes."""
    modalities = (
        Modality(f"m{m}", tuple(map(str, range(block.shape[1])))) for m, block in enumerate(blocks)
    )
    numbers = predicted(strategy) == "numbers"
    return Schema(tuple(modalities), () if numbers else ("0", "1", "2"))


def labels(strategy: str) -> Any:
    """Labels of all rows, and their ids, if the strategy wants any."""
    ids = np.arange(ROWS + 20)
    found = suited_labels(strategy, ids)
    return None if found is None else (found, ids)


def fuse(strategy: str, modalities: Any, **more: Any) -> mmfuse.Fused:
    wanted = {"threads": 1, "labels": labels(strategy), **more}
    if "normalize" in wanted:
        wanted["normalize"] = suited_chain(strategy, wanted["normalize"])
    return mmfuse.fuse(made(strategy), fitting(strategy, modalities), **wanted)


def matrix(strategy: str, modalities: Any, **more: Any) -> Matrix:
    found = fuse(strategy, modalities, **more).matrix
    assert found is not None
    return found


@every_strategy
def test_a_name_a_column(strategy: str) -> None:
    fused = fuse(strategy, inputs(strategy))
    assert fused.matrix is not None
    assert fused.matrix.shape == (len(fused.ids), len(fused.columns))
    assert len(set(fused.columns)) == len(fused.columns)
    assert all(isinstance(name, str) and name for name in fused.columns)
    assert fused.summary.columns == len(fused.columns)


@every_strategy
def test_slices_lie_within_the_columns(strategy: str) -> None:
    fused = fuse(strategy, inputs(strategy))
    for name, (start, stop) in fused.summary.slices.items():
        assert 0 <= start < stop <= len(fused.columns)
        assert all(column.startswith(name) for column in fused.columns[start:stop])


@every_strategy
@both_dtypes
def test_the_order_of_rows_in_an_input_changes_nothing_but_order(strategy: str, dtype: str) -> None:
    modalities = inputs(strategy, dtype)
    plain = fuse(strategy, modalities, normalize="l2", dtype=dtype)
    rng = np.random.default_rng(1)
    for name, (rows, ids) in modalities.items():
        order = rng.permutation(ROWS)
        fused = fuse(
            strategy,
            {**modalities, name: (rows[order], ids[order])},
            normalize="l2",
            dtype=dtype,
        )
        assert fused.matrix is not None
        assert plain.matrix is not None
        if name != "a":
            assert fused.ids.tolist() == plain.ids.tolist()
            assert fused.matrix.tobytes() == plain.matrix.tobytes()
        else:
            assert fused.ids.tolist() == [i for i in ids[order] if i in set(plain.ids.tolist())]
            place = {i: k for k, i in enumerate(plain.ids.tolist())}
            moved = plain.matrix[[place[i] for i in fused.ids.tolist()]]
            if made(strategy).learns or made(strategy).whole:  # sums in another order
                np.testing.assert_allclose(fused.matrix, moved, rtol=1e-5, atol=1e-5)
            else:
                assert fused.matrix.tobytes() == moved.tobytes()


@row_wise
@both_dtypes
def test_a_row_does_not_depend_on_the_rows_beside_it(
    strategy: str, dtype: str, solve: Solve
) -> None:
    rng = np.random.default_rng(2)
    n, dims = 600, (40, 40)
    blocks = [suited(strategy, rng.normal(size=(n, dim)).astype(dtype)) for dim in dims]
    known = schema(blocks, strategy)
    # at its own default width: batches both below and above the sizes where NumPy changes course
    strategy_made = strategy_class(strategy)()
    learned = solve(strategy_made, known, blocks)
    strategy_made = strategy_made.settled(learned)
    width = len(strategy_made.columns(known))

    def rows(start: int, stop: int) -> dict[str, Matrix]:
        """The fused rows, and what stands beside them."""
        out = np.empty((stop - start, width), dtype)
        cut = [block[start:stop].copy() for block in blocks]
        beside = strategy_made.fuse(Batch(cut, np.ones(len(dims))), out, learned) or {}
        wanted = strategy_made.extras(known)
        assert {name: values.dtype.name for name, values in beside.items()} == wanted
        return {"": out, **beside}

    whole = rows(0, n)
    for size in (1, 7, 64, 256):
        parts = [rows(start, min(start + size, n)) for start in range(0, n, size)]
        for name, values in whole.items():
            joined = np.concatenate([part[name] for part in parts])
            assert joined.tobytes() == values.tobytes()


@every_normalization
@both_dtypes
@pytest.mark.parametrize("dim", [1, 7, 300, 3000])
def test_a_normalized_row_does_not_depend_on_the_rows_beside_it(
    name: str, dtype: str, dim: int
) -> None:
    found = normalization(name)
    dim = min(dim, 200) if found.mixes else dim  # the work grows with its cube
    x = np.random.default_rng(3).normal(size=(300, dim)).astype(dtype)
    learned = _learned(found, x)

    def rows(start: int, stop: int) -> Matrix:
        cut = x[start:stop].copy()
        found.normalize(cut, learned)
        return cut

    whole = rows(0, 300)
    for size in (1, 7, 64):
        parts = [rows(start, min(start + size, 300)) for start in range(0, 300, size)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()


def allocated(work: Callable[[], object]) -> int:
    """The most bytes that `work` holds at a time beside what there is."""
    work()  # what is made once and kept does not count
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@row_wise
@both_dtypes
def test_a_strategy_needs_little_more_than_its_blocks(
    strategy: str, dtype: str, solve: Solve
) -> None:
    rows, dims = 256, (40, 40)
    rng = np.random.default_rng(4)
    if predicted(strategy) == "numbers":  # as many values, of one column
        rows *= 40
    blocks = [suited(strategy, rng.normal(size=(rows, dim)).astype(dtype)) for dim in dims]
    known, batch = schema(blocks, strategy), Batch(blocks, np.ones(len(dims)))
    made = strategy_class(strategy)()
    learned = solve(made, known, batch.blocks)
    made = made.settled(learned)
    out = np.empty((rows, len(made.columns(known))), dtype)
    held = sum(block.nbytes for block in batch.blocks) + out.nbytes
    # float64 where a sum has to be exact is two blocks of float32, and their product two outputs
    assert allocated(lambda: made.fuse(batch, out, learned)) < 2.5 * held


@every_normalization
@both_dtypes
def test_a_normalization_works_in_place(name: str, dtype: str) -> None:
    x = np.random.default_rng(5).normal(size=(8192, 600)).astype(dtype)
    found = normalization(name)
    learned = _learned(found, x)
    assert allocated(lambda: found.normalize(x, learned)) < 0.25 * x.nbytes
    assert allocated(lambda: found.degenerate_rows(x)) < 0.25 * x.nbytes


def _learned(found: Normalization, x: Matrix) -> Learned:
    scatter = Scatter.empty((x.shape[1],)).gather([Batch([x], np.ones(1))]) if found.mixes else None
    return found.solve(Moments.empty(x.shape[1]).update(x), scatter) if found.learns else {}


@every_strategy
def test_a_weight_of_one_is_no_weight(strategy: str) -> None:
    modalities = inputs(strategy)
    plain = matrix(strategy, modalities)
    assert matrix(strategy, modalities, weight=1).tobytes() == plain.tobytes()
    if strategy_class(strategy).weighs:
        assert matrix(strategy, modalities, weight={"b": 0.35}).tobytes() != plain.tobytes()
    else:
        with pytest.raises(UsageError, match="weights"):
            matrix(strategy, modalities, weight={"b": 0.35})


@every_strategy
def test_threads_and_memory_change_no_byte(strategy: str) -> None:
    results = {
        matrix(
            strategy, inputs(strategy), normalize="zscore,l2", threads=threads, memory=mib << 20
        ).tobytes()
        for threads in (1, 2)
        for mib in (64, 512)
    }
    assert len(results) == 1


@every_normalization
def test_threads_change_no_byte_of_a_normalization(name: str) -> None:
    results = {
        matrix("concat", inputs("concat"), normalize=name, threads=threads).tobytes()
        for threads in (1, 2)
    }
    assert len(results) == 1


@pytest.mark.parametrize("strategy", SYMMETRIC)
def test_symmetric_strategies_do_not_see_the_order_of_inputs(strategy: str) -> None:
    modalities = inputs(strategy)
    # the first input decides the order of the rows: let it stay, and the others change places
    turned = {name: modalities[name] for name in "acb"}
    weight = {name: suited_weight(strategy, w) for name, w in {"a": 0.5, "b": 1, "c": 0.25}.items()}
    plain, other = (matrix(strategy, m, weight=weight) for m in (modalities, turned))
    np.testing.assert_allclose(other, plain, rtol=1e-5, atol=1e-6)
    first = fuse(strategy, {name: modalities[name] for name in "bac"}, weight=weight)
    assert first.matrix is not None
    place = {i: k for k, i in enumerate(fuse(strategy, modalities).ids.tolist())}
    moved = plain[[place[i] for i in first.ids.tolist()]]
    np.testing.assert_allclose(first.matrix, moved, rtol=1e-5, atol=1e-6)


@every_strategy
def test_inputs_are_left_alone(strategy: str) -> None:
    modalities = inputs(strategy)
    weight = suited_weight(strategy, 0.5)
    matrix(strategy, modalities, normalize="zscore,l2", weight=weight)
    for name, (rows, ids) in inputs(strategy).items():
        np.testing.assert_array_equal(modalities[name][0], rows)
        np.testing.assert_array_equal(modalities[name][1], ids)


@every_strategy
def test_as_few_modalities_as_it_says_will_do(strategy: str) -> None:
    least = strategy_class(strategy).least
    fused = matrix(strategy, inputs(strategy, names="abc"[:least]))
    assert len(fused) >= ROWS - 20 * least
    assert np.isfinite(fused).all()
    if least > 1:
        with pytest.raises(UsageError, match=f"{strategy} takes {least}"):
            matrix(strategy, inputs(strategy, names="abc"[: least - 1]))


@every_strategy
def test_no_more_modalities_than_it_says(strategy: str) -> None:
    most = strategy_class(strategy).most
    if most is not None:
        with pytest.raises(UsageError, match=f"{strategy} takes {most} modalities"):
            mmfuse.fuse(
                made(strategy), inputs(strategy, names="abcd"[: most + 1]), labels=labels(strategy)
            )


@every_strategy
def test_options(strategy: str) -> None:
    cls = strategy_class(strategy)
    instance = cls()
    for option in options(cls):
        assert option.param.help.endswith(".")
        assert getattr(instance, option.name) == option.default
        option.check(option.default)
        if option.param.min is not None:
            with pytest.raises(UsageError):
                cls(**{option.name: option.type(option.param.min - 1)})
        if option.param.max is not None:
            with pytest.raises(UsageError):
                cls(**{option.name: option.type(option.param.max + 1)})


@every_strategy
def test_instances_are_plain_frozen_data(strategy: str) -> None:
    instance = made(strategy)
    assert pickle.loads(pickle.dumps(instance)) == instance
    assert hash(made(strategy)) == hash(instance)
    assert instance.__dataclass_params__.frozen  # type: ignore[attr-defined]
    for field in dataclasses.fields(instance):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(instance, field.name, field.default)


@every_strategy
def test_a_strategy_has_a_manual(strategy: str) -> None:
    cls = strategy_class(strategy)
    assert "__doc__" in vars(cls)
    _check_manual(cls)
    # help lists them by the source text alone
    assert (STRATEGIES.attribute(strategy, "panel") or Strategy.panel) == cls.panel
    assert (STRATEGIES.attribute(strategy, "whole") or "False") == str(cls.whole)


@every_normalization
def test_a_normalization_has_a_manual(name: str) -> None:
    _check_manual(type(normalization(name)))
    assert pickle.loads(pickle.dumps(normalization(name)))


def _check_manual(cls: type) -> None:
    manual = inspect.getdoc(cls)
    assert manual is not None
    first = " ".join(manual.split("\n\n")[0].split())
    assert first.endswith(".")
    assert first[0].isupper()


@every_strategy
def test_what_is_learned_is_named_arrays(strategy: str, solve: Solve) -> None:
    rng = np.random.default_rng(6)
    blocks = [suited(strategy, rng.normal(size=(ROWS, DIM))) for _ in range(2)]
    known = schema(blocks, strategy)
    learned, again = (solve(made(strategy), known, blocks) for _ in range(2))
    for name, array in learned.items():
        assert isinstance(name, str)
        assert isinstance(array, np.ndarray)
        assert array.dtype.kind in "fiu"
        assert array.tobytes() == again[name].tobytes()
