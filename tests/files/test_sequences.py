"""Sequences (n, t, d), pooled however they are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfuse
from mmfuse import prepare
from mmfuse.core import plan as planning
from mmfuse.core.steps import STEP_POOLS
from mmfuse.errors import InputError, UsageError
from mmfuse.files import sequences

ROWS, STEPS, DIM = 300, 7, 5
RNG = np.random.default_rng(3)
STORED = RNG.normal(size=(ROWS, STEPS, DIM)).astype(np.float32)
STORED[RNG.random((ROWS, STEPS)) < 0.4] = 0
STORED[[4, 200]] = 0
IDS = RNG.permutation(ROWS)
POOLED: dict[str, Any] = {
    "mean": lambda x: x.mean(axis=0),
    "max": lambda x: x.max(axis=0),
    "std": lambda x: x.std(axis=0),
    "last": lambda x: x[-1],
    "flatten": lambda x: x.reshape(-1),
}


def by_hand(pool: str, masked: bool) -> np.ndarray:
    rows = []
    for x in STORED.astype(np.float64):
        kept = x[x.any(axis=1)] if masked else x
        rows.append(POOLED[pool](kept) if len(kept) else np.zeros(DIM))
    return np.array(rows)


@pytest.fixture(params=["roomy", "scarce"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A machine that reads rows where they are, or must write them elsewhere first."""
    if request.param == "scarce":
        monkeypatch.setattr(prepare, "available_memory", lambda: 0)
        monkeypatch.setattr(sequences, "_PIECE_BYTES", 1000)
    return str(request.param)


