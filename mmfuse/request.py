"""What is asked for: the inputs with their options, each said for one modality or for all."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from mmfuse.errors import UsageError
from mmfuse.files.keys import split_key
from mmfuse.files.paths import default_name, show, split_name

Value = TypeVar("Value")
ALL = "*"
"""The key of a per-modality option that holds for every modality without a value of its own."""


@dataclass(frozen=True)
class Input:
    """A modality by name: a path, a list of paths, or a value in memory."""

    name: str
    value: Any

    @property
    def path(self) -> str:
        """The file, without the key behind it."""
        return split_key(self.value)[0]

    @property
    def key(self) -> str | None:
        """What of the file: the KEY of `FILE:KEY`."""
        return split_key(self.value)[1] if isinstance(self.value, str) else None

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.name}={self.value}" if isinstance(self.value, str) else self.name


def inputs_of(modalities: Mapping[str, Any] | Sequence[Any]) -> tuple[Input, ...]:
    """The inputs of a mapping of names, or of a sequence of `[NAME=]PATH` and inputs.

    Raises UsageError: none, no name to tell one by, two of the same name.
    """
    if isinstance(modalities, Mapping):
        found = [Input(name, _path(value)) for name, value in modalities.items()]
    else:
        found = [_input(value) for value in modalities]
    if not found:
        raise UsageError("no inputs", hint="give files as [NAME=]PATH")
    for k, item in enumerate(found):
        if any(item.name == other.name for other in found[:k]):
            proposed = " ".join(
                f"{item.name}{n}={i.value}"
                for n, i in enumerate((i for i in found if i.name == item.name), 1)
            )
            raise UsageError(f"two inputs are named {item.name!r}", hint=f"name them: {proposed}")
    return tuple(found)


def listed_inputs(lines: Sequence[str]) -> list[Input]:
    """The inputs of a list of `[NAME=]PATH`: paths of one NAME are files of one modality."""
    found: list[Input] = []
    places: dict[str, int] = {}
    for line in lines:
        name, path = split_name(line)
        if name in places:
            before = found[places[name]].value
            paths = before if isinstance(before, list) else [before]
            found[places[name]] = Input(name, [*paths, path])
            continue
        if name is not None:
            places[name] = len(found)
        found.append(_input(line))
    return found


def _input(value: Any) -> Input:
    if isinstance(value, Input):
        return value
    value = _path(value)
    if not isinstance(value, str):
        raise UsageError("inputs in memory need names: give a mapping of names to modalities")
    name, path = split_name(value)
    key = split_key(path)[1]
    return Input(
        name or ("stdin" if path == "-" else show(key) if key else default_name(path)), path
    )


def _path(value: Any) -> Any:
    if isinstance(value, list):
        return [_path(each) for each in value]
    return value.__fspath__() if hasattr(value, "__fspath__") else value


@dataclass(frozen=True)
class PerModality(Generic[Value]):
    """An option's value for every modality."""

    option: str
    values: Mapping[str, Value]

    @classmethod
    def of(
        cls, option: str, given: Value | Mapping[str, Value] | None, names: Sequence[str]
    ) -> PerModality[Value]:
        """One value for all, or a mapping of names. Raises UsageError for an unknown name."""
        values = {} if given is None else given if isinstance(given, Mapping) else {ALL: given}
        for name in values:
            if name != ALL and name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                raise UsageError(
                    f"{option} names {name!r}, which is no modality",
                    hint=f"did you mean {near[0]!r}?" if near else "there are " + ", ".join(names),
                )
        return cls(option, values)

    def get(self, name: str, default: Value) -> Value:
        """The value for one modality."""
        return self.values.get(name, self.values.get(ALL, default))
