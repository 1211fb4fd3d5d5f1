"""A fitted model of one modality, whichever estimator it is of."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.batch import Batch
from mmfuse.core.class_scatter import ClassScatter
from mmfuse.core.products import multiply_rows
from mmfuse.core.scatter import Scatter
from mmfuse.ensemble.estimator import ESTIMATORS, Estimator, estimator_of
from mmfuse.ensemble.linear import (
    Solved,
    lda_of,
    positive_share,
    ridge_of,
    ridge_regression_of,
    softmax,
)
from mmfuse.ensemble.stored import Bytes, dumps, loads, predicted, refuse_unsound
from mmfuse.errors import InputError, ModelError, UsageError

Array = NDArray[np.float64]
Labels = NDArray[np.int64] | NDArray[np.float64]

_TILE = 1 << 14
_ROWS = 256


class _Form(Protocol):
    """What a model is kept as."""

    @property
    def known(self) -> NDArray[np.int64]: ...
    def predict(self, x: NDArray[Any]) -> Array: ...
    def arrays(self) -> dict[str, NDArray[Any]]: ...
    def went_on(self, x: NDArray[Any], y: Labels) -> Self: ...


@dataclass(frozen=True, eq=False)
class Trained:
    """An immutable model of the rows of one modality, which are normalised already.

    name: of its estimator. dim: columns of its rows. classes: C, 0 for a model of numbers.
    told: what scikit-learn warned of as it learned; not kept in `arrays`.
    """

    name: str
    dim: int
    classes: int
    form: _Form
    told: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        name: str,
        x: NDArray[Any],
        y: Labels,
        classes: int,
        seed: int,
        options: Mapping[str, Any] | None = None,
    ) -> Trained:
        """Learn from rows `(n, d)` and their labels `(n,)`: int64 class numbers below `classes`,
        or float64 numbers where that is 0. Classes without a row will have probability 0.

        Raises UsageError for an unknown estimator, for options that it does not have or that do
        not fit the rows, and where scikit-learn is missing; InputError for no rows.
        """
        estimator = estimator_of(name).with_options(options or {})
        if not len(x):
            raise InputError("there are no rows to learn from")
        told: list[str] = []
        with _learning(told):
            form = _fitted(estimator, x, y, classes, seed)
        return cls(name, x.shape[1], classes, form, tuple(told))

    def predict(self, x: NDArray[Any]) -> Array:
        """Probabilities, `(k, C)`, whose rows sum to one, or numbers, `(k, 1)`, of rows `(k, d)`.

        Of a row they are the same, to the bit, beside any others. Raises ModelError for rows of
        other columns.
        """
        if x.ndim != 2 or x.shape[1] != self.dim:
            raise ModelError(f"the model is of {self.dim:,} columns, the rows are of {x.shape[1]:,}")
        if not len(x):
            return np.empty((0, max(self.classes, 1)))
        return self.form.predict(x)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it but name, dim and classes, as named arrays, for a model file."""
        return self.form.arrays()

    @classmethod
    def restored(
        cls, name: str, arrays: Mapping[str, NDArray[Any]], dim: int, classes: int
    ) -> Trained:
        """The model whose `arrays` these are, which predicts the same bytes.

        Raises ModelError for what is no such model; UsageError for an unknown estimator, and
        where skops or scikit-learn is missing for one that needs it.
        """
        estimator = estimator_of(name)
        try:
            form = _restored(estimator, arrays, dim, classes)
        except (LookupError, ValueError, TypeError) as error:
            raise ModelError(f"a damaged model of the estimator {name}: {error}") from error
        return cls(name, dim, classes, form)

    def went_on(self, x: NDArray[Any], y: Labels) -> Trained:
        """The model that has learned from these rows too, which are as for `fit`.

        Raises ModelError if its estimator does not go on, or cannot with these classes.
        """
        estimator = estimator_of(self.name)
        if not estimator.goes_on:
            able = [n for n in ESTIMATORS.modules if ESTIMATORS.attribute(n, "goes_on") == "True"]
            raise ModelError(
                f"a model of the estimator {self.name} cannot learn from further rows",
                hint=f"train it again on all rows; those of {', '.join(able)} can go on",
            )
        if not len(x):
            return self
        self._refuse_new_classes(estimator, y)
        told: list[str] = []
        with _learning(told):
            return dataclasses.replace(self, form=self.form.went_on(x, y), told=tuple(told))

    def _refuse_new_classes(self, estimator: Estimator, y: Labels) -> None:
        if not self.classes or estimator.keeps == "statistics":
            return
        new = np.setdiff1d(y, self.form.known)
        if len(new):
            raise ModelError(
                f"the model of the estimator {self.name} first learned without a row of class "
                f"number {new[0]}, so it cannot learn that now",
                hint="train it again on all rows; models of lda and ridge can",
            )


