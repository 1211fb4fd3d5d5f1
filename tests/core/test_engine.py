"""The engine: neither the cut of the blocks, nor threads, nor memory changes a byte."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from suited import predicted, suited, suited_chain, suited_labels, suited_weight

from mmfuse.core.aligned import Aligned
from mmfuse.core.chain import Stage
from mmfuse.core.engine import Engine
from mmfuse.core.fusion import Fusion
from mmfuse.core.plan import Plan
from mmfuse.core.registry import NORMALIZATIONS, STRATEGIES, normalization, strategy_class
from mmfuse.core.schema import Modality, Schema
from mmfuse.core.source import ArrayReader, Matrix, Sink, Taken

ROWS, DIM = 700, 5
CUTS = [(block, threads) for block in (16, 48, 4096) for threads in (1, 2, 5)]


class Kept(Sink):
    """The rows of the output, what is beside them, and the starts of the blocks as they came."""

    def __init__(self, rows: int, width: int, dtype: str, positional: bool) -> None:
        self.matrix: Matrix = np.full((rows, width), np.nan, dtype)
        self.starts: list[int] = []
        self.beside: dict[str, Matrix] = {}
        self.positional = positional

    @property
    def bytes(self) -> bytes:
        """All that has come."""
        return b"".join(array.tobytes() for array in (self.matrix, *self.beside.values()))

    def write(self, start: int, block: Matrix) -> None:
        self.starts.append(start)
        self.matrix[start : start + len(block)] = block


class Slow(ArrayReader):
    """Reads the first rows last, so that threads finish out of order."""

    def read(self, rows: slice | NDArray[np.int64], out: Matrix) -> None:
        if isinstance(rows, slice) and rows.start == 0:
            time.sleep(0.002)
        super().read(rows, out)


def arrays(rows: int = ROWS, dtype: str = "float32") -> list[Matrix]:
    rng = np.random.default_rng(0)
    return [rng.normal(3, 2, (rows, DIM)).astype(dtype) for _ in range(2)]


def fusion(strategy: str, *chain: str, weights: Sequence[float] = (1.0, 0.5)) -> Fusion:
    numbers = predicted(strategy) == "numbers"
    columns = tuple(map(str, range(1 if numbers else DIM)))
    modalities = tuple(
        Modality(f"m{k}", columns, suited_weight(strategy, w)) for k, w in enumerate(weights)
    )
    schema = Schema(modalities, () if numbers else ("0", "1", "2"))
    stages = tuple(Stage.of(name, normalization(name)) for name in chain)
    return Fusion(schema, (stages,) * len(weights), strategy_class(strategy)())


def engine(
    blocks: Sequence[Matrix],
    block_rows: int = 48,
    threads: int = 1,
    rows: NDArray[np.int64] | None = None,
    **more: Any,
) -> Engine:
    n = len(blocks[0]) if rows is None else len(rows)
    return Engine(
        [Aligned(Taken(Slow(block), rows), block.dtype) for block in blocks],
        [block.dtype for block in blocks],
        [np.dtype(np.float64 if block.dtype == np.float64 else np.float32) for block in blocks],
        Plan(n, ("gather",) * len(blocks), 16, block_rows, threads, 1),
        **more,
    )


def run(
    made: Engine, wanted: Fusion, dtype: str = "float32", positional: bool = True
) -> tuple[Kept, Any]:
    learned = made.fit(wanted, lambda tally: None).fusion
    width = len(learned.settled.columns(wanted.schema))
    sink = Kept(made.plan.rows, width, dtype, positional)
    beside = learned.settled.extras(wanted.schema)
    sink.beside = {name: np.zeros(made.plan.rows, kind) for name, kind in beside.items()}
    made = replace(made, extras=sink.beside)
    return sink, made.run(learned, sink, width, np.dtype(dtype))


@pytest.mark.parametrize(
    "strategy", [name for name in STRATEGIES.modules if not strategy_class(name).whole]
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_cuts_and_threads_change_no_byte_of_a_strategy(strategy: str, dtype: str) -> None:
    chain = suited_chain(strategy, "zscore")
    wanted = fusion(strategy, *str(chain).split(","))
    blocks = [suited(strategy, block) for block in arrays()]
    labels = suited_labels(strategy, np.arange(ROWS))
    results = {run(engine(blocks, *cut, labels=labels), wanted, dtype)[0].bytes for cut in CUTS}
    assert len(results) == 1


@pytest.mark.parametrize("name", list(NORMALIZATIONS.modules))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_cuts_and_threads_change_no_byte_of_a_normalization(name: str, dtype: str) -> None:
    wanted = fusion("concat", name, "l2")
    results = {
        run(engine(arrays(dtype=dtype), *cut), wanted, dtype)[0].matrix.tobytes() for cut in CUTS
    }
    assert len(results) == 1


def test_statistics_do_not_depend_on_the_cut() -> None:
    wanted = fusion("concat", "center", "zscore")
    learned = [engine(arrays(), *cut).fit(wanted, lambda tally: None).fusion for cut in CUTS]
    for chains in zip(*(one.chains for one in learned), strict=True):
        for stages in zip(*chains, strict=True):
            first = stages[0].learned
            assert first
            for stage in stages[1:]:
                assert stage.learned is not None
                for key, array in first.items():
                    assert stage.learned[key].tobytes() == array.tobytes()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_sink_that_wants_order_gets_it(threads: int) -> None:
    made = engine(arrays(), threads=threads)
    sink, _ = run(made, fusion("concat"), positional=False)
    assert sink.starts == list(range(0, ROWS, 48))
    positional, _ = run(made, fusion("concat"))
    assert sorted(positional.starts) == sink.starts
    assert sink.matrix.tobytes() == positional.matrix.tobytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_rows_are_those_of_the_alignment(threads: int) -> None:
    blocks = arrays()
    rows = np.random.default_rng(1).permutation(ROWS)[:333]
    sink, _ = run(engine(blocks, threads=threads, rows=rows), fusion("concat", weights=(1, 1)))
    np.testing.assert_array_equal(sink.matrix, np.hstack([block[rows] for block in blocks]))


def test_learned_of_the_aligned_rows_only() -> None:
    blocks = arrays(dtype="float64")
    rows = np.arange(100, 300)
    blocks[0][:100] = 1e9
    wanted = fusion("concat", "zscore", weights=(1, 1))
    sink, _ = run(engine(blocks, rows=rows), wanted, "float64")
    expected = [(b[rows] - b[rows].mean(axis=0)) / b[rows].std(axis=0) for b in blocks]
    np.testing.assert_allclose(sink.matrix, np.hstack(expected), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cut", CUTS)
def test_what_is_noticed_does_not_depend_on_the_cut(cut: tuple[int, int]) -> None:
    blocks = arrays()
    blocks[0][[5, 5, 300, 500, 699], [0, 1, 2, 3, 4]] = [np.nan, np.inf, np.nan, -np.inf, np.nan]
    blocks[1][10:40] = 0
    made = engine(blocks, *cut)
    _, tally = run(made, fusion("concat", "l2"))
    assert tally.nonfinite == [5, 0]
    assert tally.nonfinite_rows == [[5, 300, 500], []]
    assert tally.degenerate == [[0], [30]]
    assert tally.overflow > 0
    finite = made.finite_rows(fusion("concat"))
    assert np.flatnonzero(~finite).tolist() == [5, 300, 500, 699]
    _, unchecked = run(replace(made, checked=False), fusion("concat", "l2"))
    assert unchecked.nonfinite == [0, 0]
    assert unchecked.overflow == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_overflow_is_counted_and_no_warning(threads: int) -> None:
    blocks = [np.full((40, DIM), 40_000, np.float32), np.full((40, DIM), 40_000, np.float32)]
    _, tally = run(engine(blocks, threads=threads), fusion("sum", weights=(1, 1)), "float16")
    assert tally.overflow == 40 * DIM


def test_the_output_is_rounded_once() -> None:
    # 40,000 + 40,000 is more than float16 holds; their mean is not
    blocks = [np.full((40, DIM), 40_000, np.float32), np.full((40, DIM), 40_000, np.float32)]
    sink, tally = run(engine(blocks), fusion("mean", weights=(1, 1)), "float16")
    assert (sink.matrix == np.float16(40_000)).all()
    assert tally.overflow == 0
    # 1e9 + 1 needs more than float32, what is left after −1e9 does not
    parts = [np.full((40, DIM), value) for value in (1e9, 1.0, -1e9)]
    sink, _ = run(engine(parts), fusion("sum", weights=(1, 1, 1)), "float32")
    assert (sink.matrix == 1).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_counts_every_row_of_every_pass(threads: int) -> None:
    told: list[tuple[str, int, int]] = []
    made = engine(arrays(), threads=threads, progress=lambda *step: told.append(step))
    run(made, fusion("concat", "zscore"))
    learning, fusing = dict.fromkeys(name for name, _, _ in told)  # one pass each, in this order
    for name, most in ((learning, 16 * 32), (fusing, 48)):
        steps = [rows for step, rows, _ in told if step == name]
        assert sum(steps) == ROWS
        assert max(steps) <= most
    assert {total for _, _, total in told} == {ROWS}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("positional", [True, False])
def test_an_error_of_the_sink_ends_the_run(threads: int, positional: bool) -> None:
    class Full(Kept):
        def write(self, start: int, block: Matrix) -> None:
            if start >= 96:
                raise OSError("full")
            super().write(start, block)

    made, wanted = engine(arrays(), threads=threads), fusion("concat")
    learned = made.fit(wanted, lambda tally: None).fusion
    sink = Full(ROWS, 2 * DIM, "float32", positional)
    with pytest.raises(OSError, match="full"):
        made.run(learned, sink, 2 * DIM, np.dtype("float32"))
    assert set(sink.starts) <= {0, 48}


@pytest.mark.parametrize("stored", ["int8", "uint16", "float16", "int64", ">f4", ">i2"])
def test_stored_values_widen_exactly(stored: str) -> None:
    rng = np.random.default_rng(4)
    blocks = [rng.integers(0, 100, (50, DIM)).astype(stored) for _ in range(2)]
    sink, _ = run(engine(blocks), fusion("concat", weights=(0.5, 1)))
    np.testing.assert_array_equal(
        sink.matrix, np.hstack([blocks[0].astype(float) / 2, blocks[1].astype(float)])
    )


def test_shuffled_rows_in_which_nothing_is_left_have_no_spectrum() -> None:
    """Of rows that are the same within every tile, nothing is left when its mean is taken off."""
    steps = np.repeat(np.random.default_rng(0).normal(size=(8, DIM)), 16, axis=0)
    blocks = [steps, steps[:, ::-1].copy()]
    lesson = engine(blocks).fit(fusion("cca"), lambda tally: None, shuffle=True)
    assert lesson.fusion.learned is not None
    assert lesson.fusion.learned["spectrum"][0] > 0.9
    assert lesson.chance is not None
    assert lesson.chance.shape == (0,)
