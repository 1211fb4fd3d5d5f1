"""Predictions of models, from files to files, the way people fuse them."""

from __future__ import annotations

import gc
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest
from numpy.typing import NDArray
from safetensors import safe_open
from scipy.special import softmax

import mmfuse as library
from mmfuse.errors import InputError
from mmfuse.voted import LabelSource

Matrix = NDArray[np.float64]
CLASSES = ["ant", "bee", "cow", "dog"]
N = 60
IDS = [f"row {k:02}" for k in range(N)]
ODD = ["a, b", 'say "x"', "two\nlines", " spaced ", "naïve 猫", "0", "-1.5", "tab\tbed", "'", "#"]


def table(p: Any, classes: Any = None, ids: Any = None) -> pd.DataFrame:
    """Probabilities by id, a column a class."""
    p = np.asarray(p, float)
    columns = CLASSES[: p.shape[1]] if classes is None else classes
    return pd.DataFrame(p, columns=columns, index=pd.Index(IDS[: len(p)] if ids is None else ids))


def random(models: int = 2, classes: int = 4, rows: int = N) -> list[Matrix]:
    rng = np.random.default_rng(0)
    return [rng.dirichlet(np.ones(classes), rows) for _ in range(models)]


def write(name: str, frame: pd.DataFrame, seed: int | None = None) -> pd.DataFrame:
    """As CSV, its rows and columns shuffled unless there is no seed."""
    if seed is not None:
        rng = np.random.default_rng(seed)
        frame = frame.iloc[rng.permutation(len(frame)), rng.permutation(frame.shape[1])]
    frame.to_csv(name, index_label="id")
    return frame


def read(place: Any) -> pd.DataFrame:
    """A fused CSV by id."""
    return pd.read_csv(place, index_col="id", dtype={"label": str})


def fused(done: Any) -> pd.DataFrame:
    """What went to standard output."""
    assert done.code == 0, done.err
    return read(io.StringIO(done.out))


@pytest.fixture
def files(here: Path) -> list[pd.DataFrame]:
    """a.csv and b.csv, each in an order of its own."""
    p, q = random()
    return [write("a.csv", table(p), 1), write("b.csv", table(q), 2)]


# --- what comes out ---------------------------------------------------------------------------


def test_two_files_are_averaged_as_pandas_would(files: list[pd.DataFrame], mmfuse: Any) -> None:
    done = mmfuse("soft-vote", "a.csv", "b.csv", "--dtype", "float64", "-o", "o.csv")
    assert (done.code, done.out) == (0, ""), done.err
    assert "inner join: 60 rows kept" in done.err
    found, (a, b) = read("o.csv"), files
    expected = (a + b) / 2  # pandas meets labels by name too
    assert list(found.columns) == [*a.columns, "n_models", "label"]
    assert list(found.index) == list(a.index)
    pd.testing.assert_frame_equal(
        found[CLASSES], expected.loc[found.index, CLASSES], check_names=False
    )
    assert found["label"].tolist() == expected.loc[found.index, CLASSES].idxmax(axis=1).tolist()
    assert set(found["n_models"]) == {2}


def test_an_outer_join_says_how_many_models_a_row_has(here: Path, mmfuse: Any) -> None:
    p, q = random()
    a, b = write("a.csv", table(p)[:40], 1), write("b.csv", table(q)[25:], 2)
    found = fused(
        mmfuse("soft-vote", "a.csv", "b.csv", "--weight", "b=3", "--join", "outer",
               "--dtype", "float64", "-o", "-")
    )  # fmt: skip
    assert sorted(found.index) == IDS
    for name, row in found.iterrows():
        own = [(w, x.loc[name]) for w, x in ((1, a), (3, b)) if name in x.index]
        total = sum(w * x for w, x in own) / sum(w for w, _ in own)
        np.testing.assert_allclose(row[CLASSES].astype(float), total[CLASSES], rtol=1e-12)
        assert row["n_models"] == len(own)
        assert row["present_a"] == (name in a.index)
        assert row["present_b"] == (name in b.index)
        assert row["label"] == total.idxmax()


