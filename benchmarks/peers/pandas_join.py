"""pandas: merge on id; concat, which copies less, for arrays. `FOLDER npy|wide|csv npy|wide OUT`"""

import sys
from functools import reduce

import numpy as np
import pandas as pd

folder, kind, layout, out = sys.argv[1:]


def frame(name: str) -> pd.DataFrame:
    if kind == "wide":
        return pd.read_parquet(f"{folder}/{name}.wide.parquet")
    if kind == "csv":
        place = f"{folder}/{name}.csv"
        _, *features = pd.read_csv(place, nrows=0).columns
        types = {"id": np.int64, **dict.fromkeys(features, np.float32)}
        return pd.read_csv(place, engine="c", dtype=types)
    ids, values = np.load(f"{folder}/{name}.ids.npy"), np.load(f"{folder}/{name}.npy")
    named = pd.DataFrame(values, columns=[f"{name}_{j}" for j in range(values.shape[1])])
    named.insert(0, "id", ids)
    return named


frames = [frame(name) for name in ("image", "text", "audio")]
if kind == "npy":
    indexed = [one.set_index("id") for one in frames]
    joined = pd.concat(indexed, axis=1, join="inner").reset_index()
else:
    joined = reduce(lambda left, right: left.merge(right, on="id", how="inner"), frames)
if layout == "npy":
    ids = joined.pop("id").to_numpy()
    np.save(out, joined.to_numpy())
    np.save(out[:-4] + ".ids.npy", ids)
else:
    joined.to_parquet(out, compression=None, index=False)
