"""scikit-learn's PCA in chunks, of mapped files into a mapped file. `FOLDER NAME,… K OUT`"""

import sys

import numpy as np
from by_id import matched, side_by_side
from sklearn.decomposition import IncrementalPCA

folder, names, k, out = sys.argv[1:]

ids, arrays, rows = matched(folder, names.split(","))
width = sum(array.shape[1] for array in arrays)
cuts = np.array_split(np.arange(len(ids)), -(-len(ids) // (5 * width)))  # as its `fit` cuts
model = IncrementalPCA(int(k), copy=False)
for cut in cuts:
    model.partial_fit(side_by_side(arrays, [row[cut] for row in rows]), check_input=False)
fused = np.lib.format.open_memmap(out, "w+", np.float32, (len(ids), int(k)))
for cut in cuts:
    fused[cut[0] : cut[-1] + 1] = model.transform(side_by_side(arrays, [row[cut] for row in rows]))
fused.flush()
np.save(out[:-4] + ".ids.npy", ids)