def test_a_class_that_one_model_lacks(here: Path, mmfuse: Any) -> None:
    p, q = random()
    write("a.csv", table(p))
    write("b.csv", table(q, ["bee", "ant", "cow", "elk"]))
    done = mmfuse("soft-vote", "a.csv", "b.csv", "--dtype", "float64", "-o", "o.csv")
    assert done.code == 0
    assert "a does not know 'elk': their probability there is 0" in done.err
    assert "b does not know 'dog': their probability there is 0" in done.err
    found = read("o.csv")
    assert list(found.columns[:5]) == [*CLASSES, "elk"]
    np.testing.assert_allclose(found["elk"], q[:, 3] / 2)
    np.testing.assert_allclose(found["ant"], (p[:, 0] + q[:, 1]) / 2)
    np.testing.assert_allclose(found[[*CLASSES, "elk"]].sum(axis=1), 1)


def test_no_class_in_common(here: Path, mmfuse: Any) -> None:
    p, q = random()
    write("a.csv", table(p))
    write("b.csv", table(q, ["0", "1", "2", "3"]))
    done = mmfuse("hard-vote", "a.csv", "b.csv", "-o", "o.csv")
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines() == [
        "error: a has no class in common with the others: it has 'ant', 'bee', 'cow', 'dog', "
        "b '0', '1', '2', '3'",
        "hint: columns are classes and are matched by name",
    ]
    assert not Path("o.csv").exists()


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "feather", "npz", "safetensors"])
def test_classes_of_odd_names(suffix: str, here: Path, mmfuse: Any) -> None:
    p, q = random(classes=len(ODD))
    a, b = write("a.csv", table(p, ODD), 3), write("b.csv", table(q, ODD), 4)
    out = f"o.{suffix}"
    done = mmfuse("soft-vote", "a.csv", "b.csv", "--dtype", "float64", "-o", out)
    assert done.code == 0, done.err
    expected = ((a + b) / 2).loc[a.index, a.columns]
    matrix, beside = contents(Path(out), list(a.columns))
    np.testing.assert_allclose(matrix, expected, rtol=1e-12)
    assert beside["label"] == expected.idxmax(axis=1).tolist()
    assert set(beside["label"]) == set(ODD)


# --- every format -----------------------------------------------------------------------------


def contents(place: Path, columns: list[str]) -> tuple[Matrix, dict[str, list[Any]]]:
    """The matrix of a fused file, and what stands beside it, by the readers people have."""
    kind = place.suffix
    if kind in (".csv", ".tsv"):
        frame = pd.read_csv(
            place, sep="," if kind == ".csv" else "\t", dtype={"label": str, "id": str}
        )
    elif kind == ".parquet":
        frame = pd.read_parquet(place)
    elif kind == ".jsonl":
        frame = pd.DataFrame(map(json.loads, place.read_text().splitlines()))
    elif kind == ".arrow":
        with pa.ipc.open_file(place) as reader:
            frame = reader.read_all().to_pandas()
    elif kind == ".feather":
        frame = pyarrow.feather.read_table(place).to_pandas()
    elif kind == ".npz":
        with np.load(place) as held:
            assert held["columns"].tolist() == columns
            beside = {k: held[k].tolist() for k in held if k not in ("columns", "metadata")}
            return np.array(beside.pop("embeddings")), beside
    else:
        with safe_open(place, "numpy") as tensors:
            metadata = tensors.metadata()
            names = tensors.keys()  # no dictionary, whatever it looks like
            beside = {name: tensors.get_tensor(name).tolist() for name in names}
        names = json.loads(metadata["label"])
        beside["label"] = [names[number] for number in beside["label"]]
        beside["ids"] = json.loads(metadata["ids"])
        return np.array(beside.pop("embeddings")), beside
    if "embedding" in frame:
        matrix = np.stack(frame.pop("embedding").to_list())
    else:
        matrix = np.column_stack([frame.pop(name) for name in columns])
    beside = {name: frame[name].tolist() for name in frame.columns}
    beside["ids"] = beside.pop("id")
    return matrix, beside


WAYS = [
    ("o.csv", {}), ("o.tsv", {}), ("o.jsonl", {}), ("o.arrow", {}), ("o.feather", {}),
    ("o.npz", {}), ("o.safetensors", {}),
    *(("o.parquet", {"layout": layout, "compression": compression})
      for layout in ("wide", "vector") for compression in ("none", "zstd")),
    *((name, {"layout": "vector"}) for name in ("o.arrow", "o.feather")),
]  # fmt: skip


