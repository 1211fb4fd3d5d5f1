"""The record of how a file was made, as far as reading it again depends on it."""

from __future__ import annotations

import json
from collections.abc import Mapping

from mmfuse.files.columns import refuse_half_characters


def classes_of(metadata: Mapping[bytes, bytes] | None) -> tuple[str, ...]:
    """The classes whose probabilities a file of mmfuse holds, by its metadata; of others none."""
    try:
        record = json.loads((metadata or {}).get(b"mmfuse", b"{}"))
    except (ValueError, RecursionError):
        return ()
    classes = record.get("classes") if isinstance(record, dict) else None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        return ()
    refuse_half_characters(classes)
    return tuple(classes) if len(set(classes)) == len(classes) else ()
