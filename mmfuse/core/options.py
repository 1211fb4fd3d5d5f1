"""Options as fields: what a dataclass field says of itself serves calls, commands and documents."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mmfuse.errors import UsageError


@dataclass(frozen=True)
class Param:
    """The help and the bounds of an option, given as `Annotated[type, Param(…)]`.

    convert: turns what is given into the value, for options that are no plain number, text or
        choice; raises UsageError.
    """

    help: str
    min: float | None = None
    max: float | None = None
    convert: Callable[[object], Any] | None = None


@dataclass(frozen=True)
class Option:
    """One option of a strategy, read off its field."""

    name: str
    type: type  # int, float, bool or str; str where it converts
    default: Any
    param: Param
    choices: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """How the command line spells it."""
        return "--" + self.name.replace("_", "-")

    def check(self, value: object) -> None:
        """Raise UsageError unless `value` is of the type and within the bounds."""
        if self.param.convert is not None:
            self.param.convert(value)
            return
        if self.choices:
            if value not in self.choices:
                raise self._refused(value, "one of " + ", ".join(self.choices))
            return
        if not isinstance(value, self.type) or (isinstance(value, bool) and self.type is not bool):
            raise self._refused(
                value,
                {int: "a whole number", float: "a number"}.get(
                    self.type, "true or false" if self.type is bool else "text"
                ),
            )
        if isinstance(value, int | float):
            if value != value:
                raise self._refused(value, "a number")
            if self.param.min is not None and value < self.param.min:
                raise self._refused(value, f"at least {self.param.min:g}")
            if self.param.max is not None and value > self.param.max:
                raise self._refused(value, f"at most {self.param.max:g}")

    def _refused(self, value: object, wanted: str) -> UsageError:
        return UsageError(f"{self.flag} is {value!r}; it must be {wanted}")


@functools.cache
def options(cls: type) -> tuple[Option, ...]:
    """The options of a dataclass, in the order of its fields; `metadata` may say it is none."""
    hints = get_type_hints(cls, include_extras=True)
    own = [field for field in fields(cls) if field.metadata.get("option", True)]
    return tuple(_option(field.name, hints[field.name], field.default) for field in own)


def _option(name: str, hint: Any, default: Any) -> Option:
    annotated, *notes = get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
    param = next((note for note in notes if isinstance(note, Param)), None)
    if param is None or default is MISSING:
        raise TypeError(f"option {name!r} needs Annotated[type, Param(…)] and a default")
    if param.convert is not None:
        return Option(name, str, default, param)
    if get_origin(annotated) is Literal:
        return Option(name, str, default, param, get_args(annotated))
    return Option(name, annotated, default, param)


def check_options(instance: object) -> None:
    """Check every field of an instance. Raises UsageError."""
    cls: type = type(instance)
    for option in options(cls):
        value = getattr(instance, option.name)
        if option.param.convert is not None:
            object.__setattr__(instance, option.name, option.param.convert(value))
            continue
        if option.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
            object.__setattr__(instance, option.name, value)
        option.check(value)
