"""What the peers that learn begin and end with: rows of npy files that belong together."""

import numpy as np


def matched(folder: str, names: list[str]) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """The ids that all have, in the first one's order; the arrays, mapped; their row numbers."""
    ids = [np.load(f"{folder}/{name}.ids.npy") for name in names]
    arrays = [np.load(f"{folder}/{name}.npy", mmap_mode="r") for name in names]
    kept = np.ones(len(ids[0]), bool)
    rows = [np.arange(len(ids[0]))]
    for other in ids[1:]:
        order = np.argsort(other)
        place = np.minimum(np.searchsorted(other, ids[0], sorter=order), len(other) - 1)
        rows.append(order[place])
        kept &= other[rows[-1]] == ids[0]
    return ids[0][kept], arrays, [row[kept] for row in rows]


def save(out: str, ids: np.ndarray, fused: np.ndarray) -> None:
    """The matrix and its ids."""
    np.save(out, np.asarray(fused, np.float32))
    np.save(out[:-4] + ".ids.npy", ids)


def side_by_side(arrays: list[np.ndarray], rows: list[np.ndarray]) -> np.ndarray:
    """The rows in one matrix, without a copy more than that."""
    ends = np.cumsum([array.shape[1] for array in arrays])
    joined = np.empty((len(rows[0]), ends[-1]), np.float32)
    for start in range(0, len(joined), 4096):  # the rows that are gathered stay in the cache
        here = slice(start, start + 4096)
        for array, row, end in zip(arrays, rows, ends, strict=True):
            joined[here, end - array.shape[1] : end] = np.take(array, row[here], axis=0)
    return joined