@dataclass(frozen=True, eq=False)
class Linear:
    """Scores `intercept + (x − mean) @ coef`, and what makes probabilities of them.

    coef: `(d, C)`, or `(d, 1)` of numbers. mean: `(d,)`. intercept: `(C,)`, −∞ for a class of
    probability 0. Predicts with NumPy alone.
    """

    estimator: Estimator
    classes: int
    coef: Array
    mean: Array
    intercept: Array

    @property
    def known(self) -> NDArray[np.int64]:
        """Classes with a probability."""
        return np.flatnonzero(np.isfinite(self.intercept))

    def predict(self, x: NDArray[Any]) -> Array:
        scores = np.empty((len(x), len(self.intercept)))
        multiply_rows(x - self.mean, self.coef, scores)
        scores += self.intercept
        if not self.classes:
            return scores
        return (positive_share if self.estimator.name == "ridge" else softmax)(scores)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"coef": self.coef, "mean": self.mean, "intercept": self.intercept}

    def went_on(self, x: NDArray[Any], y: Labels) -> Self:
        """The same: it knows one class, and there are rows of no other."""
        return self


@dataclass(frozen=True, eq=False)
class FromStatistics(Linear):
    """A linear model with the statistics that it was solved from.

    gathered: of the rows, or of rows and number side by side. penalty: the estimator's option.
    """

    gathered: ClassScatter | Scatter
    penalty: float

    @classmethod
    def of(
        cls, estimator: Estimator, classes: int, gathered: ClassScatter | Scatter, penalty: float
    ) -> FromStatistics:
        """Solved."""
        return cls(estimator, classes, *_solved(estimator, gathered, penalty), gathered, penalty)

    def arrays(self) -> dict[str, NDArray[Any]]:
        statistics = {f"gathered.{name}": a for name, a in self.gathered.arrays().items()}
        return {**super().arrays(), **statistics, "penalty": np.array(self.penalty)}

    def went_on(self, x: NDArray[Any], y: Labels) -> Self:
        gathered = self.gathered.merge(_gathered(x, y, self.classes))  # type: ignore[arg-type]
        coef, mean, intercept = _solved(self.estimator, gathered, self.penalty)
        return dataclasses.replace(
            self, coef=coef, mean=mean, intercept=intercept, gathered=gathered
        )


@dataclass(frozen=True, eq=False)
class Stored:
    """A fitted object of scikit-learn, and the bytes that it is kept as."""

    estimator: Estimator
    classes: int
    fitted: Any
    content: Bytes

    @classmethod
    def of(cls, estimator: Estimator, classes: int, fitted: Any) -> Self:
        """With its bytes. Raises UsageError for one that could not be read again."""
        estimator.settle(fitted)
        return cls(estimator, classes, fitted, dumps(fitted, estimator))

    @property
    def known(self) -> NDArray[np.int64]:
        """Classes it has seen."""
        return np.asarray(self.fitted.classes_)

    def predict(self, x: NDArray[Any]) -> Array:
        height = len(x) if self.estimator.row_by_row else _ROWS
        rows = np.zeros((-len(x) % height + len(x), x.shape[1]))
        rows[: len(x)] = x
        try:
            with _one_thread("openmp"):
                found = np.concatenate(
                    [predicted(self.fitted, rows[k : k + height]) for k in range(0, len(x), height)]
                )[: len(x)]
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise ModelError(f"the model cannot be applied: {error}") from error
        if not self.classes:
            return found
        out = np.zeros((len(x), self.classes))
        out[:, self.known] = found
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"object": self.content}

    def went_on(self, x: NDArray[Any], y: Labels) -> Self:
        fresh = loads(self.content, self.estimator, x.shape[1], self.classes)
        try:
            fresh.partial_fit(np.ascontiguousarray(x, np.float64), y)
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            raise ModelError(f"the model cannot learn from further rows: {error}") from error
        return self.of(self.estimator, self.classes, fresh)
