"""What goes wrong: one clear message, the right exit code, and the old output intact."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from terminal import on_terminal

MMFUSE = [sys.executable, "-m", "mmfuse"]


@pytest.fixture
def files(here, npy):
    """Good files and bad ones, and an old output."""
    npy("a.npy", np.arange(12).reshape(4, 3))
    npy("b.npy", np.arange(8).reshape(4, 2))
    npy("five.npy", np.ones((5, 2)))
    npy("nan.npy", [[1, np.nan], [2, 3], [np.inf, 5], [6, 7]])
    npy("wide.npy", np.ones((4, 400)))
    np.save("obj.npy", np.array([{"a": 1}], object))
    pq.write_table(pa.table({"id": ["1", "2"], "v": pa.array([[1.0, 2.0]] * 2)}), "t.parquet")
    Path("cut.parquet").write_bytes(Path("t.parquet").read_bytes()[:300])
    for name, text in {
        "empty.npy": "",
        "text.npy": "hello\n",
        "ragged.csv": "id,x,y\n1,2,3\n4,5\n",
        "word.csv": "id,x\n1,2\n2,foo\n",
        "twice.csv": "id,x\n1,2\n1,3\n",
        "c.csv": "id,x\n1,2\n2,3\n3,4\n4,5\n",
        "other.csv": "id,x\nq,2\nr,3\n",
    }.items():
        Path(name).write_text(text)
    os.mkdir("folder.npy")
    Path("out.parquet").write_text("old")
    return here


# arguments after the strategy -> exit code, and what the message must tell
CASES = {
    "concat missing.npy b.npy": (3, "error: no such file\n  in: missing=missing.npy\n"),
    "concat folder.npy b.npy": (3, "error: no file of features in this folder, which is empty"),
    "concat empty.npy b.npy": (3, "error: the file is empty\n  in: empty=empty.npy"),
    "concat text.npy b.npy": (3, "not an npy file: it looks like plain text\n  in: text=text.npy"),
    "concat obj.npy b.npy": (3, "hint: convert it once"),
    "concat cut.parquet t.parquet": (3, "\n  in: cut=cut.parquet"),
    "concat ragged.csv t.parquet": (3, "error: line 3 has 2 cells where the header has 3"),
    "concat word.csv t.parquet": (3, "error: line 3, column 'x': 'foo' is not a number"),
    "concat nan.npy b.npy": (3, "2 values are NaN or infinite; the first ids: '0', '2'"),
    "concat twice.csv t.parquet": (4, "the first is '1' in rows 1 and 2"),
    "concat c.csv other.csv": (4, "error: no id is common to all inputs"),
    "concat a.npy five.npy": (4, "error: row counts differ"),
    "concat a.npy c.csv": (4, "error: a=a.npy has no row ids, but other inputs have"),
    "concat a.npy b.npy --require-ids": (4, "no row ids"),
    "conct a.npy b.npy": (2, "error: no command 'conct'\nhint: did you mean 'concat'?"),
    "a.npy b.npy": (2, "hint: a strategy comes first: mmfuse concat a.npy"),
    "concat a.npy b.npy --normalize zscor": (2, "hint: did you mean 'zscore'?"),
    "concat a.npy b.npy --normlize l2": (2, "no such option: --normlize (Possible options: --norm"),
    "concat a.npy ./a.npy": (2, "two inputs are named 'a'\nhint: name them: a1=a.npy a2=./a.npy"),
    "concat a.npy b.npy --weight c=2": (2, "--weight names 'c', which is no modality\nhint: there"),
    "concat a.npy b.npy --weight a=x": (2, "error: --weight 'a=x': 'x' is not a number"),
    "concat a.npy b.npy --weight nan": (2, "it must be a finite number"),
    "concat a.npy b.npy --nan maybe": (2, "--nan is 'maybe'; it must be one of error, keep"),
    "concat a.npy b.npy --dtype int8": (2, "--dtype is 'int8'; it must be one of float16"),
    "concat a.npy b.npy --layout tall": (2, "layout 'tall'"),
    "concat a.npy b.npy -f xlsx": (2, "no format 'xlsx'\nhint: "),
    "concat a.npy b.npy --memory lots": (2, "give a size such as 512MB"),
    "concat a.npy b.npy --threads 0": (2, "--threads"),
    "concat a.npy b.npy --by-position --require-ids": (2, "exclude each other"),
    "concat a.npy b.npy --summary a.npy": (2, "--summary a.npy is an input or another output"),
    "concat a.npy b.npy --summary out.parquet": (2, "is an input or another output"),
    "concat a.npy b.npy --depfile s --summary s": (2, "--summary s is an input or another output"),
    "concat a.npy b.npy --summary no/s.json": (5, "cannot write no/s.json"),
    "mean a.npy b.npy": (2, "error: mean needs modalities of one width: a 3, b 2\nhint: "),
    "sketch a.npy b.npy --n-components 0": (2, "--n-components is 0; it must be at least 1"),
    "outer wide.npy x=wide.npy": (6, "401 x 401 = 160,801 columns, more than 65,536\nhint: sketch"),
}


@pytest.mark.parametrize("line", CASES)
def test_one_clear_message(line, files, call):
    code, told = CASES[line]
    before = sorted(os.listdir())
    done = call(*line.split(), "-o", "out.parquet")
    assert (done.code, done.out) == (code, ""), done.err
    assert told in done.err
    assert is_one_message(done.err)
    assert sorted(os.listdir()) == before
    assert Path("out.parquet").read_text() == "old"


def is_one_message(text: str) -> bool:
    """`error: …`, then at most one `  in: …` and one `hint: …`, in that order."""
    heads = [line.split(":")[0] for line in text.splitlines()]
    return (
        heads in [["error", *rest] for rest in ([], ["  in"], ["hint"], ["  in", "hint"])]
        and "internal error" not in text
    )


@pytest.mark.parametrize(
    ("output", "code", "told"),
    [
        ("no/out.parquet", 5, "cannot write no/out.parquet: No such file or directory\nhint: make"),
        ("folder.npy", 5, "folder.npy is a folder"),
        ("out.parquet/", 5, "out.parquet/ is a folder"),
        ("a.npy", 2, "a.npy is one of the inputs"),
        ("./folder.npy/../b.npy", 2, "is one of the inputs"),
        ("c.ids.txt", 2, "cannot tell the format"),
    ],
)
def test_places_that_cannot_be_written(output, code, told, files, call):
    kept = {name: Path(name).read_bytes() for name in ("a.npy", "b.npy", "out.parquet")}
    done = call("concat", "a.npy", "b.npy", "-o", output)
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert is_one_message(done.err)
    assert {name: Path(name).read_bytes() for name in kept} == kept


def test_an_output_that_cannot_be_written_is_told_before_inputs_are_read(files, call):
    assert call("concat", "missing.npy", "-o", "no/out.parquet").code == 5


def test_the_ids_of_an_output_never_replace_those_of_an_input(files, call):
    Path("b.ids.txt").write_text("p\nq\nr\ns\n")
    Path("a.ids.txt").write_text("s\nr\nq\np\n")
    os.rename("a.npy", "x.npy")
    done = call("concat", "x.npy", "b.npy", "--ids", "x=a.ids.txt", "-o", "a.npy")
    assert done.code == 2
    assert "a.ids.txt is one of the inputs" in done.err
    assert not os.path.exists("a.npy")


def test_arguments_that_are_missing(files, call):
    assert "missing option '--output'" in call("concat", "a.npy", "b.npy").err
    assert "error: no inputs\nhint: give files as" in call("concat", "-o", "z.parquet").err
    assert "missing argument '[NAME=]FILE...'" in call("inspect").err
    done = call("concat", "a.npy")
    assert done.code == 2
    assert "hint: mmfuse concat --help" in done.err
    assert call().out.startswith("Usage: mmfuse")
    assert call("--version").out.startswith("mmfuse 0.")


def test_json_and_data_do_not_share_stdout(files, call):
    done = call("concat", "a.npy", "--json", "-o", "-")
    assert (done.code, done.out) == (2, "")


def test_device_survives(files, call):
    assert call("concat", "a.npy", "-f", "parquet", "-o", "/dev/full").code == 5
    assert not os.path.isfile("/dev/full")
    assert os.path.exists("/dev/full")


# --- standard streams -------------------------------------------------------------------------


def shell(line: str, **how: object) -> subprocess.CompletedProcess[str]:
    """A line of bash in which `mmfuse` is this package; `status` is mmfuse's own exit code."""
    script = f'mmfuse() {{ {sys.executable} -m mmfuse "$@"; }}\n{line}'
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, **how)


