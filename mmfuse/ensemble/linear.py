"""Linear models, most of them solved from statistics that merge, in NumPy alone.

They are centred: the scores of rows x are `intercept + (x − mean) @ coef`, with `coef` `(D, C)`,
`mean` `(D,)` and `intercept` `(C,)`. D = Σ d_m, so modalities may stand side by side.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch
from mmfuse.core.class_scatter import ClassScatter
from mmfuse.core.products import multiply_rows
from mmfuse.core.ridge import ridge_of, shares_of
from mmfuse.core.scatter import Scatter
from mmfuse.core.whitening import whitener
from mmfuse.ensemble.estimator import Estimator
from mmfuse.errors import ModelError, UsageError

Array = NDArray[np.float64]
Labels = NDArray[np.int64] | NDArray[np.float64]
Solved = tuple[Array, Array, Array]
"""coef, mean, intercept."""

_TILE = 1 << 14


def lda_of(gathered: ClassScatter, shrinkage: float = 0.0) -> Solved:
    """The logarithms of p(c) p(x | c), up to what all classes share, for normal classes.

    They share the covariance S within classes (ddof=0), or (1 − s) S + s tr(S)/D I with s the
    shrinkage; p(c) is the share of rows. A class without rows has the intercept −∞. Directions
    in which no class varies count for nothing. Raises InputError as `ridge_of` does.
    """
    counts, mean, n = gathered.counts, gathered.mean, gathered.n
    covariance, free = gathered.within / max(n, 1), n - int(np.count_nonzero(counts)) + 1
    if shrinkage:
        level = shrinkage * np.trace(covariance) / len(mean)
        covariance = (1 - shrinkage) * covariance
        covariance[np.diag_indices_from(covariance)] += level
        free = len(mean) + 1  # it has full rank
    root = whitener(covariance, free)
    apart = np.where(counts[:, None] > 0, gathered.means - mean, 0) @ root
    with np.errstate(divide="ignore"):
        prior = np.log(counts / max(n, 1))
    coef: Array = root @ apart.T
    return coef, mean, prior - (apart**2).sum(axis=1) / 2


def softmax(scores: Array) -> Array:
    """exp(s) / Σ exp(s) of every row of `(n, C)`, in place; −∞ gives exactly 0."""
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    return scores


@dataclass(frozen=True, eq=False)
class Linear:
    """The scores of rows, and what makes probabilities of them, with the estimator's options.

    coef: `(d, C)`, or `(d, 1)` of numbers. intercept: −∞ for a class of probability 0.
    """

    estimator: Estimator
    classes: int
    coef: Array
    mean: Array
    intercept: Array

    @classmethod
    def constant(cls, estimator: Estimator, dim: int, classes: int, known: int) -> Linear:
        """Of `dim` columns, the class `known` whatever they are."""
        intercept = np.where(np.arange(classes) == known, 0, -np.inf)
        return Linear(estimator, classes, np.zeros((dim, classes)), np.zeros(dim), intercept)

    @classmethod
    def fit(
        cls, estimator: Estimator, x: NDArray[Any], y: Labels, classes: int, seed: int
    ) -> Linear:
        """What scikit-learn learns of two classes at least: scores to take the softmax of."""
        fitted = estimator.unfitted(classes, seed).fit(np.asarray(x, np.float64), y)
        coef, intercept = fitted.coef_, fitted.intercept_
        if len(coef) == 1:  # of two classes, that of the second against the first
            coef, intercept = np.vstack([0 * coef, coef]), np.append(0 * intercept, intercept)
        one = cls.constant(estimator, x.shape[1], classes, -1)
        one.coef[:, fitted.classes_], one.intercept[fitted.classes_] = coef.T, intercept
        return one

    @classmethod
    def restored(
        cls, estimator: Estimator, arrays: Mapping[str, NDArray[Any]], dim: int, classes: int
    ) -> Linear:
        """From `arrays`, which may be anyone's. Raises ModelError or LookupError."""
        return cls(estimator, classes, *_taken(dict(arrays), dim, classes))

    @property
    def known(self) -> NDArray[np.int64]:
        """Classes that have a probability."""
        return np.flatnonzero(np.isfinite(self.intercept))

    def predict(self, x: NDArray[Any]) -> Array:
        """As `Trained.predict`."""
        scores = np.empty((len(x), len(self.intercept)))
        multiply_rows(x - self.mean, self.coef, scores)
        scores += self.intercept
        if not self.classes:
            return scores
        return (shares_of if self.estimator.name == "ridge" else softmax)(scores)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As `Trained.arrays`."""
        return {"coef": self.coef, "mean": self.mean, "intercept": self.intercept}

    def went_on(self, x: NDArray[Any], y: Labels) -> Self:
        """The same: that of an estimator that goes on knows one class, and these are of it."""
        return self


@dataclass(frozen=True, eq=False)
class FromStatistics(Linear):
    """A linear model with the statistic that it was solved from.

    gathered: of the rows, by class, or of rows and numbers side by side. penalty: of the estimator.
    """

    gathered: ClassScatter | Scatter
    penalty: float

    @classmethod
    def fit(
        cls, estimator: Estimator, x: NDArray[Any], y: Labels, classes: int, seed: int
    ) -> FromStatistics:
        """Raises UsageError for a penalty that is none, or classes wanted of numbers."""
        if not classes:
            estimator.regressor(seed)
        gathered = _empty(x.shape[1], classes).gather(_tiles(x, y, classes))
        penalty = _penalty(estimator)
        return cls(estimator, classes, *_solved(estimator, gathered, penalty), gathered, penalty)

    @classmethod
    def restored(
        cls, estimator: Estimator, arrays: Mapping[str, NDArray[Any]], dim: int, classes: int
    ) -> FromStatistics:
        """From `arrays`, which may be anyone's. Raises ModelError, LookupError or ValueError."""
        given = dict(arrays)
        penalty = float(_array(given, "penalty", ()))
        gathered = {
            name.removeprefix("gathered."): given.pop(name)
            for name in arrays
            if name.startswith("gathered.")
        }
        if any(not np.isfinite(a).all() for a in gathered.values()):
            raise ModelError("statistics that are not finite")
        own = _empty(dim, classes).restored(gathered)
        if (
            not 0 <= penalty < math.inf
            or own.n < 1
            or (isinstance(own, ClassScatter) and (own.counts < 0).any())
        ):
            raise ModelError("statistics or a penalty that cannot be")
        solved = _taken(given, dim, classes)
        return cls(estimator, classes, *solved, own, penalty)

    def arrays(self) -> dict[str, NDArray[Any]]:
        own = {f"gathered.{name}": array for name, array in self.gathered.arrays().items()}
        return {**super().arrays(), **own, "penalty": np.array(self.penalty)}

    def went_on(self, x: NDArray[Any], y: Labels) -> Self:
        """As if it had learned from all rows at once."""
        further = self.gathered.gather(_tiles(x, y, self.classes))
        gathered = self.gathered.merge(further)  # type: ignore[arg-type]
        coef, mean, intercept = _solved(self.estimator, gathered, self.penalty)
        return dataclasses.replace(
            self, coef=coef, mean=mean, intercept=intercept, gathered=gathered
        )