@pytest.mark.parametrize("pool", STEP_POOLS)
@pytest.mark.parametrize("order", ["C", "F", "memory"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shuffled", [False, True])
def test_every_way_gives_the_same(
    here: Path, machine: str, pool: str, order: Any, masked: bool, shuffled: bool
) -> None:
    if masked and pool == "flatten":
        return
    ids = IDS if shuffled else np.arange(ROWS)
    if order != "memory":
        np.save("s.npy", np.asarray(STORED, order=order))
        np.save("s.ids.npy", ids)
    other = np.arange(ROWS, dtype=np.float32)[:, None]
    inputs = {
        "pivot": (other[:250], np.arange(250)),
        "s": (STORED, ids) if order == "memory" else "s.npy",
    }
    fused = mmfuse.fuse("concat", inputs, pool={"s": pool}, pool_mask_zeros=masked, dtype="float64")
    place = np.argsort(ids)[:250]
    assert fused.matrix is not None
    np.testing.assert_allclose(fused.matrix[:, 1:], by_hand(pool, masked)[place], rtol=1e-6)
    names = [f"{t}_{j}" for t in range(STEPS) for j in range(DIM)]
    wanted = names if pool == "flatten" else [str(j) for j in range(DIM)]
    assert list(fused.columns[1:]) == [f"s_{name}" for name in wanted]
    empty = sum(not STORED[row].any() for row in place)
    told = [note for note in fused.summary.notes if "padding" in note]
    assert bool(told) == (masked and empty > 0)
    if told:
        what = "row is" if empty == 1 else "rows are"
        assert told == [f"s: {empty} {what} padding alone, and zeros in the output"]


def test_the_ways_are_those_of_the_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save("c.npy", STORED)
    np.save("f.npy", np.asfortranarray(STORED))
    for name, way in (("c", "gather"), ("f", "sequential")):
        fused = mmfuse.fuse("concat", [f"{name}.npy"], pool="mean")
        assert [item.way for item in fused.summary.inputs] == [way]
    ids = {"f": IDS, "p": np.arange(ROWS)}
    inputs = {"p": np.zeros((ROWS, 1)), "f": "f.npy"}
    for name in ("_BUCKET_BYTES", "_BLOCK_BYTES", "_TILE_BYTES"):
        monkeypatch.setattr(planning, name, 1 << 10)
    ways = set()
    for memory in (64 << 20, 11_800):
        fused = mmfuse.fuse("concat", inputs, pool={"f": "max"}, ids=ids, memory=memory)
        ways.add(fused.summary.inputs[1].way)
        expected = by_hand("max", False)[np.argsort(IDS)]
        assert fused.matrix is not None
        np.testing.assert_allclose(fused.matrix[:, 1:], expected, rtol=1e-6)
    assert ways == {"memory", "partitioned"}


def test_what_cannot_be_pooled(here: Path) -> None:
    np.save("s.npy", STORED)
    np.save("deep.npy", np.zeros((2, 2, 2, 2)))
    plain = np.zeros((ROWS, 2))
    with pytest.raises(InputError, match="--pool NAME=mean, max, std, last or flatten"):
        mmfuse.fuse("concat", ["s.npy"])
    with pytest.raises(InputError, match="--pool NAME="):
        mmfuse.fuse("concat", {"s": STORED})
    with pytest.raises(InputError, match=r"an array of shape \(2, 2, 2, 2\)"):
        mmfuse.fuse("concat", ["deep.npy"], pool="mean")
    with pytest.raises(UsageError, match="--pool is 'median'"):
        mmfuse.fuse("concat", ["s.npy"], pool="median")
    for pool in ({"x": "mean"}, "mean"):
        with pytest.raises(UsageError, match=r"--pool mean has nothing to pool(?s:.*)in: x"):
            mmfuse.fuse("concat", {"x": plain}, pool=pool)
    with pytest.raises(UsageError, match="--pool-mask-zeros is for"):
        mmfuse.fuse("concat", {"x": plain}, pool_mask_zeros=True)
    # said for all, it is for those that are sequences
    found = mmfuse.fuse("concat", {"x": plain, "s": "s.npy"}, pool="mean").matrix
    assert found is not None
    assert found.shape == (ROWS, 2 + DIM)


def test_values_that_are_not_finite_are_refused(here: Path) -> None:
    broken = STORED.copy()
    broken[7, 2, 1] = np.nan
    np.save("s.npy", broken)
    with pytest.raises(InputError, match="1 value is NaN or infinite; the first ids: '7'"):
        mmfuse.fuse("concat", ["s.npy"], pool="mean")


def save_sequences(kind: str, order: Any) -> str:
    """The sequences and their ids in one file of several arrays."""
    arrays: Any = {"ids": IDS, "features": np.asarray(STORED, order=order)}
    if kind == "safetensors":
        pytest.importorskip("safetensors.numpy").save_file(arrays, "a.safetensors")
        return "a.safetensors"
    (np.savez if kind == "npz" else np.savez_compressed)("a.npz", **arrays)
    return "a.npz"


@pytest.mark.parametrize("pool", STEP_POOLS)
@pytest.mark.parametrize(
    ("kind", "order"),
    [("npz", "C"), ("npz", "F"), ("deflated", "C"), ("deflated", "F"), ("safetensors", "C")],
)
@pytest.mark.parametrize("masked", [False, True])
def test_arrays_in_files_of_several(
    here: Path, machine: str, pool: str, kind: str, order: Any, masked: bool
) -> None:
    if masked and pool == "flatten":
        return
    path = save_sequences(kind, order)
    y = (np.arange(ROWS)[:, None], np.arange(ROWS))
    found = mmfuse.fuse(
        "concat", {"y": y, "x": path}, pool={"x": pool}, pool_mask_zeros=masked, dtype="float64"
    )
    assert found.ids.tolist() == list(range(ROWS))
    assert found.matrix is not None
    expected = by_hand(pool, masked)[np.argsort(IDS)]
    np.testing.assert_allclose(found.matrix[:, 1:], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_files_of_several_arrays_refuse_what_npy_does(here: Path, kind: str) -> None:
    path = save_sequences(kind, "C")
    with pytest.raises(InputError, match=r"\(300, 7, 5\)") as caught:
        mmfuse.fuse("concat", {"x": path})
    assert "--pool" in str(caught.value.hint)
    with pytest.raises(UsageError, match="--pool is 'sum'"):
        mmfuse.fuse("concat", {"x": path}, pool="sum")
    time = mmfuse.TimeOptions(column="t", window="1s")
    with pytest.raises(InputError, match="no named columns") as caught:
        mmfuse.fuse("concat", {"x": path, "y": path}, time=time, pool="mean")
    assert "--times" in str(caught.value.hint)


def test_every_command_that_reads_pools(here: Path, call: Any) -> None:
    np.save("a.npy", STORED)
    np.save("b.npy", by_hand("mean", True))
    pool = ["--pool", "a=mean", "--pool-mask-zeros"]
    told = call("inspect", "a.npy", "--json", "--pool", "max")
    expected = np.linalg.norm(by_hand("max", False), axis=1).max()
    (profile,) = json.loads(told.out)["files"]
    assert (profile["rows"], profile["columns"]) == (ROWS, DIM)
    np.testing.assert_allclose(profile["norms"][4], expected, rtol=1e-5)
    told = call("check", "a.npy", "b.npy", "--json", *pool)
    assert told.code == 0
    assert [each["columns"] for each in json.loads(told.out)["modalities"]] == [DIM, DIM]
    assert call("align", "a.npy", "b.npy", "-o", "out", *pool).code == 0
    assert call("convert", "a.npy", "-o", "c.npy", *pool).code == 0
    for file in ("out/a.npy", "c.npy"):
        np.testing.assert_allclose(np.load(file), by_hand("mean", True), rtol=1e-5, atol=1e-6)
    for command in (["inspect", "a.npy"], ["check", "a.npy", "b.npy"]):
        refused = call(*command)
        assert refused.code == 3
        assert "--pool" in refused.err
