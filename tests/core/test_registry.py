"""What is found by looking: names, modules, first sentences, nearest names."""

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import mmfuse.normalizations
import mmfuse.strategies
from mmfuse.core.normalization import Normalization
from mmfuse.core.registry import (
    FORMATS,
    NORMALIZATIONS,
    STRATEGIES,
    Registry,
    _has_plugins,
    first_sentence,
    normalization,
    only_class,
    strategy_class,
)
from mmfuse.core.strategy import Strategy
from mmfuse.errors import UsageError

PLUGIN = '''
from dataclasses import dataclass
from mmfuse.core.strategy import Strategy, stack_columns

@dataclass(frozen=True)
class First(Strategy):
    """Take the first modality. It is here
    for a test.

    Nobody (2020).
    """

    def columns(self, schema):
        return stack_columns(schema)[: schema.dims[0]]

    def fuse(self, batch, out, learned):
        out[:] = batch.blocks[0]
'''


@pytest.mark.parametrize(
    ("registry", "package"),
    [(STRATEGIES, mmfuse.strategies), (NORMALIZATIONS, mmfuse.normalizations)],
)
def test_every_file_is_listed_by_name(registry: Registry, package: ModuleType) -> None:
    folder = Path(package.__path__[0])
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert set(registry.modules) == {name.replace("_", "-") for name in files}
    assert list(registry.modules) == sorted(registry.modules)


@pytest.mark.parametrize("registry", [STRATEGIES, NORMALIZATIONS, FORMATS])
def test_names_and_summaries_need_no_import(registry: Registry) -> None:
    before = set(sys.modules)
    for name in registry.modules:
        assert registry.summary(name).endswith(".")
    assert not (set(sys.modules) - before) & set(registry.modules.values())


@pytest.mark.parametrize("name", list(STRATEGIES.modules))
def test_a_strategy_s_summary_is_its_first_sentence(name: str) -> None:
    doc = inspect.getdoc(strategy_class(name))
    assert doc is not None
    summary = STRATEGIES.summary(name)
    assert " ".join(doc.split()).startswith(summary)
    assert ". " not in summary


@pytest.mark.parametrize("name", list(NORMALIZATIONS.modules))
def test_a_normalization_s_summary_is_its_first_sentence(name: str) -> None:
    doc = inspect.getdoc(normalization(name))
    assert doc is not None
    assert " ".join(doc.split()).startswith(NORMALIZATIONS.summary(name))


@pytest.mark.parametrize("registry", [STRATEGIES, NORMALIZATIONS])
def test_a_module_defines_one_class(registry: Registry) -> None:
    base = Strategy if registry is STRATEGIES else Normalization
    for name in registry.modules:
        source = inspect.getsource(registry.module(name))
        classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
        assert len(classes) == 1, name
        assert issubclass(getattr(registry.module(name), classes[0].name), base)


def test_a_module_of_no_or_several_classes_is_told() -> None:
    empty = ModuleType("odd")
    with pytest.raises(TypeError, match="odd must define just one Strategy, not 0"):
        only_class(empty, Strategy)
    for name in ("One", "Two"):
        setattr(empty, name, type(name, (Strategy,), {"__module__": "odd"}))
    with pytest.raises(TypeError, match="odd must define just one Strategy, not 2"):
        only_class(empty, Strategy)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("One. Two.", "One."),
        ("One\ntwo.\nThree.", "One two."),
        ("One (two. three) four. Five.", "One (two. three) four."),
        ("No stop\n\nOther.", "No stop."),
        ("Halve it: x / 2. Then stop.", "Halve it: x / 2."),
    ],
)
def test_first_sentence(text: str, sentence: str) -> None:
    assert first_sentence(text) == sentence


@pytest.mark.parametrize(
    ("unknown", "hint"),
    [("concatt", "did you mean 'concat'?"), ("random_lowrank", "did you mean 'random-lowrank'?")],
)
def test_an_unknown_strategy_names_the_nearest(unknown: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"no strategy '{unknown}'") as caught:
        strategy_class(unknown)
    assert caught.value.hint == hint


def test_a_name_like_none_lists_all() -> None:
    with pytest.raises(UsageError, match="no normalization 'qqqqqq'") as caught:
        normalization("qqqqqq")
    assert caught.value.hint == "there are " + ", ".join(NORMALIZATIONS.modules)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry that sees a module `first_one` of another package."""
    (tmp_path / "first_one.py").write_text(PLUGIN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    points = "[mmfuse.strategies]\nfirst-one = first_one\nconcat = first_one\n"
    (info / "entry_points.txt").write_text(points)
    _has_plugins.cache_clear()
    monkeypatch.delitem(sys.modules, "first_one", raising=False)
    yield Registry("strategies", "strategy")
    _has_plugins.cache_clear()


def test_other_packages_add_theirs(plugin: Registry) -> None:
    assert set(plugin.modules) == {*STRATEGIES.modules, "first-one"}
    assert plugin.modules["concat"] == "mmfuse.strategies.concat"  # ours are not replaced
    assert plugin.summary("first-one") == "Take the first modality."
    assert "first_one" not in sys.modules
    assert plugin.module("first-one").First().panel == Strategy.panel


def test_a_new_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "take_first.py").write_text(PLUGIN, encoding="utf-8")
    monkeypatch.setattr(mmfuse.strategies, "__path__", [*mmfuse.strategies.__path__, str(tmp_path)])
    monkeypatch.setattr(
        mmfuse.strategies.__spec__, "submodule_search_locations", mmfuse.strategies.__path__
    )
    found = Registry("strategies", "strategy")
    assert found.modules["take-first"] == "mmfuse.strategies.take_first"
    assert found.module("take-first").First().panel == Strategy.panel
    assert found.summary("take-first") == "Take the first modality."
    monkeypatch.delitem(sys.modules, "mmfuse.strategies.take_first")