def _empty(dim: int, classes: int) -> ClassScatter | Scatter:
    return ClassScatter.empty((dim,), classes) if classes else Scatter.empty((dim, 1))


def _tiles(x: NDArray[Any], y: Labels, classes: int) -> Iterator[Batch]:
    """Rows with their classes, or with their numbers beside them."""
    for k in range(0, len(x), _TILE):
        rows, own = x[k : k + _TILE], y[k : k + _TILE]
        if classes:
            yield Batch([rows], np.ones(1), labels=np.asarray(own, np.int64))
        else:
            yield Batch([rows, np.asarray(own, np.float64)[:, None]], np.ones(2))


def _penalty(estimator: Estimator) -> float:
    default, most = (1.0, math.inf) if estimator.name == "ridge" else (0.0, 1.0)
    value = estimator.options.get(estimator.penalty, default)
    if type(value) not in (int, float) or not 0 <= value <= most or value == math.inf:
        raise UsageError(
            f"{estimator.penalty} of the estimator {estimator.name} is {value!r}",
            hint="it is a number from 0 " + ("on" if most > 1 else "to 1"),
        )
    return float(value)


def _solved(estimator: Estimator, gathered: ClassScatter | Scatter, penalty: float) -> Solved:
    if isinstance(gathered, Scatter) or estimator.name == "ridge":
        return ridge_of(gathered, penalty)
    return lda_of(gathered, penalty)


def _taken(given: dict[str, NDArray[Any]], dim: int, classes: int) -> Solved:
    """All that is given, if it is a solution. Raises ModelError or LookupError."""
    width = max(classes, 1)
    coef, mean = _array(given, "coef", (dim, width)), _array(given, "mean", (dim,))
    intercept = _array(given, "intercept", (width,))
    finite = np.isfinite(intercept)
    if given:
        raise ModelError(f"a model with an array {next(iter(given))!r}")
    if not (np.isfinite(coef).all() and np.isfinite(mean).all() and finite.any()):
        raise ModelError("a linear model of numbers that are not finite")
    if not (finite | (intercept == -np.inf)).all():
        raise ModelError("a linear model with an intercept that is none")
    return coef, mean, intercept


def _array(given: dict[str, NDArray[Any]], name: str, shape: tuple[int, ...]) -> Array:
    """One of those given, which is taken out. Raises ModelError or LookupError."""
    array = given.pop(name)
    if array.shape != shape or array.dtype != np.float64:
        raise ModelError(f"a linear model with other {name}")
    return array
