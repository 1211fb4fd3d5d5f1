"""A command takes the values that Typer's own takes, and refuses the others in its words."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import typer
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.core import TyperArgument, TyperCommand, TyperOption

from mmfuse.cli.command import as_command
from mmfuse.cli.values import PlainValues


class Plain(PlainValues, TyperCommand):
    """The command under test."""


def every_kind(
    files: Annotated[list[str], typer.Argument()],
    text: Annotated[str, typer.Option()] = "none",
    maybe: Annotated[str | None, typer.Option()] = None,
    many: Annotated[list[str] | None, typer.Option()] = None,
    count: Annotated[int, typer.Option(min=1, max=99)] = 7,
    number: Annotated[float, typer.Option(min=0.5)] = 1.5,
    whole: Annotated[int | None, typer.Option()] = None,
    flag: Annotated[bool, typer.Option("--flag/--no-flag")] = True,
    called: Annotated[str, typer.Option(callback=lambda value: f"<{value}>")] = "back",
) -> dict[str, Any]:
    return locals()


def command(cls: type[TyperCommand]) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(cls=cls)(every_kind)
    return typer.main.get_command(app)


OURS, THEIRS = command(Plain), command(TyperCommand)


def outcome(command: Any, arguments: list[str]) -> str:
    """The values with their types, or the message."""
    try:
        return repr(command.main(arguments, prog_name="x", standalone_mode=False))
    except typer.TyperException as error:
        return f"{type(error).__name__}: {error.format_message()}"


VALUES = st.one_of(
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8),
    st.integers().map(str),
    st.integers(0, 120).map(str),
    st.floats().map(str),
    st.sampled_from(["", " 5 ", "+5", "1_0", "0x10", "٣", "²", "007", "1e3", "9" * 30, "--", "-h"]),
)
NAMES = st.sampled_from(["text", "maybe", "many", "count", "number", "whole", "called"])
OPTIONS = st.one_of(
    st.tuples(NAMES, VALUES).map(lambda pair: f"--{pair[0]}={pair[1]}"),
    st.sampled_from(["--flag", "--no-flag", "--flag=1", "--text", "--unknown", "FILE"]),
)


@settings(deadline=None)  # the first value that is wrong imports pydantic
@given(st.lists(OPTIONS, max_size=5))
@example([])
@example(["FILE", "--count=99"])
@example(["FILE", "--count=100"])
@example(["FILE", "--count=0", "--number=0"])
@example(["FILE", "--number=1", "--whole=-1", "--many=a", "--many="])
@example(["FILE", "--whole=" + "9" * 5000])
def test_as_typer_does_it(arguments):
    assert outcome(OURS, arguments) == outcome(THEIRS, arguments)


def test_what_is_plain_does_not_reach_typer(monkeypatch):
    given = "F G --text=a --maybe=b --many=c --many=d --count=3 --number=2 --whole=4 --no-flag"
    for kind in (TyperArgument, TyperOption):
        monkeypatch.setattr(kind, "process_value", None)
    taken = command(Plain).main(given.split(), prog_name="x", standalone_mode=False)
    assert taken == {
        "files": ["F", "G"], "text": "a", "maybe": "b", "many": ["c", "d"], "count": 3,
        "number": 2.0, "whole": 4, "flag": False, "called": "<back>",
    }  # fmt: skip


@pytest.mark.parametrize("arguments", [["--help"], ["-o"]])
def test_help_is_as_typer_writes_it(arguments, capsys):
    told = [(outcome(command, arguments), *capsys.readouterr()) for command in (OURS, THEIRS)]
    assert told[0] == told[1]


class Untyped:
    """A command of a Typer that tells no types of its parameters."""

    class Param:
        def process_value(self, ctx: Any, value: Any) -> Any:
            return value

    def get_params(self, ctx: Any) -> list[Any]:
        return [self.Param()]


class PlainUntyped(PlainValues, Untyped):
    """The command under test of it."""


def test_a_parameter_that_tells_no_type_is_left_to_typer():
    (found,) = PlainUntyped().get_params(None)
    assert "process_value" not in vars(found)


def test_a_hidden_option_is_in_no_section_of_the_help():
    def with_one(
        shown: Annotated[int, typer.Option(rich_help_panel="Numbers")] = 1,
        secret: Annotated[int, typer.Option(hidden=True, rich_help_panel="Secrets")] = 2,
    ) -> None:
        print(shown, secret)

    made = as_command("with-one", with_one)
    context = made.make_context("with-one", ["--secret", "3"])
    assert context.params["secret"] == 3
    assert "Numbers:\n  --shown" in made.get_help(context)
    assert "ecret" not in made.get_help(context)