@pytest.fixture
def models() -> dict[str, pd.DataFrame]:
    """Two models that lack rows, so that every further column is there."""
    p, q = random()
    parts = {"a": table(p)[:40], "b": table(q)[25:]}
    return {name: frame.rename_axis("id").reset_index() for name, frame in parts.items()}


def further(models: dict[str, pd.DataFrame]) -> dict[str, dict[str, Any]]:
    """For every id what stands beside it, of Dempster's rule, by hand."""
    own = {name: frame.set_index("id") for name, frame in models.items()}
    found = {}
    for i in IDS:
        has = {
            name: frame.loc[i].to_numpy(float) for name, frame in own.items() if i in frame.index
        }
        alphas = {"a": 0.9, "b": 0.6}
        masses, frame = np.zeros(4), 1.0
        for name, p in has.items():
            m, left = alphas[name] * p, 1 - alphas[name]
            masses, frame = masses * m + masses * left + frame * m, frame * left
        total = masses.sum() + frame
        found[i] = {
            "conflict": 1 - total,
            "unknown": frame / total,
            "n_models": len(has),
            "present_a": "a" in has,
            "present_b": "b" in has,
            "label": CLASSES[int(masses.argmax())],
        }
    return found


@pytest.mark.parametrize(("name", "how"), WAYS)
def test_every_format_keeps_what_stands_beside(
    name: str, how: Any, models: dict[str, pd.DataFrame], here: Path
) -> None:
    weight = {"a": 0.9, "b": 0.6}
    more = {"join": "outer", "weight": weight, "dtype": "float64"}
    memory = library.fuse("dempster-shafer", models, **more)  # type: ignore[arg-type]
    library.fuse("dempster-shafer", models, name, **more, **how)  # type: ignore[arg-type]
    matrix, beside = contents(Path(name), CLASSES)
    np.testing.assert_allclose(matrix, memory.matrix, rtol=1e-15)
    expected = further(models)
    assert set(beside) == {"ids", *expected[IDS[0]]}
    assert beside["ids"] == memory.ids.tolist()
    for column in expected[IDS[0]]:
        wanted = [expected[i][column] for i in beside["ids"]]
        if column in ("conflict", "unknown"):
            assert beside[column] == pytest.approx(wanted, abs=1e-12)
        else:
            assert beside[column] == wanted

    again = library.fuse("soft-vote", {"x": name}, dtype="float64")  # they are no features
    assert again.matrix is not None
    assert again.matrix.shape == (N, 4)
    np.testing.assert_allclose(again.matrix, memory.matrix, rtol=1e-12)
    nameless = name == "o.jsonl"  # which has no room for them
    assert again.columns == (("0", "1", "2", "3") if nameless else tuple(CLASSES))


def test_shards_keep_what_stands_beside(models: dict[str, pd.DataFrame], here: Path) -> None:
    more: Any = {"join": "outer", "dtype": "float64", "format": "parquet", "shard_rows": 25}
    library.fuse("soft-vote", models, "o/", **more)
    parts = [pd.read_parquet(path) for path in sorted(Path("o").glob("*.parquet"))]
    assert [len(part) for part in parts] == [25, 25, 10]
    whole = pd.concat(parts)
    memory = library.fuse("soft-vote", models, join="outer", dtype="float64")
    assert memory.labels is not None
    assert memory.models is not None
    assert whole["label"].tolist() == memory.labels.tolist()
    assert whole["n_models"].tolist() == memory.models.tolist()
    assert whole["id"].tolist() == memory.ids.tolist()
    again = library.fuse("soft-vote", {"x": "o"}, dtype="float64")
    np.testing.assert_allclose(again.matrix, memory.matrix, rtol=1e-12)


@pytest.mark.parametrize("suffix", ["csv", "parquet", "feather", "npz", "safetensors"])
def test_fused_files_meet_by_the_names_of_their_classes(suffix: str, here: Path) -> None:
    p, q = random()
    turned = [3, 1, 0, 2]
    for name, frame in (("a", table(p)), ("b", table(q[:, turned], np.array(CLASSES)[turned]))):
        model = {"x": frame.rename_axis("id").reset_index()}
        library.fuse("soft-vote", model, f"{name}.{suffix}", dtype="float64")
    found = library.fuse("soft-vote", [f"a.{suffix}", f"b.{suffix}"], dtype="float64")
    assert found.columns == tuple(CLASSES)
    np.testing.assert_allclose(found.matrix, (p + q) / 2, rtol=1e-12)


