"""`train`, `train --continue` and `predict`, the way people run them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mmfuse

N = 120


@pytest.fixture
def files(here: Path) -> Path:
    """Two modalities of three kinds of things, the text of some missing, and new ones."""
    rng = np.random.default_rng(0)
    centres = {"image": 2 * rng.normal(size=(3, 4)), "text": 2 * rng.normal(size=(3, 3))}
    for part in ("old", "new"):
        y = rng.permutation(N) % 3
        ids = np.array([f"{part} {i}" for i in range(N)])
        for name, centre in centres.items():
            x = centre[y] + rng.normal(size=(N, centre.shape[1]))
            frame = pd.DataFrame(x, columns=[f"{name[0]}{j}" for j in range(x.shape[1])])
            frame.insert(0, "id", ids)
            frame = frame.sample(frac=1, random_state=len(name))
            frame[: N - 10 * (name == "text")].to_csv(f"{name}_{part}.csv", index=False)
        labels = pd.DataFrame({"id": ids, "kind": np.array(["ash", "box", "elm"])[y]})
        labels.to_csv(f"{part}.csv", index=False)
    return here


OLD = ("image=image_old.csv", "text=text_old.csv")
NEW = ("image=image_new.csv", "text=text_new.csv")
LABELS = ("--labels", "old.csv:kind")
CHEAP = ("--estimator", "lda")


def accuracy(path: str) -> float:
    told, truth = pd.read_csv(path), pd.read_csv("new.csv")
    both = told.merge(truth, on="id")
    assert len(both) == len(told) == N
    return float((both["label"] == both["kind"]).mean())


def test_trains_and_predicts(files: Path, call: Any) -> None:
    done = call("train", *OLD, *LABELS, *CHEAP, "-o", "model/")
    assert done.code == 0, done.err
    assert "outer join: 120 rows (10 lack text: fused from the others)" in done.err
    for line in ("image", "text", "fused", "without image", "without text", "± standard error"):
        assert line in done.err
    assert Path("model/model.safetensors").is_file()
    done = call("predict", "model/", *NEW, "-o", "p.csv")
    assert done.code == 0, done.err
    told = pd.read_csv("p.csv")
    assert list(told) == [
        "id", "ash", "box", "elm", "n_models", "present_image", "present_text", "label",
    ]  # fmt: skip
    assert (told["n_models"] == 1 + told["present_text"]).all()
    assert sorted(told["n_models"].unique()) == [1, 2]
    np.testing.assert_allclose(told[["ash", "box", "elm"]].sum(axis=1), 1, atol=1e-6)
    assert accuracy("p.csv") > 0.8  # of 1/3


def test_the_command_does_what_the_function_does(files: Path, call: Any) -> None:
    options = ("--fuse", "stack", "--calibrate", "isotonic", "--folds", "4", "--seed", "7")
    assert call("train", *OLD, *LABELS, *CHEAP, *options, "-o", "a.safetensors").code == 0
    mmfuse.train(
        OLD, "old.csv:kind", "b.safetensors", estimator="lda", fuse="stack", calibrate="isotonic",
        folds=4, seed=7,
    )  # fmt: skip
    assert Path("a.safetensors").read_bytes() == Path("b.safetensors").read_bytes()
    assert call("predict", "a.safetensors", *NEW, "-o", "a.parquet").code == 0
    mmfuse.predict("b.safetensors", NEW, "b.parquet")
    assert Path("a.parquet").read_bytes() == Path("b.parquet").read_bytes()


def test_predicts_with_one_modality_left_out(files: Path, call: Any) -> None:
    call("train", *OLD, *LABELS, *CHEAP, "-o", "m.safetensors")
    done = call("predict", "m.safetensors", NEW[1], "-o", "p.csv")
    assert done.code == 0
    assert "image: is not given: every row lacks it" in done.err
    assert (pd.read_csv("p.csv")["n_models"] == 1).all()


@pytest.mark.parametrize("how", [("--fuse", "sum"), CHEAP, ("--estimator", "sgd")])
def test_goes_on(files: Path, call: Any, how: tuple[str, ...]) -> None:
    call("train", *OLD, *LABELS, *how, "-o", "m.safetensors")
    more = ("train", "--continue", "m.safetensors", *NEW, "--labels", "new.csv:kind")
    done = call(*more, "-o", "n.safetensors")
    assert done.code == 0, done.err
    assert call("predict", "n.safetensors", *NEW, "-o", "p.csv").code == 0
    assert accuracy("p.csv") > 0.8
    before = Path("m.safetensors").read_bytes()
    assert call(*more).code == 0
    assert Path("m.safetensors").read_bytes() != before


def test_options_of_the_model_do_not_go_with_continue(files: Path, call: Any) -> None:
    call("train", *OLD, *LABELS, *CHEAP, "-o", "m.safetensors")
    more = ("train", "--continue", "m.safetensors", *NEW, "--labels", "new.csv:kind")
    for option in (("--fuse", "stack"), ("--normalize", "l2"), ("--folds", "3"), CHEAP):
        done = call(*more, *option)
        assert done.code == 2
        assert f"{option[0]} does not go with --continue, which takes the model as" in done.err


def test_tells_json(files: Path, call: Any) -> None:
    done = call("train", *OLD, *LABELS, *CHEAP, "-o", "m.safetensors", "--json")
    told = json.loads(done.out)
    assert told["options"] == {"fuse": "soft-vote", "estimators": {"image": "lda", "text": "lda"}}
    assert told["format"] == "model"
    assert told["learned"] == N
    scores = {(s["of"], s["name"]): s["values"]["accuracy"] for s in told["scores"]["scores"]}
    assert scores["fused", ""] >= max(scores["model", "image"], scores["model", "text"]) - 0.1
    assert np.sum(told["scores"]["confusion"]) == N
    done = call("inspect", "m.safetensors", "--json")
    (model,) = json.loads(done.out)["models"].values()
    assert model["scores"] == told["scores"]
    assert "soft-vote of 2 models of 3 classes, of 120 rows" in call("inspect", "m.safetensors").out


def test_draws_the_scores(files: Path, call: Any) -> None:
    done = call("train", *OLD, *LABELS, *CHEAP, "-o", "m.safetensors", "--plot", "s.svg")
    assert done.code == 0, done.err
    drawn = Path("s.svg").read_text()
    assert "svg" in drawn
    assert call("inspect", "m.safetensors", "--plot", "t.svg").code == 0
    assert Path("t.svg").read_text() == drawn


def test_without_scores_there_is_nothing_to_draw(files: Path, call: Any) -> None:
    done = call("train", *OLD, *LABELS, *CHEAP, "--folds", "0", "-o", "m.safetensors")
    assert done.code == 0, done.err
    done = call("inspect", "m.safetensors", "--plot", "s.svg")
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: the model has no scores to draw\nhint: train it with --folds\n"
    assert not Path("s.svg").exists()


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        (("-o", "m.safetensors"), 2, "--labels FILE[:COLUMN]"),
        ((*LABELS,), 2, "-o MODEL names its file"),
        ((*LABELS, "-o", "m.safetensors", "--estimator", "forst"), 2, "did you mean 'forest'?"),
        ((*LABELS, "-o", "m.safetensors", "--fuse", "softvote"), 2, "no fusion 'softvote'"),
        ((*LABELS, "-o", "m.safetensors", "--set", "forest"), 2, "ESTIMATOR.OPTION=VALUE"),
        ((*LABELS, "-o", "m.safetensors", "--set", "forest.n_estimators=5"), 2, "no modality"),
        ((*LABELS, *CHEAP, "-o", "m.safetensors", "--set", "lda.no=5"), 2, "no option 'no'"),
        ((*LABELS, *CHEAP, "-o", "m.safetensors", "--calibrate", "platt"), 2, "isotonic"),
        ((*LABELS, *CHEAP, "-o", "m.safetensors", "--task", "guess"), 2, "regression"),
        ((*LABELS, *CHEAP, "-o", "m.safetensors", "--task", "regression"), 3, "no numbers"),
        ((*LABELS, "-o", "no/where/m.safetensors"), 5, "no/where"),
        ((*LABELS, *CHEAP, "-o", "m.safetensors", "--memory", "4KB"), 6, "--fuse sum"),
        (("--labels", "new.csv:kind", "-o", "m.safetensors"), 4, "no row has a label"),
    ],
)
def test_what_cannot_be_done_is_told(
    files: Path, call: Any, given: tuple[str, ...], code: int, told: str
) -> None:
    done = call("train", *OLD, *given)
    assert done.code == code, done.err
    assert told in done.err
    assert done.err.startswith("error: ")
    assert not Path("m.safetensors").exists()


def test_models_of_one_kind_are_told_from_those_of_the_other(files: Path, call: Any) -> None:
    call("train", *OLD, *LABELS, *CHEAP, "-o", "trained.safetensors")
    call("fit", "pca", *OLD, "-o", "fitted.safetensors")
    done = call("apply", "trained.safetensors", *NEW, "-o", "x.csv")
    assert done.code == 7
    assert "mmfuse predict is for those that train made" in done.err
    done = call("predict", "fitted.safetensors", *NEW, "-o", "x.csv")
    assert done.code == 7
    assert "mmfuse apply fuses rows with it" in done.err


def test_a_dry_run_writes_nothing(files: Path, call: Any) -> None:
    done = call("train", *OLD, *LABELS, *CHEAP, "-o", "model/", "--dry-run")
    assert done.code == 0, done.err
    assert "dry run: nothing was written" in done.err
    assert not Path("model").exists()


@pytest.mark.parametrize("name", ["label", "n_models", "present_image", "id"])
def test_no_class_is_named_as_a_column_of_the_predictions(
    files: Path, call: Any, name: str
) -> None:
    frame = pd.read_csv("old.csv")
    frame["kind"] = frame["kind"].replace("ash", name)
    frame.to_csv("old.csv", index=False)
    done = call("train", *OLD, *LABELS, *CHEAP, "-o", "model/")
    assert done.code == 3
    assert f"a class is named '{name}'" in done.err
    assert not Path("model").exists()


def test_nothing_is_learned_or_predicted_of_what_is_not_finite(files: Path, call: Any) -> None:
    done = call("train", *OLD, *LABELS, *CHEAP, "-o", "m.safetensors", "--nan", "keep")
    assert done.code == 2
    assert "--nan zero, mean or drop" in done.err
    call("train", *OLD, *LABELS, *CHEAP, "-o", "m.safetensors")
    done = call("predict", "m.safetensors", *NEW, "-o", "p.csv", "--nan", "keep")
    assert done.code == 2
    done = call("train", *OLD, *LABELS, "-o", "m.safetensors", "--set", "logistic.C=1e400")
    assert done.code == 2
    assert "internal" not in done.err


@pytest.mark.parametrize("estimator", ["mlp", "boosting"])
def test_an_interrupt_ends_training_at_once(files: Path, estimator: str) -> None:
    """Whatever library is at work: nothing is left but what was there."""
    rng = np.random.default_rng(0)
    np.save("wide.npy", rng.normal(size=(20_000, 60)).astype(np.float32))
    np.save("y.npy", rng.integers(0, 9, 20_000))
    command = ["train", "wide.npy", "--labels", "y.npy", "--estimator", estimator, "-o", "model/"]
    run = subprocess.Popen([sys.executable, "-m", "mmfuse", *command], stderr=subprocess.PIPE)
    time.sleep(4)  # it is well under way then, or still at the beginning: both have to end
    assert run.poll() is None
    run.send_signal(signal.SIGINT)
    sent = time.monotonic()
    _, told = run.communicate(timeout=30)
    assert time.monotonic() - sent < 10  # no matter of speed: it takes minutes to the end
    assert run.returncode == 130
    assert not Path("model").exists()
    assert told == b""
