"""Whole runs over joins, duplicates, transforms and formats, against dictionaries of lists.

A row's feature is its own number, so the output tells which rows of every input it is made of.
"""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmfuse

NAMES = "abc"
# ids as they are spelled, and what a transform makes of them
SPELLINGS: dict[str, tuple[str, Any]] = {
    "": ("{}", str),
    "stem": ("data/{}.jpg", lambda text: text.removeprefix("data/").removesuffix(".jpg")),
    "strip,lower": (" ID_{} ", lambda text: text.strip().lower()),
    "s/^row_//": ("row_{}", lambda text: text.removeprefix("row_")),
    "int": ("{:04d}", lambda text: str(int(text))),
}
IDS = st.lists(st.integers(0, 9), min_size=1, max_size=9)
Rows = dict[str, list[list[float]]]


def write(folder: Path, name: str, format: str, ids: list[str], values: list[float]) -> Path:
    path = folder / f"{name}.{format}"
    if format == "npy":
        np.save(path, np.array(values)[:, None])
        (folder / f"{name}.ids.txt").write_text("".join(f"{text}\n" for text in ids))
    elif format == "csv":
        pd.DataFrame({"id": ids, "f": values}).to_csv(path, index=False)
    else:
        pd.DataFrame({"id": ids, "f": values}).to_parquet(path)
    return path


def oracle(listed: list[list[str]], join: str, duplicates: str) -> Rows:
    """For every id of the output its rows: the number of every input's row, NaN for none."""
    rows: list[dict[str, list[float]]] = []
    for ids in listed:
        rows.append({})
        for row, text in enumerate(ids):
            rows[-1].setdefault(text, []).append(float(row))
    seen = list(dict.fromkeys(text for ids in listed for text in ids))
    kept = [
        text
        for text in seen
        if join == "outer"
        or (join == "left" and text in rows[0])
        or all(text in source for source in rows)
    ]
    one = {"first": lambda v: v[:1], "mean": lambda v: [sum(v) / len(v)], "max": lambda v: [max(v)]}
    if duplicates == "explode":
        found = {t: [source.get(t, [np.nan]) for source in rows] for t in kept}
    else:
        pool = one[duplicates]
        found = {t: [pool(s[t]) if t in s else [np.nan] for s in rows] for t in kept}
    return {text: [list(row) for row in product(*parts)] for text, parts in found.items()}


def run(files: dict[str, Path], **how: Any) -> tuple[list[str], Rows]:
    fused = mmfuse.fuse("concat", files, missing="nan", dtype="float64", **how)
    assert fused.matrix is not None
    found: Rows = {}
    for text, row in zip(map(str, fused.ids), fused.matrix.tolist(), strict=True):
        found.setdefault(text, []).append(row)
    return list(map(str, fused.ids)), found


@given(
    st.lists(IDS, min_size=1, max_size=3),
    st.sampled_from(["inner", "left", "outer"]),
    st.sampled_from(["first", "mean", "max", "explode"]),
    st.lists(st.sampled_from(list(SPELLINGS)), min_size=3, max_size=3),
    st.lists(st.sampled_from(["npy", "csv", "parquet"]), min_size=3, max_size=3),
    st.randoms(use_true_random=False),
)
@settings(deadline=None, max_examples=120)
def test_every_row_is_the_right_one(
    tmp_path_factory: pytest.TempPathFactory,
    numbers: list[list[int]],
    join: str,
    duplicates: str,
    transforms: list[str],
    formats: list[str],
    rng: Any,
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    spelled = [
        [SPELLINGS[step][0].format(number) for number in ids]
        for ids, step in zip(numbers, transforms, strict=False)
    ]
    meant = [
        [SPELLINGS[step][1](text) for text in ids]
        for ids, step in zip(spelled, transforms, strict=False)
    ]
    expected = oracle(meant, join, duplicates)
    how: Any = {
        "join": join,
        "duplicates": duplicates,
        "id_transform": {n: t for n, t, _ in zip(NAMES, transforms, numbers, strict=False) if t},
    }
    files = {
        name: write(folder, name, format, ids, list(map(float, range(len(ids)))))
        for name, format, ids in zip(NAMES, formats, spelled, strict=False)
    }
    if not set.intersection(*map(set, meant)):
        with pytest.raises(mmfuse.MmfuseError, match="no id is common"):
            run(files, **how)
        return
    order, found = run(files, **how)
    assert list(dict.fromkeys(order)) == list(expected)
    assert repr(found) == repr(expected)

    if duplicates == "first":
        return  # which one is the first is a matter of order
    shuffled = {}
    for name, format, ids in zip(NAMES, formats, spelled, strict=False):
        rows = rng.sample(range(len(ids)), len(ids))
        shuffled[name] = write(folder, name, format, [ids[r] for r in rows], list(map(float, rows)))
    _, again = run(shuffled, **how)
    assert {t: sorted(map(repr, rows)) for t, rows in again.items()} == {
        t: sorted(map(repr, rows)) for t, rows in expected.items()
    }