@pytest.mark.parametrize(
    "line",
    [
        "mmfuse concat a.npy -q -o - > /dev/full",
        "mmfuse concat a.npy -q -o - -f npy > /dev/full",
        "mmfuse concat a.npy -q -o - >&-",
        "mmfuse concat a.npy -q -o - -f npy >&-",
        "mmfuse concat a.npy -n --json -o z.npy >&-",
        "mmfuse strategies > /dev/full",
        "mmfuse --help >&-",
    ],
)
def test_stdout_full_or_closed(line, files):
    done = shell(line)
    assert done.returncode == 5, done.stderr
    assert done.stderr.startswith("error: cannot write")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_closed_stderr_leaves_stdout_alone(files):
    done = shell("mmfuse concat a.npy -o - 2>&-")
    assert done.returncode == 0
    assert done.stdout.count("\n") == 5
    assert done.stdout.splitlines()[1] == "0,0,1,2"


def test_a_full_stderr_does_not_fail_the_work(files):
    assert shell("mmfuse concat a.npy -o z.parquet 2>/dev/full").returncode == 0
    assert pq.read_table("z.parquet").num_rows == 4


def test_closed_streams_do_not_lend_their_numbers_to_files(files):
    assert shell("mmfuse concat a.npy -o z.npy <&- >&- 2>&-").returncode == 0
    assert np.array_equal(np.load("z.npy"), np.load("a.npy"))


