"""What the code is allowed to be: imports point one way, parts are small, nothing runs data."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmfuse

HOME = Path(mmfuse.__file__).parent
FILES = sorted(HOME.rglob("*.py"))

# a part may import its own level and those before it; strategies and normalizations, which
# stand side by side, import neither each other nor the files
LEVELS = [
    {"errors"},
    {"core"},
    {"strategies", "normalizations", "files", "ensemble", "estimators"},
    {"formats"},
    {
        "request",
        "summary",
        "nonfinite",
        "findings",
        "sources",
        "labels",
        "targets",
        "voted",
        "timing",
        "profile",
        "examine",
        "verdict",
        "job",
        "running",
        "prepare",
        "output",
        "copying",
        "lock",
        "sharded_output",
        "stages",
        "model",
        "model_check",
        "model_file",
        "saving",
        "work",
        "learning",
        "fitting",
        "report",
        "drift",
        "plot",
        "outcome",
        "described_file",
        "trained_model",
        "trained_file",
        "models",
        "gathering",
        "making",
        "summing",
        "score_plot",
        "fusion_estimators",
    },
    {"api", "aligning", "applying", "converting", "catalogue", "training"},
    {"cli"},
    {"__main__"},
]
LEVEL = {part: k for k, parts in enumerate(LEVELS) for part in parts}


def part_of(module: str) -> str:
    """`core` for `mmfuse.core.align`; empty for mmfuse itself."""
    return module.split(".")[1] if "." in module else ""


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(HOME.parent).with_suffix("").parts)


def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that is imported, wherever in the file, with the names taken from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def calls(tree: ast.AST) -> Iterator[str]:
    """The names of all functions that are called: `open`, `np.load`, …"""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: module_of(file))


@each_file
def test_imports_point_one_way(file):
    own = part_of(module_of(file))
    if own in ("__init__", ""):
        return
    for name in imports(tree_of(file)):
        other = part_of(name) if name.split(".")[0] == "mmfuse" else None
        if other is None or name == "mmfuse.__version__" or other == own:
            continue
        if other in mmfuse.__all__:  # the public functions, for the commands
            other = "api"
        assert LEVEL[other] <= LEVEL[own], f"{own} imports {name}"
        if own in ("strategies", "normalizations"):
            assert other in ("core", "errors"), f"{own} imports {name}"


def test_every_part_has_a_level():
    parts = {part_of(module_of(file)) for file in FILES}
    assert parts - {"__init__"} == set(LEVEL)


@pytest.mark.parametrize("file", sorted((HOME / "core").rglob("*.py")), ids=module_of)
def test_core_needs_numpy_only(file):
    tree = tree_of(file)
    outside = {"pyarrow", "pandas", "polars", "typer", "rich", "sklearn", "scipy"}
    assert not {name.split(".")[0] for name in imports(tree)} & outside
    allowed = {"open"} if file.stem == "registry" else set()  # it reads source text
    assert not {"open", "print", "input"} & set(calls(tree)) - allowed


@each_file
def test_nothing_runs_data(file):
    tree = tree_of(file)
    forbidden = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "click"}
    assert not {name.split(".")[0] for name in imports(tree)} & forbidden
    called = set(calls(tree))
    assert not {"eval", "exec", "compile", "np.load", "os.system", "__import__"} & called
    text = file.read_text(encoding="utf-8")
    assert "allow_pickle=True" not in "".join(  # but in the hint that shows the conversion
        line for line in text.splitlines() if "x = np.load(FILE" not in line
    )


@each_file
def test_parts_are_small(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 300
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            length = node.end_lineno - node.body[0].lineno + 1  # options are declared, not coded
            assert length <= 50, f"{node.name} has {length} lines"


@each_file
def test_only_the_command_line_prints(file):
    if part_of(module_of(file)) not in ("cli", "__main__"):
        assert "print" not in set(calls(tree_of(file)))


@each_file
def test_modules_say_what_they_are(file):
    assert ast.get_docstring(tree_of(file))


@pytest.mark.parametrize("name", [name for name in mmfuse.__all__ if name != "__version__"])
def test_public_names_have_a_manual(name):
    public = getattr(mmfuse, name)
    assert (inspect.getdoc(public) or "").count(" ") > 3


def test_the_tests_fail_when_they_should():
    tree = ast.parse("from mmfuse.cli.main import main\nimport pickle\neval('1')")
    assert list(imports(tree)) == ["mmfuse.cli.main.main", "pickle"]
    assert list(calls(tree)) == ["eval"]
    assert LEVEL["cli"] > LEVEL["core"]
