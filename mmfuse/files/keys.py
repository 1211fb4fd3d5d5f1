"""`FILE:KEY`: one array, or one column, of a file that holds several."""

from __future__ import annotations

import os

from mmfuse.files.ids import split_column


def split_key(spec: str) -> tuple[str, str | None]:
    """`FILE:KEY` as (FILE, KEY); a file whose own name has a colon is taken as it is."""
    path, key = split_column(spec)
    return (path, key) if key and os.path.exists(path) else (spec, None)
