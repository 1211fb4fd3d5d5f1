"""What reaches a terminal or a log: printable characters and line breaks, whatever data holds."""

from __future__ import annotations

import ast
import copy
import json
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from odd_names import ALL, EVIL, INJECTED, NAMES, arguments, commands, files, table, with_models
from rich.cells import cell_len
from terminal import MMFUSE, on_terminal

import mmfuse
from mmfuse.cli.report import aligned
from mmfuse.errors import ModelError
from mmfuse.models import load


def safe(text: str) -> bool:
    """Whether all of it can be seen."""
    return all(line.isprintable() for line in text.split("\n"))


def check_safe(done: Any, *, may: tuple[int, ...] = (0, 2, 3, 4, 5, 6, 7)) -> Any:
    """Whatever came of a run, it is told safely and once, and it is no fault of mmfuse itself."""
    assert done.code in may, done.err
    assert safe(done.out), done.out
    assert safe(done.err), done.err
    told = [line for line in done.err.split("\n") if line.startswith("error:")]
    assert len(told) == (done.code in (2, 3, 5, 6, 7)) or done.code == 4
    assert not any(line.startswith(INJECTED) for line in (done.out + done.err).split("\n"))
    return done


@pytest.fixture
def hostile(here: Path) -> tuple[str, str]:
    """Files in which everything has all that is hostile in its name, and models of them."""
    return with_models(ALL)


def test_every_command_with_hostile_names_everywhere(hostile: Any, call: Any) -> None:
    for name in NAMES:
        runs = [check_safe(call(*line)) for line in arguments(name, *hostile)]
        assert 0 in [done.code for done in runs], (name, [done.err for done in runs])
        check_safe(call(name, "--help"), may=(0,))


@pytest.mark.parametrize("kind", EVIL)
def test_every_kind_of_hostile_name(kind: str, here: Path, call: Any) -> None:
    one, two = files(EVIL[kind])
    for line in (["inspect", one, two], ["check", one, two], ["align", one, two, "-o", "out"],
                 ["concat", one, two, "-o", "o.parquet"], ["inspect", "o.parquet"]):  # fmt: skip
        check_safe(call(*line), may=(0,))
    for line in (["inspect", one, "--column", f"no{EVIL[kind]}"],
                 ["concat", one, "none.csv", "-o", "o.parquet"],
                 ["concat", one, two, "--id-transform", f"s/{EVIL[kind]}", "-o", "o.npy"],
                 ["concat", f"no{EVIL[kind]}.csv", "-o", "o.parquet"],
                 [EVIL[kind], one], ["fit", EVIL[kind]], [f"--{EVIL[kind]}"]):  # fmt: skip
        assert check_safe(call(*line)).code in (2, 3, 4)


def test_markup_is_text_like_any_other(here: Path, call: Any) -> None:
    one, _ = files("[red]a[bold]")
    assert call("inspect", one).out.split("\n")[0].strip() == "[red]a[bold]"
    assert call("concat", one, "-o", "o.npy").err.startswith("[red]a[bold]  [red]a[bold].csv  ")
    assert "[/]" in call("inspect", one, "--column", "[/]").err


def taken(param: Any) -> bool:
    """Whether a parameter takes text."""
    return param.param_type_name == "option" and not getattr(param, "is_flag", False)


@pytest.mark.parametrize("name", NAMES)
def test_hostile_values_of_every_option(name: str, here: Path, call: Any, long: bool) -> None:
    command = dict(commands())[name]
    if name == "fit" or (
        not long and name in mmfuse.core.registry.STRATEGIES.modules and name != "pca"
    ):
        return  # the others share all their options but few
    one, two = files("x")
    for param in filter(taken, command.params):
        for value in (ALL, f"x={ALL}", f"{ALL}={ALL}"):
            line = arguments(name, one, two)[0]
            check_safe(call(*line, param.opts[0], value))


def test_names_of_any_length(here: Path, call: Any) -> None:
    name = "é" * 10_000
    np.save("a.npy", np.ones((3, 2)))
    table("b.csv", [name, name + "b"], name, np.ones((3, 2)))
    done = call("concat", f"{name}=a.npy", "b.csv", "-o", "o.parquet")
    assert done.code == 4
    assert max(map(len, done.err.split("\n"))) <= 5000
    done = check_safe(call("inspect", "b.csv"), may=(0,))
    assert max(map(len, done.out.split("\n"))) < 300
    table("c.csv", ["x"], name + "c", np.ones((3, 1)))
    done = check_safe(call("check", "b.csv", "c.csv"), may=(4,))
    assert max(map(len, done.out.split("\n"))) < 300


