"""Files made to harm: each is refused in one sentence, soon, in little memory, and nothing runs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest
from attack.forks import Ended, Forks
from attack.hostile_arrays import ARRAYS, CANARY, Cases
from attack.hostile_models import IDS, LEARNED, LOCKS, MODELS, ROWS, TRAINED, good, rows
from attack.hostile_tables import NOT_FINITE, PERHAPS, TABLES

import mmfuse
from mmfuse.errors import ResourceError
from mmfuse.files import machine

INPUT, ALIGNMENT, MEMORY, MODEL = 3, 4, 6, 7
HOSTILE = Path(__file__).with_name("hostile")
PEAK = 768 << 20
HEADS = ("", "  in: ", "hint: ", "  in: hint: ")

READERS: dict[str, list[str]] = {
    "convert": ["convert", "m={}", "-o", "out.npy"],
    "inspect": ["inspect", "m={}"],
    "concat": ["concat", "m={}", "n={}", "-o", "out.parquet"],
    "check": ["check", "m={}", "n={}"],
    "align": ["align", "m={}", "n={}", "-o", "out"],
    "train": ["train", "m={}", "--labels", "labels.txt", "-o", "out.model"],
    "labels": ["train", "m=good.npy", "--labels", "{}", "-o", "out.model"],
    "ids": ["concat", "m=good.npy", "--ids", "{}", "-o", "out.npy"],
    "apply": ["apply", LEARNED, "m={}", "-o", "out.npy"],
    "predict": ["predict", TRAINED, "m={}", "-o", "out.npy"],
    "fit": ["fit", "pca", "m={}", "n={}", "-o", "out.model"],
}
USERS: dict[str, list[str]] = {
    "inspect": ["inspect", "{}"],
    "apply": ["apply", "{}", "m=good.npy", "-o", "out.npy"],
    "predict": ["predict", "{}", "m=good.npy", "-o", "out.npy"],
    "merge": ["merge", LEARNED, "{}", "-o", "out.model"],
    "fit": ["fit", "--continue", "{}", "m=good.npy", "-o", "out.model"],
    "train": ["train", "--continue", "{}", "m=good.npy", "--labels", "labels.txt"],
}
OF_LEARNED, OF_TRAINED = {"apply", "merge", "fit"}, {"predict", "train"}


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    server = Forks()
    yield server
    server.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with good files beside the hostile one."""
    place = tmp_path_factory.mktemp("hostile")
    np.save(place / "good.npy", rows())
    (place / "labels.txt").write_text("".join(f"{k % 2}\n" for k in range(ROWS)))
    for kind in (LEARNED, TRAINED):
        (place / kind).write_bytes(good(kind))
    return place


def commands(name: str, table: dict[str, list[str]], long: bool) -> list[str]:
    """The first, and with every third file another; all of them in the long form."""
    first, *others = table
    lot = crc32(name.encode())
    return list(table) if long else [first, *others[lot % len(others) :][: lot % 3 == 0]]


def refused(ended: Ended, codes: set[int], folder: Path) -> None:
    assert ended.code in codes, ended
    assert ended.peak < PEAK
    if ended.code:
        lines = ended.err.splitlines()
        assert lines[0].startswith("error: ")
        assert "".join(line[:6] for line in lines[1:]) in HEADS
        assert all(map(str.isprintable, lines))
        assert not list(folder.glob("out*"))
    assert not (folder / CANARY).exists()


def attack(
    forks: Forks, folder: Path, cases: Cases, name: str, table: dict[str, list[str]], long: bool
) -> Iterator[tuple[str, Ended]]:
    """How commands end that are given a file; what they wrote is gone at the next."""
    make, _ = cases[name]
    (folder / name).write_bytes(make())
    try:
        for command in commands(name, table, long):
            yield command, forks.run(folder, *(part.format(name) for part in table[command]))
            for left in folder.glob("out*"):
                shutil.rmtree(left) if left.is_dir() else left.unlink()
    finally:
        (folder / name).unlink()


OTHERS = {"check": {0}, "apply": {MODEL}, "predict": {MODEL}}
"""A check looks at a few rows, or at none; a model may have been of other columns."""
FILES: Cases = {**ARRAYS, **TABLES}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_refused_by_whatever_reads_it(
    name: str, forks: Forks, folder: Path, long: bool
) -> None:
    told = FILES[name][1]
    for command, ended in attack(forks, folder, FILES, name, READERS, long):
        refused(ended, {INPUT, ALIGNMENT, MEMORY} | OTHERS.get(command, set()), folder)
        if command == "convert":
            assert told in ended.err


@pytest.mark.parametrize("name", PERHAPS)
def test_damage_that_no_checksum_tells_is_refused_or_read(
    name: str, forks: Forks, folder: Path, long: bool
) -> None:
    if not long and int(re.findall(r"\d+", name)[-1]) > 3:
        pytest.skip("long")
    for _, ended in attack(forks, folder, PERHAPS, name, READERS, long):
        refused(ended, {0, INPUT, ALIGNMENT, MEMORY, MODEL}, folder)


