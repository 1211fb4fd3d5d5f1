"""`fit`, `fit --continue`, `merge`, `apply` and `--save`, the way people run them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mmfuse as library
from mmfuse.errors import OutputError

IDS = [f"item {k:03d}" for k in range(60)]


def write(name: str, ids: Sequence[str], columns: Sequence[str], seed: int = 0) -> None:
    """A CSV of these ids, whose values depend on the id, the column and the seed alone."""
    values = {
        column: [np.random.default_rng([seed, c, *i.encode()]).normal(0, 2 + c) for i in ids]
        for c, column in enumerate(columns)
    }
    pd.DataFrame({"id": ids, **values}).to_csv(name, index=False)


@pytest.fixture
def files(here: Path) -> Path:
    """Two modalities of the first 40 items and of 20 more, each in an order of its own."""
    write("image.csv", IDS[:40], "pqr")
    write("text.csv", IDS[:40][::-1], "uv", 1)
    write("image_new.csv", IDS[40:], "pqr")
    write("text_new.csv", IDS[40:][::-1], "uv", 1)
    return here


@pytest.fixture
def model(files: Path, call: Any) -> Path:
    """A model of the first items; its twin can be merged with it."""
    given = ("image.csv", "text.csv", "-k", "2", "--normalize", "zscore")
    done = call("fit", "pca", *given, "-o", "m.safetensors")
    assert done.code == 0, done.err
    shutil.copy("m.safetensors", "twin.safetensors")
    return Path("m.safetensors")


NEW = ("image=image_new.csv", "text=text_new.csv")


def is_one_message(text: str) -> bool:
    heads = [line.split(":")[0] for line in text.splitlines()]
    return heads[:1] == ["error"] and heads[1:] in ([], ["  in"], ["hint"], ["  in", "hint"])


def refused(done: Any, code: int, *told: str) -> None:
    assert (done.code, done.out) == (code, ""), done.err
    assert is_one_message(done.err), done.err
    for part in told:
        assert part in done.err


# --- what they do -----------------------------------------------------------------------------


def test_fit_apply_and_fuse_agree(model: Path, call: Any) -> None:
    options = ("-k", "2", "--normalize", "zscore")
    one = call("pca", "image.csv", "text.csv", *options, "-o", "a.npy", "--save", "s.safetensors")
    two = call("apply", model, "image.csv", "text.csv", "-o", "b.npy")
    assert (one.code, two.code) == (0, 0), one.err + two.err
    for suffix in (".npy", ".ids.txt"):
        assert Path(f"a{suffix}").read_bytes() == Path(f"b{suffix}").read_bytes()
    assert Path("s.safetensors").read_bytes() == model.read_bytes()
    assert "-> b.npy   40 x 2 float32" in two.err


def test_the_whole_way_as_processes(files: Path, mmfuse: Any) -> None:
    for line in (
        "fit pca image.csv text.csv -k 2 -o a.safetensors",
        "fit pca image=image_new.csv text=text_new.csv -k 2 -o b.safetensors",
        "merge a.safetensors b.safetensors -o ab.safetensors",
        "fit --continue a.safetensors image=image_new.csv text=text_new.csv -o on.safetensors",
        "apply ab.safetensors image.csv text.csv --dtype float64 -o ab.npy",
        "apply on.safetensors image.csv text.csv --dtype float64 -o on.npy",
    ):
        done = mmfuse(*line.split())
        assert (done.code, done.out) == (0, ""), done.err
    np.testing.assert_allclose(np.load("ab.npy"), np.load("on.npy"), rtol=1e-9, atol=1e-9)
    whole = library.fit(
        "pca",
        {
            name: pd.concat([pd.read_csv(f"{name}.csv"), pd.read_csv(f"{name}_new.csv")])
            for name in ("image", "text")
        },
        options={"n_components": 2},
    ).model
    assert whole is not None
    given = {name: f"{name}.csv" for name in ("image", "text")}
    expected = library.apply(whole, given, dtype="float64").matrix
    np.testing.assert_allclose(np.load("ab.npy"), expected, rtol=1e-9, atol=1e-9)


def test_files_in_any_order(model: Path, call: Any) -> None:
    given = ("--sort-ids", "-o")
    assert call("apply", model, *NEW, *given, "a.npy").code == 0
    assert call("apply", model, *reversed(NEW), *given, "b.npy").code == 0
    assert Path("a.npy").read_bytes() == Path("b.npy").read_bytes()
    assert Path("a.ids.txt").read_text().splitlines() == IDS[40:]


def test_continue_writes_the_model_back(model: Path, call: Any) -> None:
    before = model.read_bytes()
    done = call("fit", "--continue", model, *NEW)
    assert (done.code, done.out) == (0, "")
    assert "learned from 60 rows" in done.err
    assert model.read_bytes() != before
    assert library.load(model).learned_from == 60


def test_continue_elsewhere_leaves_the_model(model: Path, call: Any) -> None:
    before = model.read_bytes()
    assert call("fit", f"--continue={model}", *NEW, "-o", "on.safetensors").code == 0
    assert model.read_bytes() == before
    assert library.load("on.safetensors").learned_from == 60


def test_a_model_of_one_modality_takes_any_name(files: Path, call: Any) -> None:
    assert call("fit", "pca", "image.csv", "-k", "2", "-o", "one.safetensors").code == 0
    for k, given in enumerate(("image.csv", "other=image.csv", "image=image.csv")):
        assert call("apply", "one.safetensors", given, "-q", "-o", f"{k}.npy").code == 0
    assert len({Path(f"{k}.npy").read_bytes() for k in range(3)}) == 1


def test_a_model_from_standard_input(model: Path, mmfuse: Any) -> None:
    with model.open("rb") as stream:
        done = mmfuse("apply", "-", *NEW, "-o", "a.npy", stdin=stream)
    assert done.code == 0, done.err
    assert mmfuse("apply", model, *NEW, "-o", "b.npy").code == 0
    assert Path("a.npy").read_bytes() == Path("b.npy").read_bytes()


def test_data_to_standard_output(model: Path, call: Any) -> None:
    done = call("apply", model, *NEW, "-o", "-")
    assert done.code == 0
    assert done.out.splitlines()[0] == '"id","pca_0","pca_1"' or done.out.startswith("id,pca_0,pca")
    assert done.out.count("\n") == 21


# --- what they tell ---------------------------------------------------------------------------


def test_json(model: Path, call: Any) -> None:
    fitted = json.loads(call("fit", "pca", "image.csv", "-k", "1", "-o", "f", "--json").out)
    assert (fitted["output"], fitted["format"], fitted["rows"]) == ("f", "model", 40)
    assert fitted["bytes"] == os.path.getsize("f")
    applied = json.loads(call("apply", model, *NEW, "-o", "a.npy", "--json").out)
    assert (applied["command"], applied["columns"], applied["rows"]) == ("pca", 2, 20)
    assert [item["name"] for item in applied["inputs"]] == ["image", "text"]
    further = json.loads(call("fit", "--continue", model, *NEW, "--json").out)
    assert (further["output"], further["rows"]) == (str(model), 20)
    merged = json.loads(call("merge", model, "twin.safetensors", "-o", "mm", "--json").out)
    assert merged == {
        "mmfuse_merge": 1,
        "models": [str(model), "twin.safetensors"],
        "output": "mm",
        "rows": 100,
        "columns": 2,
    }


def test_quiet(model: Path, call: Any) -> None:
    for line in (
        "fit pca image.csv -q -o f",
        "fit --continue m.safetensors image=image_new.csv text=text_new.csv -q",
        "merge m.safetensors twin.safetensors -q -o mm",
        "apply m.safetensors image.csv text.csv -q -o a.npy",
        "pca image.csv -q -o b.npy --save s",
    ):
        done = call(*line.split())
        assert (done.code, done.out, done.err) == (0, "", "")


def test_the_record_of_an_output_is_that_of_the_strategy(model: Path, call: Any) -> None:
    assert call("apply", model, *NEW, "-o", "out.parquet").code == 0
    (told,) = json.loads(call("inspect", "out.parquet", "--json").out)["files"]
    record = told["record"]
    assert (record["strategy"], record["columns"], record["parameters"]) == (
        *("pca", 2, {"n_components": 2}),
    )
    assert [(i["name"], i["file"], i["normalize"], i["rows"]) for i in record["inputs"]] == [
        ("image", "image_new.csv", ["zscore"], 20),
        ("text", "text_new.csv", ["zscore"], 20),
    ]


@pytest.mark.parametrize(
    ("line", "target", "sources"),
    [
        (
            "apply m.safetensors image.csv text.csv -o a.npy",
            "a.npy",
            ["image.csv", "text.csv", "m.safetensors"],
        ),
        ("fit pca image.csv text.csv -o f", "f", ["image.csv", "text.csv"]),
        (
            "fit --continue m.safetensors image.csv text.csv -o on",
            "on",
            ["image.csv", "text.csv", "m.safetensors"],
        ),
        (
            "fit --continue m.safetensors image.csv text.csv",
            "m.safetensors",
            ["image.csv", "text.csv"],
        ),
    ],
)
def test_depfile(line: str, target: str, sources: list[str], model: Path, call: Any) -> None:
    assert call(*line.split(), "--depfile", "d").code == 0
    assert Path("d").read_text() == f"{target}: {' '.join(sources)}\n"


HELP = {
    "fit": ["mmfuse fit [OPTIONS] COMMAND", "--continue model.safetensors", "pca  "],
    "fit pca": ["Usage: mmfuse fit pca [OPTIONS] [NAME=]FILE...", "--n-components", "--output"],
    "fit --continue": ["Usage: mmfuse fit --continue [OPTIONS] [NAME=]FILE...", "--continue MODEL"],
    "apply": ["Usage: mmfuse apply [OPTIONS] MODEL [NAME=]FILE...", "Written by fit", "--missing"],
    "merge": ["Usage: mmfuse merge [OPTIONS] MODEL...", "Two models or more", "--no-clobber"],
}
NOT_THERE = {
    "fit pca": ["--layout", "--compression", "--shard-rows", "--format"],
    "fit --continue": ["--normalize", "--weight", "--nan", "--dtype", "--missing", "--format"],
    "apply": ["--normalize", "--weight", "--save", "--n-components"],
    "merge": ["--join", "--dtype", "--normalize"],
}


@pytest.mark.parametrize("command", HELP)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(command: str, flag: str, call: Any) -> None:
    done = call(*command.split(), flag)
    assert (done.code, done.err) == (0, "")
    for part in HELP[command]:
        assert part in done.out
    words = done.out.replace(",", " ").split()
    assert not set(NOT_THERE.get(command, [])) & set(words)
    assert max(map(len, done.out.splitlines())) <= 100


def test_help_lists_every_strategy_that_has_models(call: Any) -> None:
    from mmfuse.core.registry import STRATEGIES, strategy_class

    listed = {line.split()[0] for line in call("fit", "--help").out.splitlines() if line.strip()}
    for name in STRATEGIES.modules:
        assert (name in listed) == (not strategy_class(name).whole)


# --- nothing is written where nothing is to be ------------------------------------------------

LINES = {
    "fit": "fit pca image.csv text.csv -o OUT",
    "continue": "fit --continue m.safetensors image.csv text.csv -o OUT",
    "save": "pca image.csv text.csv -o z.npy --save OUT",
    "apply": "apply m.safetensors image.csv text.csv -f npy -o OUT",
    "merge": "merge m.safetensors twin.safetensors -o OUT",
}


def line(what: str, out: str) -> list[str]:
    return shlex.split(LINES[what].replace("OUT", shlex.quote(out)))


def state() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.mark.parametrize("what", [what for what in LINES if what != "merge"])
def test_dry_run_writes_nothing(what: str, model: Path, call: Any) -> None:
    before = state()
    done = call(*line(what, "new"), "--dry-run", "--depfile", "d", "--summary", "s")
    assert done.code == 0, done.err
    assert "dry run: nothing was written" in done.err
    assert state() == before


def test_dry_run_of_going_on_leaves_the_model(model: Path, call: Any) -> None:
    before = state()
    assert call("fit", "--continue", model, *NEW, "-n").code == 0
    assert state() == before


@pytest.mark.parametrize("what", LINES)
def test_no_clobber(what: str, model: Path, call: Any) -> None:
    Path("old").write_text("old")
    before = state()
    refused(call(*line(what, "old"), "--no-clobber"), 5, "old exists, and --no-clobber keeps it")
    assert state() == before
    assert call(*line(what, "new"), "--no-clobber", "-q").code == 0
    assert os.path.exists("new")


def test_no_clobber_keeps_the_model_that_went_on(model: Path, call: Any) -> None:
    before = model.read_bytes()
    refused(call("fit", "--continue", model, *NEW, "--no-clobber"), 5, "--no-clobber keeps it")
    assert model.read_bytes() == before


@pytest.mark.parametrize("what", LINES)
@pytest.mark.parametrize(
    ("place", "told"), [("no/such", "make the folder first"), ("folder", "folder is a folder")]
)
def test_places_that_cannot_be_written(
    what: str, place: str, told: str, model: Path, call: Any
) -> None:
    os.mkdir("folder")
    before = state()
    refused(call(*line(what, place)), 5, told)
    assert state() == before


@pytest.mark.parametrize("what", ["fit", "continue", "save", "merge"])
def test_a_device_is_no_place_for_a_model(what: str, model: Path, call: Any) -> None:
    refused(call(*line(what, "/dev/null")), 5, "not a regular file")


@pytest.mark.parametrize("what", ["fit", "continue", "save", "merge"])
def test_a_model_does_not_go_to_standard_output(what: str, model: Path, call: Any) -> None:
    refused(call(*line(what, "-")), 2, "a model goes to a file")


@pytest.mark.parametrize("what", ["fit", "continue", "save", "apply"])
@pytest.mark.parametrize("place", ["image.csv", "./text.csv", "link", "hard"])
def test_inputs_are_never_replaced(what: str, place: str, model: Path, call: Any) -> None:
    os.symlink("image.csv", "link")
    os.link("text.csv", "hard")
    before = state()
    refused(call(*line(what, place)), 2, "input")
    assert state() == before


def test_the_model_is_not_replaced_by_what_it_fuses(model: Path, call: Any) -> None:
    before = state()
    for place in ("m.safetensors", "./m.safetensors", "link"):
        if place == "link":
            os.symlink("m.safetensors", "link")
            before = state()
        refused(call(*line("apply", place)), 2, "is one of the inputs")
        assert state() == before


@pytest.mark.parametrize("place", ["z.npy", "./z.npy", "z.ids.txt"])
def test_a_model_and_an_output_do_not_take_one_place(place: str, model: Path, call: Any) -> None:
    before = state()
    refused(call(*line("save", place)), 2, "is an input or the output")
    assert state() == before


@pytest.mark.parametrize("option", ["--depfile", "--summary", "--lock"])
@pytest.mark.parametrize("what", ["fit", "continue", "apply"])
def test_what_is_written_beside_does_not_take_its_place(
    option: str, what: str, model: Path, call: Any
) -> None:
    before = state()
    refused(call(*line(what, "new"), option, "new"), 2, option)
    assert state() == before


@pytest.mark.parametrize("option", ["--depfile", "--summary"])
@pytest.mark.parametrize("what", ["continue", "apply"])
def test_nor_that_of_the_model(option: str, what: str, model: Path, call: Any) -> None:
    before = state()
    refused(call(*line(what, "new"), option, "m.safetensors"), 2, option)
    assert state() == before


# --- what does not fit ------------------------------------------------------------------------


def test_other_widths(model: Path, call: Any) -> None:
    write("wide.csv", IDS[40:], "pqrs")
    done = call("apply", model, "image=wide.csv", NEW[1], "-o", "a.npy")
    refused(done, 7, "image has 4 columns, and the model learned from 3", "has besides s")
    write("narrow.csv", IDS[40:], "pr")
    done = call("apply", model, "image=narrow.csv", NEW[1], "-o", "a.npy")
    refused(done, 7, "image has 2 columns", "it lacks q", "in: image=narrow.csv")


def test_other_columns(model: Path, call: Any) -> None:
    write("other.csv", IDS[40:], ["p", "queue", "r"])
    done = call("apply", model, "image=other.csv", NEW[1], "-o", "a.npy")
    refused(done, 7, "image has other columns", "it lacks q; it has besides queue")
    write("all.csv", IDS[40:], "abc")
    refused(call("fit", "--continue", model, "image=all.csv", NEW[1]), 7, "it lacks p, q, r; it ha")


def test_columns_in_another_order(model: Path, call: Any) -> None:
    frame = pd.read_csv("image_new.csv")
    frame[["id", "r", "p", "q"]].to_csv("turned.csv", index=False)
    given = ("apply", model, "image=turned.csv", NEW[1])
    refused(
        call(*given, "-o", "a.npy"),
        7,
        "stand in another order than those the model",
        "in: image=turned.csv",
    )
    columns = [part for name in "pqr" for part in ("--column", f"image={name}")]
    assert call(*given, *columns, "-q", "-o", "a.npy").code == 0
    assert call("apply", model, *NEW, "-q", "-o", "b.npy").code == 0
    assert Path("a.npy").read_bytes() == Path("b.npy").read_bytes()


@pytest.mark.parametrize("command", [("apply", "-o", "a.npy"), ("fit", "--continue")])
def test_unknown_modalities(command: Sequence[str], model: Path, call: Any) -> None:
    name, *rest = command
    given = (name, *rest, model) if name == "fit" else (name, model, *rest)
    refused(
        call(*given, "image.csv", "words=text.csv"),
        *(7, "words is no modality of the model", "the model has image, text"),
    )
    refused(call(*given, "image.csv", "text.csv", "x=text.csv"), 7, "x is no modality")


def test_a_modality_that_is_needed_and_one_that_is_not(model: Path, call: Any) -> None:
    assert call("fit", "concat", "image.csv", "text.csv", "-o", "c.safetensors").code == 0
    done = call("apply", "c.safetensors", "text.csv", "-o", "a.npy")
    refused(done, 7, "the model needs image too: concat does not fuse", "the model has image, text")
    done = call("apply", model, "text.csv", "-o", "a.npy")
    assert done.code == 0
    assert "note: image: is not given: every row lacks it" in done.err


def test_what_is_no_model(model: Path, call: Any) -> None:
    np.save("a.npy", np.ones((3, 2)))
    os.mkdir("folder")
    Path("cut").write_bytes(model.read_bytes()[:-1])
    Path("empty").write_bytes(b"")
    for path, code, told in (
        ("a.npy", 7, "it looks like an npy file\n  in: a.npy"),
        ("image.csv", 7, "it looks like plain text\n  in: image.csv"),
        ("cut", 7, "cut short or damaged\n  in: cut"),
        ("empty", 3, "the file is empty\n  in: empty"),
        ("folder", 3, "this is a folder, not a file\n  in: folder"),
        ("none", 3, "no such file\n  in: none"),
    ):
        refused(call("apply", path, *NEW, "-o", "z.npy"), code, told)
        refused(call("fit", "--continue", path, *NEW, "-o", "z"), code, told)
        refused(call("merge", model, path, "-o", "z"), code, told)
    assert not os.path.exists("z.npy")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("fit", "missing command\nhint: mmfuse fit --help"),
        ("fit pcaa image.csv -o z", "no strategy 'pcaa'"),
        ("fit continue image.csv", "no strategy 'continue'"),
        ("fit image.csv -o z", "no strategy 'image.csv'\nhint: mmfuse fit STRATEGY"),
        ("fit pca image.csv", "missing option '--output'"),
        ("fit pca -o z", "no inputs"),
        ("fit --continue", "'--continue' requires an argument"),
        ("fit --continue m.safetensors", "no inputs"),
        ("fit --continue m.safetensors image.csv text.csv --normalize l2", "--normalize"),
        ("fit pca image.csv -o z --layout wide", "no such option: --layout"),
        ("apply", "missing argument 'MODEL'"),
        ("apply m.safetensors -o z.npy", "no inputs"),
        ("apply m.safetensors image.csv text.csv", "missing option '--output'"),
        ("apply m.safetensors image.csv text.csv -o z.npy --nan zero", "--nan zero is not how"),
        ("apply m.safetensors image.csv text.csv -o z.npy --normalize l2", "--normalize"),
        ("merge", "missing argument 'MODEL...'"),
        ("merge m.safetensors", "missing option '--output'"),
        ("merge m.safetensors -o z", "merge takes two models or more"),
        ("merge m.safetensors ./m.safetensors -o z", "a model is named twice, and its rows"),
    ],
)
def test_wrong_calls(given: str, told: str, model: Path, call: Any) -> None:
    before = state()
    refused(call(*given.split()), 2, told)
    assert state() == before


def test_models_that_do_not_go_together(model: Path, call: Any) -> None:
    assert call("fit", "pca", "image.csv", "text.csv", "-k", "2", "-o", "plain").code == 0
    Path("old").write_text("old")
    refused(
        call("merge", model, "plain", "-o", "old"),
        *(7, "models of other normalisations cannot be merged: [['zscore'], ['zscore']] and"),
    )
    assert Path("old").read_text() == "old"


# --- nothing half done ------------------------------------------------------------------------


def test_a_write_that_fails_leaves_the_old_model(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    given = {"image": "image_new.csv", "text": "text_new.csv"}
    monkeypatch.setattr("mmfuse.files.output.os.pwrite", full)
    for act in (
        lambda: library.go_on(model, given, model),
        lambda: library.merge([model, "twin.safetensors"], model),
        lambda: library.fit("pca", given, model),
        lambda: library.fuse("pca", given, save=model),
    ):
        with pytest.raises(OutputError, match="No space left on device"):
            act()
        assert state() == before


@pytest.mark.parametrize(
    "line",
    [
        "fit --continue m.safetensors image=bad.csv text=text.csv",
        "fit pca bad.csv text.csv -o m.safetensors",
        "pca bad.csv text.csv -o z.npy --save m.safetensors",
    ],
)
def test_an_error_after_the_model_was_opened_leaves_the_old_one(
    line: str, model: Path, call: Any
) -> None:
    Path("bad.csv").write_text(f"id,p,q,r\n{IDS[0]},1,nan,3\n{IDS[1]},1,2,3\n")
    before = state()
    refused(call(*line.split()), 3, "1 value is NaN or infinite")
    assert state() == before


def test_output_and_model_appear_both_or_not_at_all(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state()
    replace = os.replace
    done: list[str] = []

    def second_fails(source: str, target: str) -> None:
        done.append(target)
        if len(done) == 2:
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr("mmfuse.files.output.os.replace", second_fails)
    with pytest.raises(OutputError, match="Input/output error"):
        library.fuse("pca", ["image.csv", "text.csv"], "z.parquet", save=model)
    assert len(done) == 3  # the first of them, the second, and the first taken back
    assert state() == before


def test_killed_while_it_learns(model: Path) -> None:
    np.save("big.npy", np.random.default_rng(0).normal(size=(60_000, 256)).astype(np.float32))
    before = {name: data for name, data in state().items() if name != "big.npy"}
    command = [sys.executable, "-m", "mmfuse", "fit", "pca", "big.npy", "-o", str(model)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    wait_until_open(process)
    process.send_signal(signal.SIGKILL)
    assert process.wait(timeout=10) == -signal.SIGKILL
    process.communicate()
    assert {name: data for name, data in state().items() if name != "big.npy"} == before
    assert library.load(model).learned_from == 40


def wait_until_open(process: subprocess.Popen[bytes]) -> None:
    """Until the model's file, which has no name yet, and the input are both open."""
    for _ in range(3000):
        assert process.poll() is None, "the run is too short to be interrupted"
        opened = []
        for fd in Path(f"/proc/{process.pid}/fd").iterdir():
            try:
                opened.append(os.readlink(fd))
            except FileNotFoundError:
                continue
        if any("(deleted)" in name for name in opened) and any("big" in n for n in opened):
            return
        time.sleep(0.002)
    raise AssertionError("no model appeared")


