"""What a modality's own model is learned with: an estimator, which is one file of its own."""

from __future__ import annotations

import difflib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

from mmfuse.core.registry import Registry, only_class
from mmfuse.errors import UsageError

ESTIMATORS = Registry("estimators", "estimator")


@dataclass(frozen=True)
class Estimator(ABC):
    """One kind of model of a modality, and the options that it is learned with.

    normalize: what the modality is normalised by, unless told otherwise.
    goes_on: whether its models can learn from further rows without those they have seen.
    keeps: what a model keeps: `coefficients` of a linear model; the `statistics` that these are
        solved from, which merge; or the `object` of scikit-learn.
    penalty: with `statistics`, the name of its one option.
    hidden: parameters of scikit-learn that are no options.
    types: classes that a stored object may be made of, by their full names.
    unneeded: attributes that are not stored.
    row_by_row: whether what an object predicts of a row is the same, to the bit, beside any others,
        if there is one.
    options: values of parameters of scikit-learn.
    """

    normalize: ClassVar[str]
    goes_on: ClassVar[bool]
    keeps: ClassVar[Literal["coefficients", "statistics", "object"]] = "object"
    penalty: ClassVar[str] = ""
    hidden: ClassVar[frozenset[str]] = frozenset()
    types: ClassVar[frozenset[str]] = frozenset()
    unneeded: ClassVar[frozenset[str]] = frozenset()
    row_by_row: ClassVar[bool] = False

    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its module's, as for everything that is registered."""
        return type(self).__module__.rpartition(".")[2].replace("_", "-")

    @abstractmethod
    def classifier(self, seed: int) -> Any:
        """The unfitted scikit-learn estimator of classes, without options. Raises UsageError."""

    @abstractmethod
    def regressor(self, seed: int) -> Any:
        """The one of numbers. Raises UsageError where there is none."""

    def settle(self, fitted: Any) -> None:
        """Take from what has been fitted, in place, what it is not to keep."""
        if hasattr(fitted, "n_jobs"):
            fitted.n_jobs = None  # threads would add up what trees predict in any order

    def sound(self, fitted: Any, dim: int, width: int) -> bool:
        """Whether compiled code can be trusted with an object that was stored.

        dim: columns of its rows. width: numbers that it predicts of each.
        """
        return True

    def with_options(self, given: Mapping[str, Any]) -> Self:
        """With these options too, whose values are of Python or text, read as JSON if it is some.

        Raises UsageError for one that there is not, with those that there are.
        """
        known = self._parameters()
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                raise UsageError(
                    f"the estimator {self.name} has no option {name!r}",
                    hint=(f"did you mean {near[0]!r}? " if near else "")
                    + f"there are {', '.join(known)}",
                )
        return replace(self, options={**self.options, **{n: _read(v) for n, v in given.items()}})

    def unfitted(self, classes: int, seed: int) -> Any:
        """The scikit-learn estimator of so many classes, 0 of numbers, with the options.

        Raises UsageError for options that it does not have or that leave no probabilities.
        """
        made = self.classifier(seed) if classes else self.regressor(seed)
        for name in sorted(set(self.options) - set(made.get_params())):
            raise UsageError(
                f"the estimator {self.name} has no option {name!r} for "
                + ("classes" if classes else "numbers")
            )
        made.set_params(**self.options)
        if classes and self.keeps != "statistics" and not hasattr(made, "predict_proba"):
            raise UsageError(
                f"with these options the estimator {self.name} gives no probabilities",
                hint=f"options: {json.dumps(dict(self.options))}",
            )
        return made

    def _parameters(self) -> list[str]:
        """The names of its options, in order."""
        if self.penalty:
            return [self.penalty]
        found = set(self.classifier(0).get_params())
        with suppress(UsageError):  # of classes only
            found |= set(self.regressor(0).get_params())
        return sorted(found - self.hidden - {"random_state", "verbose", "warm_start"})


def estimator_of(name: str) -> Estimator:
    """The estimator of that name. Raises UsageError for an unknown one, with the nearest name."""
    return only_class(ESTIMATORS.module(name), Estimator)()  # type: ignore[type-abstract]


def for_classes_only(name: str) -> UsageError:
    """What an estimator raises that has no regressor."""
    return UsageError(
        f"the estimator {name} is for classes only, and these labels are numbers",
        hint="ridge is linear too, and for both",
    )


def _read(value: Any) -> Any:
    """A number, true, false, null or a list, if text is that in JSON; else as it is."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return value if isinstance(found, str | dict) else found