@pytest.mark.parametrize("name", NOT_FINITE)
def test_what_is_not_finite_is_told(name: str, forks: Forks, folder: Path) -> None:
    make, told = NOT_FINITE[name]
    (folder / name).write_bytes(make())
    ended = forks.run(folder, "concat", f"m={name}", "-o", "out.npy")
    refused(ended, {INPUT}, folder)
    assert told in ended.err


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_refused_by_whatever_uses_it(
    name: str, forks: Forks, folder: Path, long: bool
) -> None:
    own = {k: c for k, c in USERS.items() if TRAINED not in name or k not in OF_LEARNED}
    own = {k: c for k, c in own.items() if LEARNED not in name or k not in OF_TRAINED}
    for command, ended in attack(forks, folder, MODELS, name, own, long):
        refused(ended, {INPUT, MODEL} if command == "inspect" else {MODEL}, folder)
        if command != "inspect":
            assert MODELS[name][1] in ended.err


@pytest.mark.parametrize("name", IDS)
def test_a_file_of_ids_is_refused(name: str, forks: Forks, folder: Path, long: bool) -> None:
    table = {command: READERS[command] for command in ("ids", "labels")}
    for _, ended in attack(forks, folder, IDS, name, table, long):
        refused(ended, {INPUT, ALIGNMENT}, folder)
        assert IDS[name][1] in ended.err


@pytest.mark.parametrize("name", ["deep.json", "not-utf-8.txt", "objects.npy"])
def test_a_sidecar_is_refused(name: str, forks: Forks, folder: Path) -> None:
    np.save(folder / "beside.npy", rows())
    sidecar = folder / f"beside.ids{Path(name).suffix}"
    sidecar.write_bytes(IDS[name][0]())
    ended = forks.run(folder, "concat", "beside.npy", "-o", "out.npy")
    sidecar.unlink()
    refused(ended, {INPUT}, folder)
    assert IDS[name][1] in ended.err


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_is_refused(name: str, forks: Forks, folder: Path) -> None:
    (folder / name).write_bytes(LOCKS[name][0]())
    ended = forks.run(folder, "concat", "m=good.npy", "--lock", name, "-o", "out.npy")
    (folder / name).unlink()
    refused(ended, {INPUT}, folder)
    assert LOCKS[name][1] in ended.err


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "npy", "arrow", "parquet"])
def test_a_hundred_thousand_columns(suffix: str, forks: Forks, folder: Path, long: bool) -> None:
    if suffix in ("csv", "arrow", "parquet") and not long:
        pytest.skip("long")
    values = np.arange(200_000.0).reshape(2, -1)
    np.save(folder / "wide.npy", values)
    name = f"wide.{suffix}"
    layout = ["--layout", "wide"] if suffix in ("arrow", "parquet") else []
    if suffix != "npy":
        made = forks.run(folder, "convert", "wide.npy", "-o", name, *layout)
        assert made.code == 0, made
    ended = forks.run(folder, "convert", f"m={name}", "-o", "again.npy")
    assert ended.code == 0, ended
    assert np.array_equal(np.load(folder / "again.npy"), values)


FOUND: dict[str, tuple[list[str], int, str]] = {
    "code-points.npy": (["convert", "{}", "-o", "out.npy"], INPUT, "no characters"),
    "no-spectrum.safetensors": (["inspect", "{}"], MODEL, "there is no 'spectrum'"),
}
"""The files of the folder `hostile`, which fuzzing found: who fell, what is told now."""


def test_every_file_that_was_found_is_tried() -> None:
    assert set(FOUND) == {path.name for path in HOSTILE.iterdir()}


@pytest.mark.parametrize("name", FOUND)
def test_what_fuzzing_found_is_refused(name: str, forks: Forks, folder: Path) -> None:
    command, code, told = FOUND[name]
    ended = forks.run(folder, *(part.format(HOSTILE / name) for part in command))
    refused(ended, {code}, folder)
    assert told in ended.err


@pytest.mark.parametrize("file", ["a.npz", "a.arrow"])
def test_what_would_not_fit_into_memory_is_not_begun(
    file: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few bytes may say that they are many: a gigabyte of zeros is a megabyte."""
    ids = np.array(["x" * 1000] * 999 + ["y"])
    if file == "a.npz":
        np.savez_compressed(folder / file, ids=ids, x=np.zeros((1000, 2)))
    else:
        column = pa.array(ids.tolist()).dictionary_encode()
        pa.feather.write_feather(pa.table({"id": column, "x": np.zeros(1000)}), folder / file)
    assert len(mmfuse.inspect([folder / file])) == 1
    monkeypatch.setattr(machine, "available_memory", lambda: 1 << 20)
    with pytest.raises(ResourceError, match="needs about"):
        mmfuse.inspect([folder / file])