@pytest.mark.parametrize("beside", ["--save", "--plot", "--lock"])
def test_nothing_is_put_into_a_folder_that_is_written_anew(
    here: Path, call: Any, beside: str
) -> None:
    np.save("x.npy", np.random.default_rng(0).normal(size=(30, 4)))
    line = f"pca x.npy -k 2 -o parts/ --shard-rows 10 {beside} parts/p.svg"
    for _ in range(2):  # the folder is new, then there
        done = call(*line.split(" "))
        assert done.code == 2
        assert "is in parts/" in done.err
        assert not list(Path("parts").glob("*")) or "p.svg" not in os.listdir("parts")
        call(*["pca", "x.npy", "-k", "2", "-o", "parts/", "--shard-rows", "10"])


def test_a_model_is_put_beside_a_folder_that_is_written_anew(here: Path, call: Any) -> None:
    np.save("x.npy", np.random.default_rng(0).normal(size=(30, 4)))
    done = call("pca", "x.npy", "-k", "2", "-o", "parts/", "--shard-rows", "10", "--save", "m")
    assert done.code == 0, done.err
    assert library.load("m").columns == ("pca_0", "pca_1")
    assert len(os.listdir("parts")) > 2


def test_what_is_told_goes_over_no_ids(here: Path, call: Any) -> None:
    np.save("x.npy", np.random.default_rng(0).normal(size=(30, 4)))
    Path("x.ids.txt").write_text("".join(f"r{k}\n" for k in range(30)))
    before = Path("x.ids.txt").read_bytes()
    for option in ("--summary", "--depfile"):
        done = call("concat", "x.npy", "-o", "o.npy", option, "x.ids.txt")
        assert done.code == 2
        assert "is an input or another output" in done.err
    assert Path("x.ids.txt").read_bytes() == before
