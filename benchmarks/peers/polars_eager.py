"""polars, eager: read, join on id, write. `FOLDER npy|vector|wide|csv vector|wide OUT`"""

import sys

import numpy as np
import polars as pl

folder, kind, layout, out = sys.argv[1:]
names = ("image", "text", "audio")


def read(name: str) -> pl.DataFrame:
    if kind == "wide":
        return pl.read_parquet(f"{folder}/{name}.wide.parquet")
    if kind == "csv":
        place = f"{folder}/{name}.csv"
        with open(place) as file:
            _, *features = file.readline().replace('"', "").strip().split(",")
        return pl.read_csv(place, schema={"id": pl.Int64, **dict.fromkeys(features, pl.Float32)})
    if kind == "vector":
        return pl.read_parquet(f"{folder}/{name}.vector.parquet").rename({"embedding": name})
    ids, values = np.load(f"{folder}/{name}.ids.npy"), np.load(f"{folder}/{name}.npy")
    if layout == "vector":
        return pl.DataFrame({"id": ids, name: values})
    features = [f"{name}_{j}" for j in range(values.shape[1])]
    return pl.from_numpy(values, schema=features).insert_column(0, pl.Series("id", ids))


joined = read(names[0])
for name in names[1:]:
    joined = joined.join(read(name), on="id", how="inner", maintain_order="left")
if layout == "vector":
    joined = joined.select("id", pl.concat_arr(*names).alias("embedding"))
joined.write_parquet(out, compression="uncompressed", statistics=False)
