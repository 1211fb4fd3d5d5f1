"""Durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfuse.core.durations import NANOSECONDS, duration, nanoseconds
from mmfuse.errors import UsageError


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("20ms", 20 * 10**6),
        ("1.5s", 1_500_000_000),
        (" 2 min ", 120 * 10**9),
        ("1h", 3600 * 10**9),
        ("1d", 86_400 * 10**9),
        ("0.1", 10**8),
        (".5", 5 * 10**8),
        ("1e-3", 10**6),
        ("3US", 3000),
        ("7ns", 7),
    ],
)
def test_durations(text: str, ns: int) -> None:
    assert nanoseconds(text, "--window") == ns


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-1s", "1.5ns", "1e99", "5 parsecs", "inf", "1e9d"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="--window is"):
        nanoseconds(text, "--window")


@given(st.integers(1, 999), st.sampled_from(list(NANOSECONDS)))
def test_what_people_are_told_reads_back(number: int, unit: str) -> None:
    ns = number * NANOSECONDS[unit]
    assert nanoseconds(duration(ns), "x") == ns
