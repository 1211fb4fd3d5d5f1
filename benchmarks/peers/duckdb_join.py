"""DuckDB: join on id, in any order (its fastest). `FOLDER npy|vector|wide|csv vector|wide OUT`"""

import sys
from pathlib import Path

import duckdb

folder, kind, layout, out = sys.argv[1:]
names = ("image", "text", "audio")
database = duckdb.connect(config={"temp_directory": str(Path(out).parent / "duckdb")})
database.sql("set preserve_insertion_order = false")


def source(name: str) -> str:
    """The FROM item of a modality."""
    if kind == "npy":
        import numpy as np
        import pyarrow as pa

        values = np.load(f"{folder}/{name}.npy", mmap_mode="r")
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
        ids = np.load(f"{folder}/{name}.ids.npy")
        database.register(f"{name}_npy", pa.table({"id": ids, "embedding": vectors}))
        return f"{name}_npy"
    if kind == "csv":
        with open(f"{folder}/{name}.csv") as file:
            _, *features = file.readline().replace('"', "").strip().split(",")
        types = {"id": "bigint", **dict.fromkeys(features, "float")}
        return f"read_csv('{folder}/{name}.csv', header = true, columns = {types})"
    return f"'{folder}/{name}.{kind}.parquet'"


columns = "*"
if layout == "vector":
    vectors = ", ".join(f"{name}.embedding::float[]" for name in names)
    columns = f"id, list_concat({vectors}) as embedding"
first, *others = [f"{source(name)} as {name}" for name in names]
joins = " ".join(f"join {other} using (id)" for other in others)
database.sql(
    f"copy (select {columns} from {first} {joins}) "
    f"to '{out}' (format parquet, compression uncompressed)"
)
