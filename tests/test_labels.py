"""Labels: where they come from, how they meet rows, what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import mmfuse
from mmfuse.errors import MmfuseError

Matrix = NDArray[np.float64]
N = 90
IDS = [f"row {k:03}" for k in range(N)]
CLASSES = np.array(["cat", "dog", "newt"])[np.arange(N) % 3]


@pytest.fixture
def files(here: Path) -> Matrix:
    """x.csv with text ids, in an order of its own; labels in every kind of file."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 4)) + np.eye(3, 4)[np.arange(N) % 3] * 3
    order = rng.permutation(N)
    frame = pd.DataFrame(x, columns=list("abcd")).assign(id=IDS)
    frame.iloc[order].to_csv("x.csv", index=False)
    other = rng.permutation(N)
    table = pd.DataFrame({"id": IDS, "animal": CLASSES, "number": np.arange(N) % 3}).iloc[other]
    table.to_csv("l.csv", index=False)
    table.to_parquet("l.parquet")
    table.to_feather("l.feather")
    table.to_json("l.jsonl", orient="records", lines=True)
    table.rename(columns={"animal": "Label", "number": "label"}).to_csv("named.csv", index=False)
    np.save("l.npy", np.asarray(table["animal"], "U"))
    Path("l.ids.txt").write_text("\n".join(table["id"]) + "\n")
    Path("plain.txt").write_text("\n".join(CLASSES) + "\n")
    np.save("few.npy", CLASSES)
    Path("few.ids.txt").write_text("\n".join(IDS[1:]) + "\n")
    pd.DataFrame({"label": CLASSES, "animal": CLASSES}).to_csv("two.csv", index=False)
    return x


def fuse(labels: Any, inputs: Any = "x.csv", **more: Any) -> mmfuse.Fused:
    return mmfuse.fuse("lda", {"x": inputs}, labels=labels, dtype="float64", **more)


def expected(x: Matrix) -> mmfuse.Fused:
    return fuse((CLASSES, IDS), (x, IDS))


@pytest.mark.parametrize(
    "spec",
    [
        *(f"l.{suffix}:animal" for suffix in ("csv", "parquet", "feather", "jsonl")),
        *(f"l.{suffix}:number" for suffix in ("csv", "parquet", "feather", "jsonl")),
        *("named.csv", "named.csv:Label", "l.npy"),
    ],
)  # fmt: skip
def test_labels_of_every_kind_of_file(spec: str, files: Matrix) -> None:
    found, wanted = fuse(spec, sort_ids=True), expected(files)
    assert found.matrix is not None
    assert found.ids.tolist() == wanted.ids.tolist()
    np.testing.assert_allclose(found.matrix, wanted.matrix, atol=1e-9)
    assert any(path.startswith(spec.partition(":")[0]) for path in found.summary.reads)


def test_labels_without_ids_go_with_rows_without_ids(files: Matrix) -> None:
    found = fuse("plain.txt", files)
    np.testing.assert_allclose(found.matrix, expected(files).matrix, atol=1e-9)
    np.testing.assert_allclose(fuse(CLASSES, files).matrix, found.matrix)
    assert fuse(np.arange(N) % 3 > 0, files).matrix.shape == (N, 1)  # type: ignore[union-attr]


@pytest.mark.parametrize("suffix", ["csv", "parquet", "feather", "jsonl", "npz"])
def test_a_table_of_labels_alone_has_no_ids(suffix: str, files: Matrix) -> None:
    """Where the labels are numbers, they may look like the ids of the rows."""
    numbers = np.arange(N) % 3
    table, path = pd.DataFrame({"label": numbers}), f"alone.{suffix}"
    if suffix == "csv":
        table.to_csv(path, index=False)
    elif suffix == "jsonl":
        table.to_json(path, orient="records", lines=True)
    elif suffix == "npz":
        np.savez(path, label=numbers)
    else:
        getattr(table, f"to_{suffix}")(path)
    np.testing.assert_allclose(fuse(path, files).matrix, expected(files).matrix, atol=1e-9)
    for spec in (path, f"{path}:label"):
        with pytest.raises(MmfuseError, match="90 labels without ids for 90 rows joined by id"):
            fuse(spec, (files, np.arange(N)))
    Path("alone.ids.txt").write_text("\n".join(map(str, range(N))) + "\n")
    beside = fuse(path, (files, np.arange(N)))
    np.testing.assert_allclose(beside.matrix, expected(files).matrix, atol=1e-9)


def test_ids_are_rewritten_where_labels_have_some(files: Matrix) -> None:
    given = (CLASSES, [name.upper() for name in IDS])
    found = fuse(given, (files, [name.title() for name in IDS]), id_transform="lower")
    assert found.ids.tolist() == IDS
    bare = fuse(CLASSES, files, id_transform="lower")
    for fused in (found, bare):
        np.testing.assert_allclose(fused.matrix, expected(files).matrix, atol=1e-9)


def test_classes_are_in_the_order_of_values(files: Matrix) -> None:
    model = fuse(np.arange(N) % 3 * 5 - 5, files, report=True).model
    assert model is not None
    assert model.schema.classes == ("-5", "0", "5")


