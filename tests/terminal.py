"""The command line on a terminal of its own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Sequence

MMFUSE = (sys.executable, "-m", "mmfuse")


def on_terminal(
    *arguments: str, env: dict[str, str] | None = None, command: Sequence[str] = MMFUSE
) -> tuple[int, str]:
    """Exit code and what is seen, where all streams are a terminal."""
    parent, child = pty.openpty()
    plain = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "CI")}
    process = subprocess.Popen(
        [*command, *arguments],
        stdin=child,
        stdout=child,
        stderr=child,
        env={**plain, "TERM": "xterm-256color", **(env or {})},
    )
    os.close(child)
    seen = b""
    while True:
        try:
            part = os.read(parent, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        seen += part
    os.close(parent)
    return process.wait(timeout=30), seen.decode().replace("\r\n", "\n")
