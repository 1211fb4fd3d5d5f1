"""Tables that pandas wrote, and tables whose own statistics are not true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import mmfuse
from mmfuse.errors import AlignmentError, InputError
from mmfuse.files.arrow import arrow_source
from mmfuse.files.formats import Reading

FRAME = pd.DataFrame({"x": [1.0, 2.0], "z": [3.0, 4.0]})
INDEX = pd.Index([70, 80], name="doc")


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("index", [INDEX, pd.Index(["p", "q"], name="doc")])
def test_a_named_index_is_the_ids_and_never_a_feature(
    stored: bool, index: pd.Index, tmp_path: Path
) -> None:
    frame = FRAME.set_axis(index)
    frame.to_parquet(tmp_path / "f.parquet")
    fused = mmfuse.fuse("concat", {"f": tmp_path / "f.parquet" if stored else frame})
    assert fused.ids.tolist() == index.tolist()
    assert fused.columns == ("f_x", "f_z")
    assert fused.summary.inputs[0].ids == "column doc"


def test_a_column_of_ids_comes_before_an_index() -> None:
    frame = FRAME.assign(id=["a", "b"]).set_axis(INDEX)
    fused = mmfuse.fuse("concat", {"f": frame})
    assert fused.ids.tolist() == ["a", "b"]
    assert fused.columns == ("f_x", "f_z")
    named = mmfuse.fuse("concat", {"f": frame}, id_column="doc")
    assert named.ids.tolist() == INDEX.tolist()


def test_a_named_index_of_row_numbers() -> None:
    frame = FRAME.set_axis(pd.RangeIndex(5, 7, name="row"))
    assert mmfuse.fuse("concat", {"f": frame}).ids.tolist() == [5, 6]


def test_what_sorting_left_of_row_numbers_is_no_feature(tmp_path: Path) -> None:
    FRAME.set_axis([7, 3]).to_parquet(tmp_path / "f.parquet")
    assert "__index_level_0__" in pq.read_schema(tmp_path / "f.parquet").names
    fused = mmfuse.fuse("concat", {"f": tmp_path / "f.parquet"})
    assert fused.columns == ("f_x", "f_z")
    assert any("__index_level_0__" in note for note in fused.summary.notes)


def test_an_index_without_a_name_is_asked_about_only_where_it_could_be_ids() -> None:
    filtered = FRAME.set_axis([7, 3])
    with pytest.raises(AlignmentError, match="so it is not clear whether it holds row ids"):
        mmfuse.fuse("concat", {"f": filtered})
    assert mmfuse.fuse("concat", {"f": filtered.assign(id=["k", "l"])}).ids.tolist() == ["k", "l"]
    assert mmfuse.fuse("concat", {"f": filtered}, ids={"f": ["g", "h"]}).ids.tolist() == ["g", "h"]


def test_a_series_is_no_table() -> None:
    with pytest.raises(mmfuse.errors.UsageError, match="pandas Series"):
        mmfuse.fuse("concat", {"f": FRAME["x"]})


def test_a_glob_takes_features_only(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2], "x": [3.0, 4.0], "title": ["a", "b"], "xy": [5, 6]})
    pq.write_table(table, tmp_path / "f.parquet")
    fused = mmfuse.fuse("concat", {"f": tmp_path / "f.parquet"}, column="*")
    assert fused.columns == ("f_x", "f_xy")
    with pytest.raises(InputError, match="'title' is not one of numbers"):
        mmfuse.fuse("concat", {"f": tmp_path / "f.parquet"}, column="title")


def test_nulls_that_the_statistics_deny_do_not_become_numbers() -> None:
    batch = pa.record_batch({"x": pa.array([1, None], pa.int32())})
    source = arrow_source(
        "f", batch.schema, lambda columns: [batch], Reading(), label="f", rows=2, may_lack={}
    )
    assert source.dtype == np.int32
    with pytest.raises(InputError, match="'x' holds nulls that its file denies"):
        list(source.blocks())


@pytest.mark.parametrize("columns", [{"id": pa.array([], pa.string())}, {}])
def test_no_rows(columns: dict[str, pa.Array], tmp_path: Path) -> None:
    table = pa.table({**columns, "x": pa.array([], pa.float32())})
    pq.write_table(table, tmp_path / "f.parquet")
    with pytest.raises(InputError, match="no rows"):
        mmfuse.fuse("concat", {"f": tmp_path / "f.parquet"})


@pytest.mark.parametrize("suffix", [b".csv", b".parquet"])
def test_file_names_that_are_no_text(suffix: bytes, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    if suffix == b".csv":
        plain.write_text("id,x\na,1.5\n")
    else:
        pq.write_table(pa.table({"id": ["a"], "x": [1.5]}), plain)
    odd = bytes(tmp_path) + b"/\xff" + suffix
    plain.rename(odd.decode("utf-8", "surrogateescape"))
    fused = mmfuse.fuse("concat", {"f": odd.decode("utf-8", "surrogateescape")})
    assert fused.matrix is not None
    assert fused.matrix.tolist() == [[1.5]]
