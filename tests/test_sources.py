"""Where the ids of an input come from: the first rule that finds some."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import mmfuse
from mmfuse.errors import AlignmentError, InputError, UsageError

VALUES = np.arange(6, dtype=np.float32).reshape(3, 2)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ids_of(modality: object, **how: object) -> tuple[list[object], str]:
    fused = mmfuse.fuse("concat", {"m": modality}, **how)
    assert fused.summary.inputs[0].ids == "position" or fused.summary.by == "id"
    return list(fused.ids), fused.summary.inputs[0].ids


def write(name: str, ids: list[str] | list[int]) -> None:
    """A file of ids in the form that its name says."""
    if name.endswith(".txt"):
        Path(name).write_text("\n".join(map(str, ids)))
    elif name.endswith(".npy"):
        np.save(name, np.array(ids))
    elif name.endswith(".json"):
        Path(name).write_text(json.dumps(ids))
    elif name.endswith(".csv"):
        pd.DataFrame({"id": ids}).to_csv(name, index=False)
    else:
        pd.DataFrame({"id": ids}).to_parquet(name, index=False)


SIDECARS = [
    "m.ids.txt", "m.ids.npy", "m.ids.json", "m.ids.csv",
    "m_ids.txt", "m_ids.npy", "m_ids.json", "m_ids.csv", "m_inds.npy", "m_index.parquet",
]  # fmt: skip


@pytest.mark.parametrize("name", SIDECARS)
@pytest.mark.parametrize("ids", [["x", "y", "zé"], [3, 1, 2**60]])
def test_every_sidecar(folder: Path, name: str, ids: list[str]) -> None:
    np.save("m.npy", VALUES)
    write(name, ids)
    assert ids_of("m.npy") == (ids, f"{name} (sidecar)")


def test_the_first_sidecar_counts(folder: Path) -> None:
    np.save("m.npy", VALUES)
    for k, name in reversed(list(enumerate(SIDECARS))):
        write(name, [f"{k}-{row}" for row in range(3)])
        assert ids_of("m.npy")[0][0] == f"{k}-0"


def test_a_sidecar_is_only_for_files_without_ids(folder: Path) -> None:
    Path("m.csv").write_text("id,x\na,1\n")
    write("m.ids.txt", ["b"])
    assert ids_of("m.csv") == (["a"], "column id")


def test_no_sidecar_leaves_the_position(folder: Path) -> None:
    np.save("m.npy", VALUES)
    write("m.ids.txt", ["x", "y", "z"])
    assert ids_of("m.npy", sidecar=False) == ([0, 1, 2], "position")


def test_named_ids_come_before_all_others(folder: Path) -> None:
    Path("m.csv").write_text("id,x\na,1\nb,2\n")
    write("other.txt", ["q", "r"])
    assert ids_of("m.csv", ids="other.txt") == (["q", "r"], "other.txt")
    assert ids_of("m.csv", ids={"m": "other.txt"}, id_column="id")[0] == ["q", "r"]
    assert ids_of("m.csv", ids=["s", "t"]) == (["s", "t"], "given")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_ids_in_a_named_column_of_another_file(folder: Path, name: str) -> None:
    np.save("m.npy", VALUES)
    frame = pd.DataFrame({"id": ["a", "b", "c"], "key2": ["p", "q", "r"]})
    frame.to_csv(name, index=False) if name.endswith("csv") else frame.to_parquet(name)
    assert ids_of("m.npy", ids=f"{name}:key2")[0] == ["p", "q", "r"]
    assert ids_of("m.npy", ids=name)[0] == ["a", "b", "c"]
    with pytest.raises(InputError, match="no column 'nope'"):
        ids_of("m.npy", ids=f"{name}:nope")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_the_only_column_of_a_file_of_ids_has_any_name(folder: Path, name: str) -> None:
    np.save("m.npy", VALUES)
    frame = pd.DataFrame({"isbn": ["007", "008", "009"]})
    frame.to_csv(name, index=False) if name.endswith("csv") else frame.to_parquet(name)
    assert ids_of("m.npy", ids=name)[0] == ["007", "008", "009"]


def test_a_named_id_column(folder: Path) -> None:
    Path("m.csv").write_text("id,isbn,x\na,007,1\nb,008,2\n")
    assert ids_of("m.csv", id_column="isbn") == (["007", "008"], "column isbn")
    with pytest.raises(InputError, match="isbm") as caught:
        ids_of("m.csv", id_column="isbm")
    assert "isbn" in (caught.value.hint or "")


NAMES = [
    "id", "_id", "ids", "key", "uuid", "sample_id", "item_id", "image_id", "custom_id",
    "filename", "filenames", "file_name", "image_path", "path", "url",
]  # fmt: skip


@pytest.mark.parametrize("k", range(len(NAMES)))
def test_the_first_of_the_usual_names_is_the_id(folder: Path, k: int) -> None:
    """With names k, k + 1, … in the table, it is name k, and none of the others is a feature."""
    columns = {name: [f"{name} {row}" for row in range(2)] for name in reversed(NAMES[k:])}
    pd.DataFrame({**columns, "x": [1.0, 2.0]}).to_parquet("m.parquet")
    fused = mmfuse.fuse("concat", ["m.parquet"])
    assert list(fused.ids) == [f"{NAMES[k]} 0", f"{NAMES[k]} 1"]
    assert fused.columns == ("m_x",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a\n\nb\n", "1 id"),
        ("a\nb\n", "2 ids for 3 rows"),
        ("a\nb\na\n", "repeats an id"),
    ],
)
def test_ids_that_do_not_fit(folder: Path, content: str, told: str) -> None:
    np.save("m.npy", VALUES)
    Path("m.ids.txt").write_text(content)
    with pytest.raises(AlignmentError, match=told):
        ids_of("m.npy")


@pytest.mark.parametrize(
    "values", [["a", 1, "b"], [1.5, 2, 3], {"a": 1}, "abc", [None, "a", "b"], [True, "a", "b"]]
)
def test_json_that_is_no_list_of_ids(folder: Path, values: object) -> None:
    np.save("m.npy", VALUES)
    Path("m.ids.json").write_text(json.dumps(values))
    with pytest.raises(mmfuse.MmfuseError) as caught:
        ids_of("m.npy")
    assert caught.value.exit_code in (3, 4)


def test_some_with_ids_and_some_without_is_an_error(folder: Path) -> None:
    with pytest.raises(AlignmentError, match="b has no row ids, but other inputs have"):
        mmfuse.fuse("concat", {"a": (VALUES, ["x", "y", "z"]), "b": VALUES})
    fused = mmfuse.fuse("concat", {"b": VALUES, "a": (VALUES, [7, 8, 9])}, by="position")
    assert list(fused.ids) == [7, 8, 9]


class TestMemory:
    """Modalities that are not files."""

    def test_lists_arrays_and_series_are_ids(self) -> None:
        for ids in (["a", "b", "c"], np.array(["a", "b", "c"]), pd.Series(["a", "b", "c"])):
            assert ids_of((VALUES, ids)) == (["a", "b", "c"], "given")
        assert ids_of((VALUES, range(3)))[0] == [0, 1, 2]

    def test_a_frame_with_an_id_column(self) -> None:
        frame = pd.DataFrame({"x": [1.0, 2.0], "id": ["a", "b"], "label": [0, 1]})
        fused = mmfuse.fuse("concat", {"m": frame})
        assert list(fused.ids) == ["a", "b"]
        assert fused.columns == ("m_x",)
        assert any("label" in note for note in fused.summary.notes)

    def test_a_frame_with_a_named_index(self) -> None:
        frame = pd.DataFrame({"x": [1.0, 2.0]}, index=pd.Index(["a", "b"], name="id"))
        assert ids_of(frame) == (["a", "b"], "column id")

    def test_a_frame_with_an_index_of_no_name_is_doubt(self) -> None:
        with pytest.raises(AlignmentError, match="index has no name"):
            ids_of(pd.DataFrame({"x": [1.0, 2.0]}, index=["a", "b"]))
        assert ids_of(pd.DataFrame({"x": [1.0, 2.0]})) == ([0, 1], "position")

    def test_tables_may_be_sliced_and_in_chunks(self) -> None:
        table = pa.table({"id": ["p", "q", "r", "s"], "x": [1.0, 2.0, 3.0, 4.0]})
        chunked = pa.concat_tables([table.slice(1, 2), table.slice(3, 1)])
        fused = mmfuse.fuse("concat", {"m": chunked})
        assert list(fused.ids) == ["q", "r", "s"]
        assert fused.matrix.tolist() == [[2], [3], [4]]

    def test_sliced_vectors(self) -> None:
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(8.0)), 2)
        for column in (vectors, vectors.cast(pa.list_(pa.float64()))):
            table = pa.table({"id": list("abcd"), "embedding": column}).slice(1, 2)
            assert mmfuse.fuse("concat", {"m": table}).matrix.tolist() == [[2, 3], [4, 5]]

    def test_arrays_in_any_memory_order(self) -> None:
        for array in (np.asfortranarray(VALUES), VALUES[::-1], VALUES.astype(">f8"), VALUES[:, 0]):
            fused = mmfuse.fuse("concat", {"m": array})
            assert np.array_equal(fused.matrix, array.reshape(3, -1))

    def test_the_inputs_are_not_changed(self) -> None:
        array = VALUES.copy()
        mmfuse.fuse("sum", {"a": array, "b": array}, normalize="zscore", weight=3)
        assert np.array_equal(array, VALUES)

    @pytest.mark.parametrize("value", [3, [[1, 2]], {"x": 1}, object(), None])
    def test_anything_else_is_refused(self, value: object) -> None:
        with pytest.raises(
            UsageError, match=r"a path, an array, a pair \(array, ids\), a pandas Data"
        ):
            mmfuse.fuse("concat", {"m": value})

    def test_ids_of_several_axes(self) -> None:
        with pytest.raises(AlignmentError, match=r"ids of shape \(3, 1\); one a row is needed"):
            ids_of((VALUES, np.array([["a"], ["b"], ["c"]])))

    def test_a_table_without_columns(self) -> None:
        with pytest.raises(InputError, match="the table has no columns"):
            ids_of(pa.table({}))

    def test_as_many_ids_as_rows(self) -> None:
        with pytest.raises(AlignmentError, match="2 ids for 3 rows"):
            mmfuse.fuse("concat", {"m": (VALUES, ["a", "b"])})


def test_a_format_for_all_is_for_files_whose_suffix_does_not_tell(folder: Path) -> None:
    np.save("a.npy", VALUES)
    Path("b.data").write_text("x\n1\n2\n3\n")
    fused = mmfuse.fuse("concat", ["a.npy", "b.data"], input_format="csv")
    assert fused.matrix[:, 2].tolist() == [1, 2, 3]
    with pytest.raises(InputError, match="looks like an npy file"):
        mmfuse.fuse("concat", ["a.npy", "b.data"], input_format={"*": "csv", "a": "csv"})
