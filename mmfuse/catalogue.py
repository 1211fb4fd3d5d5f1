"""What there is to fuse and to normalise with, as data."""

from __future__ import annotations

from typing import Any

from mmfuse.core.options import options as options_of
from mmfuse.core.registry import NORMALIZATIONS, STRATEGIES, strategy_class


def list_strategies() -> list[dict[str, Any]]:
    """What can be fused with: name, panel, summary, manual and options of every strategy."""
    return [_described(name) for name in STRATEGIES.modules]


def _described(name: str) -> dict[str, Any]:
    found = strategy_class(name)
    manual = [" ".join(part.split()) for part in (found.__doc__ or "").split("\n\n")]
    return {
        "name": name,
        "panel": found.panel,
        "summary": STRATEGIES.summary(name),
        "manual": manual,
        "missing": "present" if found.fuses_present else "zero",
        "options": [
            {
                "name": option.name,
                "flag": option.flag,
                "type": option.type.__name__,
                "default": option.default,
                "choices": list(option.choices),
                "help": option.param.help,
            }
            for option in options_of(found)
        ],
    }


def list_normalizations() -> list[dict[str, str]]:
    """What can be normalised with: name and summary of every normalisation."""
    return [
        {"name": name, "summary": NORMALIZATIONS.summary(name)} for name in NORMALIZATIONS.modules
    ]
