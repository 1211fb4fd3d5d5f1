"""Values of parameters, without the library that Typer loads to check them."""

from __future__ import annotations

from typing import Any

_DIGITS = 18  # a longer number may be too long for an integer of 64 bits


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
    checked, kind = param.process_value, param.type_descriptor.annotation

    def process_value(ctx: Any, value: Any) -> Any:
        taken = _number(value, kind)
        if not _is_right(taken, kind, param):
            return checked(ctx, value)
        return taken if param.callback is None else param.callback(ctx, param, taken)

    param.process_value = process_value


def _number(value: Any, kind: Any) -> Any:
    """Digits as the number they stand for; everything else as it is."""
    if kind in (int, float) and isinstance(value, str) and len(value) <= _DIGITS:
        return kind(value) if value.isascii() and value.isdigit() else value
    return value


def _is_right(value: Any, kind: Any, param: Any) -> bool:
    if value is None:
        return not param.required
    if kind == list[str]:
        return bool(value) and all(isinstance(item, str) for item in value)
    if type(value) is not kind:
        return False
    if kind in (int, float):
        above, below = (param.min is None or value >= param.min), param.max
        return above and (below is None or value <= below)
    return kind in (str, bool)
