"""A file goes to the disk while it is written, and what goes wrong then is told."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mmfuse
from mmfuse.errors import OutputError
from mmfuse.files import flush
from mmfuse.files.flush import Flusher


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The files flushed; a flush is due every 100 bytes."""
    found: list[int] = []
    monkeypatch.setattr(flush, "_FLUSH_BYTES", 100)
    monkeypatch.setattr(os, "fdatasync", found.append)
    return found


def test_now_and_then(flushed: list[int]) -> None:
    flusher = Flusher(7)
    flusher.wrote(99)
    flusher.finish()
    assert flushed == []
    flusher.wrote(1)
    flusher.finish()
    assert flushed == [7]
    flusher.wrote(50)
    flusher.finish()
    assert flushed == [7]


def test_one_at_a_time(flushed: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()

    def slow(fd: int) -> None:
        flushed.append(fd)
        held.wait(30)

    monkeypatch.setattr(os, "fdatasync", slow)
    flusher = Flusher(7)
    for _ in range(5):
        flusher.wrote(100)
    assert flushed == [7]
    held.set()
    flusher.close()
    flusher.wrote(1)  # what was written meanwhile is due
    flusher.close()
    assert flushed == [7, 7]


def test_an_error_is_told_at_the_end(flushed: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", broken)
    flusher = Flusher(7)
    flusher.wrote(100)
    flusher.close()
    with pytest.raises(OSError, match="Input/output error"):
        flusher.finish()


@pytest.mark.parametrize("name", ["z.npy", "z.csv", "z.parquet"])
def test_an_output_whose_early_flush_fails_does_not_appear(
    here: Path, flushed: list[int], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def broken(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    values: Any = np.ones((500, 4), np.float32)
    Path(name).write_bytes(b"old")
    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(OutputError, match=f"cannot write {name}: Input/output error"):
        mmfuse.fuse("concat", {"a": values}, name)
    assert os.listdir() == [name]
    assert Path(name).read_bytes() == b"old"
