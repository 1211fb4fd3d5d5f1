"""pyarrow: look the ids up, then take rows. `FOLDER npy|vector|wide|csv vector|wide OUT`"""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

folder, kind, layout, out = sys.argv[1:]


def read(name: str) -> pa.Table:
    if kind == "npy":
        values = np.load(f"{folder}/{name}.npy", mmap_mode="r")
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
        return pa.table({"id": np.load(f"{folder}/{name}.ids.npy"), "embedding": vectors})
    if kind == "csv":
        from pyarrow import csv

        place = f"{folder}/{name}.csv"
        with open(place) as file:
            _, *features = file.readline().replace('"', "").strip().split(",")
        types = {"id": pa.int64(), **dict.fromkeys(features, pa.float32())}
        return csv.read_csv(place, convert_options=csv.ConvertOptions(column_types=types))
    return pq.read_table(f"{folder}/{name}.{kind}.parquet", memory_map=True)


first, *others = [read(name) for name in ("image", "text", "audio")]
places = [pc.index_in(first["id"], value_set=other["id"].combine_chunks()) for other in others]
kept = places[0].is_valid()
for place in places[1:]:
    kept = pc.and_(kept, place.is_valid())
left = first.filter(kept)
parts = [
    other.drop_columns("id").take(place.filter(kept))
    for other, place in zip(others, places, strict=True)
]
if layout == "vector":
    blocks = [
        part["embedding"].combine_chunks().flatten().to_numpy().reshape(left.num_rows, -1)
        for part in (left, *parts)
    ]
    fused = np.hstack(blocks)
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(fused.reshape(-1)), fused.shape[1])
    joined = pa.table({"id": left["id"], "embedding": vectors})
else:
    columns = [column for table in (left, *parts) for column in table.columns]
    names = [name for table in (left, *parts) for name in table.column_names]
    joined = pa.table(columns, names=names)
pq.write_table(joined, out, compression="none", use_dictionary=False, write_statistics=False)
