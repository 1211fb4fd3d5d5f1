"""polars: join on id, streaming for wide tables. `FOLDER npy|vector|wide|csv OUT.parquet`"""

import sys

import numpy as np
import polars as pl

folder, kind, out = sys.argv[1:]
names = ("image", "text", "audio")


def scan(name: str) -> pl.LazyFrame:
    if kind == "wide":
        return pl.scan_parquet(f"{folder}/{name}.wide.parquet")
    if kind == "csv":
        return pl.scan_csv(f"{folder}/{name}.csv")
    if kind == "vector":
        return pl.scan_parquet(f"{folder}/{name}.vector.parquet").rename({"embedding": name})
    ids, values = np.load(f"{folder}/{name}.ids.npy"), np.load(f"{folder}/{name}.npy")
    return pl.DataFrame({"id": ids, name: pl.Series(values)}).lazy()


query = scan(names[0])
for name in names[1:]:
    query = query.join(scan(name), on="id", how="inner", maintain_order="left")
if kind in ("wide", "csv"):
    query.sink_parquet(out, compression="uncompressed")
else:
    joined = query.collect()
    fused = np.hstack([joined[name].to_numpy() for name in names])
    pl.DataFrame({"id": joined["id"], "embedding": pl.Series(fused)}).write_parquet(
        out, compression="uncompressed"
    )
