"""Our random words are SplitMix64, written here once more with Python's integers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfuse.core.randomness import integers, mix, signs, words

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15
# the first words of SplitMix64 seeded by 1234567, as published with the reference program
PUBLISHED = [
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
]


def scramble(word: int) -> int:
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & MASK
    return word ^ (word >> 31)


def split_mix(state: int, count: int) -> list[int]:
    return [scramble((state + GOLDEN * k) & MASK) for k in range(1, count + 1)]


def test_the_published_words() -> None:
    assert split_mix(1234567, 5) == PUBLISHED
    steps = (1234567 + GOLDEN * np.arange(1, 6, dtype=object)) & MASK
    assert mix(steps.astype(np.uint64)).tolist() == PUBLISHED


@given(st.integers(0, 2**70), st.integers(0, 2**20), st.integers(0, 20))
@settings(deadline=None, max_examples=60)
def test_words(seed: int, stream: int, count: int) -> None:
    expected = split_mix(scramble(stream ^ scramble(seed & MASK)), count)
    assert words(seed, stream, count).tolist() == expected
    below = 1 + seed % 1000
    assert integers(seed, stream, count, below).tolist() == [word % below for word in expected]
    assert signs(seed, stream, count).tolist() == [1 if word >> 63 else -1 for word in expected]


@given(st.lists(st.integers(0, MASK), unique=True, max_size=50))
@settings(deadline=None, max_examples=60)
def test_mix_is_one_to_one(listed: list[int]) -> None:
    assert len(set(mix(np.array(listed, np.uint64)).tolist())) == len(listed)


def test_streams_and_seeds_differ() -> None:
    drawn = [words(seed, stream, 8).tolist() for seed in range(20) for stream in range(20)]
    assert len({word for run in drawn for word in run}) == 20 * 20 * 8


@pytest.mark.parametrize("below", [2, 7, 1000])
def test_integers_are_even(below: int) -> None:
    n = 100_000
    counts = np.bincount(integers(3, 1, n, below), minlength=below)
    expected = n / below
    # chi² has mean below − 1 and variance 2 (below − 1)
    chi2 = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi2 - (below - 1)) < 5 * np.sqrt(2 * (below - 1))


def test_signs_are_even_and_streams_uncorrelated() -> None:
    n = 100_000
    one, other = signs(0, 0, n).astype(float), signs(0, 1, n).astype(float)
    assert abs(one.mean()) < 5 / np.sqrt(n)
    assert abs((one * other).mean()) < 5 / np.sqrt(n)
    assert abs((one[1:] * one[:-1]).mean()) < 5 / np.sqrt(n)
