"""What the machine has to offer, as the kernel tells it."""

from __future__ import annotations

import builtins
import io
from typing import Any

import pytest

from mmfuse.files.machine import available_memory

MEMINFO = b"MemTotal: 24000 kB\nMemAvailable:   20000 kB\n"


def told(monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> int:
    """What is available where the kernel's files are these."""

    def opened(path: str, mode: str = "r", **more: Any) -> Any:
        if path not in files:
            raise FileNotFoundError(path)
        return io.BytesIO(files[path]) if "b" in mode else io.StringIO(files[path].decode())

    with monkeypatch.context() as patched:
        patched.setattr(builtins, "open", opened)
        return available_memory()


class TestAvailableMemory:
    def test_of_this_machine(self) -> None:
        assert available_memory() > 1 << 20

    def test_the_systems(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert told(monkeypatch, {"/proc/meminfo": MEMINFO}) == 20000 * 1024

    def test_nothing_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert told(monkeypatch, {}) == 0

    @pytest.mark.parametrize(
        ("groups", "limits", "expected"),
        [
            (b"0::/a/b\n", {"a/b/memory.max": b"5000000\n"}, 5_000_000),
            (b"0::/a/b\n", {"a/memory.max": b"4000000\n", "a/b/memory.max": b"max\n"}, 4_000_000),
            (b"0::/\n", {"memory.max": b"max\n"}, 20000 * 1024),
            (
                b"4:memory:/x\n3:cpuset:/y\n",
                {"memory/x/memory.limit_in_bytes": b"3000000\n"},
                3_000_000,
            ),
            (
                b"4:memory:/x\n",
                {"memory/memory.limit_in_bytes": b"9223372036854771712\n"},
                20480000,
            ),
        ],
    )
    def test_a_control_groups(
        self,
        monkeypatch: pytest.MonkeyPatch,
        groups: bytes,
        limits: dict[str, bytes],
        expected: int,
    ) -> None:
        files = {"/proc/meminfo": MEMINFO, "/proc/self/cgroup": groups}
        files |= {f"/sys/fs/cgroup/{name}": limit for name, limit in limits.items()}
        assert told(monkeypatch, files) == expected
