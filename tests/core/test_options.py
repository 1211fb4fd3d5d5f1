"""Options: read off fields, and checked when a strategy is made."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest

from mmfuse.core.components import components
from mmfuse.core.options import Param, check_options, options
from mmfuse.errors import UsageError


@dataclass(frozen=True)
class Example:
    how_many: Annotated[int, Param("A count.", min=1, max=9)] = 3
    share: Annotated[float, Param("A share.", min=0, max=1)] = 0.5
    free: Annotated[float, Param("Any number.")] = 0.0
    flag: Annotated[bool, Param("A switch.")] = False
    rule: Annotated[Literal["first", "last"], Param("One of two.")] = "first"
    label: Annotated[str, Param("Text.")] = ""

    def __post_init__(self) -> None:
        check_options(self)


def test_options_are_the_fields_in_order() -> None:
    found = options(Example)
    assert [o.name for o in found] == ["how_many", "share", "free", "flag", "rule", "label"]
    assert [o.type for o in found] == [int, float, float, bool, str, str]
    assert [o.default for o in found] == [3, 0.5, 0.0, False, "first", ""]
    assert [o.flag for o in found][:2] == ["--how-many", "--share"]
    assert [o.choices for o in found if o.choices] == [("first", "last")]
    assert found[0].param == Param("A count.", min=1, max=9)


@pytest.mark.parametrize(
    "given",
    [
        {"how_many": 1},
        {"how_many": 9},
        {"share": 0},
        {"share": 1},
        {"flag": True},
        {"free": float("inf")},
        {"free": -1e300},
        {"rule": "last"},
        {"label": "x y"},
    ],
)
def test_accepted(given: dict[str, Any]) -> None:
    example = Example(**given)
    ((name, value),) = given.items()
    assert getattr(example, name) == value


def test_a_whole_number_serves_as_a_number() -> None:
    assert type(Example(share=1).share) is float


@pytest.mark.parametrize("given", [np.int64(3), np.float32(0.5), "3", "0.5", "auto"])
def test_components_may_be_numbers_of_numpy_or_text(given: Any) -> None:
    found = components(given)
    expected = "auto" if given == "auto" else float(given)
    assert found == expected
    assert type(found) is {"auto": str, 3.0: int, 0.5: float}[expected]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"how_many": 0}, "--how-many is 0; it must be at least 1"),
        ({"how_many": 10}, "--how-many is 10; it must be at most 9"),
        ({"how_many": 2.0}, "--how-many is 2.0; it must be a whole number"),
        ({"how_many": True}, "--how-many is True; it must be a whole number"),
        ({"how_many": "3"}, "--how-many is '3'; it must be a whole number"),
        ({"how_many": None}, "--how-many is None; it must be a whole number"),
        ({"share": -0.1}, "--share is -0.1; it must be at least 0"),
        ({"share": 1.5}, "--share is 1.5; it must be at most 1"),
        (
            {"share": False},
            "--share is False; it must be a number",
        ),
        ({"share": float("nan")}, "--share is nan; it must be a number"),
        ({"free": float("nan")}, "--free is nan; it must be a number"),
        ({"flag": 1}, "--flag is 1; it must be true or false"),
        ({"rule": "middle"}, "--rule is 'middle'; it must be one of first, last"),
        ({"label": 5}, "--label is 5; it must be text"),
    ],
)
def test_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        Example(**given)
    assert caught.value.message == told
    assert caught.value.exit_code == 2


def test_a_field_needs_a_param_and_a_default() -> None:
    @dataclass(frozen=True)
    class Bare:
        count: int = 3

    @dataclass(frozen=True)
    class Required:
        count: Annotated[int, Param("A count.")]

    for cls in (Bare, Required):
        with pytest.raises(TypeError, match="'count' needs"):
            options(cls)
