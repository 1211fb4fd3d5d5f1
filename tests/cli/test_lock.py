"""`--lock`: a later run is held to what the first one found."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

ROWS = {"s1": [1, 2], "s2": [3, 4], "s3": [5, 6], "s4": [7, 8]}
COMMAND = ("concat", "image=a.npy", "text=b.csv", "--lock", "rows.lock", "-o", "out.parquet")


def write(image: dict[str, list[int]] = ROWS, text: dict[str, list[int]] = ROWS) -> None:
    np.save("a.npy", np.array(list(image.values()), np.float32))
    Path("a.ids.txt").write_text("".join(f"{name}\n" for name in image))
    rows = (f"{name},{x},{y}\n" for name, (x, y) in text.items())
    Path("b.csv").write_text("id,x,y\n" + "".join(rows))


@pytest.fixture
def locked(here, call):
    write()
    assert call(*COMMAND).code == 0
    Path("out.parquet").write_text("old")
    return Path("rows.lock").read_bytes()


def refused(done, code: int, *told: str) -> None:
    assert done.code == code, done.err
    assert done.err.startswith("error: not as locked: ")
    for part in told:
        assert part in done.err
    assert Path("out.parquet").read_text() == "old"


def test_the_same_again(locked, mmfuse):
    done = mmfuse(*COMMAND)
    assert done.code == 0
    assert Path("rows.lock").read_bytes() == locked
    assert Path("out.parquet").read_bytes()[:4] == b"PAR1"


def test_what_it_says(locked):
    from hashlib import sha256

    told = json.loads(locked)
    lengths = np.full(4, 2, "<i8").tobytes()
    ids = sha256((4).to_bytes(8, "little") + lengths + b"s1s2s3s4").hexdigest()
    assert (told["mmfuse_lock"], told["rows"]["count"], told["rows"]["sha256"]) == (1, 4, ids)
    assert [(i["name"], [f["file"] for f in i["files"]]) for i in told["inputs"]] == [
        ("image", ["a.npy", "a.ids.txt"]),
        ("text", ["b.csv"]),
    ]
    for file in (file for item in told["inputs"] for file in item["files"]):
        data = Path(file["file"]).read_bytes()
        assert (file["size"], file["sha256"]) == (len(data), sha256(data).hexdigest())


def test_a_changed_byte(locked, mmfuse):
    data = bytearray(Path("a.npy").read_bytes())
    data[-1] ^= 1
    Path("a.npy").write_bytes(data)
    refused(mmfuse(*COMMAND), 3, "the bytes of image=a.npy changed", "in: rows.lock")


def test_dry_run_checks_only(locked, call):
    assert call(*COMMAND, "-n").code == 0
    write(text=ROWS | {"s4": [7, 9]})
    refused(call(*COMMAND, "-n"), 3, "the bytes of text=b.csv changed")
    os.unlink("rows.lock")
    assert call(*COMMAND, "-n").code == 0
    assert not os.path.exists("rows.lock")


def test_another_order(locked, call):
    write(image=dict(sorted(ROWS.items(), reverse=True)))
    told = "the 4 rows of the output stand in another order"
    refused(call(*COMMAND), 4, told, "image=a.npy changed", "image=a.ids.txt changed")


def test_more_rows(locked, call):
    write(ROWS | {"s5": [0, 0]}, ROWS | {"s5": [0, 0]})
    refused(call(*COMMAND), 4, "the output has other ids (4 rows before, 5 now)")


def test_rows_that_no_output_row_has(locked, call):
    write(text=ROWS | {"s5": [0, 0]})
    refused(call(*COMMAND), 3, "the bytes of text=b.csv changed (35 before, 42 now)")


def test_as_many_rows_of_other_ids(locked, call):
    names = dict(zip(["s1", "s2", "s3", "t4"], ROWS.values(), strict=True))
    write(names, names)
    refused(call(*COMMAND), 4, "the output has other ids (4 rows before, 4 now)")


def test_another_join(here, call):
    write(text={k: v for k, v in ROWS.items() if k != "s2"})
    assert call(*COMMAND).code == 0
    Path("out.parquet").write_text("old")
    refused(call(*COMMAND, "--join", "left"), 4, "other ids (3 rows before, 4 now)")


def test_a_modality_with_another_name(locked, call):
    renamed = [part.replace("text=", "words=") for part in COMMAND]
    told = "text is gone (it was b.csv); words is new (b.csv, with the bytes that text had)"
    refused(call(*renamed), 3, told)


def test_a_file_with_another_name_and_the_same_bytes_is_the_same(locked, call):
    os.rename("b.csv", "c.csv")
    assert call(*[part.replace("b.csv", "c.csv") for part in COMMAND]).code == 0


def test_one_input_less(locked, call):
    refused(call(*[part for part in COMMAND if part != "text=b.csv"]), 3, "text is gone")


def test_no_output_no_lock(here, call):
    write()
    np.save("a.npy", np.full((4, 2), np.nan, np.float32))
    assert call(*COMMAND).code == 3
    assert not {"rows.lock", "out.parquet"} & set(os.listdir())


def test_rows_that_only_the_run_tells(here, call):
    write()
    np.save("a.npy", np.array([[1, 2], [np.nan, 4], [5, 6], [7, 8]], np.float32))
    given = (*COMMAND, "--nan", "drop")
    assert call(*given).code == call(*given).code == call(*given, "-n").code == 0
    assert json.loads(Path("rows.lock").read_text())["rows"]["count"] == 3


def test_of_standard_output(here, mmfuse):
    write()
    done = mmfuse(*COMMAND[:-1], "-")
    assert (done.code, done.out.count("\n")) == (0, 5)
    assert mmfuse(*COMMAND).code == 0  # the place of the output is no part of it


@pytest.mark.parametrize(
    "command",
    [
        ("align", "a.npy", "b.csv", "-o", "aligned"),
        ("align", "a.npy", "b.csv", "-o", "aligned", "--join", "outer", "-f", "parquet"),
        ("convert", "b.csv", "b.parquet"),
    ],
    ids=["align", "align outer", "convert"],
)
def test_of_other_commands(command, here, call):
    write()
    assert call(*command, "--lock", "rows.lock").code == 0
    assert call(*command, "--lock", "rows.lock").code == 0
    write(text=ROWS | {"s4": [7, 9]})
    done = call(*command, "--lock", "rows.lock")
    assert (done.code, "the bytes of b=b.csv changed" in done.err) == (3, True)
    write(*[dict(reversed(ROWS.items()))] * 2)
    done = call(*command, "--lock", "rows.lock")
    assert (done.code, "stand in another order" in done.err) == (4, True)


@pytest.mark.parametrize("path", ["a.npy", "a.ids.txt", "out.parquet"])
def test_no_input_or_output_is_a_lock(path, here, call):
    write()
    before = sorted(os.listdir())
    done = call(*COMMAND[:3], "--lock", path, "-o", "out.parquet")
    assert (done.code, "is an input or an output" in done.err) == (2, True)
    assert sorted(os.listdir()) == before


def test_a_place_that_cannot_be_written(here, call):
    write()
    done = call(*COMMAND[:3], "--lock", "no/rows.lock", "-o", "out.parquet")
    assert (done.code, os.path.exists("out.parquet")) == (5, False)


@pytest.mark.parametrize("there", [False, True])
def test_a_lock_where_the_ids_of_an_output_go(there, here, call):
    write()
    if there:
        assert call("convert", "b.csv", "first.parquet", "--lock", "out.ids.txt").code == 0
    before = sorted(os.listdir())
    kept = {name: Path(name).read_bytes() for name in before}
    for command in (
        ("convert", "b.csv", "-o", "out.npy"),
        ("align", "out=b.csv", "-f", "npy", "-o", "."),
    ):
        done = call(*command, "--lock", "out.ids.txt")
        assert (done.code, sorted(os.listdir())) == (2, before)
        assert "--lock out.ids.txt is an input or an output" in done.err
    assert {name: Path(name).read_bytes() for name in before} == kept


def test_a_shard_more(here, call):
    write()
    os.mkdir("parts")
    for k in range(2):
        np.savez(f"parts/{k}.npz", ids=np.array([f"s{2 * k + 1}", f"s{2 * k + 2}"]), x=np.eye(2))
    command = ("concat", "a.npy", "parts", "--lock", "rows.lock", "-o", "out.parquet")
    assert call(*command).code == 0
    Path("out.parquet").write_text("old")
    np.savez("parts/2.npz", ids=np.array(["s5"]), x=np.ones((1, 2)))
    refused(call(*command), 3, "parts is 0.npz and 2 more, and was 0.npz and 1 more")
