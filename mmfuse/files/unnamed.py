"""Temporary files that have no name, so that nothing is left of them however the process ends."""

from __future__ import annotations

from typing import IO


def unnamed_file(folder: str | None = None) -> IO[bytes]:
    """A new file in `folder`, by default where the system keeps temporary files."""
    import tempfile  # which is slow to import, and most runs need none

    return tempfile.TemporaryFile(dir=folder)
