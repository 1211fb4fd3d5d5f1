"""Features to learn from: factors that an id has in all modalities, others of one, and noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np

SHARED = 64
OWN = {"image": 80, "text": 80, "audio": 32}  # with the shared ones 256 in all
_CHUNK = 50_000
_SEED = 1_000_000


def write(
    part: Path, random: np.random.Generator, order: np.ndarray, rows: int, width: int, own: int
) -> None:
    """x = m + z A + y B + noise of unit variance, float32, a chunk of rows at a time.

    Row i is that of id `order[i]` of `rows`, whose z, `(64,)`, is the same in every modality; y,
    `(own,)`, is of this one. Factors become weaker one by one, so that none can be taken for the
    next, and the weakest still stands out of the noise.
    """
    shared = np.random.default_rng(_SEED).standard_normal((rows, SHARED), dtype=np.float32)
    mean = random.standard_normal(width, dtype=np.float32)
    a, b = (_loadings(random, *shape) for shape in ((SHARED, width, 0.3), (own, width, 0.6)))
    header = {"descr": "<f4", "fortran_order": False, "shape": (len(order), width)}
    with part.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(order), _CHUNK):
            here = order[start : start + _CHUNK]
            x = random.standard_normal((len(here), width), dtype=np.float32)
            x += mean
            x += shared[here] @ a
            x += random.standard_normal((len(here), own), dtype=np.float32) @ b
            file.write(x)


def _loadings(random: np.random.Generator, count: int, width: int, most: float) -> np.ndarray:
    strengths = np.geomspace(most, most / 4, count, dtype=np.float32)
    return strengths[:, None] * random.standard_normal((count, width), dtype=np.float32)