@pytest.mark.parametrize(
    "command", ["concat long.npy -q -o -", "concat long.npy -q -o - -f npy", "--help", "strategies"]
)
def test_broken_pipe_is_silent(command, here, npy):
    if "long.npy" in command:
        npy("long.npy", np.ones((60_000, 16)))
    # the reader leaves before a byte is written
    done = shell(f"mmfuse {command} | true; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (141, "")


def test_head(here, npy):
    npy("long.npy", np.ones((60_000, 16)))
    done = shell("mmfuse concat long.npy -q -o - | head -1; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (141, "")
    assert done.stdout.startswith('"id","long_0"') or done.stdout.startswith("id,long_0")


def test_binary_is_refused_on_a_terminal(files):
    code, seen = on_terminal("concat", "a.npy", "-o", "-", "-f", "parquet")
    assert code == 2
    assert seen == "error: binary data would go to the terminal\nhint: name a file with -o\n"


@pytest.mark.parametrize("command", [["--help"], ["inspect", "a.npy"]])
def test_no_color(command, files):
    code, seen = on_terminal(*command, env={"NO_COLOR": "1"})
    assert code == 0
    assert "\x1b[" not in seen


# --- signals ----------------------------------------------------------------------------------


@pytest.fixture
def longer(here, npy):
    """A run of some seconds over an old output; the process, well into its work."""
    np.save("x.npy", np.ones((200_000, 64), np.float32))
    Path("out.parquet").write_text("old")
    process = subprocess.Popen(
        [*MMFUSE, "outer", "x.npy", "y=x.npy", "-o", "out.parquet"], stderr=subprocess.PIPE
    )
    wait_until_writing(process)
    yield process
    process.kill()
    process.communicate()


def wait_until_writing(process: subprocess.Popen[bytes]) -> None:
    """Until the output, which has no name yet, has some megabytes."""
    for _ in range(3000):
        assert process.poll() is None, "the run is too short to be interrupted"
        if largest_unnamed_file(process.pid) > 4 << 20:
            return
        time.sleep(0.01)
    raise AssertionError("no output appeared")


def largest_unnamed_file(pid: int) -> int:
    sizes = [0]
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            status = os.stat(fd)
        except FileNotFoundError:
            continue
        if status.st_nlink == 0:
            sizes.append(512 * status.st_blocks)
    return max(sizes)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129), (signal.SIGKILL, -9)],
)
def test_signals(number, code, longer):
    longer.send_signal(number)
    told = longer.communicate(timeout=10)[1]
    assert (longer.returncode, told) == (code, b"")
    assert sorted(os.listdir()) == ["out.parquet", "x.npy"]
    assert Path("out.parquet").read_text() == "old"