@pytest.mark.parametrize(
    ("labels", "inputs", "code", "told"),
    [
        ("plain.txt", "x.csv", 4, "90 labels without ids for 90 rows joined by id"),
        ("l.csv", "x.csv", 3, "no column of labels: none is called label, labels,"),
        ("l.csv:colour", "x.csv", 3, "no column 'colour'"),
        ("gone.csv", "x.csv", 3, "no such file"),
        ("few.npy", "x.csv", 4, "89 ids for 90 labels"),
        ("two.csv", "x.csv", 3, "hint: labels stand beside a column of ids, called id, key,"),
        ("two.csv:label", "x.csv", 3, "hint: labels stand beside a column of ids, called id,"),
        (["a"] * N, np.ones((N, 2)), 3, "all 90 labels are 'a', and two classes are needed"),
        (np.linspace(0, 1, N), np.ones((N, 2)), 3, "labels are float64"),
        ((["a", "b"], ["no", "one"]), "x.csv", 4, "no row has a label: the rows have ids such as"),
        ((["a", "b", "a"], [IDS[0], IDS[0], IDS[1]]), "x.csv", 4, "'row 000' has several labels"),
        (["a", "b"], np.ones((N, 2)), 4, "2 labels without ids for 90 rows joined by position"),
        ((["a", "b"], ["001", "2"]), (np.ones((2, 2)), [1, 2]), 4, "001"),
    ],
)  # fmt: skip
def test_what_is_refused(labels: Any, inputs: Any, code: int, told: str, files: Matrix) -> None:
    with pytest.raises(MmfuseError) as caught:
        fuse(labels, inputs)
    assert told in str(caught.value)
    assert caught.value.exit_code == code


def test_a_label_that_is_missing_is_told(files: Matrix) -> None:
    table = pd.read_csv("l.csv")
    table.loc[3, "animal"] = None
    table.to_csv("l.csv", index=False)
    with pytest.raises(MmfuseError, match="1 label is empty"):
        fuse("l.csv:animal")
    table.dropna().to_csv("l.csv", index=False)
    assert any("1 row " in n or "1 rows " in n for n in fuse("l.csv:animal").summary.notes)


def test_the_same_label_twice_is_one(files: Matrix) -> None:
    twice = (np.concatenate([CLASSES, CLASSES]), [*IDS, *IDS])
    np.testing.assert_allclose(fuse(twice, (files, IDS)).matrix, expected(files).matrix, atol=1e-12)


def test_on_the_command_line(files: Matrix, mmfuse: Any) -> None:
    line = "lda x.csv --labels l.csv:animal -o o.parquet --save m.safetensors --depfile o.d"
    done = mmfuse(*line.split())
    assert done.code == 0, done.err
    assert "l.csv" in Path("o.d").read_text()
    before = Path("l.csv").read_bytes()
    for wrong in (
        "-o l.csv",
        "-o o.npy --save l.csv",
        "-o o.npy --summary l.csv",
        "-o o.npy --depfile l.csv",
    ):
        refused = mmfuse(*["lda", "x.csv", "--labels", "l.csv:animal"], *wrong.split())
        assert refused.code == 2, refused.err
        assert Path("l.csv").read_bytes() == before
    for strategy in ("lda", "dca"):
        lacking = mmfuse(strategy, "x.csv", "y=x.csv", "-o", "z.npy")
        assert lacking.code == 2
        assert f"{strategy} learns from labels: --labels FILE[:COLUMN]" in lacking.err
    assert (
        "no such option: --labels"
        in mmfuse(*["pca", "x.csv", "--labels", "l.csv", "-o", "o.npy"]).err
    )


def test_going_on_takes_labels_of_known_classes(files: Matrix, call: Any) -> None:
    halves = [pd.read_csv("x.csv").iloc[rows] for rows in (slice(0, 50), slice(50, N))]
    for k, half in enumerate(halves):
        half.to_csv(f"x{k}.csv", index=False)
    labels = "--labels l.csv:animal"
    assert call(*f"fit lda x=x0.csv {labels} -o m.safetensors".split()).code == 0
    lacking = call(*["fit", "--continue", "m.safetensors", "x=x1.csv"])
    assert (lacking.code, "lda learns from labels" in lacking.err) == (2, True)
    done = call(*f"fit --continue m.safetensors x=x1.csv {labels}".split())
    assert done.code == 0, done.err
    call(*f"fit lda x.csv {labels} -o all.safetensors".split())
    call(*f"fit lda x=x1.csv {labels} -o second.safetensors".split())
    call(*f"fit lda x=x0.csv {labels} -o first.safetensors".split())
    assert (
        call(*["merge", "first.safetensors", "second.safetensors", "-o", "both.safetensors"]).code
        == 0
    )
    found = [
        json.loads(call("inspect", f"{m}.safetensors", "--json").out)["models"][f"{m}.safetensors"]
        for m in ("m", "all", "both")
    ]
    for one in found:
        assert one["rows"] == N
        np.testing.assert_allclose(one["spectrum"], found[1]["spectrum"], rtol=1e-10)
    table = pd.read_csv("l.csv").replace("newt", "owl")
    table.to_csv("l.csv", index=False)
    other = call(*f"fit --continue m.safetensors x=x1.csv {labels}".split())
    assert other.code == 7
    assert "the model has no class 'owl'" in other.err
    assert "hint: it has cat, dog, newt" in other.err
