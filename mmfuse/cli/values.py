"""Values of parameters, without the library that Typer loads to check them."""

from __future__ import annotations

from typing import Any

_DIGITS = 18  # fewer than any limit on the length of a number


class PlainValues:
    """Mixed into a command: what is plainly right is taken, what is not is left to Typer.

    Typer checks the value of every parameter, given or not, by pydantic, which takes as long to
    import as NumPy does. What is wrong goes that way still, and gets the same message.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """All parameters, those that Typer adds among them."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if "process_value" not in vars(param):
                _take_plain_values(param)
        return params


def _take_plain_values(param: Any) -> None:
    checked = param.process_value
    kind = getattr(getattr(param, "type_descriptor", None), "annotation", None)
    if kind is None:  # Typer 0.28 has none, and no pydantic
        return

    def process_value(ctx: Any, value: Any) -> Any:
        taken = _number(value, kind)
        absent = value is None and (ctx.resilient_parsing or not param.required)
        if not absent and not _is_right(taken, kind, param):
            return checked(ctx, value)
        return taken if param.callback is None else param.callback(ctx, param, taken)

    param.process_value = process_value


def _number(value: Any, kind: Any) -> Any:
    """Digits as the number they stand for; everything else as it is."""
    if kind in (int, float) and isinstance(value, str) and len(value) <= _DIGITS:
        return kind(value) if value.isascii() and value.isdigit() else value
    return value


def _is_right(value: Any, kind: Any, param: Any) -> bool:
    """Whether a value is of that kind, and within the bounds of the parameter."""
    if kind == list[str]:
        return bool(value) and all(isinstance(item, str) for item in value)
    if type(value) is not kind:
        return False
    if kind in (int, float):
        low, high = param.min, param.max
        return (low is None or value >= low) and (high is None or value <= high)
    return kind in (str, bool)
