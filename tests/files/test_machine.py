"""What the machine has to offer, as the kernel tells it."""

from __future__ import annotations

import builtins
import io
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mmfuse.files import machine
from mmfuse.files.machine import available_memory, hold_to_memory

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


HELD = """
import resource, sys
from mmfuse.cli.main import main
from mmfuse.files import machine
machine._system = lambda *names: iter([400 << 20])
assert machine.hold_to_memory() is None
assert resource.getrlimit(resource.RLIMIT_DATA)[0] == 400 << 20
machine._system = lambda *names: iter([800 << 20])
main()  # which does not raise the limit
"""


def test_what_a_few_bytes_claim_is_not_allocated(tmp_path: Path) -> None:
    """One text of a megabyte in a dictionary, and a thousand rows that are it."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), ["x" * (1 << 20)])
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"id": texts, "v": np.zeros(1000)}), path, compression="zstd")
    assert path.stat().st_size < 1 << 14
    arguments = ["concat", str(path), "-o", str(tmp_path / "z.npy")]
    done = subprocess.run([sys.executable, "-c", HELD, *arguments], capture_output=True, text=True)
    assert done.returncode == 6, done.stderr
    assert done.stderr.startswith("error: ")
    assert "memory" in done.stderr
    assert not (tmp_path / "z.npy").exists()


def test_nothing_is_held_where_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    monkeypatch.setattr(machine, "_system", lambda *names: iter([]))
    hold_to_memory()
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
