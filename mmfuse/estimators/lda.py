"""`lda`."""

from dataclasses import dataclass
from typing import Any

from mmfuse.ensemble.estimator import Estimator, for_classes_only
from mmfuse.ensemble.extra import require_sklearn


@dataclass(frozen=True)
class Lda(Estimator):
    """Normal classes of one covariance, equal to scikit-learn's `LinearDiscriminantAnalysis`.

    With its solver `lsqr`: the covariance within classes has ddof=0, and `shrinkage`, from 0 to 1,
    draws it to a multiple of the identity. For classes only. Constant and repeated columns do no
    harm. It is solved from statistics that merge, so it goes on exactly.

    Fisher (1936), The use of multiple measurements in taxonomic problems; Rao (1948), The
    utilization of multiple measurements in problems of biological classification.
    """

    normalize = "none"
    goes_on = True
    keeps = "statistics"
    penalty = "shrinkage"

    def classifier(self, seed: int) -> Any:
        analysis = require_sklearn("discriminant_analysis")
        return analysis.LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.0)

    def regressor(self, seed: int) -> Any:
        raise for_classes_only(self.name)
