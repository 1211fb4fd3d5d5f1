"""What users type, and what they get."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from mmfuse.files.npy_header import header_bytes

RNG = np.random.default_rng(7)
IDS = ["s1", "s2", "s3", "s4", "s5"]
IMAGE = RNG.normal(size=(5, 4)).astype(np.float32)
TEXT = RNG.normal(size=(5, 3)).astype(np.float32)
AUDIO = RNG.normal(size=(5, 2)).astype(np.float32)
TEXT_ORDER, AUDIO_ORDER = [4, 2, 0, 1, 3], [1, 0, 3, 4, 2]


def matrix_of(path: Path | str) -> np.ndarray:
    table = pq.read_table(path)
    return np.stack(table["embedding"].to_numpy())


def write_three(folder: Path) -> None:
    """Three modalities of the same five samples, each in an order and a format of its own."""
    np.save(folder / "a.npy", IMAGE)
    (folder / "a.ids.txt").write_text("\n".join(IDS) + "\n")
    vectors = pa.FixedSizeListArray.from_arrays(TEXT[TEXT_ORDER].ravel(), 3)
    pq.write_table(
        pa.table({"id": [IDS[k] for k in TEXT_ORDER], "embedding": vectors}), folder / "b.parquet"
    )
    rows = [f"{IDS[k]},{AUDIO[k, 0]!s},{AUDIO[k, 1]!s}" for k in AUDIO_ORDER]
    (folder / "c.csv").write_text("\n".join(["id,pitch,volume", *rows]) + "\n")


THREE = ("image=a.npy", "text=b.parquet", "audio=c.csv")


def l2(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.fixture
def pair(npy):
    """Two modalities without ids, four rows each."""
    return npy("a.npy", np.arange(12).reshape(4, 3)), npy("b.npy", np.arange(8).reshape(4, 2) + 0.5)


def test_two_files_without_ids(pair, mmfuse):
    done = mmfuse("concat", "a.npy", "b.npy", "-o", "out.parquet")
    assert (done.code, done.out) == (0, "")
    assert np.array_equal(matrix_of("out.parquet"), np.hstack(pair))
    assert pq.read_table("out.parquet")["id"].to_pylist() == [0, 1, 2, 3]
    lines = done.err.splitlines()
    assert lines[0].split()[:5] == ["a", "a.npy", "4", "x", "3"]
    assert "by position: 4 rows" in lines
    assert lines[-1].startswith("concat -> out.parquet   4 x 5 float32")


def test_three_files_in_three_orders(here, mmfuse):
    write_three(here)
    done = mmfuse(
        "concat", *THREE, "--normalize", "l2", "--weight", "text=2", "-o", "fused.parquet"
    )
    assert (done.code, done.out) == (0, "")
    table = pq.read_table("fused.parquet")
    assert table.column_names == ["id", "embedding"]
    assert table["id"].to_pylist() == IDS
    vector = table.schema.field("embedding").type
    assert (vector.value_type, vector.list_size) == (pa.float32(), 9)
    expected = np.hstack([l2(IMAGE), 2 * l2(TEXT), l2(AUDIO)])
    np.testing.assert_allclose(matrix_of("fused.parquet"), expected, rtol=1e-6)
    assert "inner join: 5 rows kept" in done.err
    assert "text=l2 x 2" in done.err


def test_the_reference_example(npy, call):
    x = [npy(f"X{k + 1}.npy", np.arange(9 * k + 1, 9 * k + 10).reshape(3, 3)) for k in range(3)]
    assert call("concat", "X1.npy", "X2.npy", "X3.npy", "-o", "z.npy").code == 0
    z = np.load("z.npy")
    assert z[0].tolist() == [1, 2, 3, 10, 11, 12, 19, 20, 21]
    assert np.array_equal(z, np.hstack(x))


def outer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.einsum("ni,nj->nij", a, b).reshape(len(a), -1)


def padded(x: np.ndarray, width: int) -> np.ndarray:
    return np.pad(x, ((0, 0), (0, width - x.shape[1])))


EXACT = {
    ("concat",): lambda a, b: np.hstack([a, b]),
    ("sum", "--pad"): lambda a, b: a + padded(b, 3),
    ("mean", "--pad"): lambda a, b: (a + padded(b, 3)) / 2,
    ("max", "--pad"): lambda a, b: np.maximum(a, padded(b, 3)),
    ("min", "--pad"): lambda a, b: np.minimum(a, padded(b, 3)),
    ("product", "--pad"): lambda a, b: a * padded(b, 3),
    ("outer", "--no-ones"): outer,
    ("outer",): lambda a, b: outer(*(np.hstack([np.ones((4, 1)), x]) for x in (a, b))),
}


@pytest.mark.parametrize("command", EXACT, ids=" ".join)
def test_strategies_with_their_options(command, pair, call):
    strategy, *options = command
    assert call(strategy, "a.npy", "b.npy", *options, "-o", "z.parquet").code == 0
    np.testing.assert_allclose(matrix_of("z.parquet"), EXACT[command](*pair), rtol=1e-6)


@pytest.mark.parametrize("strategy", ["sketch", "random-lowrank"])
def test_random_strategies_follow_their_seed(strategy, pair, call):
    def fused(seed: int) -> np.ndarray:
        options = ("--n-components", 16, "--seed", seed)
        assert call(strategy, "a.npy", "b.npy", *options, "-o", "z.parquet").code == 0
        return matrix_of("z.parquet")

    assert fused(3).shape == (4, 16)
    assert np.array_equal(fused(3), fused(3))
    assert not np.array_equal(fused(3), fused(4))
    record = json.loads(pq.read_schema("z.parquet").metadata[b"mmfuse"])
    assert record["parameters"]["n_components"] == 16
    assert record["parameters"]["seed"] == 4


def test_every_strategy_is_a_command_with_help(call):
    from mmfuse.core.registry import STRATEGIES

    for name in STRATEGIES.modules:
        done = call(name, "-h")
        assert (done.code, done.err) == (0, "")
        assert f"Usage: mmfuse {name} [OPTIONS] [NAME=]FILE..." in done.out


@pytest.mark.parametrize("codec", ["none", "zstd", "snappy", "gzip", "lz4"])
def test_parquet_compression(codec, pair, call):
    assert call("concat", "a.npy", "b.npy", "--compression", codec, "-o", "z.parquet").code == 0
    assert np.array_equal(matrix_of("z.parquet"), np.hstack(pair))
    used = pq.ParquetFile("z.parquet").metadata.row_group(0).column(1).compression
    assert used == {"none": "UNCOMPRESSED"}.get(codec, codec.upper())


def test_wide_parquet(pair, call):
    assert call("concat", "a.npy", "b.npy", "--layout", "wide", "-o", "z.parquet").code == 0
    table = pq.read_table("z.parquet")
    assert table.column_names == ["id", "a_0", "a_1", "a_2", "b_0", "b_1"]
    columns = [table[name].to_numpy() for name in table.column_names[1:]]
    assert np.array_equal(np.stack(columns, axis=1), np.hstack(pair))


def test_npy_with_ids_beside_it(here, call):
    write_three(here)
    assert call("concat", *THREE, "-o", "z.npy").code == 0
    np.testing.assert_array_equal(np.load("z.npy"), np.hstack([IMAGE, TEXT, AUDIO]))
    assert Path("z.ids.txt").read_text().splitlines() == IDS
    # and mmfuse finds them again
    assert call("concat", "z.npy", "-o", "again.parquet").code == 0
    assert pq.read_table("again.parquet")["id"].to_pylist() == IDS


@pytest.mark.parametrize(("name", "delimiter"), [("z.csv", ","), ("z.tsv", "\t")])
def test_text_outputs(name, delimiter, here, call):
    write_three(here)
    assert call("concat", *THREE, "-o", name).code == 0
    table = pa_csv.read_csv(name, parse_options=pa_csv.ParseOptions(delimiter=delimiter))
    assert table["id"].to_pylist() == IDS
    assert table.column_names[-2:] == ["audio_pitch", "audio_volume"]
    values = np.stack([table[c].to_numpy() for c in table.column_names[1:]], axis=1)
    assert np.array_equal(values.astype(np.float32), np.hstack([IMAGE, TEXT, AUDIO]))


def test_csv_on_stdout(pair, mmfuse):
    done = mmfuse("concat", "a.npy", "b.npy", "-o", "-")
    assert done.out.splitlines()[0].replace('"', "") == "id,a_0,a_1,a_2,b_0,b_1"
    assert done.out.splitlines()[2] == "1,3,4,5,2.5,3.5"
    assert "concat -> stdout" in done.err


@pytest.mark.parametrize("format", ["parquet", "npy"])
def test_binary_into_a_pipe(format, pair):
    command = [sys.executable, "-m", "mmfuse", "concat", "a.npy", "b.npy", "-q"]
    done = subprocess.run([*command, "-f", format, "-o", "-"], capture_output=True, check=True)
    got = io.BytesIO(done.stdout)
    assert np.array_equal(np.load(got) if format == "npy" else matrix_of(got), np.hstack(pair))
    assert done.stderr == b""


def test_standard_input(here, mmfuse):
    write_three(here)
    with open("c.csv", "rb") as stream:
        done = mmfuse(
            *("concat", "a.npy", "audio=-", "--from", "audio=csv", "-o", "z.parquet"), stdin=stream
        )
    assert done.code == 0
    np.testing.assert_array_equal(matrix_of("z.parquet"), np.hstack([IMAGE, AUDIO]))


def test_process_substitution(pair):
    line = f"{sys.executable} -m mmfuse concat x=<(cat a.npy) b.npy --from x=npy -o z.parquet -q"
    subprocess.run(["bash", "-c", line], check=True, timeout=30)
    assert np.array_equal(matrix_of("z.parquet"), np.hstack(pair))


def test_named_pipe(pair, mmfuse):
    os.mkfifo("pipe.npy")
    with subprocess.Popen(["cp", "a.npy", "pipe.npy"]):
        assert mmfuse("concat", "pipe.npy", "b.npy", "-o", "z.parquet", timeout=30).code == 0
    assert np.array_equal(matrix_of("z.parquet"), np.hstack(pair))


def test_quiet(pair, mmfuse):
    done = mmfuse("concat", "a.npy", "b.npy", "-q", "-o", "z.parquet")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_json(here, call):
    write_three(here)
    done = call("concat", *THREE, "--normalize", "text=l2", "--json", "-o", "z.parquet")
    assert done.err == ""
    told = json.loads(done.out)
    assert told["mmfuse_summary"] == 1
    assert (told["rows"], told["columns"], told["dtype"]) == (5, 9, "float32")
    assert told["slices"] == {"image": [0, 4], "text": [4, 7], "audio": [7, 9]}
    assert [item["ids"] for item in told["inputs"]] == [
        *("a.ids.txt (sidecar)", "column id", "column id")
    ]
    assert [item["normalize"] for item in told["inputs"]] == [[], ["l2"], []]
    assert told["bytes"] == os.path.getsize("z.parquet")
    assert told["reads"] == ["a.npy", "a.ids.txt", "b.parquet", "c.csv"]


def test_summary_file(pair, mmfuse):
    done = mmfuse("concat", "a.npy", "b.npy", "-o", "-", "-q", "--summary", "s.json")
    assert done.out.count("\n") == 5
    assert json.loads(Path("s.json").read_text())["columns"] == 5


def test_depfile(npy, call):
    npy("a b.npy", np.ones((2, 2)))
    npy("c.npy", np.ones((2, 2)))
    for name in ("a b", "c"):
        Path(f"{name}.ids.txt").write_text("x\ny\n")
    assert call("concat", "a=a b.npy", "c.npy", "-o", "z.parquet", "--depfile", "z.d").code == 0
    rule = Path("z.d").read_text()
    assert rule == "z.parquet: a\\ b.npy a\\ b.ids.txt c.npy c.ids.txt\n"
    assert call("concat", "c.npy", "-o", "-", "--depfile", "z.d").code == 2


def test_dry_run_writes_nothing(pair, here, call):
    before = sorted(os.listdir())
    done = call(
        *("concat", "a.npy", "b.npy", "-n", "-o", "z.parquet"),
        *("--summary", "s.json", "--depfile", "z.d"),
    )
    assert (done.code, done.out) == (0, "")
    assert sorted(os.listdir()) == before
    assert "4 x 5 float32   80 B" in done.err
    assert "dry run: nothing was written; " in done.err
    assert "MB of working memory on " in done.err
    told = json.loads(call("concat", "a.npy", "b.npy", "-n", "--json", "-o", "z.parquet").out)
    assert told["dry_run"] is True
    assert told["memory"] > 0


def test_the_plan_says_how_every_input_is_read(pair, here, call):
    done = call("concat", "a.npy", "b.npy", "-o", "z.parquet", "-nv")
    assert done.code == 0
    lines = done.err.splitlines()
    ways = [line.split()[:2] for line in lines if "picked where they are" in line]
    assert ways == [["a", "gather"], ["b", "gather"]]
    assert any(line.startswith("reads ") and ", writes " in line for line in lines)
    quiet = call("concat", "a.npy", "b.npy", "-o", "z.parquet", "-n")
    assert "gather" not in quiet.err


def test_dry_run_does_not_read_features(npy, call):
    npy("a.npy", [[np.nan]])
    assert call("concat", "a.npy", "-n", "-o", "z.parquet").code == 0
    assert call("concat", "a.npy", "-o", "z.parquet").code == 3


def test_no_clobber(pair, call):
    Path("z.parquet").write_text("old")
    done = call("concat", "a.npy", "b.npy", "--no-clobber", "-o", "z.parquet")
    assert done.code == 5
    assert "z.parquet exists" in done.err
    assert Path("z.parquet").read_text() == "old"
    assert call("concat", "a.npy", "b.npy", "-o", "z.parquet").code == 0
    assert np.array_equal(matrix_of("z.parquet"), np.hstack(pair))


def test_ids_by_options(here, npy, call):
    write_three(here)
    x = npy("x.npy", np.arange(10).reshape(5, 2))
    pq.write_table(pa.table({"name": [*reversed(IDS)], "other": [*IDS]}), "names.parquet")
    options = ("--ids", "x=names.parquet:name", "--id-column", "audio=id", "--require-ids")
    assert call("concat", "x.npy", "audio=c.csv", *options, "-o", "z.parquet").code == 0
    np.testing.assert_array_equal(matrix_of("z.parquet"), np.hstack([x, AUDIO[::-1]]))


def test_columns_and_by_position(here, call):
    write_three(here)
    options = ("--column", "audio=vol*", "--by-position")
    assert call("concat", "audio=c.csv", "text=b.parquet", *options, "-o", "z.parquet").code == 0
    expected = np.hstack([AUDIO[AUDIO_ORDER, 1:], TEXT[TEXT_ORDER]])
    np.testing.assert_array_equal(matrix_of("z.parquet"), expected)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtype(dtype, pair, call):
    assert call("concat", "a.npy", "b.npy", "--dtype", dtype, "-o", "z.npy").code == 0
    assert np.load("z.npy").dtype == dtype


def test_record_in_the_output(here, call):
    write_three(here)
    paths = [f"{part.split('=')[0]}={here}/{part.split('=')[1]}" for part in THREE]
    assert call("concat", *paths, "--weight", "text=2", "-o", here / "z.parquet").code == 0
    raw = pq.read_schema("z.parquet").metadata[b"mmfuse"].decode()
    assert str(here) not in raw
    record = json.loads(raw)
    assert record["strategy"] == "concat"
    assert record["slices"] == {"image": [0, 4], "text": [4, 7], "audio": [7, 9]}
    assert record["join"] == {
        "how": "inner",
        "by": "id",
        "rows": 5,
        "duplicates": "error",
        "missing": None,
    }
    text = record["inputs"][1]
    assert (text["file"], text["weight"], text["rows"]) == ("b.parquet", 2, 5)


def test_equal_inputs_give_equal_bytes(tmp_path, mmfuse):
    outputs = []
    environments = [
        {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"},
    ]
    for threads, env in enumerate(environments, 1):
        folder = tmp_path / f"folder{threads}"
        folder.mkdir()
        write_three(folder)
        options = ("--normalize", "zscore", "--threads", threads, "-o", "z.parquet")
        done = mmfuse("concat", *THREE, *options, cwd=folder, env=env)
        assert done.code == 0, done.err
        outputs.append((folder / "z.parquet").read_bytes())
    assert outputs[0] == outputs[1]


def test_output_through_a_link_and_mode(pair, call):
    Path("real.parquet").write_text("old")
    os.chmod("real.parquet", 0o640)
    os.symlink("real.parquet", "link.parquet")
    assert call("concat", "a.npy", "b.npy", "-o", "link.parquet").code == 0
    assert os.path.islink("link.parquet")
    assert os.stat("real.parquet").st_mode & 0o777 == 0o640
    assert np.array_equal(matrix_of("real.parquet"), np.hstack(pair))


@pytest.mark.parametrize("option", ["--depfile", "--summary"])
def test_the_ids_beside_an_output_are_not_replaced(pair, mmfuse, option):
    done = mmfuse("concat", "a.npy", "b.npy", "-o", "out.npy", option, "out.ids.txt")
    assert done.code == 2
    assert f"{option} out.ids.txt is an input or another output" in done.err
    assert not Path("out.ids.txt").exists()


def test_a_plan_of_more_than_there_is_room_for_tells_its_terabytes(here, call):
    header = header_bytes((5_000_000, 100_000), np.dtype(np.float32))
    Path("big.npy").write_bytes(header)
    os.truncate("big.npy", len(header) + 2 * 10**12)  # all of which is a hole
    done = call("concat", "big.npy", "-o", "z.npy", "-n")
    assert (done.code, done.out) == (0, "")
    assert "concat -> z.npy   5,000,000 x 100,000 float32   2.0 TB\n" in done.err
