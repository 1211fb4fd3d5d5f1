"""`mmfuse ARGUMENTS` in a process each that has everything imported: a start costs no second.

As a program, a server: a line of JSON in, a line out. Processes are forked here, where no thread
runs, each with little address space and little time; one that hangs ends by SIGALRM.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

SPACE = 4 << 30
SECONDS = 60
_IMPORTED = ("pyarrow.csv", "pyarrow.parquet", "pyarrow.compute", "skops.io", "sklearn.ensemble")


class Ended(NamedTuple):
    """How a process ended. code: below zero by a signal. peak: bytes in memory, at most."""

    code: int
    out: str
    err: str
    peak: int


class Forks:
    """Runs command lines one after the other, in a folder."""

    def __init__(self) -> None:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self._server = subprocess.Popen([sys.executable, __file__], **pipes)

    def run(self, folder: Path, *arguments: Any) -> Ended:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        asked = {"folder": os.fspath(folder), "arguments": list(map(os.fsdecode, arguments))}
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        return Ended(*json.loads(self._server.stdout.readline()))

    def close(self) -> None:
        self._server.communicate()


def _serve() -> None:
    import sklearn.linear_model  # noqa: F401

    from mmfuse.cli.main import main

    gc.freeze()
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            child = os.fork()
            if not child:
                os.chdir(asked["folder"])
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
                resource.setrlimit(resource.RLIMIT_AS, (SPACE, SPACE))
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                signal.alarm(SECONDS)
                sys.argv = ["mmfuse", *asked["arguments"]]
                _end(main)
            _, status, used = os.wait4(child, 0)
            code = os.waitstatus_to_exitcode(status)
            texts = [_text(file) for file in (out, err)]
        print(json.dumps([code, *texts, used.ru_maxrss << 10]), flush=True)


def _end(main: Any) -> None:
    """End the process as `python -m mmfuse` would; 120 stands for an exception let through."""
    code = 120
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode(errors="backslashreplace"))


if __name__ == "__main__":
    _serve()