# --- hostile names and odd locales ------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b[31mx", "\\x1b[31mx"),
        ("a\nerror: b", "a\\nerror: b"),
        ("[red]", "[red]"),
        ("[bold]", "[bold]"),
        ("\u202egpj", "\\u202egpj"),
        ("\x9b31m", "\\x9b31m"),
    ],
)
def test_names_are_escaped(name, shown, files, call):
    missing = call("concat", f"{name}.npy", "-o", "out.parquet")
    assert missing.err == f"error: no such file\n  in: {shown}={shown}.npy\n"
    assert call("concat", f"{name}=a.npy", "-o", "z.parquet").err.startswith(f"{shown}  a.npy  4")
    assert call("inspect", f"{name}=a.npy").out.split("\n")[0].strip() == shown
    assert shown in call(name, "a.npy").err.replace("\\\\", "\\")
    for done in (call("concat", "a.npy", f"--{name}"), call("inspect", "z.parquet")):
        assert not set(done.out + done.err) & {"\x1b", "\u202e", "\x9b"}


def test_debug_shows_the_traceback(files, call, monkeypatch):
    monkeypatch.setenv("MMFUSE_DEBUG", "1")
    done = call("concat", "missing.npy", "-o", "z.parquet")
    assert done.code == 3
    assert "Traceback (most recent call last)" in done.err
    assert done.err.endswith("error: no such file\n  in: missing=missing.npy\n")


def test_internal_errors_ask_for_a_report(files, call, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("mmfuse.api.fuse", fail)
    done = call("concat", "a.npy", "-o", "z.parquet")
    assert done.code == 1
    assert done.err.startswith("error: internal error: ZeroDivisionError: oh\nhint: MMFUSE_DEBUG=1")


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (MemoryError(), "error: not enough memory\nhint: allow less with --memory\n"),
        (
            ImportError("libx.so: failed to map segment from shared object"),
            "error: not enough memory to load a library that is needed\n",
        ),
    ],
)
def test_memory_that_is_not_to_be_had(raised, told, files, call, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr("mmfuse.api.fuse", fail)
    done = call("concat", "a.npy", "-o", "z.parquet")
    assert (done.code, done.err) == (6, told)


ASCII = [
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


@pytest.mark.parametrize("env", ASCII, ids=["ioencoding", "locale"])
@pytest.mark.parametrize(
    "command",
    [
        ["--help"],
        ["sketch", "-h"],
        ["strategies"],
        ["inspect", "é.npy"],
        ["concat", "x=é.npy", "-o", "ü.parquet"],
        ["concat", "x=é.npy", "-o", "ü.parquet", "--json"],
    ],
    ids=lambda command: command[0] + command[-1][:2],
)
def test_ascii_terminals(command, env, here, npy, mmfuse):
    npy("é.npy", np.ones((2, 2)))
    done = mmfuse(*command, env=env)
    assert done.code == 0, done.err
    assert done.out or done.err


def test_file_names_that_are_no_text(here, npy, mmfuse):
    npy("a.npy", np.ones((2, 2)))
    os.rename("a.npy", b"\xff.npy")
    done = mmfuse("concat", b"x=\xff.npy", "-o", b"\xfe.parquet")
    assert done.code == 0, done.err
    assert b"\xfe.parquet" in os.listdir(b".")


@pytest.mark.parametrize("suffix", ["parquet", "npy", "npz", "arrow", "safetensors", "jsonl"])
def test_names_of_sidecars_that_are_no_text(suffix, here, npy, mmfuse):
    npy("a.npy", np.ones((2, 2)))
    os.rename("a.npy", b"\xff.npy")
    Path(os.fsdecode(b"\xff.ids.txt")).write_text("r\ns\n")
    done = mmfuse("convert", b"x=\xff.npy", "-o", f"out.{suffix}")
    assert done.code == 0, done.err
    told = json.loads(mmfuse("inspect", f"out.{suffix}", "--json").out)["files"][0]
    assert told["id_examples"] == ["r", "s"]
    if told["record"] is not None:
        assert told["record"]["inputs"][0]["ids"] == "\\xff.ids.txt (sidecar)"


def test_modality_names_that_are_no_text(here, npy, mmfuse):
    npy("a.npy", np.ones((2, 2)))
    os.rename("a.npy", b"\xff.npy")
    assert mmfuse("concat", b"\xff.npy", "-o", "z.parquet").code in (0, 2)