def test_npy_says_what_it_does_not_keep(files: list[pd.DataFrame], call: Any) -> None:
    done = call("soft-vote", "a.csv", "b.csv", "-o", "o.npy")
    assert done.code == 0
    lost = "npy does not keep the predicted label and how many models a row has"
    assert lost in " ".join(done.err.split())
    assert np.load("o.npy").shape == (N, 4)
    assert "does not keep" not in call("soft-vote", "a.csv", "b.csv", "-o", "o.npz").err


@pytest.mark.parametrize("names", [["conflict", "unknown", "ant"], ["ant", "unknown", "conflict"]])
@pytest.mark.parametrize("suffix", ["csv", "parquet", "feather"])
def test_classes_may_be_called_as_beliefs_are(
    names: list[str], suffix: str, here: Path, call: Any
) -> None:
    p, q = random(classes=3)
    write("a.csv", table(p, names))
    write("b.csv", table(q, names))
    for given, out in ((("a.csv", "b.csv"), "o"), ((f"o.{suffix}", f"b=o.{suffix}"), "again")):
        done = call("soft-vote", *given, "--dtype", "float64", "-o", f"{out}.{suffix}")
        assert done.code == 0, done.err
    for name in ("o", "again"):
        matrix, beside = contents(Path(f"{name}.{suffix}"), names)
        np.testing.assert_allclose(matrix, (p + q) / 2, rtol=1e-12)
        assert beside["label"] == [names[k] for k in ((p + q) / 2).argmax(axis=1)]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_threads_and_memory_change_no_byte(suffix: str, here: Path) -> None:
    rng = np.random.default_rng(1)
    n = 20_000
    for name in "ab":
        p = rng.dirichlet(np.ones(5), n)
        ids = rng.permutation(n + 2000)[:n]
        pd.DataFrame(p, columns=list("vwxyz")[:5]).rename(columns={"y": "u"}).assign(id=ids).to_csv(
            f"{name}.csv", index=False
        )
    written = set()
    for k, how in enumerate(({"threads": 1}, {"threads": 2}, {"threads": 2, "memory": 4 << 20})):
        out = f"{k}.{suffix}"
        library.fuse(
            "dempster-shafer",
            ["a.csv", "b.csv"],
            out,
            join="outer",
            weight=0.9,
            **how,  # type: ignore[arg-type]
        )
        written.add(Path(out).read_bytes())
    assert len(written) == 1
    assert len(written.pop()) > 40 * n


# --- what the files hold ----------------------------------------------------------------------


def test_logits_say_so(here: Path, mmfuse: Any) -> None:
    p, (logits, counts) = random(1)[0], np.random.default_rng(2).normal(0, 3, (2, N, 4))
    counts = np.ceil(np.abs(counts))
    for name, values in (("p", p), ("logits", logits), ("counts", counts)):
        write(f"{name}.csv", table(values))
    told = {
        "logits": "values from -",
        "counts": "rows that sum to",
    }
    hints = {
        "logits": "--from logits=logits takes them for logits, and their softmax",
        "counts": "--from counts=scores divides every row by its sum",
    }
    for name in told:
        done = mmfuse("soft-vote", "p.csv", f"{name}.csv", "-o", "o.csv")
        assert (done.code, done.out) == (3, "")
        error, where, hint = done.err.splitlines()
        assert error.startswith(f"error: these are no probabilities: {told[name]}")
        assert error.endswith("; the first ids: 'row 00', 'row 01', 'row 02'")
        assert where == f"  in: {name}={name}.csv"
        assert hint == f"hint: {hints[name]}"
        assert not Path("o.csv").exists()
    found = fused(
        mmfuse("soft-vote", "p.csv", "logits.csv", "counts.csv", "--from", "logits=logits",
               "--from", "counts=scores", "--dtype", "float64", "-o", "-")
    )  # fmt: skip
    shares = counts / counts.sum(axis=1, keepdims=True)
    expected = (p + softmax(logits, axis=1) + shares) / 3
    np.testing.assert_allclose(found[CLASSES], expected, rtol=1e-12)


def test_rows_that_sum_to_two_name_their_ids(here: Path, call: Any) -> None:
    p, q = random()
    q[[5, 50]] *= 2
    write("a.csv", table(p))
    write("b.csv", table(q))
    done = call("max-rule", "a.csv", "b.csv", "-o", "o.csv")
    assert done.code == 3
    assert "rows that sum to 2; the first ids: 'row 05', 'row 50'" in done.err


