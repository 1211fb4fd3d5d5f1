"""`mmfuse check`: what goes wrong with real files, named."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from mmfuse.cli.upset import upset

SAMPLE = Path(__file__).resolve().parents[2] / "sample_data"
SIX = (
    "pixels.npy", "fourier.csv", "karhunen.parquet",
    "profiles.parquet", "zernike.npy", "morphology.csv",
)  # fmt: skip
PIXELS = np.load(SAMPLE / "pixels.npy")
IDS = (SAMPLE / "pixels.ids.txt").read_text().split()
N = len(IDS)


def karhunen() -> np.ndarray:
    """The Karhunen-Loève features of the digits in pixels.npy, in its order."""
    table = pq.read_table(SAMPLE / "karhunen.parquet")
    row = {digit: k for k, digit in enumerate(table["id"].to_pylist())}
    return np.stack(table["embedding"].to_numpy())[[row[digit] for digit in IDS]]


@pytest.fixture
def write(here: Path) -> Callable[..., None]:
    """Write rows as NAME.npy, and ids, if there are any, beside it."""

    def written(name: str, rows: np.ndarray, ids: list[str] | None = None) -> None:
        np.save(here / f"{name}.npy", rows)
        if ids is not None:
            (here / f"{name}.ids.txt").write_text("".join(f"{text}\n" for text in ids))

    return written


@pytest.fixture
def told(call) -> Callable[..., Any]:
    """What `check` finds: its findings by code, and the exit code."""

    def run(*arguments: Any) -> tuple[dict[str, Any], int]:
        done = call("check", *arguments, "--json")
        assert done.err == ""
        found = json.loads(done.out)
        assert (done.code == 4) == (found["verdict"] == "wrong")
        return {finding["code"]: finding for finding in found["findings"]}, done.code

    return run


def test_untouched_sample_data_passes(call):
    done = call("check", *(SAMPLE / file for file in SIX), "--json")
    found = json.loads(done.out)
    assert (done.code, found["mmfuse_check"], found["verdict"]) == (0, 1, "ok")
    assert {f["code"] for f in found["findings"]} == {"reordered", "missing", "features-aligned"}
    assert len(found["tests"]) == 15
    every = [combination["modalities"] for combination in found["overlap"]]
    assert every[0] == [file.split(".")[0] for file in SIX]
    assert found["overlap"][0]["ids"] == 1831
    assert sum(combination["ids"] for combination in found["overlap"]) == 2000


def test_the_report(mmfuse):
    env = {"COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
    done = mmfuse("check", *(SAMPLE / file for file in SIX), env=env)
    lines = done.out.splitlines()
    assert (done.code, done.err, lines[-1]) == (0, "", "nothing wrong")
    assert max(map(len, lines)) <= 80
    for what in ("another order", "in no pattern", "row by row"):
        assert any(line.startswith("ok     15 pairs: ") and what in line for line in lines)
    (first,) = (line for line in lines if "1,831" in line)
    assert first.split()[:7] == ["●"] * 6 + ["1,831"]
    assert set(first.split()[7]) == {"█"}
    ascii_only = mmfuse(
        "check", SAMPLE / SIX[0], SAMPLE / SIX[1], env={"PYTHONIOENCODING": "ascii"}
    )
    assert "x" in ascii_only.out
    assert "#" in ascii_only.out
    assert ascii_only.out.isascii()
    assert "\\u" not in ascii_only.out


def test_quiet_has_an_exit_code_only(write, mmfuse):
    write("a", PIXELS, IDS)
    write("b", karhunen()[:-120], IDS[:-120])
    done = mmfuse("check", "a.npy", "b.npy", "-q")
    assert (done.code, done.out, done.err) == (4, "", "")


def test_the_same_rows(write, told):
    write("a", PIXELS, IDS)
    write("b", karhunen(), IDS)
    found, code = told("a.npy", "b.npy")
    assert (set(found), code) == ({"same-order", "features-aligned"}, 0)
    assert found["same-order"]["numbers"] == {"common": N, "mispaired": 0}


def test_reordered_rows(write, told):
    order = np.random.default_rng(0).permutation(N)
    write("a", PIXELS, IDS)
    write("b", karhunen()[order], [IDS[k] for k in order])
    found, code = told("a.npy", "b.npy")
    assert (set(found), code) == ({"reordered", "features-aligned"}, 0)
    assert found["reordered"]["numbers"]["mispaired"] == np.count_nonzero(order != np.arange(N))


@pytest.mark.parametrize("k", [1, 3])
def test_rolled_rows(write, told, k):
    write("a", PIXELS, IDS)
    write("b", np.roll(karhunen(), k, axis=0), [*IDS[-k:], *IDS[:-k]])
    found, code = told("a.npy", "b.npy")
    assert (set(found), code) == ({"shifted", "features-aligned"}, 0)
    assert found["shifted"]["numbers"] == {
        "common": N, "mispaired": N, "shift": k, "shifted": N - k
    }  # fmt: skip


@pytest.mark.parametrize(
    ("part", "code", "first"),
    [
        (slice(0, N - 120), "missing-tail", N - 119),
        (slice(120, N), "missing-head", 1),
    ],
)
def test_truncated_rows(write, told, part, code, first):
    write("a", PIXELS, IDS)
    write("b", karhunen()[part], IDS[part])
    found, exit_code = told("a.npy", "b.npy")
    assert exit_code == 4
    assert found[code]["numbers"] == {"missing": 120, "of": N, "first_row": first}
    assert found[code]["examples"] == IDS[first - 1 : first + 2]
    assert found[code]["command"] == "--join outer"


def test_a_lost_block(write, told):
    kept = np.r_[0:500, 600:N]
    write("a", PIXELS, IDS)
    write("b", karhunen()[kept], [IDS[k] for k in kept])
    found, code = told("a.npy", "b.npy")
    assert code == 4
    assert found["missing-block"]["numbers"] == {"missing": 100, "of": N, "first_row": 501}


NUMBERS = [text.removeprefix("digit-") for text in IDS]


@pytest.mark.parametrize(
    ("ids", "other", "code", "transform"),
    [
        ([f"{k}.jpg" for k in IDS], [f"{k}.txt" for k in IDS], "suffix", "stem"),
        ([f"x/{k}.jpg" for k in IDS], [f"{k}.jpg" for k in IDS], "folder", "basename"),
        (IDS, [k.upper() for k in IDS], "letter-case", "lower"),
        (IDS, [f"{k} " for k in IDS], "white-space", "strip"),
        ([f"é{k}" for k in IDS], [unicodedata.normalize("NFD", f"é{k}") for k in IDS],
         "unicode-form", "nfc"),
        ([str(int(k)) for k in NUMBERS], NUMBERS, "zero-padding", "int"),
        ([str(int(k)) for k in NUMBERS], IDS, "int-and-text", "'s/\\D+//,int'"),
        (IDS, [k.upper() if j % 9 == 0 else k for j, k in enumerate(IDS)], "letter-case", "lower"),
    ],
)  # fmt: skip
def test_renamed_rows(write, told, ids, other, code, transform):
    write("a", PIXELS, ids)
    write("b", karhunen(), other)
    found, exit_code = told("a.npy", "b.npy", "--ids-only")
    assert exit_code == 4
    assert found[code]["command"] == f"--id-transform {transform}"
    j = next(j for j in range(N) if ids[j] != other[j])
    assert found[code]["examples"] == [ids[j], other[j]]
    mended, exit_code = told("a.npy", "b.npy", "--ids-only", "--id-transform", transform.strip("'"))
    assert (set(mended), exit_code) == ({"same-order"}, 0)


def test_numbers_sorted_as_text(write, told):
    numbers = [str(k) for k in range(N)]
    order = sorted(range(N), key=lambda k: numbers[k])
    write("a", PIXELS, numbers)
    write("b", karhunen()[order], [numbers[k] for k in order])
    found, code = told("a.npy", "b.npy")
    assert (set(found), code) == ({"sorted-otherwise", "features-aligned"}, 0)


def test_rows_counted_from_one(write, told):
    write("a", PIXELS, [str(k) for k in range(N)])
    write("b", karhunen(), [str(k + 1) for k in range(N)])
    found, code = told("a.npy", "b.npy")
    assert code == 4
    assert found["counted-otherwise"]["command"] == "--by-position"
    assert found["features-shifted"]["numbers"]["shift"] in (-1, 1)


def test_repeated_ids(write, told):
    write("a", PIXELS, IDS)
    write("b", karhunen(), [*IDS[:-2], IDS[0], IDS[0]])
    found, code = told("a.npy", "b.npy")
    assert code == 4
    assert found["duplicate-ids"]["numbers"] == {"rows": 2}
    assert found["duplicate-ids"]["examples"] == [IDS[0]]


def test_nothing_in_common(write, told):
    write("a", PIXELS, IDS)
    write("b", karhunen(), [f"row {chr(97 + k % 26)}{chr(97 + k // 26)}" for k in range(N)])
    found, code = told("a.npy", "b.npy")
    assert (set(found), code) == ({"nothing-common"}, 4)


def test_ids_that_belong_to_other_features(write, told):
    order = np.random.default_rng(0).permutation(N)
    write("a", PIXELS, IDS)
    write("b", karhunen()[order], IDS)
    found, code = told("a.npy", "b.npy")
    assert (set(found), code) == ({"same-order", "features-unaligned"}, 4)
    found, code = told("a.npy", "b.npy", "--ids-only")
    assert (set(found), code) == ({"same-order"}, 0)


@pytest.mark.parametrize("k", [1, -2])
def test_ids_one_row_off_their_features(write, told, k):
    """The ids of b are in its rows' order, but begin k rows late; a has an order of its own."""
    order = np.random.default_rng(0).permutation(N)
    write("a", PIXELS[order], [IDS[j] for j in order])
    write("b", np.roll(karhunen(), k, axis=0), IDS)
    found, code = told("a.npy", "b.npy")
    assert (set(found), code) == ({"reordered", "features-shifted"}, 4)
    assert found["features-shifted"]["numbers"]["shift"] == k
    assert "those of b stand" in found["features-shifted"]["sentence"]


