"""cca-zoo's CCA of two views. `FOLDER NAME,NAME K OUT`"""

import sys

import numpy as np
from by_id import matched, save
from cca_zoo.linear import CCA

folder, names, k, out = sys.argv[1:]

ids, arrays, rows = matched(folder, names.split(","))
views = [np.take(array, row, axis=0) for array, row in zip(arrays, rows, strict=True)]
save(out, ids, np.hstack(CCA(n_components=int(k)).fit_transform(views)))
