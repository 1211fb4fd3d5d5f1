"""The record of how a file was made, as far as reading it again depends on it."""

from __future__ import annotations

import json
from collections.abc import Mapping


def classes_of(metadata: Mapping[bytes, bytes] | None) -> tuple[str, ...]:
    """The classes whose probabilities a file of mmfuse holds, by its metadata; of others none."""
    try:
        record = json.loads((metadata or {}).get(b"mmfuse", b"{}"))
    except ValueError:
        return ()
    classes = record.get("classes") if isinstance(record, dict) else None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        return ()
    return tuple(classes) if len(set(classes)) == len(classes) else ()
