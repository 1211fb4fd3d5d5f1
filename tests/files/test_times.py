"""Columns of times as nanoseconds, against exact fractions and pandas."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfuse.core.durations import NANOSECONDS
from mmfuse.errors import AlignmentError, InputError
from mmfuse.files.inputs import open_input
from mmfuse.files.times import read_times, times_of_array, times_of_column

UNITS = ["s", "ms", "us", "ns"]


def told(value: Any, unit: str = "s") -> list[int]:
    return times_of_column([value], unit, "column 't'").tolist()


@given(st.lists(st.floats(-(2**33), 2**33, allow_nan=False), min_size=1), st.sampled_from(UNITS))
def test_numbers_are_rounded_to_the_nearest(values: list[float], unit: str) -> None:
    factor = NANOSECONDS[unit]
    found = times_of_array(np.array(values), unit, "the array")
    for value, ns in zip(values, found.tolist(), strict=True):
        # the fraction of a second has its own rounding, of at most 2**-53 of it
        assert abs(Fraction(value) * factor - ns) <= Fraction(1, 2) + Fraction(factor, 2**52)
    assert told(pa.array(values), unit) == found.tolist()


@given(st.lists(st.integers(-9_000_000_000, 9_000_000_000), min_size=1), st.sampled_from(UNITS))
def test_integers_are_exact(values: list[int], unit: str) -> None:
    expected = [value * NANOSECONDS[unit] for value in values]
    assert times_of_array(np.array(values), unit, "x").tolist() == expected
    assert told(pa.array(values), unit) == expected
    assert told(pa.array(map(str, values)), unit) == expected


def test_decimals_differ_by_what_they_say() -> None:
    found = told(pa.array([1.0, 1.02, 0.1, 0.3]))
    assert found == [10**9, 1_020_000_000, 10**8, 3 * 10**8]


STAMPS = ["2024-05-01T12:30:00.123456789", "1969-12-31 23:59:59.5", "2024-05-01"]


@pytest.mark.parametrize("zone", ["", "Z", "+02:00"])
def test_text_in_iso_8601(zone: str) -> None:
    stamps = [text + zone for text in STAMPS[: 2 if zone else 3]]
    expected = [pd.Timestamp(text).value for text in stamps]
    assert told(pa.array(stamps)) == expected
    assert told(pa.array(stamps).dictionary_encode()) == expected


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_timestamps(unit: Any, zone: str | None) -> None:
    stamps = pd.Series(
        pd.to_datetime(["2024-05-01 12:30:00.125", "1960-01-01 00:00:00.000"])
    ).dt.as_unit(unit)
    stamps = stamps.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else stamps
    expected = [stamp.as_unit("ns").value for stamp in stamps]
    assert told(pa.array(stamps)) == expected
    if zone is None:
        assert times_of_array(stamps.to_numpy(), "s", "x").tolist() == expected


def test_durations_dates_and_times_of_the_day() -> None:
    assert told(pa.array([1500], pa.duration("ms"))) == [1_500_000_000]
    assert told(pa.array([2], pa.date32())) == [2 * 86_400 * 10**9]
    assert told(pa.array([7], pa.time32("s"))) == [7 * 10**9]
    assert times_of_array(np.array([3], "m8[ms]"), "s", "x").tolist() == [3_000_000]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pa.array([1.0, None, np.nan]), "1 time is missing in column 't'; rows 2"),
        (pa.array([1.0, np.nan, np.inf]), "2 times are missing in column 't'; rows 2, 3"),
        (pa.array(["1", "", "NaN"]), "2 times are missing in column 't'; rows 2, 3"),
        (pa.array([0, None], pa.timestamp("s")), "1 time is missing"),
        (pa.array(["noon", "2"]), "neither all numbers nor all ISO 8601; the first is 'noon'"),
        (pa.array([True]), "are bool; times are numbers or timestamps"),
        (pa.array([1_700_000_000_000]), "nanoseconds hold 292 years"),
        (pa.array([1.7e12]), "nanoseconds hold 292 years"),
    ],
)
def test_what_is_no_time(values: Any, message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        told(values)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2)), "one a row"),
        (np.array(["a"]), "are <U1"),
        (np.array(["NaT"], "M8[s]"), "1 time is missing in x; rows 1"),
        (np.array(["4000-01-01"], "M8[D]"), "leave the years"),
        (np.array([np.nan]), "1 time is missing"),
    ],
)
def test_arrays_that_are_no_times(array: Any, message: str) -> None:
    with pytest.raises(AlignmentError, match=message):
        times_of_array(array, "s", "x")


def test_files_of_times(here: Path) -> None:
    Path("t.txt").write_bytes("\ufeff0.5\n1\r\n2e-3\n".encode())
    assert read_times(open_input("t.txt", "a"), "s").tolist() == [5 * 10**8, 10**9, 2 * 10**6]
    np.save("t.npy", np.array([1, 2]))
    assert read_times(open_input("t.npy", "a"), "ms").tolist() == [10**6, 2 * 10**6]
    Path("gap.txt").write_text("1\n\n2\n")
    with pytest.raises(AlignmentError, match=r"missing in the file; rows 2\n  in: a"):
        read_times(open_input("gap.txt", "a"), "s")
    with pytest.raises(InputError, match="the table has no rows"):
        times_of_column([], "s", "column 't'")
    np.save("o.npy", np.array([object()]))
    with pytest.raises(InputError, match="would run code"):
        read_times(open_input("o.npy", "a"), "s")
