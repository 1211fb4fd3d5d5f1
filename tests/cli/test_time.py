"""Inputs of different rates, from the command line to the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mmfuse as library

RNG = np.random.default_rng(5)
IMU, GPS = 60, 25


@pytest.fixture
def frames(here: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two logs of three trips, neither sorted; times in seconds."""
    imu = pd.DataFrame(
        {
            "id": RNG.integers(0, 3, IMU).astype(str),
            "t": RNG.integers(0, 3000, IMU) / 1000,
            "x": RNG.normal(size=IMU),
        }
    )
    gps = pd.DataFrame(
        {
            "id": RNG.integers(0, 4, GPS).astype(str),
            "t": RNG.integers(0, 3000, GPS) / 1000,
            "lat": RNG.normal(size=GPS),
            "lon": RNG.normal(size=GPS),
        }
    )
    imu.to_csv("imu.csv", index=False)
    gps.to_parquet("gps.parquet")
    return imu, gps


def merged(
    imu: pd.DataFrame, gps: pd.DataFrame, tolerance: float, **how: Any
) -> tuple[pd.DataFrame, np.ndarray]:
    """What pandas makes of them, in the order of the first; and which rows met one."""
    imu, gps = (f.assign(t=(f["t"] * 1000).round().astype("int64")) for f in (imu, gps))
    found = pd.merge_asof(
        imu.rename_axis("row").reset_index().sort_values("t", kind="stable"),
        gps.drop(columns=[] if "by" in how else ["id"]).sort_values("t", kind="stable"),
        on="t",
        tolerance=round(tolerance * 1000),
        **how,
    ).sort_values("row")
    return found, found["lat"].notna().to_numpy()


def values_of(path: str) -> np.ndarray:
    return np.array(pq.read_table(path)["embedding"].to_pylist())


TIMED = ("concat", "imu.csv", "gps.parquet", "--align", "time", "--time-column", "t")


@pytest.mark.parametrize("by", [(), ("--by", "id")])
@pytest.mark.parametrize("direction", ["nearest", "backward", "forward"])
def test_as_pandas_does(
    frames: tuple[pd.DataFrame, pd.DataFrame], call: Any, by: Any, direction: str
) -> None:
    how = {"by": "id"} if by else {}
    found, met = merged(*frames, 0.05, direction=direction, **how)
    options = (*by, "--tolerance", "50ms", "--direction", direction, "--dtype", "float64")
    done = call(*TIMED, *options, "-o", "out.parquet")
    assert done.code == 0
    assert f"{direction} within 50 ms: {met.sum()} of 60 rows of imu kept" in done.err
    assert f"({(~met).sum()} meet no row of gps)" in done.err
    table = pq.read_table("out.parquet")
    kept = found[met]
    assert table["id"].to_pylist() == kept["id"].astype(int).tolist()
    assert table["time_ns"].to_pylist() == (kept["t"] * 10**6).tolist()
    np.testing.assert_array_equal(values_of("out.parquet"), kept[["x", "lat", "lon"]])
    assert call(*TIMED, *options, "--join", "left", "-o", "left.parquet").code == 0
    table = pq.read_table("left.parquet")
    assert table["present_gps"].to_pylist() == met.tolist()
    np.testing.assert_array_equal(values_of("left.parquet"), found[["x", "lat", "lon"]].fillna(0.0))


