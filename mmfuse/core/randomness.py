"""Random numbers that are ours: the same for a seed on every machine and in every release.

NumPy's generators may change their streams between versions; a fused matrix must not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def words(seed: int, stream: int, count: int) -> NDArray[np.uint64]:
    """`count` random 64-bit words, shape `(count,)`; streams of one seed are independent.

    SplitMix64: Steele, Lea & Flood (2014), Fast splittable pseudorandom number generators.
    """
    start = mix(np.array([stream], np.uint64) ^ mix(np.array([seed & (2**64 - 1)], np.uint64)))
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return mix(start + steps)


def mix(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread every bit over the word, one to one (SplitMix64's finaliser)."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def integers(seed: int, stream: int, count: int, below: int) -> NDArray[np.int64]:
    """`count` integers in 0…below − 1, shape `(count,)`, all but evenly."""
    return (words(seed, stream, count) % np.uint64(below)).astype(np.int64)


def signs(seed: int, stream: int, count: int) -> NDArray[np.int8]:
    """`count` signs, −1 or 1, shape `(count,)`."""
    return np.where(words(seed, stream, count) >> np.uint64(63), 1, -1).astype(np.int8)


def normals(seed: int, stream: int, count: int) -> NDArray[np.float64]:
    """`count` standard normal numbers, shape `(count,)`; the same everywhere but for rounding.

    Box & Muller (1958), A note on the generation of random normal deviates.
    """
    half = -(-count // 2)
    # the upper 53 bits, as a number within (0, 1]
    uniform = ((words(seed, stream, 2 * half) >> np.uint64(11)) + np.uint64(1)) * 2.0**-53
    radius = np.sqrt(-2 * np.log(uniform[:half]))
    angle = 2 * np.pi * uniform[half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
