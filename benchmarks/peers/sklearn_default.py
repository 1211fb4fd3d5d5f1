"""scikit-learn's PCA with the solver that it chooses itself. `FOLDER NAME,… K OUT`"""

import sys

from by_id import matched, save, side_by_side
from sklearn.decomposition import PCA

folder, names, k, out = sys.argv[1:]

ids, arrays, rows = matched(folder, names.split(","))
model = PCA(int(k), copy=False, random_state=0)
save(out, ids, model.fit_transform(side_by_side(arrays, rows)))