@pytest.mark.parametrize("pool", ["mean", "max", "std", "last"])
@pytest.mark.parametrize("direction", [None, "nearest", "forward"])
def test_windows_by_hand(
    frames: tuple[pd.DataFrame, pd.DataFrame], call: Any, pool: str, direction: str | None
) -> None:
    imu, gps = frames
    rows = []
    for _, row in imu.iterrows():
        t, u = round(row["t"] * 1000), (gps["t"] * 1000).round().astype(int)
        inside = {
            None: (t - 400 < u) & (u <= t),
            "nearest": (t - 200 < u) & (u <= t + 200),
            "forward": (t <= u) & (u < t + 400),
        }[direction]
        own = gps[inside].sort_values("t", kind="stable")[["lat", "lon"]].to_numpy()
        if len(own):
            reduced = own[-1] if pool == "last" else getattr(np, pool)(own, axis=0)
            rows.append([row["x"], *reduced])
    options = ["--window", "0.4", "--pool", pool, "--dtype", "float64", "-o", "out.parquet"]
    if direction is not None:
        options += ["--direction", direction]
    done = call(*TIMED, *options)
    assert done.code == 0
    assert f"{direction or 'backward'} window of 400 ms: {len(rows)} of 60 rows" in done.err
    np.testing.assert_allclose(values_of("out.parquet"), rows, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_times_of_every_kind(
    frames: tuple[pd.DataFrame, pd.DataFrame], mmfuse: Any, compression: str
) -> None:
    imu, gps = frames
    found, met = merged(imu, gps, 0.05, direction="nearest")
    base = pd.Timestamp("2024-05-01")
    stamps = base + pd.to_timedelta((imu["t"] * 1000).round(), unit="ms")
    imu.assign(t=stamps.map(lambda stamp: stamp.isoformat())).to_csv("imu.csv", index=False)
    gps.drop(columns="t").to_parquet("gps.parquet")
    unix = base.value // 10**6 + (gps["t"] * 1000).round().astype("int64")
    np.save("when.npy", unix)
    done = mmfuse(
        *("concat", "imu.csv", "gps.parquet", "--align", "time", "--time-column", "t"),
        *("--times", "gps=when.npy", "--time-unit", "gps=ms", "--tolerance", "50ms"),
        *("-o", "out.parquet", "--compression", compression, "--json", "--dtype", "float64"),
    )
    assert done.code == 0, done.err
    np.testing.assert_array_equal(values_of("out.parquet"), found[met][["x", "lat", "lon"]])
    times = pd.to_datetime(pq.read_table("out.parquet")["time_ns"].to_pandas())
    assert times.tolist() == stamps[met].tolist()
    told = json.loads(done.out)
    assert (told["by"], told["time"]) == ("time", "nearest within 50 ms")
    assert [i["times"] for i in told["inputs"]] == ["column t", "when.npy"]
    assert [i["unmatched"] for i in told["inputs"]] == [0, (~met).sum()]
    assert told["inputs"][0]["kept"] == met.sum() == told["rows"]
    assert "when.npy" in told["reads"]
    record = json.loads(pq.read_schema("out.parquet").metadata[b"mmfuse"])
    assert (record["join"]["by"], record["join"]["time"]) == ("time", "nearest within 50 ms")


def test_the_output_is_an_input_again(frames: tuple[pd.DataFrame, pd.DataFrame], call: Any) -> None:
    assert call(*TIMED, "--window", "1s", "--layout", "wide", "-o", "one.parquet").code == 0
    assert call(*TIMED, "--window", "1s", "-o", "one.csv").code == 0
    for name in ("one.parquet", "one.csv"):
        again = ("--align", "time", "--time-column", "one=time_ns", "--time-unit", "one=ns")
        done = call(
            *("concat", name, "gps.parquet", *again, "--time-column", "gps=t"),
            *("--window", "1s", "-o", "two.parquet"),
        )
        assert done.code == 0, done.err
        first = pq.read_table("one.parquet")
        second = pq.read_table("two.parquet")
        assert second["time_ns"].to_pylist() == first["time_ns"].to_pylist()
        assert values_of("two.parquet").shape == (len(first), 5)
        # without alignment in time, it is no feature either
        assert call("concat", name, "--duplicates", "mean", "-o", "x.parquet").code == 0
        assert values_of("x.parquet").shape[1] == 3


def test_structured_arrays_frames_and_rows_without_ids(here: Path) -> None:
    records = np.zeros(4, [("t", "M8[ms]"), ("v", "f4", 2)])
    records["t"] = np.array([0, 10, 20, 30], "M8[ms]")
    records["v"] = np.arange(8).reshape(4, 2)
    np.save("a.npy", records)
    frame = pd.DataFrame({"at": [0.029, 0.0001], "w": [5.0, 6.0]})
    times = library.TimeOptions(column={"a": "t", "b": "at"}, tolerance=0.001)
    fused = library.fuse("concat", {"a": "a.npy", "b": frame}, time=times)
    assert fused.matrix is not None
    assert fused.matrix.tolist() == [[0, 1, 6], [6, 7, 5]]
    assert fused.ids.tolist() == [0, 3]
    assert fused.times is not None
    assert fused.times.tolist() == [0, 30_000_000]
    arrays = {"a": np.arange(3.0)[:, None], "b": np.arange(2.0)[:, None]}
    given = library.TimeOptions(times={"a": [0, 1, 2], "b": np.array([1.5, 0.5])}, window="1s")
    found = library.fuse("concat", arrays, time=given)
    assert found.matrix is not None
    assert found.matrix.tolist() == [[1, 1], [2, 0]]


@pytest.mark.parametrize("kind", ["npy", "fortran", "csv", "parquet"])
@pytest.mark.parametrize("pool", ["mean", "max", "std", "last"])
@pytest.mark.parametrize("roomy", [True, False])
def test_windows_however_a_file_is_read(
    here: Path, monkeypatch: pytest.MonkeyPatch, kind: str, pool: str, roomy: bool
) -> None:
    rng = np.random.default_rng(11)
    t, u = rng.permutation(400) * 10, rng.permutation(900) * 4 + 1
    values = rng.normal(size=(900, 6))
    frame = pd.DataFrame(values, columns=list("abcdef"))
    name = f"b.{'npy' if kind == 'fortran' else kind}"
    if kind in ("npy", "fortran"):
        np.save(name, np.asfortranarray(values) if kind == "fortran" else values)
    elif kind == "csv":
        frame.to_csv(name, index=False)
    else:
        frame.to_parquet(name)
    if not roomy:
        monkeypatch.setattr("mmfuse.prepare.available_memory", lambda: 0)
        for constant in ("_BUCKET_BYTES", "_BLOCK_BYTES", "_TILE_BYTES"):
            monkeypatch.setattr(f"mmfuse.core.plan.{constant}", 1 << 10)
    fused = library.fuse(
        "concat",
        {"a": t[:, None].astype(float), "b": name},
        time=library.TimeOptions(times={"a": t, "b": u}, unit="ms", window="30ms"),
        pool=pool,
        dtype="float64",
        memory=512 << 20 if roomy else 33_000,
    )
    if not roomy:
        assert fused.summary.inputs[1].way == "partitioned"
    order = np.argsort(u)
    rows = []
    for now in t:
        own = values[order][(now - 30 < u[order]) & (u[order] <= now)]
        if len(own):
            rows.append([now, *(own[-1] if pool == "last" else getattr(np, pool)(own, axis=0))])
    np.testing.assert_allclose(fused.matrix, rows, rtol=1e-9, atol=1e-12)


def test_rows_that_are_not_finite_can_be_dropped(here: Path, call: Any) -> None:
    Path("a.csv").write_text("t,x\n0,1\n1,nan\n2,3\n")
    Path("b.csv").write_text("t,z\n0,4\n1,5\n2,6\n1.5,8\n")
    options = ("--align", "time", "--time-column", "t", "--window", "1s", "--nan", "drop")
    assert call("concat", "a.csv", "b.csv", *options, "-o", "out.parquet").code == 0
    assert values_of("out.parquet").tolist() == [[1, 4], [3, 7]]
    assert pq.read_table("out.parquet")["time_ns"].to_pylist() == [0, 2 * 10**9]


def test_what_an_npy_file_does_not_keep_is_told(
    frames: tuple[pd.DataFrame, pd.DataFrame], call: Any
) -> None:
    done = call(*TIMED, "--tolerance", "1s", "-o", "out.npy")
    assert done.code == 0
    assert "note: npy does not keep the times; other formats do" in done.err
    done = call(*TIMED, "--tolerance", "50ms", "--join", "left", "-o", "out.npy")
    assert "npy does not keep the times and which rows lack a modality; other" in done.err


T = ("--align", "time", "--time-column", "t")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--tolerance", "1s"), 2, "--tolerance is for --align time"),
        (("--by", "id"), 2, "--by is for --align time"),
        (("--time-column", "t"), 2, "--time-column is for --align time"),
        (("--align", "space"), 2, "--align is 'space'; it must be id or time"),
        (("--pool-mask-zeros",), 2, "--pool-mask-zeros is for sequences"),
        (T, 2, "takes --tolerance or --window, one of them"),
        ((*T, "--tolerance", "1", "--window", "1"), 2, "takes --tolerance or --window"),
        ((*T, "--tolerance", "soon"), 2, "--tolerance is 'soon'; give a duration such as 20ms"),
        ((*T, "--tolerance", "1", "--direction", "up"), 2, "--direction is 'up'"),
        ((*T, "--tolerance", "1", "--by", "name"), 2, "--by is 'name'; it must be id"),
        ((*T, "--tolerance", "1", "--join", "outer"), 2, "does not go with --join outer"),
        ((*T, "--tolerance", "1", "--strict"), 2, "does not go with --strict"),
        ((*T, "--tolerance", "1", "--duplicates", "mean"), 2, "does not go with --duplicates"),
        ((*T, "--tolerance", "1", "--by-position"), 2, "does not go with --by-position"),
        ((*T, "--tolerance", "1", "--sort-ids"), 2, "does not go with --sort-ids"),
        ((*T, "--tolerance", "1", "--min-overlap", "0.5"), 2, "does not go with --min-overlap"),
        ((*T, "--tolerance", "1", "--pool", "mean"), 2, "--pool mean has nothing to pool"),
        ((*T, "--window", "1", "--pool", "median"), 2, "--pool is 'median'"),
        ((*T, "--window", "1", "--pool", "gps=flatten"), 2, "in: gps=gps.parquet"),
        ((*T, "--window", "1", "--pool", "imu=max"), 2, "in: imu=imu.csv"),
        ((*T, "--tolerance", "1", "--time-unit", "min"), 2, "--time-unit is 'min'"),
        ((*T, "--tolerance", "1", "--times", "x=y.txt"), 2, "--times names 'x'"),
        (("--align", "time", "--tolerance", "1"), 4, "imu=imu.csv has no times"),
        (("--align", "time", "--time-column", "T", "--window", "1"), 3, "no column 'T'"),
        ((*T, "--tolerance", "1ns", "--time-unit", "gps=ns"), 4, "no row of gps=gps.parquet"),
        (
            (*T, "--tolerance", "50ms", "--join", "left", "--missing", "error"),
            4,
            "rows lack gps, and --missing error",
        ),
    ],
)
def test_what_cannot_be(
    frames: tuple[pd.DataFrame, pd.DataFrame], call: Any, options: Any, code: int, message: str
) -> None:
    done = call("concat", "imu.csv", "gps.parquet", *options, "-o", "out.parquet")
    assert (done.code, done.err.count("Traceback")) == (code, 0)
    assert message in done.err
    assert not Path("out.parquet").exists()


def test_times_that_are_missing_name_their_rows(here: Path, call: Any) -> None:
    Path("a.csv").write_text("t,x\n0,1\n,2\n")
    pq.write_table(pa.table({"t": [0.0, None], "z": [1.0, 2.0]}), "b.parquet")
    for file in ("a.csv", "b.parquet"):
        done = call("concat", file, *T, "--tolerance", "1s", "-o", "out.parquet")
        assert done.code == 4
        assert "1 time is missing in column 't'; rows 2" in done.err
    Path("t.txt").write_text("0\n")
    done = call(
        "concat", "a.csv", "--align", "time", "--times", "t.txt", "--window", "1", "-o", "z.csv"
    )
    assert (done.code, "1 times for 2 rows (times from t.txt)" in done.err) == (4, True)


def test_an_output_over_its_times_is_refused(here: Path, call: Any) -> None:
    Path("a.csv").write_text("x\n1\n2\n")
    Path("t.txt").write_text("0\n1\n")
    done = call(
        *("concat", "a.csv", "--align", "time", "--times", "t.txt", "--window", "1"),
        *("-o", "t.txt", "-f", "csv"),
    )
    assert (done.code, Path("t.txt").read_text()) == (2, "0\n1\n")
