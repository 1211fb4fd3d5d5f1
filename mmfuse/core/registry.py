"""What is there to use, found by looking: strategies, normalisations, formats.

A module's name is the name of what it holds (`random_lowrank.py` is `random-lowrank`), so one
new file is all it takes. Other packages add theirs by entry points of the groups
`mmfuse.strategies`, `mmfuse.normalizations` and `mmfuse.formats`, each naming a module.
Names are listed, and first sentences read, without importing a module.
"""

from __future__ import annotations

import ast
import difflib
import functools
import glob
import importlib
import importlib.util
import inspect
import os
import pkgutil
import re
import sys
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from mmfuse.errors import UsageError

if TYPE_CHECKING:
    from mmfuse.core.normalization import Normalization
    from mmfuse.core.strategy import Strategy

Base = TypeVar("Base")


@dataclass(frozen=True)
class Registry:
    """The modules of one kind; `kind` is its package below mmfuse and its entry point group."""

    kind: str
    singular: str

    @functools.cached_property
    def modules(self) -> dict[str, str]:
        """Every name with its module's import path, sorted by name."""
        package = f"mmfuse.{self.kind}"
        folder = importlib.util.find_spec(package)
        assert folder is not None
        found = {
            module.name.replace("_", "-"): f"{package}.{module.name}"
            for module in pkgutil.iter_modules(folder.submodule_search_locations)
        }
        return dict(sorted({**_plugged_in(f"mmfuse.{self.kind}"), **found}.items()))

    def module(self, name: str) -> ModuleType:
        """Import by name. Raises UsageError for an unknown one, with the nearest name."""
        if name not in self.modules:
            near = difflib.get_close_matches(name, self.modules, n=1)
            known = ", ".join(self.modules)
            raise UsageError(
                f"no {self.singular} {name!r}",
                hint=f"did you mean {near[0]!r}?" if near else f"there are {known}",
            )
        return importlib.import_module(self.modules[name])

    def summary(self, name: str) -> str:
        """The first sentence of its manual, read from the source text of its module."""
        found = _definition(self.modules[name])
        return first_sentence((found and ast.get_docstring(found)) or "")

    def attribute(self, name: str, attribute: str) -> str | None:
        """Text that its class assigns to an attribute, read likewise; None if it assigns none."""
        found = _definition(self.modules[name])
        for node in found.body if found else ():
            if not isinstance(node, ast.AnnAssign | ast.Assign) or node.value is None:
                continue
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            if any(isinstance(one, ast.Name) and one.id == attribute for one in targets):
                return str(ast.literal_eval(node.value))
        return None


@functools.cache
def _definition(module: str) -> ast.ClassDef | ast.FunctionDef | None:
    """The first public class or function of a module, which is what the module is for."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    with open(spec.origin, encoding="utf-8") as source:
        tree = ast.parse(source.read())
    public = (
        node
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")
    )
    return next(public, None)


def _plugged_in(group: str) -> dict[str, str]:
    """Names and modules of an entry point group."""
    if not _has_plugins():
        return {}
    import importlib.metadata

    return {point.name: point.value for point in importlib.metadata.entry_points(group=group)}


@functools.cache
def _has_plugins() -> bool:
    """Whether any package installed beside mmfuse declares entry points for it.

    A look at the files takes a tenth of what importing the library that reads them takes.
    """
    for folder in sys.path:
        for file in glob.iglob(os.path.join(glob.escape(folder or "."), "*-info/entry_points.txt")):
            with open(file, "rb") as declared:
                if b"[mmfuse." in declared.read():
                    return True
    return False


def first_sentence(text: str) -> str:
    """A manual's first paragraph up to its full stop, on one line."""
    paragraph = " ".join(text.split("\n\n")[0].split())
    sentence = re.split(r"(?<=\.) (?=[A-Z])", paragraph, maxsplit=1)[0]
    return sentence if sentence.endswith(".") else sentence + "."


STRATEGIES = Registry("strategies", "strategy")
NORMALIZATIONS = Registry("normalizations", "normalization")
FORMATS = Registry("formats", "format")


def strategy_class(name: str) -> type[Strategy]:
    """The strategy of that name. Raises UsageError for an unknown one."""
    from mmfuse.core.strategy import Strategy

    return only_class(STRATEGIES.module(name), Strategy)  # type: ignore[type-abstract]


def normalization(name: str) -> Normalization:
    """The normalisation of that name. Raises UsageError for an unknown one."""
    from mmfuse.core.normalization import Normalization

    return only_class(NORMALIZATIONS.module(name), Normalization)()  # type: ignore[type-abstract]


def only_class(module: ModuleType, base: type[Base]) -> type[Base]:
    """The one class of a module of this kind, such as its strategy."""
    own = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, base)
        and value.__module__ == module.__name__
    ]
    if len(own) != 1:
        raise TypeError(f"{module.__name__} must define just one {base.__name__}, not {len(own)}")
    return own[0]