def test_models_that_exclude_each_other_name_their_ids(here: Path, mmfuse: Any) -> None:
    p, q = random()
    p[[7, 9]], q[[7, 9]] = [1, 0, 0, 0], [0, 0, 1, 0]
    write("a.csv", table(p))
    write("b.csv", table(q))
    done = mmfuse("dempster-shafer", "a.csv", "b.csv", "-o", "o.csv")
    assert (done.code, done.out) == (3, "")
    assert "the first ids: 'row 07', 'row 09'" in done.err
    assert "hint: --rule yager" in done.err
    found = fused(mmfuse("dempster-shafer", "a.csv", "b.csv", "--rule", "yager", "-o", "-"))
    assert found["conflict"].iloc[7] == 1
    assert found["unknown"].iloc[9] == 1
    np.testing.assert_allclose(found[CLASSES].iloc[[7, 9]], 0.25)


VOTES = np.random.default_rng(3).integers(0, 3, (3, N))


@pytest.fixture
def voted(here: Path) -> pd.DataFrame:
    """Labels of three models in files of several kinds; the shares of votes by hand."""
    names = np.array(["cat", "dog", "newt"])
    rng = np.random.default_rng(4)
    for k, own in enumerate(VOTES):
        order = rng.permutation(N) if k else np.arange(N)
        frame = pd.DataFrame({"id": np.array(IDS, object)[order], "label": names[own][order]})
        frame.to_csv(f"{k}.csv", index=False)
        frame.to_parquet(f"{k}.parquet")
        np.save(f"{k}.npy", names[own][order])
        Path(f"{k}.ids.txt").write_text("\n".join(frame["id"]) + "\n")
        frame.rename(columns={"label": "answer", "id": "item"}).to_csv(f"other{k}.csv", index=False)
    shares = np.mean([np.eye(3)[own] for own in VOTES], axis=0)
    return pd.DataFrame(shares, columns=names, index=pd.Index(IDS))


@pytest.mark.parametrize("suffix", ["csv", "parquet", "npy"])
def test_labels_are_votes(suffix: str, voted: pd.DataFrame, mmfuse: Any) -> None:
    given = [f"m{k}={k}.{suffix}" for k in range(3)]
    found = fused(mmfuse("hard-vote", *given, "--from", "labels", "--dtype", "float64", "-o", "-"))
    assert list(found.index) == IDS
    np.testing.assert_allclose(found[list(voted.columns)], voted, rtol=1e-12)
    clear = (voted == voted.to_numpy().max(axis=1, keepdims=True)).sum(axis=1) == 1
    assert found["label"][clear].tolist() == voted.idxmax(axis=1)[clear].tolist()
    tied = found["label"][~clear]
    assert set(tied) == {"cat"}  # three votes for three classes: the first


def test_labels_in_columns_of_other_names(voted: pd.DataFrame, call: Any) -> None:
    given = [f"m{k}=other{k}.csv" for k in range(3)]
    named = ("--column", "answer", "--id-column", "item")
    done = call("soft-vote", *given, "--from", "labels", *named, "--dtype", "float64", "-o", "-")
    np.testing.assert_allclose(fused(done)[list(voted.columns)], voted, rtol=1e-12)


def test_labels_beside_probabilities(voted: pd.DataFrame, call: Any) -> None:
    p = random(1, 3)[0]
    write("p.csv", table(p, ["newt", "cat", "dog"]), 5)
    votes = np.eye(3)[VOTES[1]]
    done = call("soft-vote", "m1=1.csv", "p.csv", "--from", "m1=labels", "--dtype", "float64",
                "--weight", "p=3", "-o", "-")  # fmt: skip
    found = fused(done).loc[IDS, ["cat", "dog", "newt"]]
    np.testing.assert_allclose(found, (votes + 3 * p[:, [1, 2, 0]]) / 4, rtol=1e-12)


def test_labels_in_memory(voted: pd.DataFrame) -> None:
    names = np.array(list(voted.columns))
    given = {f"m{k}": (names[own], IDS) for k, own in enumerate(VOTES)}
    fused = library.fuse("hard-vote", given, input_format="labels", dtype="float64")
    np.testing.assert_allclose(fused.matrix, voted, rtol=1e-12)
    numbers = {f"m{k}": own for k, own in enumerate(VOTES)}
    fused = library.fuse("hard-vote", numbers, input_format="labels", dtype="float64")
    assert fused.columns == ("0", "1", "2")
    np.testing.assert_allclose(fused.matrix, voted, rtol=1e-12)


