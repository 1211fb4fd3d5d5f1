"""Folders of one npy file a sample: a row each, named by its path."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmfuse import fuse, inspect
from mmfuse.core.natural import natural
from mmfuse.errors import AlignmentError, InputError, MmfuseError

RNG = np.random.default_rng(5)


def write(vectors: dict[str, Any], folder: str = "s") -> dict[str, Any]:
    for name, vector in vectors.items():
        path = Path(folder, f"{name}.npy")
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, vector)
    return vectors


def vectors_of(names: list[str], dim: int = 3) -> dict[str, Any]:
    return {name: RNG.normal(size=dim).astype(np.float32) for name in names}


@pytest.fixture
def twelve(here: Path) -> dict[str, Any]:
    """Samples 0 to 11 in `s/`, written in another order."""
    return write(vectors_of([str(k) for k in RNG.permutation(12)]))


def ordered(samples: dict[str, Any]) -> np.ndarray:
    return np.array([samples[name] for name in sorted(samples, key=natural)])


def refused(kind: type[MmfuseError], match: str, *inputs: str, **more: Any) -> MmfuseError:
    with pytest.raises(kind, match=match) as raised:
        fuse("concat", list(inputs), **more)
    return raised.value


@pytest.mark.parametrize("named", ["s", "s/", "./s", "s/*.npy", "s/*", "*/*.npy", "s//*.npy"])
def test_every_file_is_a_row_in_natural_order(twelve, named):
    found = fuse("concat", {"x": named})
    assert np.array_equal(found.matrix, [twelve[str(k)] for k in range(12)])
    folder = "s/" if named.startswith("*") else ""
    expected = [f"{folder}{k}" for k in range(12)]
    assert list(map(str, found.ids)) == expected
    assert found.ids.dtype == (object if folder else np.int64)
    assert found.columns == ("x_0", "x_1", "x_2")
    told = found.summary.notes
    assert "a sample a file" in told[0]
    assert "12 files in natural order, 0.npy to 11.npy" in told[1]


def test_folders_in_it_are_part_of_the_ids(here):
    names = ["cat/10", "cat/2", "dog/a/1", "top", "dog.v2/x.y"]
    samples = write(vectors_of(names))
    Path("s/empty").mkdir()
    found = fuse("concat", ["s/"])
    assert found.ids.tolist() == ["cat/2", "cat/10", "dog.v2/x.y", "dog/a/1", "top"]
    assert np.array_equal(found.matrix, [samples[name] for name in found.ids])


def test_folders_alone(here):
    samples = write(vectors_of(["b/1", "a/2"]))
    found = fuse("concat", ["s"], id_transform="basename")
    assert list(map(str, found.ids)) == ["2", "1"]
    assert np.array_equal(found.matrix, [samples["a/2"], samples["b/1"]])


def test_links_are_followed_but_not_in_circles(here):
    samples = write(vectors_of(["a"])) | write(vectors_of(["b"]), "elsewhere")
    Path("s/more").symlink_to(Path("elsewhere").resolve())
    Path("s/again").symlink_to(Path("s").resolve())
    found = fuse("concat", ["s"])
    assert found.ids.tolist() == ["a", "more/b"]
    assert np.array_equal(found.matrix, [samples["a"], samples["b"]])


def test_the_command_line_joins_samples_with_a_table(here, mmfuse):
    samples = write(vectors_of(["train/a10", "train/a2", "val/b1", "val/b3"]))
    Path("t.csv").write_text("id,v\nb1,1\na10,2\na2,3\nzz,4\n")
    done = mmfuse(
        *("concat", "img=s/", "t.csv", "--id-transform", "img=basename"),
        *("-o", "o.parquet", "--depfile", "o.d"),
    )
    assert done.code == 0, done.err
    assert "file names, basename" in done.err
    table = pq.read_table("o.parquet")
    assert table["id"].to_pylist() == ["a2", "a10", "b1"]
    expected = [[*samples["train/a2"], 3], [*samples["train/a10"], 2], [*samples["val/b1"], 1]]
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist()), expected)
    listed = " ".join(f"s/{name}.npy" for name in sorted(samples, key=natural))
    assert Path("o.d").read_text() == f"o.parquet: {listed} t.csv\n"
    kept = Path("s/val/b1.npy").read_bytes()
    done = mmfuse("concat", "s/", "-o", "o.npy", "--summary", "s/val/b1.npy")
    assert (done.code, Path("s/val/b1.npy").read_bytes()) == (2, kept)


def test_dtypes_are_promoted(here):
    kinds = ["<f2", ">i4", "?", "<f8", "|u1"]
    samples = write({str(k): np.array([k, 1], kind) for k, kind in enumerate(kinds)})
    found = fuse("concat", ["s"], dtype="float64")
    assert np.array_equal(found.matrix, [samples[str(k)] for k in range(5)])
    assert found.summary.inputs[0].dtype == "float64"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    numbers=st.lists(st.integers(0, 2000), min_size=1, max_size=600, unique=True),
    other=st.randoms(use_true_random=False),
    scarce=st.booleans(),
    threads=st.integers(1, 3),
)
def test_rows_are_picked_in_any_order(
    tmp_path_factory, monkeypatch, numbers, other, scarce, threads
):
    folder = tmp_path_factory.mktemp("s")
    for number in numbers:
        np.save(folder / f"{number}.npy", np.array([number, -number], np.float32))
    wanted = [*numbers[: len(numbers) // 2 + 1], 5000]
    other.shuffle(wanted)
    y = (np.array(wanted, np.float32)[:, None], np.array(wanted))
    with monkeypatch.context() as patch:
        if scarce:  # of memory, so that rows are read part by part into a temporary file
            patch.setattr("mmfuse.prepare.available_memory", lambda: 0)
        found = fuse("concat", {"y": y, "x": str(folder)}, threads=threads)
    expected = [[number, number, -number] for number in wanted if number != 5000]
    assert np.array_equal(found.matrix, np.array(expected, np.float32))


def test_two_dimensions_stay_shards(here):
    write({"a": np.ones((1, 3)), "b": np.zeros((1, 3)), "sub/c": np.zeros(3)})
    found = fuse("concat", ["s"])
    assert found.summary.inputs[0].ids == "position"
    assert np.array_equal(found.matrix, [[1, 1, 1], [0, 0, 0]])


def test_ids_beside_shards_are_no_samples(here):
    write({"a": np.ones((2, 3)), "a.ids": np.array([7, 8])})
    found = fuse("concat", ["s"])
    assert (found.ids.tolist(), found.matrix.shape) == ([7, 8], (2, 3))


@pytest.mark.parametrize("named", ["s", "s/*.npy"])
def test_vectors_with_ids_beside_them_are_columns(here, named):
    write({"a": np.arange(2.0), "b": np.arange(2.0) + 5})
    Path("s/a.ids.txt").write_text("p\nq\n")
    Path("s/b.ids.txt").write_text("r\ns\n")
    found = fuse("concat", {"x": named})
    assert (found.ids.tolist(), found.matrix.tolist()) == ([*"pqrs"], [[0], [1], [5], [6]])


def test_the_rule_for_make_may_lie_in_a_folder_of_the_input(here, call):
    write({"a": np.ones((2, 3))})
    Path("s/build").mkdir()
    for _ in range(2):
        assert call("concat", "s", "-o", "s/build/o.npy", "--depfile", "s/build/o.d").code == 0


def test_a_list_of_vectors_is_one_column(here):
    write({"a": np.arange(2.0), "b": np.arange(3.0)})
    found = fuse("concat", {"x": ["s/a.npy", "s/b.npy"]})
    assert found.matrix.tolist() == [[0], [1], [0], [1], [2]]


@pytest.mark.parametrize(
    ("odd", "told"),
    [
        (np.ones(4), "it has 4 values, and 0.npy has 3"),
        (np.ones((2, 3)), r"an array of shape \(2, 3\), and 0.npy is one vector"),
        (np.ones((1, 3)), r"an array of shape \(1, 3\), and 0.npy is one vector"),
        (np.array(1.0), r"an array of shape \(\), and 0.npy is one vector"),
        (np.array(["a", "b", "c"]), "features are real numbers"),
        (np.ones(3, [("id", int), ("v", float)]), "features are real numbers"),
        (np.array([None] * 3), "an array of Python objects"),
    ],
)
def test_a_file_that_is_no_such_sample_is_named(twelve, odd, told):
    np.save("s/7.npy", odd, allow_pickle=True)
    assert refused(InputError, told, "x=s").where == "x=s/7.npy"


def test_other_errors(twelve):
    refused(InputError, "no named columns", "s", column="a")
    refused(InputError, "no named columns", "s", id_column="a")
    refused(AlignmentError, "--pool mean has nothing to pool", "s", pool="mean")
    Path("ids.txt").write_text("a\nb\n")
    refused(AlignmentError, "2 ids for 12 rows", "s", ids={"s": "ids.txt"})
    Path("s/sub").mkdir()
    Path("s/sub/a.txt").write_text("a")
    refused(InputError, "files of several formats", "s")
    Path("s/sub/a.txt").unlink()
    np.save("n.npy", np.zeros(3))
    os.replace(b"n.npy", b"s/sub/\xff.npy")
    refused(InputError, "not valid UTF-8", "s")


def test_ids_from_a_file(twelve):
    Path("ids.txt").write_text("\n".join(f"r{k}" for k in range(12)))
    found = fuse("concat", {"x": "s"}, ids={"x": "ids.txt"})
    assert found.ids.tolist() == [f"r{k}" for k in range(12)]


def test_a_damaged_first_file_is_named(twelve):
    Path("s/0.npy").write_bytes(b"\x93NUMPY")
    assert "s/0.npy" in str(refused(InputError, "damaged", "s").where)


@pytest.mark.parametrize("change", ["longer", "touched", "gone"])
def test_a_sample_that_changes_is_noticed(twelve, change):
    def progress(*_: object) -> None:
        path = Path("s/11.npy")
        if change == "gone":
            path.unlink(missing_ok=True)
        elif change == "longer":
            np.save(path, np.zeros(9, np.float32))
        else:
            os.utime(path, ns=(1, 1))

    with pytest.raises(InputError, match="the file changed while it was read") as raised:
        fuse("concat", {"x": "s"}, normalize="zscore", progress=progress, threads=1)
    assert raised.value.where == "x=s/11.npy"


@pytest.mark.parametrize("named", ["s", "s/*.npy"])
def test_inspect(twelve, named):
    (profile,) = inspect([f"x={named}"])
    assert (profile.rows, profile.columns, profile.record) == (12, 3, None)
    expected = np.linalg.norm(ordered(twelve), axis=1).max()
    np.testing.assert_allclose(profile.norms[4], expected, rtol=1e-6)


def test_thousands_of_samples_with_few_open_files(here):
    count = 3_000
    x = RNG.normal(size=(count, 2)).astype(np.float32)
    write({f"{k % 7}/r{k}": x[k] for k in range(count)})
    order = RNG.permutation(count)
    np.save("y.npy", np.arange(count, dtype=np.float32))
    Path("y.ids.txt").write_text("\n".join(f"r{k}" for k in order))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mmfuse", "concat", "y.npy", "s/", "-o", "o.npy"),
            *("--id-transform", "s=basename", "--threads", "2"),
        ],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)),
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    expected = np.column_stack([np.arange(count, dtype=np.float32), x[order]])
    assert np.array_equal(np.load("o.npy"), expected)
