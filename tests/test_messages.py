"""Every message of an error is quoted by a test: one that nobody reads may be wrong, or dead."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmfuse
from mmfuse.cli.main import app

HOME, TESTS = Path(mmfuse.__file__).parent, Path(__file__).parent
WORDS = 4  # in a row that have to be quoted at least, or all there are between two values


def trees(folder: Path) -> dict[str, ast.Module]:
    return {
        str(file.relative_to(folder)): ast.parse(file.read_text(encoding="utf-8"))
        for file in sorted(folder.rglob("*.py"))
        if file != Path(__file__)
    }


def kinds(code: dict[str, ast.Module]) -> set[str]:
    """The names of `MmfuseError` and of all classes below it."""
    bases = {
        node.name: {ast.unparse(base) for base in node.bases}
        for tree in code.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = {"MmfuseError"}
    while more := {name for name, own in bases.items() if own & found} - found:
        found |= more
    return found


def makers(code: dict[str, ast.Module], errors: set[str]) -> set[str]:
    """The names of functions that make such an error of what they are given."""
    return {
        node.name
        for tree in code.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and node.returns is not None
        and ast.unparse(node.returns) in errors
    }


def said(node: ast.expr) -> Iterator[str]:
    """The texts between the values of a message."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield from (part.value for part in node.values if isinstance(part, ast.Constant))
    elif isinstance(node, ast.BinOp):
        yield from (*said(node.left), *said(node.right))
    elif isinstance(node, ast.IfExp):
        yield from (*said(node.body), *said(node.orelse))


def messages(code: dict[str, ast.Module]) -> Iterator[tuple[str, str]]:
    """Where a message is made, and the text in it that has most words."""
    errors = kinds(code)
    functions = makers(code, errors)
    for file, tree in code.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func).rpartition(".")[2]
                given = node.args[:1] if called in errors else node.args
                texts = [text for one in given for text in said(one)]
                if called in errors | functions and texts:
                    yield f"{file}:{node.lineno}", max(texts, key=lambda text: len(text.split()))


def quotable(code: dict[str, ast.Module]) -> str:
    """All texts of these files, and the same without the escapes of regular expressions."""
    texts = [
        node.value
        for tree in code.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    texts += [re.sub(r"\\(.)", r"\1", text) for text in texts]
    return "\n".join(" ".join(text.split()) for text in texts)


def is_quoted(text: str, quotes: str) -> bool:
    words = text.split()
    count = min(max(WORDS, (len(words) + 1) // 2), len(words))
    return any(" ".join(words[k : k + count]) in quotes for k in range(len(words) - count + 1))


def test_every_message_is_quoted_by_a_test() -> None:
    quotes = quotable(trees(TESTS))
    found = list(messages(trees(HOME)))
    assert len(found) > 400
    assert [(place, text) for place, text in found if not is_quoted(text, quotes)] == []


def flags(code: dict[str, ast.Module]) -> Iterator[tuple[str, str]]:
    """Where an error names an option, in its message or its hint, and the option."""
    errors = kinds(code)
    functions = makers(code, errors)
    for file, tree in code.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            if ast.unparse(node.func).rpartition(".")[2] in errors | functions:
                parts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
                for text in filter(lambda part: isinstance(part, str), parts):
                    for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text):
                        yield f"{file}:{node.lineno}", flag


def options() -> set[str]:
    """All options of all commands."""
    from typer.main import get_command

    def below(group: Any) -> Iterator[str]:
        context = group.make_context("mmfuse", [], resilient_parsing=True)
        for name in group.list_commands(context):
            found = group.get_command(context, name)
            yield from (flag for param in found.params for flag in param.opts)
            if hasattr(found, "list_commands"):
                yield from below(found)

    return set(below(get_command(app)))


def test_every_option_that_an_error_names_is_one() -> None:
    known = options()
    found = list(flags(trees(HOME)))
    assert len(found) > 100
    assert [(place, flag) for place, flag in found if flag not in known | {"--help"}] == []


def test_the_tests_fail_when_they_should() -> None:
    code = ast.parse(
        "class OwnError(MmfuseError): ...\n"
        "def odd(what) -> OwnError: return OwnError(f'{what} is odd')\n"
        "raise OwnError(f'{n:,} rows have no {name!r} at all' + more, hint='none')\n"
        "raise odd('the third column')\n"
        "raise ValueError('of Python')\n"
    )
    found = dict(messages({"m.py": code}))
    assert found == {"m.py:2": " is odd", "m.py:3": " rows have no ", "m.py:4": "the third column"}
    quotes = quotable({"t.py": ast.parse("match='3 rows\\n have no', r'is\\ odd'")})
    quoted = {place for place, text in found.items() if is_quoted(text, quotes)}
    assert quoted == {"m.py:2", "m.py:3"}
    assert not is_quoted("one two three four five", "one two three, four five")
    assert is_quoted("one two three four five", "two three four five")