def test_a_fused_file_votes_by_its_labels(voted: pd.DataFrame, call: Any) -> None:
    given = [f"m{k}={k}.csv" for k in range(3)]
    assert call("hard-vote", *given, "--from", "labels", "-o", "o.csv").code == 0
    label = read("o.csv")["label"]
    found = fused(call("soft-vote", "o.csv", "--from", "labels", "-o", "-"))
    expected = pd.get_dummies(label)
    np.testing.assert_array_equal(found[list(expected.columns)], expected)


def test_tables_of_labels_alone_go_by_position_or_by_ids_of_another_file(
    here: Path, call: Any
) -> None:
    for k, own in enumerate(("aba", "abb", "aab")):
        Path(f"{k}.csv").write_text("prediction\n" + "\n".join(own) + "\n")
        rows = "".join(f"{item},{name}\n" for item, name in zip("ppq", own, strict=True))
        Path(f"more{k}.csv").write_text("item,prediction\n" + rows)
    Path("ids.txt").write_text("x\ny\nz\n")
    given = ("hard-vote", "0.csv", "1.csv", "2.csv", "--from", "labels", "-o", "o.csv")
    for more, ids in (((), [0, 1, 2]), (("--ids", "ids.txt"), ["x", "y", "z"])):
        assert call(*given, *more).code == 0
        found = pd.read_csv("o.csv")
        assert (found["id"].tolist(), found["label"].tolist()) == (ids, ["a", "b", "b"])
    plain, beside = Path("o.csv").read_bytes(), [f"{k}=more{k}.csv" for k in range(3)]
    assert call("hard-vote", *beside, *given[4:], "--ids", "ids.txt").code == 0
    assert Path("o.csv").read_bytes() == plain


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        (("p.csv", "--from", "labels"), 3, "no column of labels"),
        (("m=0.csv", "--from", "labels", "--column", "id", "--column", "label"), 3, "one column"),
        (("m=0.csv", "--from", "guesses"), 2, "guesses"),
        (("gone.csv", "--from", "labels"), 3, "no such file"),
        (("m=0.csv", "--from", "labels", "--column", "nothing"), 3, "no column 'nothing'"),
        (("other0.csv", "--from", "labels", "--column", "answer"), 3, "hint: name it: --ids NAME="),
    ],
)
def test_labels_that_are_not_there(
    given: tuple[str, ...], code: int, told: str, voted: pd.DataFrame, call: Any
) -> None:
    write("p.csv", table(random(1)[0]))
    done = call("hard-vote", *given, "-o", "o.csv")
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert not Path("o.csv").exists()


def test_logits_from_standard_input(here: Path, mmfuse: Any) -> None:
    p, logits = random(1)[0], np.random.default_rng(2).normal(0, 3, (N, 4))
    write("p.csv", table(p))
    write("logits.csv", table(logits), 3)
    for said in ("x=csv,logits", "x=logits,csv"):
        with Path("logits.csv").open("rb") as stream:
            done = mmfuse("soft-vote", "p.csv", "x=-", "--from", said, "--dtype", "float64",
                          "-o", "-", stdin=stream)  # fmt: skip
        expected = (p + softmax(logits, axis=1)) / 2
        np.testing.assert_allclose(fused(done)[CLASSES], expected, rtol=1e-12)


# --- numbers ----------------------------------------------------------------------------------


def test_numbers_are_averaged_over_the_models_that_a_row_has(here: Path, mmfuse: Any) -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(100, 9, (2, N))
    a = pd.Series(x, index=IDS, name="guess")[:40]
    b = pd.Series(y, index=IDS, name="forecast")[20:].sample(frac=1, random_state=0)
    a.to_csv("a.csv", index_label="id")
    b.to_csv("b.csv", index_label="id")
    how = ("--weight", "a=2", "--join", "outer", "--dtype", "float64")
    done = mmfuse("weighted-mean", "a.csv", "b.csv", *how, "-o", "-")
    found = fused(done)
    assert list(found.columns) == ["prediction", "n_models", "present_a", "present_b"]
    for name, row in found.iterrows():
        own = [(w, s[name]) for w, s in ((2, a), (1, b)) if name in s.index]
        expected = sum(w * v for w, v in own) / sum(w for w, _ in own)
        assert row["prediction"] == pytest.approx(expected, rel=1e-12)
        assert row["n_models"] == len(own)