def test_without_ids(write, told):
    write("a", PIXELS)
    write("b", karhunen())
    assert set(told("a.npy", "b.npy")[0]) == {"no-ids", "features-aligned"}
    assert told("a.npy", "b.npy")[1] == 0
    write("b", karhunen()[1:])
    found, code = told("a.npy", "b.npy")
    assert (set(found), code) == ({"row-counts", "features-shifted"}, 4)
    assert found["features-shifted"]["numbers"]["shift"] == -1
    write("b", np.random.default_rng(0).permutation(karhunen()))
    found, code = told("a.npy", "b.npy")
    assert (set(found), code) == ({"no-ids", "features-unaligned"}, 4)


def test_a_shift_of_equal_orders_blames_neither(write, told):
    write("a", PIXELS, IDS)
    write("b", np.roll(karhunen(), 2, axis=0)[:-9], IDS[:-9])
    found, _ = told("a.npy", "b.npy")
    assert found["features-shifted"]["numbers"]["shift"] == 2
    assert "those of b stand 2 rows later than those of a " in found["features-shifted"]["sentence"]


def test_ids_in_one_file_only(write, told):
    write("a", PIXELS, IDS)
    write("b", karhunen())
    found, code = told("a.npy", "b.npy")
    assert (set(found), code) == ({"no-ids", "features-aligned"}, 4)
    assert found["no-ids"]["command"] == "--ids b=FILE"


