"""pyarrow: look the ids up, then take rows. `FOLDER vector|wide|csv OUT.parquet`"""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

folder, kind, out = sys.argv[1:]


def read(name: str) -> pa.Table:
    if kind == "csv":
        return pa_csv.read_csv(f"{folder}/{name}.csv")
    return pq.read_table(f"{folder}/{name}.{kind}.parquet")


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
if kind == "vector":
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
