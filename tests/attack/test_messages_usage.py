"""Wrong calls of the command line, each with its exit code and sentence; more stand by topic."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mmfuse
from mmfuse.core.id_transforms import parse
from mmfuse.errors import ResourceError, UsageError
from mmfuse.files import machine

N = 12


@pytest.fixture
def files(here: Path) -> Path:
    """Two modalities, labels of both kinds, models of both kinds, a lock of another version."""
    rng = np.random.default_rng(0)
    ids = [f"r{k}" for k in range(N)]
    for name, width in (("a", 3), ("b", 2)):
        rows = [
            f"{i},{','.join(map(str, x))}"
            for i, x in zip(ids, rng.normal(size=(N, width)), strict=True)
        ]
        head = ",".join(f"f{j}" for j in range(width))
        Path(f"{name}.csv").write_text(f"id,{head}\n" + "\n".join(rows) + "\n")
    Path("half.csv").write_text("".join(Path("b.csv").read_text().splitlines(True)[:7]))
    Path("y.csv").write_text("id,y\n" + "".join(f"{i},{'uv'[k % 2]}\n" for k, i in enumerate(ids)))
    Path("n.csv").write_text("id,y\n" + "".join(f"{i},{k + 0.5}\n" for k, i in enumerate(ids)))
    mmfuse.fit("pca", ["a.csv", "b.csv"], "m.safetensors", options={"n_components": 1})
    mmfuse.train(["a.csv", "b.csv"], "y.csv", "t.safetensors", estimator="lda", folds=0)
    mmfuse.train(["a.csv"], "y.csv", "knn.safetensors", estimator="knn", folds=0)
    Path("newer.lock").write_text('{"mmfuse_lock": 2, "rows": {}, "inputs": []}')
    Path("text.lock").write_text("locked")
    Path("nan.csv").write_text("id,x\nr0,nan\nr1,inf\n")
    Path("folder").mkdir()
    Path("large.lock").write_bytes(b"")
    os.truncate("large.lock", (64 << 20) + 1)
    return here


CALLS: dict[str, tuple[int, str]] = {
    "check a.csv": (2, "check compares files: give two or more"),
    "convert a.csv - --json": (2, "--json and an output of - both want stdout"),
    "train a.csv -o z": (2, "models are trained on labels"),
    "concat a.csv -o z.npy --by-position --require-ids": (
        2,
        "--by-position and --require-ids exclude each other",
    ),
    "concat a.csv -o - --depfile d": (2, "--depfile needs a file to depend: -o FILE"),
    "concat a.csv -o - --json": (2, "--json and -o - both want stdout"),
    "concat a.csv half.csv -o z.npy --strict": (
        4,
        "6 of 12 rows would be dropped, and --strict forbids it; the first ",
    ),
    "concat a.csv -o z.npy --id-transform ,": (2, "--id-transform ',': no transform ''"),
    "concat a.csv -o z.npy --id-transform upper": (
        2,
        "--id-transform 'upper': no transform 'upper'",
    ),
    "concat a.csv -o z.npy --memory 1K": (6, "3 columns need about 4 KiB of working memory, and "),
    "snf a.csv b.csv -o z.npy --neighbors 3 --memory 1K": (
        6,
        "this strategy holds all 12 rows in memory and needs about ",
    ),
    "pca a.csv b.csv -o z.npy -k 1 --memory 10K": (
        6,
        "what is learned of these columns needs about ",
    ),
    "ajive a.csv b.csv -o z.npy --individual 1,1,1": (
        2,
        "--individual names 3 ranks, and there are 2 modalities: a, b",
    ),
    "ajive a.csv b.csv -o z.npy --n-components 0 --individual 0": (2, "no columns are asked for"),
    "apply t.safetensors a.csv b.csv -o z.npy": (7, "a model of another kind"),
    "train a.csv --labels n.csv -o z --estimator lda": (
        2,
        "the estimator lda is for classes only, and these labels are numbers",
    ),
    "train a.csv --labels y.csv -o z --set logistic.trees=3": (
        2,
        "the estimator logistic has no option 'trees'",
    ),
    "train a.csv --labels n.csv -o z --estimator knn --set knn.trees=3": (
        2,
        "the estimator knn has no option 'trees'",
    ),
    "train a.csv --labels y.csv -o z --estimator forest --set forest.criterion=no": (
        2,
        "the estimator forest cannot learn: ",
    ),
    "train a.csv --labels y.csv -o z --folds 1": (
        2,
        "1 folds are asked for, and there must be two at least",
    ),
    "train a.csv --labels y.csv -o z --folds 13": (
        2,
        "13 folds are asked for, of 12 groups of rows",
    ),
    "train a.csv --labels n.csv -o z --folds 2 --calibrate isotonic": (
        2,
        "--calibrate is for probabilities of classes, and these are numbers",
    ),
    "train a.csv b.csv --labels y.csv -o z --weight a=2 --learn-weights": (
        2,
        "--weight and --learn-weights exclude each other",
    ),
    "train a.csv b.csv --labels y.csv -o z --weight a=2 --fuse max-rule": (
        2,
        "max-rule takes no weights of models",
    ),
    "train a.csv --labels y.csv -o z --folds 0 --plot p.svg": (
        2,
        "--plot draws scores, and without folds there are none",
    ),
    "train a.csv --labels y.csv -o z --fuse sum --set lda.shrinkage=1": (
        2,
        "options are set of lda, which --fuse sum does not use",
    ),
    "train --continue knn.safetensors a.csv --labels y.csv": (
        7,
        "the model of a, of the estimator knn, cannot learn from more rows",
    ),
    "apply m.safetensors a.csv b.csv -o z.npy --nan zero": (
        2,
        "--nan zero is not how the model was made, which is --nan error",
    ),
    "concat a.csv -o z.npy --lock newer.lock": (
        3,
        "a lock file of version 2; this mmfuse reads 1",
    ),
    "concat a.csv -o z.npy --lock text.lock": (3, "not a lock file of mmfuse: "),
    "concat a.csv -o z.npy --lock large.lock": (3, "too large for a lock file of mmfuse"),
    "concat a.csv -o z.npy --lock folder": (
        3,
        "not a lock file of mmfuse, but a folder, a pipe or a device",
    ),
    "concat a.csv -o z.npy --pool-mask-zeros": (
        2,
        "--pool-mask-zeros is for sequences (n, t, d) that --pool pools",
    ),
    "snf a.csv half.csv -o z.npy --join outer --missing nan --neighbors 2": (
        2,
        "--missing nan would make every row NaN: this strategy fuses all rows at once",
    ),
    "concat a.csv b.csv -o z.npy --by-position --duplicates mean": (
        2,
        "--duplicates is for joins by id, and --by-position takes every row",
    ),
    "concat nan.csv -o z.npy --nan drop": (
        3,
        "every row has a value that is not finite, and --nan drop leaves none",
    ),
    "soft-vote a.csv half.csv -o z.npy --join outer --missing zero": (
        2,
        "--missing zero would make up a prediction: a row that lacks a model is fused from",
    ),
    "train a.csv --labels y.csv -o z --fuse sum --estimator lda": (
        2,
        "--estimator does not go with --fuse sum, whose models are linear",
    ),
    "train a.csv --labels y.csv -o z --nan keep": (
        2,
        "--nan keep lets values pass that are not finite, and no model learns from those",
    ),
    "predict t.safetensors a.csv b.csv -o z.npy --nan keep": (
        2,
        "--nan keep: nothing is predicted of values that are not finite",
    ),
    "concat a.csv -o z.npy --compression zstd": (2, "--compression is for Parquet"),
    "concat a.csv -o z.csv --layout vector": (
        2,
        "this format cannot be written in the layout 'vector'",
    ),
    "cca a.csv b.csv -o z.npy --n-components 0": (
        2,
        "--n-components is '0'; it must be a number of columns, a share between 0 and 1 such as",
    ),
    "cca a.csv -o z.npy": (2, "cca takes 2 modalities, and 1 file is given"),
    "snf a.csv b.csv -o z.npy --neighbors 20": (
        3,
        "snf is asked for 20 neighbours a row, and 12 rows have 11 at most",
    ),
    "concat a.csv -o z.npy --from yaml": (2, "no format 'yaml'"),
    "soft-vote a.csv b.csv -o z.npy --from scores,yaml": (
        2,
        "--from is 'scores,yaml': 'yaml' is no format, and none of probabilities",
    ),
    "mean a.csv a2=a.csv -o z.npy --weight 0": (
        2,
        "mean needs weights of zero or more that do not sum to zero",
    ),
}


@pytest.mark.parametrize("given", CALLS)
def test_a_wrong_call_is_told(given: str, files: Path, call: Any) -> None:
    before = sorted(os.listdir())
    code, told = CALLS[given]
    done = call(*given.split())
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("error: ")
    assert told in done.err.splitlines()[0]
    assert sorted(os.listdir()) == before


def test_a_name_that_make_cannot_hold(files: Path, call: Any) -> None:
    os.rename("a.csv", "a\nb.csv")
    done = call("concat", "m=a\nb.csv", "-o", "z.npy", "--depfile", "d")
    assert done.code == 2
    assert "--depfile cannot hold the name of a file with a line break" in done.err


def test_a_modality_of_several_in_one_conversion(files: Path) -> None:
    with pytest.raises(UsageError, match="convert takes one modality, and 2 are given"):
        mmfuse.convert({"a": "a.csv", "b": "b.csv"}, "z.npy")


def test_a_modality_that_no_file_can_be_named_like(files: Path) -> None:
    told = "an input is named 'x/y.csv', and files are named like inputs"
    with pytest.raises(UsageError, match=told):
        mmfuse.align({"x/y": "a.csv", "b": "b.csv"}, "z")
    assert not Path("z").exists()


def test_a_feature_that_is_named_as_the_ids_are(files: Path) -> None:
    frame = pd.DataFrame({"key": ["r0", "r1"], "id": [1.0, 2.0], "x": [3.0, 4.0]})
    with pytest.raises(UsageError, match="a feature column is named 'id', as the column of row"):
        mmfuse.convert({"a": frame}, "z.csv", id_column="key", column={"a": ["id", "x"]})


def test_more_than_all_in_common(files: Path) -> None:
    with pytest.raises(UsageError, match="--min-overlap is 2; it is a share from 0 to 1"):
        mmfuse.fuse("concat", ["a.csv", "b.csv"], min_overlap=2)


def test_no_transform(files: Path) -> None:
    with pytest.raises(UsageError, match="--id-transform needs a transform"):
        parse("")


def test_rows_without_end(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmfuse.core.join._MOST_ROWS", 8)
    many = (np.ones((3, 1)), ["x", "x", "x"])
    with pytest.raises(ResourceError, match=r"--duplicates explode would make 9\.0e\+00 rows"):
        mmfuse.fuse("concat", {"a": many, "b": many}, duplicates="explode")


def test_an_option_that_is_none() -> None:
    with pytest.raises(UsageError, match="concat has no option 'depth'"):
        mmfuse.fuse("concat", {"a": np.eye(3)}, options={"depth": 1})


def test_no_model_of_what_fuses_all_rows_at_once() -> None:
    with pytest.raises(UsageError, match="snf fuses all rows at once, so there is no model for"):
        mmfuse.fit("snf", {"a": np.eye(3), "b": np.eye(3)})


@pytest.mark.parametrize(
    ("missing", "told", "work", "code"),
    [
        ("sklearn", "this learns with scikit-learn", "train a.csv --labels y.csv -o z", 2),
        ("matplotlib", "drawing needs matplotlib", "inspect m.safetensors --plot z.svg", 2),
        (
            "skops",
            "not a model that can be used: this model is kept with skops",
            "predict knn.safetensors a.csv -o z.npy",
            7,
        ),
    ],
)
def test_a_library_that_is_not_there(
    missing: str,
    told: str,
    work: str,
    code: int,
    files: Path,
    call: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == missing else found(name)
    )
    done = call(*work.split())
    assert (done.code, done.err.splitlines()[0]) == (code, f"error: {told}")
    assert "hint: pip install 'mmfuse[" in done.err


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (OSError(28, "No space left on device"), 5, "cannot write: No space left on device"),
        (MemoryError(), 6, "not enough memory"),
        (RuntimeError("odd"), 1, "internal error: RuntimeError: odd"),
    ],
)
def test_what_nobody_expected(
    error: Exception, code: int, told: str, files: Path, call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("mmfuse.api.carry_out", fail)
    done = call("concat", "a.csv", "-o", "z.npy")
    assert (done.code, done.err.splitlines()[0]) == (code, f"error: {told}")


def test_memory_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_memory", lambda: 3 << 20)
    machine.refuse_beyond_memory(1 << 20)
    with pytest.raises(ResourceError, match="needs about 4 MiB of memory, and 3 MiB are there"):
        machine.refuse_beyond_memory(2 << 20)


def test_memory_that_runs_out(files: Path, call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("mmfuse.core.engine.Engine.run", fail)
    done = call("concat", "a.csv", "-o", "z.npy")
    assert done.code == 6
    assert done.err.startswith("error: not enough memory: this needs about ")
    assert not Path("z.npy").exists()


def test_standard_output_that_takes_nothing(mmfuse: Any) -> None:
    with open("/dev/full", "w") as full:
        done = mmfuse("strategies", stdout=full)
    assert done.code == 5
    assert done.err == "error: cannot write standard output: No space left on device\n"
