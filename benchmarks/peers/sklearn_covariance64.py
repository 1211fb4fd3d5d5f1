"""The same solver in the precision that mmfuse learns in. `FOLDER NAME,… K OUT`"""

import sys

import numpy as np
from by_id import matched, save, side_by_side
from sklearn.decomposition import PCA

folder, names, k, out = sys.argv[1:]

ids, arrays, rows = matched(folder, names.split(","))
model = PCA(int(k), svd_solver="covariance_eigh", copy=False)
save(out, ids, model.fit_transform(side_by_side(arrays, rows).astype(np.float64)))
