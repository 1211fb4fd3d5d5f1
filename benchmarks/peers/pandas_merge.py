"""pandas: merge on id. `FOLDER npy|vector|wide|csv OUT.parquet`"""

import sys
from functools import reduce

import numpy as np
import pandas as pd

folder, kind, out = sys.argv[1:]


def frame(name: str) -> pd.DataFrame:
    if kind == "wide":
        return pd.read_parquet(f"{folder}/{name}.wide.parquet")
    if kind == "csv":
        return pd.read_csv(f"{folder}/{name}.csv", engine="pyarrow")
    if kind == "vector":
        stored = pd.read_parquet(f"{folder}/{name}.vector.parquet")
        ids, values = stored["id"], np.stack(stored["embedding"].to_numpy())
    else:
        ids, values = np.load(f"{folder}/{name}.ids.npy"), np.load(f"{folder}/{name}.npy")
    named = pd.DataFrame(values, columns=[f"{name}_{j}" for j in range(values.shape[1])])
    named.insert(0, "id", np.asarray(ids))
    return named


frames = [frame(name) for name in ("image", "text", "audio")]
joined = reduce(lambda left, right: left.merge(right, on="id", how="inner"), frames)
joined.to_parquet(out, compression=None, index=False)
