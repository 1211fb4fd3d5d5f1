"""Arrays by hand: sort the ids, search them, stack the rows. `FOLDER npy OUT.npy|OUT.parquet`"""

import sys

import numpy as np

folder, _, out = sys.argv[1:]
names = ("image", "text", "audio")
ids = [np.load(f"{folder}/{name}.ids.npy") for name in names]
arrays = [np.load(f"{folder}/{name}.npy") for name in names]

kept = np.ones(len(ids[0]), bool)
rows = [np.arange(len(ids[0]))]
for other in ids[1:]:
    order = np.argsort(other)
    place = np.minimum(np.searchsorted(other, ids[0], sorter=order), len(other) - 1)
    rows.append(order[place])
    kept &= other[rows[-1]] == ids[0]
fused = np.hstack([array[row[kept]] for array, row in zip(arrays, rows, strict=True)])

if out.endswith(".npy"):
    np.save(out, fused)
    np.save(out[:-4] + ".ids.npy", ids[0][kept])
else:
    import pyarrow as pa
    import pyarrow.parquet as pq

    vectors = pa.FixedSizeListArray.from_arrays(pa.array(fused.reshape(-1)), fused.shape[1])
    table = pa.table({"id": pa.array(ids[0][kept]), "embedding": vectors})
    pq.write_table(table, out, compression="none", use_dictionary=False, write_statistics=False)
