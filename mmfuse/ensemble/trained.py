"""A fitted model of one modality, whichever estimator it is of."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController, threadpool_limits

from mmfuse.ensemble.estimator import ESTIMATORS, Estimator, estimator_of
from mmfuse.ensemble.linear import FromStatistics, Linear
from mmfuse.ensemble.stored import Bytes, dumps, loads, predicted, refuse_unsound
from mmfuse.errors import InputError, ModelError, UsageError

Array = NDArray[np.float64]
Labels = NDArray[np.int64] | NDArray[np.float64]

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
        _refuse_nonfinite(x)
        told: list[str] = []
        with _learning(estimator, told):
            form = _fitted(estimator, x, y, classes, seed)
        return cls(name, x.shape[1], classes, form, tuple(told))

    def predict(self, x: NDArray[Any]) -> Array:
        """Probabilities, `(k, C)`, whose rows sum to one, or numbers, `(k, 1)`, of rows `(k, d)`.

        Of a row they are the same, to the bit, beside any others. Raises ModelError for rows of
        other columns, InputError for NaN or infinite values.
        """
        self._refuse_others(x)
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
        self._refuse_others(x)
        if not len(x):
            return self
        self._refuse_new_classes(estimator, y)
        told: list[str] = []
        with _learning(estimator, told):
            return dataclasses.replace(self, form=self.form.went_on(x, y), told=tuple(told))

    def _refuse_others(self, x: NDArray[Any]) -> None:
        if x.shape[1] != self.dim:
            raise ModelError(f"a model of {self.dim:,} columns, and rows of {x.shape[1]:,}")
        _refuse_nonfinite(x)

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
class Stored:
    """A fitted object of scikit-learn, and the bytes that it is kept as."""

    estimator: Estimator
    classes: int
    fitted: Any
    content: Bytes

    @classmethod
    def fit(cls, estimator: Estimator, x: NDArray[Any], y: Labels, classes: int, seed: int) -> Self:
        """Raises UsageError for options whose object cannot be kept, or cannot predict."""
        fitted = estimator.unfitted(classes, seed).fit(np.ascontiguousarray(x, np.float64), y)
        predicted(fitted, np.zeros((1, x.shape[1])))
        return cls._kept(estimator, classes, fitted)

    @classmethod
    def _kept(cls, estimator: Estimator, classes: int, fitted: Any) -> Self:
        estimator.settle(fitted)
        try:
            refuse_unsound(fitted, estimator)
            content = dumps(fitted, estimator)
        except ModelError as error:
            raise UsageError(
                f"no model of the estimator {estimator.name} with these options can be kept: "
                + error.message
            ) from error
        return cls(estimator, classes, fitted, content)

    @classmethod
    def restored(
        cls, estimator: Estimator, arrays: Mapping[str, NDArray[Any]], dim: int, classes: int
    ) -> Self:
        """From `arrays`, which may be anyone's. Raises ModelError or LookupError."""
        content = arrays["object"]
        if len(arrays) > 1 or content.dtype != np.uint8 or content.ndim != 1:
            raise ModelError("a model with other arrays")
        return cls(estimator, classes, loads(content, estimator, dim, classes), content)

    @property
    def known(self) -> NDArray[np.int64]:
        """Classes that have a probability."""
        return np.asarray(self.fitted.classes_)

    def predict(self, x: NDArray[Any]) -> Array:
        """As `Trained.predict`."""
        height = max(len(x), 2) if self.estimator.row_by_row else _ROWS
        rows = np.zeros((-(-len(x) // height) * height, x.shape[1]))
        rows[: len(x)] = x
        with _errors("be applied"), _threads().limit(limits=1, user_api="openmp"):
            parts = [predicted(self.fitted, part) for part in np.split(rows, len(rows) // height)]
        found = np.concatenate(parts)[: len(x)]
        if not self.classes:
            return found
        out = np.zeros((len(x), self.classes))
        out[:, self.known] = found
        return out

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As `Trained.arrays`."""
        return {"object": self.content}

    def went_on(self, x: NDArray[Any], y: Labels) -> Self:
        """By one pass over these rows."""
        fitted = loads(self.content, self.estimator, x.shape[1], self.classes)
        with _errors("learn from further rows"):
            fitted.partial_fit(np.ascontiguousarray(x, np.float64), y)
        return self._kept(self.estimator, self.classes, fitted)


_FORMS: dict[str, type[Linear] | type[Stored]] = {
    "coefficients": Linear,
    "statistics": FromStatistics,
    "object": Stored,
}


def _fitted(estimator: Estimator, x: NDArray[Any], y: Labels, classes: int, seed: int) -> _Form:
    if classes and estimator.keeps != "statistics" and (y == y[0]).all():
        return Linear.constant(estimator, x.shape[1], classes, int(y[0]))
    return _FORMS[estimator.keeps].fit(estimator, x, y, classes, seed)


def _restored(
    estimator: Estimator, arrays: Mapping[str, NDArray[Any]], dim: int, classes: int
) -> _Form:
    constant = estimator.keeps == "object" and "object" not in arrays
    form = Linear if constant else _FORMS[estimator.keeps]
    return form.restored(estimator, arrays, dim, classes)


def _refuse_nonfinite(x: NDArray[Any]) -> None:
    if not np.isfinite(x).all():
        raise InputError("there are NaN or infinite values among the features")


@contextmanager
def _errors(what: str) -> Iterator[None]:
    """What scikit-learn cannot do, as ModelError."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
        raise ModelError(f"the model cannot {what}: {error}") from error


@functools.cache
def _threads() -> ThreadpoolController:
    """Of the libraries that scikit-learn works with, all loaded by now."""
    return ThreadpoolController()


@contextmanager
def _learning(estimator: Estimator, told: list[str]) -> Iterator[None]:
    """Learn the same on any machine; tell of warnings; errors of scikit-learn become UsageError.

    With several threads sums are cut, and so rounded, otherwise.
    """
    with warnings.catch_warnings(record=True) as warned, threadpool_limits(1):
        warnings.simplefilter("always")
        try:
            yield
        except ValueError as error:
            raise UsageError(f"the estimator {estimator.name} cannot learn: {error}") from error
    meant = (one for one in warned if issubclass(one.category, UserWarning))
    told += dict.fromkeys(_told(one, estimator) for one in meant)


def _told(warned: warnings.WarningMessage, estimator: Estimator) -> str:
    """A warning in our words where it is known, else in those of scikit-learn, on one line."""
    if warned.category.__name__ == "ConvergenceWarning":
        return (
            f"{estimator.name} stopped before it converged; allow it more iterations: "
            f"--set {estimator.name}.max_iter=N{_now(estimator)}"
        )
    return f"scikit-learn warns of {estimator.name}: {' '.join(str(warned.message).split())}"


def _now(estimator: Estimator) -> str:
    """How many iterations there may be now."""
    own = estimator.classifier(0).get_params()
    now = {**own, **estimator.options}.get("max_iter")
    return "" if now is None else f" (now {now})"
