"""One run of a command as a process of its own: seconds, memory, and why it failed."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SAMPLE_SECONDS = 0.01
_UNSAID = ("OPENBLAS_", "MKL_", "BLIS_", "OMP_", "NVPL_", "PYTHONDONTWRITEBYTECODE")
_SPARE_MEGABYTES = 1024  # kept from a contestant, so that the machine does not kill somebody else


@dataclass(frozen=True)
class Run:
    """What a run took: seconds, and megabytes (2^20) at the peak.

    `private` is memory of the process's own (RssAnon, sampled); `resident` counts the pages of
    the page cache that it maps too. `failure` says why there is no result.
    """

    wall: float
    cpu: float
    private: float
    resident: float
    failure: str | None = None


def measure(command: list[str], timeout: float) -> Run:
    """Run a command to its end; kill it after `timeout` seconds or before memory runs out."""
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
            env=environment(),
        )
        watcher = _Watcher(process.pid, timeout)
        watcher.start()
        # it stays a zombie until the watcher is done with its number
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        wall = time.perf_counter() - start
        watcher.stop()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        failure = watcher.verdict
        if process.returncode and failure is None:
            failure = _last_line(errors.fileno()) or f"exit code {process.returncode}"
    cpu = usage.ru_utime + usage.ru_stime
    return Run(wall, cpu, watcher.private, usage.ru_maxrss / 1024, failure)


def environment() -> dict[str, str]:
    """That of a contestant, which runs as installed, whatever the shell says.

    Its numerical libraries choose for this processor, and its modules are compiled once.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith(_UNSAID)}


class _Watcher(threading.Thread):
    """Samples a process's memory, and ends it when it takes too much of memory or time."""

    def __init__(self, pid: int, timeout: float) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._timeout = timeout
        self._limit = memory("MemAvailable") - _SPARE_MEGABYTES
        self._ended = threading.Event()
        self.private = 0.0
        self.verdict: str | None = None

    def run(self) -> None:
        deadline = time.monotonic() + self._timeout
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.private = max(self.private, _private(self._pid))
            if self.private > self._limit:
                self._end(f"needs more than the {self._limit / 1024:.1f} GB of memory there are")
            elif time.monotonic() > deadline:
                self._end(f"took more than {self._timeout:g} s")

    def stop(self) -> None:
        self._ended.set()
        self.join()

    def _end(self, verdict: str) -> None:
        self.verdict = self.verdict or verdict
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)


def memory(name: str) -> float:
    """A figure of /proc/meminfo in megabytes, such as `MemFree`."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise KeyError(name)


def _private(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    own = [line for line in status.splitlines() if line.startswith("RssAnon")]
    return int(own[0].split()[1]) / 1024 if own else 0.0


def _last_line(errors: int) -> str:
    size = os.fstat(errors).st_size
    text = os.pread(errors, 4096, max(0, size - 4096)).decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""