def test_weights_are_learned_of_a_file_of_numbers(here: Path, mmfuse: Any) -> None:
    rng = np.random.default_rng(6)
    truth = rng.normal(100, 9, N)
    guesses = {name: truth + rng.normal(0, sd, N) for name, sd in (("a", 1), ("b", 3))}
    for name, values in guesses.items():
        pd.Series(values, index=IDS, name="guess").sample(frac=1, random_state=1).to_csv(
            f"{name}.csv", index_label="id"
        )
    pd.Series(truth, index=IDS, name="sales").to_csv("truth.csv", index_label="id")
    how = ("--labels", "truth.csv:sales", "--dtype", "float64", "--sort-ids")
    found = fused(mmfuse("bates-granger", "a.csv", "b.csv", *how, "-o", "-"))
    x = np.column_stack(list(guesses.values()))
    s = np.linalg.inv(np.cov((x - truth[:, None]).T, ddof=0))
    expected = x @ s.sum(axis=1) / s.sum()
    np.testing.assert_allclose(found["prediction"], expected, rtol=1e-9)
    done = mmfuse("fit", "bates-granger", "a.csv", "b.csv", *how[:2], "-o", "m.safetensors")
    assert done.code == 0, done.err
    one = fused(mmfuse("apply", "m.safetensors", "b.csv", "--sort-ids", "--dtype", "float64",
                       "-o", "-"))  # fmt: skip
    np.testing.assert_allclose(one["prediction"], guesses["b"], rtol=1e-12)
    assert set(one["n_models"]) == {1}


def test_what_is_not_finite_is_no_prediction(mmfuse: Any, here: Path) -> None:
    Path("p.csv").write_text("id,a,b\nx,nan,1\ny,0.2,0.8\n")
    for strategy in ("soft-vote", "hard-vote", "log-pool"):
        done = mmfuse(strategy, "p.csv", "--nan", "keep", "-o", "o.csv")
        assert done.code == 2
        assert "--nan drop" in done.err
        done = mmfuse(strategy, "p.csv", "-o", "o.csv")
        assert done.code == 3
        assert "'x'" in done.err
        assert not Path("o.csv").exists()


@pytest.mark.parametrize("kind", ["logits", "scores"])
def test_a_column_that_may_be_a_class_or_not_is_not_guessed(
    mmfuse: Any, here: Path, kind: str
) -> None:
    Path("p.csv").write_text("id,index,b\nx,2,3\ny,3,1\n")
    done = mmfuse("soft-vote", "p.csv", "--from", kind, "-o", "o.csv")
    assert done.code == 3
    assert "whether 'index' is a class cannot be told" in done.err
    named = ("--column", "index", "--column", "b")
    assert mmfuse("soft-vote", "p.csv", "--from", kind, *named, "-o", "o.csv").code == 0
    assert pd.read_csv("o.csv")["label"].tolist() == ["b", "index"]


def test_a_run_that_fails_leaves_no_writer_behind(here: Path) -> None:
    """Its end would be written when it is collected: into a file that has been closed."""
    for name, b in (("p.csv", "0.8"), ("q.csv", "0.9")):
        Path(name).write_text(f"id,a,b\nx,0.2,{b}\n")
    Path("p.csv").write_text("id,a,b\nx,0.2,5\n")
    with pytest.raises(InputError):
        library.fuse("soft-vote", ["p.csv", "q.csv"], "o.parquet")
    gc.collect()
    assert not Path("o.parquet").exists()


def test_labels_are_read_in_blocks_as_in_any_order() -> None:
    numbers = np.random.default_rng(0).integers(0, 3, 40_000)
    source = LabelSource(
        name="m", label="m", columns=("x", "y", "z"), rows=len(numbers), dtype=np.dtype("f4"),
        ids=None, id_source="", numbers=numbers,
    )  # fmt: skip
    blocks = list(source.blocks())
    assert len(blocks) > 1
    assert np.array_equal(np.concatenate(blocks), np.eye(3)[numbers])
    some = np.array([39_999, 0, 7])
    out = np.full((3, 3), np.nan, np.float32)
    source.read(some, out)
    assert np.array_equal(out, np.eye(3)[numbers[some]])