def test_few_rows_are_not_tested(write, told):
    write("a", PIXELS[:50], IDS[:50])
    write("b", karhunen()[:50], IDS[:50])
    found, code = told("a.npy", "b.npy")
    assert (set(found), code) == ({"same-order", "features-untested"}, 0)


def test_one_file_is_an_error(write, call):
    write("a", PIXELS)
    done = call("check", "a.npy")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: check compares files")


def test_long_ids_stay_within_the_terminal(write, call, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    ids = [f"photos/of 2024/{name}/a_long_name.jpg" for name in IDS]
    write("a", PIXELS, ids)
    write("b", karhunen()[50:], ids[50:])
    lines = call("check", "a.npy", "b.npy").out.splitlines()
    assert max(map(len, lines)) <= 80
    first = lines.index(f"       such as {ids[0]!r},")
    assert lines[first + 1] == f"               {ids[1]!r},"


@pytest.mark.parametrize("plain", [False, True])
def test_a_table_of_many_combinations_ends_with_their_sum(plain):
    names = [f"m{k}" for k in range(6)]
    every = [s for r in range(1, 7) for s in combinations(names, r)]
    counts = range(1000 + len(every), 1000, -1)
    lines = upset(names, list(zip(every, counts, strict=True)), 80, plain=plain)
    assert len(lines) == 1 + 20 + 1
    assert lines[-1] == f"43 other combinations: {sum(counts[20:]):,} ids"
    assert lines[1].split()[:7] == ["x" if plain else "●", *["." if plain else "·"] * 5, "1,063"]


def test_rows_like_their_neighbours_cannot_be_told(write, told):
    """Of two that have nothing in common, a far shift finds as much as the order given."""
    rng = np.random.default_rng(0)
    for name, width in (("a", 8), ("b", 5)):
        rows = rng.normal(size=(400, width))
        for t in range(1, 400):
            rows[t] += 0.95 * rows[t - 1]
        write(name, rows)
    found, code = told("a.npy", "b.npy")
    assert (set(found), code) == ({"no-ids", "features-unclear"}, 0)
    one = found["features-unclear"]
    assert set(one["numbers"]) == {"rows", "rv", "p_shuffle", "p_far"}
    assert one["numbers"]["p_far"] > 0.05 > one["numbers"]["p_shuffle"]
    assert one["sentence"].startswith("features of 394 rows joined by position cannot tell: ")
    assert one["sentence"].endswith("for rows near each other are alike")
