"""Sending a file to the disk while it is still being written.

At the end a file has to be on the disk before it appears under its name. Left until then, that
takes as long as writing did; begun early, the disk works while the processors do.
"""

from __future__ import annotations

import os
from threading import Lock, Thread

_FLUSH_BYTES = 512 << 20


class Flusher:
    """Flushes an open file every now and then, on a thread of its own."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting = 0
        self._lock = Lock()
        self._thread: Thread | None = None
        self._error: OSError | None = None

    def wrote(self, count: int) -> None:
        """Note that so many bytes more have been written, by any thread."""
        with self._lock:
            self._waiting += count
            busy = self._thread is not None and self._thread.is_alive()
            if self._waiting >= _FLUSH_BYTES and not busy:
                self._waiting = 0
                self._thread = Thread(target=self._flush)
                self._thread.start()

    def _flush(self) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError as error:  # a later flush would not tell it again
            self._error = error

    def finish(self) -> None:
        """Wait for a flush that is going on. Raises the OSError that one ended with."""
        self.close()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Wait, whatever came of it; then the file may be closed."""
        if self._thread is not None:
            self._thread.join()