def test_bytes_that_are_no_text(here: Path, mmfuse: Any) -> None:
    np.save("a.npy", np.ones((2, 2)))
    os.rename("a.npy", b"\xff\x1b.npy")
    for line in ([b"inspect", b"\xff\x1b.npy"], [b"\xff", b"\xfe"], [b"concat", b"--\xff"],
                 [b"concat", b"\xff=\xff\x1b.npy", b"-o", b"\xfd.npy"],
                 [b"inspect", b"\xff\x1b.npy", b"--json"]):  # fmt: skip
        done = check_safe(mmfuse(*line))
        assert "\\udcff" in done.out + done.err


# --- strings of models ------------------------------------------------------------------------


def parts(path: str) -> tuple[dict[str, Any], bytes]:
    """Header and tensors of a model's file."""
    content = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where everything is in JSON; of long lists the first."""
    if place:
        yield place
    inner = value.items() if isinstance(value, dict) else []
    inner = list(enumerate(value))[:3] if isinstance(value, list) else inner
    for key, item in inner:
        yield from places(item, (*place, key))


def forged(source: str, key: str, place: tuple[Any, ...], new: Any) -> None:
    """Write `forged.safetensors`: a model with something else in a place of its description."""
    header, tensors = parts(source)
    described = json.loads(header["__metadata__"][key])
    within = described
    for step in place[:-1]:
        within = within[step]
    within[place[-1]] = new
    header["__metadata__"] = {key: json.dumps(described)}  # without a checksum
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path("forged.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + tensors)


KINDS = {
    "pca.safetensors": ("mmfuse_model", "apply"),
    "trained.safetensors": ("mmfuse_trained", "predict"),
}


@pytest.mark.parametrize("source", KINDS)
def test_no_text_of_a_model_is_told_as_it_is(
    source: str, here: Path, call: Any, long: bool
) -> None:
    one, two = with_models("x")
    key, applied = KINDS[source]
    described = json.loads(parts(source)[0]["__metadata__"][key])
    told = 0
    for place in places(described):
        value = described
        for step in place:
            value = value[step]
        odd = [ALL, {ALL: ALL}, [ALL], None, 3] if long else [ALL] if isinstance(value, str) else []
        if isinstance(value, dict):
            odd.append({**value, ALL: ALL})
        for new in odd:
            forged(source, key, place, new)
            told += check_safe(call("inspect", "forged.safetensors"), may=(0, 3, 7)).code == 0
            check_safe(call("inspect", "forged.safetensors", "--json"), may=(0, 3, 7))
            check_safe(
                call(applied, "forged.safetensors", one, two, "-o", "o.csv"), may=(0, 2, 3, 7)
            )
    assert told  # some of it is told


def test_scores_of_a_model_are_what_a_training_writes(here: Path) -> None:
    one, two = files("x")
    mmfuse.train([one, two], "labels.csv", "trained.safetensors", folds=2, estimator="lda")
    header, _ = parts("trained.safetensors")
    described = json.loads(header["__metadata__"]["mmfuse_trained"])
    for place in places(described["evaluation"], ("evaluation",)):
        for new in (ALL, [ALL], {ALL: ALL}, -1.5j):
            if new == -1.5j:
                new = True
            if place == ("evaluation",) and new is None:
                continue
            forged("trained.safetensors", "mmfuse_trained", place, copy.deepcopy(new))
            with pytest.raises(ModelError):
                load("forged.safetensors")


def test_no_command_is_proposed_with_text_of_a_model(here: Path) -> None:
    from mmfuse.ensemble.stored import _refuse_other_version

    for version in ("1.0' evil '", "1.0;x", "$(x)", "1.0 --index-url http://x", "", ALL):
        with pytest.raises(ModelError) as error:
            _refuse_other_version(version)
        assert error.value.hint is None


# --- JSON, data, records ----------------------------------------------------------------------


def strict(text: str) -> Any:
    """JSON as the standard has it."""

    def refuse(name: str) -> None:
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse)


def test_json_is_json_and_printable(hostile: Any, call: Any) -> None:
    for name in NAMES:
        done = next(
            (
                done
                for line in arguments(name, *hostile)
                if (done := call(*line, "--json")).code == 0
            ),
            None,
        )
        assert done is not None, name
        assert done.out.isascii()
        assert safe(done.out)
        strict(done.out)


def test_a_record_is_told_as_json(here: Path, call: Any) -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    for record in ({ALL: ALL}, {"inputs": [{ALL: ALL}, ALL]}, {"inputs": ALL}, {"x": float("nan")},
                   {"x": [float("inf")]}, {"deep": deep}):  # fmt: skip
        held = pa.table({"id": ["a"], "x": [1.0]}).replace_schema_metadata(
            {"mmfuse": json.dumps(record)}
        )
        pq.write_table(held, "r.parquet")
        check_safe(call("inspect", "r.parquet"), may=(0,))
        strict(call("inspect", "r.parquet", "--json").out)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_data_on_a_terminal_are_seen_and_through_a_pipe_exact(
    kind: str, here: Path, mmfuse: Any
) -> None:
    one, _ = files(ALL)
    code, seen = on_terminal("convert", one, "-", "-f", kind, "-q")
    assert code == 0
    assert safe(seen.replace("\t", ""))
    assert "\\x1b[31mred" in seen or "\\u001b[31mred" in seen
    through = mmfuse("convert", one, "-", "-f", kind, "-q").out
    assert mmfuse("convert", one, f"o.{kind}").code == 0
    assert through == Path(f"o.{kind}").read_bytes().decode()
    assert "\x1b" in through or kind == "jsonl"


def test_rows_on_a_terminal_are_all_there(here: Path) -> None:
    np.save("a.npy", np.arange(6.0).reshape(3, 2))
    code, seen = on_terminal("concat", "a.npy", "-o", "-", "-q")
    assert (code, seen) == (0, "id,a_0,a_1\n0,0,1\n1,2,3\n2,4,5\n")


# --- terminals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "env",
    [
        {"COLUMNS": "1"}, {"COLUMNS": "20"}, {"COLUMNS": "1000"}, {"COLUMNS": "0"},
        {"COLUMNS": "-3"}, {"COLUMNS": "x"}, {"LINES": "1"}, {"NO_COLOR": "1"},
        {"TERM": "dumb"}, {"TERM": ""}, {"FORCE_COLOR": "1"}, {"CLICOLOR_FORCE": "1"},
        {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        {"TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"},
    ],
    ids=lambda env: ",".join(f"{k}={v}" for k, v in env.items()),
)  # fmt: skip
def test_every_terminal_gets_plain_text(
    env: Any, hostile: Any, call: Any, monkeypatch: Any
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    for line in (["inspect", *hostile, "trained.safetensors", "pca.safetensors"],
                 ["check", *hostile], ["check", *hostile, "--verbose"], ["strategies"], ["--help"],
                 ["concat", *hostile, "-o", "o.csv"]):  # fmt: skip
        check_safe(call(*line), may=(0,))


LOCALES = [
    {"PYTHONIOENCODING": "ascii"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


@pytest.mark.parametrize("env", LOCALES, ids=["ascii", "C"])
def test_locales_without_these_characters(env: Any, hostile: Any, mmfuse: Any, long: bool) -> None:
    lines = [["check", *hostile], ["inspect", "trained.safetensors"]]
    lines += [["inspect", *hostile], ["concat", *hostile, "-o", "o.csv"], ["nø"]] * long
    for line in lines:
        assert "�" not in check_safe(mmfuse(*map(os.fsencode, line), env=env)).out


def test_no_progress_bar_obeys_a_name(hostile: Any) -> None:
    code = (
        "import mmfuse.cli.progress as progress; progress._PATIENCE = -1\n"
        "from mmfuse.cli.main import main; main()"
    )
    for more in ({}, {"NO_COLOR": "1"}, {"COLUMNS": "1"}, {"TERM": "dumb"}):
        done, seen = on_terminal(
            "concat", *hostile, "-o", "o.csv", env=more, command=[sys.executable, "-c", code]
        )
        assert done == 0
        own = re.sub(
            r"\x1b\[(\?25[lh]|[12]K|[0-9]*A|[0-9;]*m)|\r", "", seen
        )  # what a bar is drawn with
        assert own != seen or "TERM" in more
        assert safe(own), own
        assert "\x1b[31mred" not in seen


def test_columns_stand_below_each_other_whatever_is_in_them() -> None:
    names = ["a", "猫猫", "é", "e\u0301", "\u0e01\u0e34", "ﾊﾝ", "漢字漢字"]
    lines = aligned([[name, "|", name, "|"] for name in names], right=(2,))
    assert len({cell_len(line[: line.index("|")]) for line in lines}) == 1
    assert len({cell_len(line) for line in lines}) == 1


# --- logs -------------------------------------------------------------------------------------


def test_a_traceback_is_no_place_for_a_second_error(
    here: Path, call: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("MMFUSE_DEBUG", "1")
    for kind in ("line", "return", "next line", "separator", "feed", "escape"):
        done = check_safe(call("inspect", f"{EVIL[kind]}.npy"), may=(3,))
        assert done.err.startswith("| Traceback (most recent call last)")


def test_an_internal_error_is_one_line(here: Path, call: Any, monkeypatch: Any) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError(ALL)

    monkeypatch.setattr("mmfuse.api.fuse", fail)
    done = call("concat", "a.npy", "-o", "z.parquet")
    assert safe(done.err)
    assert [line.split(":")[0] for line in done.err.splitlines()] == ["error", "hint"]


def test_a_warning_of_a_library_is_one_line(here: Path) -> None:
    np.save("a.npy", np.ones((2, 2)))
    code = (
        "import warnings, mmfuse, mmfuse.api as api; work = api.fuse\n"
        f"def warned(*a, **k): warnings.warn({ALL!r}); return work(*a, **k)\n"
        "api.fuse = mmfuse.fuse = warned\n"
        "from mmfuse.cli.main import main; main()"
    )
    line = [sys.executable, "-c", code, "concat", "a.npy", "-q", "-o", "o.npy"]
    done = subprocess.run(line, capture_output=True, timeout=60)
    assert done.returncode == 0
    assert done.stderr.startswith(b"warning: \\x1b[31mred|")
    assert safe(done.stderr.decode())
    assert done.stderr.count(b"\n") == 1


def test_what_did_not_converge_is_told_in_our_words(here: Path, call: Any) -> None:
    one, two = files("x")
    done = call("train", f"a={one}", f"b={two}", "--labels", "labels.csv", "-o", "m.safetensors",
                "--set", "logistic.max_iter=1", "--folds", "0")  # fmt: skip
    assert check_safe(done, may=(0,)).err.count(
        "logistic stopped before it converged; allow it more iterations: "
        "--set logistic.max_iter=N (now 1)"
    ) == 2  # fmt: skip
    assert "note: a: logistic" in done.err
    assert "STOP" not in done.err


@pytest.mark.parametrize(
    "line",
    [
        "inspect a.npy", "check a.npy b=a.npy", "strategies --json", "--version", "fit --help",
        "convert a.npy - -q", "inspect a.npy --json", "concat a.npy -o z.npy --json",
    ],
)  # fmt: skip
def test_nobody_reads_on(line: str, here: Path) -> None:
    np.save("a.npy", np.ones((9000, 9)))
    script = f"{shutil.which('env')} {' '.join(MMFUSE)} {line} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (141, b"")


def test_without_any_stream_the_exit_code_tells(here: Path) -> None:
    np.save("a.npy", np.ones((9, 2)))
    for line, code in (("inspect a.npy", 5), ("inspect b.npy", 3), ("concat a.npy -o o.npy", 0)):
        script = f"{' '.join(MMFUSE)} {line} <&- >&- 2>&-"
        assert subprocess.run(["bash", "-c", script], timeout=60).returncode == code


# --- the code ---------------------------------------------------------------------------------


def test_there_is_one_way_to_the_terminal() -> None:
    home = Path(mmfuse.__file__).parent / "cli"
    found = {
        (file.relative_to(home).as_posix(), ast.unparse(node.func))
        for file in home.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and re.search(
            r"(^|\.)(print|print_json|echo|secho|write|writelines|log)$", ast.unparse(node.func)
        )
    }
    assert found == {
        ("streams.py", "print"),
        ("main.py", "typer.echo"),  # the version
        ("commands/inspect.py", "console.print"),  # captured
        ("run_command.py", "extras.write"),  # files
        ("models.py", "saving.write"),
    }
