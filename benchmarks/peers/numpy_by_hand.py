"""NumPy by hand: sort the ids, search them, gather rows. `FOLDER npy|vector npy|vector|wide OUT`"""

import sys

import numpy as np

folder, kind, layout, out = sys.argv[1:]


def read(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Ids and features."""
    if kind == "npy":
        values = np.load(f"{folder}/{name}.npy", mmap_mode="r")
        return np.load(f"{folder}/{name}.ids.npy"), values
    import pyarrow.parquet as pq

    table = pq.read_table(f"{folder}/{name}.vector.parquet", memory_map=True)
    vectors = table["embedding"].combine_chunks()
    values = vectors.values.to_numpy().reshape(-1, vectors.type.list_size)
    return table["id"].to_numpy(), values


ids, arrays = zip(*map(read, ("image", "text", "audio")), strict=True)
kept = np.ones(len(ids[0]), bool)
rows = [np.arange(len(ids[0]))]
for other in ids[1:]:
    order = np.argsort(other)
    place = np.minimum(np.searchsorted(other, ids[0], sorter=order), len(other) - 1)
    rows.append(order[place])
    kept &= other[rows[-1]] == ids[0]
rows = [row[kept] for row in rows]
ends = np.cumsum([array.shape[1] for array in arrays])
fused = np.empty((len(rows[0]), ends[-1]), np.float32)
for start in range(0, len(fused), 4096):  # the rows that are gathered stay in the cache
    here = slice(start, start + 4096)
    for array, row, end in zip(arrays, rows, ends, strict=True):
        fused[here, end - array.shape[1] : end] = np.take(array, row[here], axis=0)

if layout == "npy":
    np.save(out, fused)
    np.save(out[:-4] + ".ids.npy", ids[0][kept])
else:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"id": pa.array(ids[0][kept])}
    if layout == "vector":
        columns["embedding"] = pa.FixedSizeListArray.from_arrays(
            pa.array(fused.reshape(-1)), fused.shape[1]
        )
    else:
        columns |= {f"f{j}": pa.array(column) for j, column in enumerate(fused.T.copy())}
    pq.write_table(
        pa.table(columns), out, compression="none", use_dictionary=False, write_statistics=False
    )
