"""polars, lazy and streaming: scan, join, sink. `FOLDER npy|vector|wide|csv vector|wide OUT`"""

import sys

import numpy as np
import polars as pl

folder, kind, layout, out = sys.argv[1:]
names = ("image", "text", "audio")


def scan(name: str) -> pl.LazyFrame:
    if kind == "wide":
        return pl.scan_parquet(f"{folder}/{name}.wide.parquet")
    if kind == "csv":
        place = f"{folder}/{name}.csv"
        with open(place) as file:
            _, *features = file.readline().replace('"', "").strip().split(",")
        return pl.scan_csv(place, schema={"id": pl.Int64, **dict.fromkeys(features, pl.Float32)})
    if kind == "vector":
        return pl.scan_parquet(f"{folder}/{name}.vector.parquet").rename({"embedding": name})
    ids, values = np.load(f"{folder}/{name}.ids.npy"), np.load(f"{folder}/{name}.npy")
    if layout == "vector":
        return pl.LazyFrame({"id": ids, name: values})
    features = [f"{name}_{j}" for j in range(values.shape[1])]
    return pl.from_numpy(values, schema=features).insert_column(0, pl.Series("id", ids)).lazy()


query = scan(names[0])
for name in names[1:]:
    query = query.join(scan(name), on="id", how="inner", maintain_order="left")
if layout == "vector":
    query = query.select("id", pl.concat_arr(*names).alias("embedding"))
query.sink_parquet(out, compression="uncompressed", statistics=False, engine="streaming")
