"""Feed mutated files to the loaders that the command line uses, and to what reads their rows.

    python tests/attack/fuzz.py                            every target, a minute each
    python tests/attack/fuzz.py npy csv --seconds 300 --seed 7

A finding is any exception but MmfuseError, a crash, ten seconds, or two gigabytes. It is kept in
the folder `--findings`; the exit code is 1 if there is one. Needs pip install atheris (group
`attack`). Seeds are made by code, and are the same for the same versions of what makes them.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["mmfuse"]):
    import mmfuse
    import mmfuse.api
    import mmfuse.applying
    import mmfuse.files.deflated
    import mmfuse.files.parquet_source
    import mmfuse.files.parquet_values
    import mmfuse.files.safetensors_header
    import mmfuse.files.sheet
    import mmfuse.formats.arrow
    import mmfuse.formats.csv
    import mmfuse.formats.jsonl
    import mmfuse.formats.npy
    import mmfuse.formats.npz
    import mmfuse.formats.parquet
    import mmfuse.formats.safetensors
    import mmfuse.labels
    import mmfuse.lock
    import mmfuse.models
    import mmfuse.training

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from mmfuse.errors import MmfuseError

Bytes = dict[str, bytes]
HANG_SECONDS, MEMORY_MIB, MOST_BYTES = 10, 2048, 8192
ROWS = 6
X = np.arange(3.0 * ROWS, dtype="f4").reshape(ROWS, 3)
IDS = [f"é{k}" for k in range(ROWS)]
Y = np.arange(10 * ROWS) % 2


# --- files that are good, to begin with --------------------------------------------------------


def npys() -> Bytes:
    records = np.zeros(ROWS, [("id", "U4"), ("a", ">f8"), ("v", "<f2", (2,))])
    records["id"] = IDS
    arrays = {
        "matrix": X,
        "columns": np.asfortranarray(X),
        "records": records,
        "ids": np.array(IDS),
    }
    arrays["sequences"], arrays["truth"] = X.reshape(ROWS, 3, 1), X > 3
    return {name: saved(np.save, array) for name, array in arrays.items()}


def npzs() -> Bytes:
    pair = {"ids": np.array(IDS), "embeddings": X}
    fused = {"metadata": np.array('{"command": "concat"}'), "columns": np.array(["a", "b", "c"])}
    return {
        "stored": saved(np.savez, **pair),
        "packed": saved(np.savez_compressed, **pair),
        "columns": saved(np.savez_compressed, np.asfortranarray(X)),
        "fused": saved(np.savez, **pair, **fused, n_models=Y[:ROWS]),
    }


def saved(how: Callable[..., None], *arrays: Any, **named: Any) -> bytes:
    stream = io.BytesIO()
    how(stream, *arrays, **named)
    return stream.getvalue()


def table() -> pa.Table:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 3)
    return pa.table({"id": IDS, "a": [1.5, None, *X[2:, 0].tolist()], "embedding": vectors})


def csvs() -> Bytes:
    rows = [f"{i},{k}.5,-1e{k},true" for k, i in enumerate(IDS)]
    wide = "\n".join(["id,a,b,c", *rows]) + "\n"
    listed = "id;embedding\n" + "".join(f'{k};"[{k}, 0.5]"\r\n' for k in range(ROWS))
    quoted = '﻿"id","a"\n' + "".join(f'"x,""{k}\n",{k}\n' for k in range(ROWS))
    found = {"wide": wide, "listed": listed.replace(";", ","), "quoted": quoted}
    plain = {name: text.encode() for name, text in found.items()}
    return {**plain, "gzip": pa.compress(plain["wide"], "gzip", asbytes=True)}


def jsonls() -> Bytes:
    rows = [{"id": i, "embedding": x.tolist()} for i, x in zip(IDS, X, strict=True)]
    wide = [{"id": k, "a": k / 2, "b": None, "c": True} for k in range(ROWS)]
    batch = [
        {
            "custom_id": i,
            "response": {"status_code": 200, "body": {"data": [{"embedding": [1, 2]}]}},
        }
        for i in IDS
    ]
    made = {"vectors": rows, "wide": wide, "batch": batch}
    return {k: "\n".join(map(json.dumps, lines)).encode() for k, lines in made.items()}


def parquets() -> Bytes:
    hows: dict[str, Mapping[str, Any]] = {
        "plain": {"use_dictionary": False, "compression": "none"},
        "dictionary": {"compression": "none", "row_group_size": 4},
        "snappy": {"data_page_version": "2.0", "write_statistics": False},
        "checked": {"write_page_checksum": True, "compression": "zstd", "store_schema": False},
    }
    found = {
        name: saved(lambda to, how=how: pq.write_table(table(), to, **how))
        for name, how in hows.items()
    }
    with tempfile.TemporaryDirectory() as place:
        for layout in ("vector", "wide"):
            path = Path(place, f"{layout}.parquet")
            mmfuse.fuse("concat", {"m": (X, IDS)}, path, layout=layout)
            found[layout] = path.read_bytes()
    return found


def arrows() -> Bytes:
    found = {}
    for name, make in (("file", pa.ipc.new_file), ("stream", pa.ipc.new_stream)):
        stream = io.BytesIO()
        with make(stream, table().schema) as writer:
            writer.write_table(table(), max_chunksize=4)
        found[name] = stream.getvalue()
    found["feather"] = saved(lambda to: pyarrow.feather.write_feather(table(), to))
    return found


def safetensorss() -> Bytes:
    found = {}
    with tempfile.TemporaryDirectory() as place:
        for name, ids in (("text", IDS), ("integers", list(range(ROWS)))):
            path = Path(place, "x.safetensors")
            mmfuse.fuse("concat", {"m": (X, ids)}, path)
            found[name] = path.read_bytes()
    return found


def data() -> dict[str, Any]:
    x = np.random.default_rng(0).normal(size=(10 * ROWS, 3)).astype("f4")
    return {"a": x, "b": x[:, :2] ** 2}


def models() -> Bytes:
    kinds: dict[str, dict[str, Any]] = {
        "pca": {"options": {"n_components": 2}, "normalize": {"a": "l2,zscore", "b": "minmax"}},
        "cca": {"options": {"n_components": 1}},
        "gcca": {"options": {"n_components": 1}, "normalize": "center"},
        "lda": {"labels": Y},
    }
    return _written(lambda kind, how, path: mmfuse.fit(kind, data(), path, **how), kinds)


def traineds() -> Bytes:
    kinds: dict[str, dict[str, Any]] = {
        "stack": {"estimator": {"a": "lda", "b": "logistic"}, "fuse": "stack", "folds": 3},
        "ridge": {"estimator": "ridge", "calibrate": "temperature", "folds": 3},
        "forest": {"estimator": "forest", "folds": 0, "normalize": "zscore"},
        "sum": {"fuse": "sum", "folds": 0},
    }
    kinds["forest"]["options"] = {"forest": {"n_estimators": 1, "max_depth": 2}}
    return _written(lambda _, how, path: mmfuse.train(data(), Y, path, **how), kinds)


def _written(make: Callable[..., Any], kinds: Mapping[str, Any]) -> Bytes:
    """Models without the checksum that would refuse whatever is made of them."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        for kind, how in kinds.items():
            path = Path(place, "model")
            make(kind, how, path)
            header, body = parted(path.read_bytes())
            header["__metadata__"].pop("sha256", None)
            found[kind] = joined(header, body)
    return found


def idss() -> Bytes:
    return {
        "text": "\n".join(IDS).encode(),
        "json": json.dumps(IDS).encode(),
        "numbers": b"1\r\n22\n",
    }


def locks() -> Bytes:
    with tempfile.TemporaryDirectory() as place:
        np.save(Path(place, "x.npy"), X)
        mmfuse.fuse("concat", {"x": f"{place}/x.npy"}, lock=f"{place}/lock")
        return {"lock": Path(place, "lock").read_bytes()}


# --- what reads them ---------------------------------------------------------------------------


def table_read(path: str) -> None:
    """All that a command does with a table: its profile, its rows, its ids, its labels."""
    uses: list[Callable[[], Any]] = [
        lambda: mmfuse.inspect([path]),
        lambda: mmfuse.fuse("concat", {"m": path}, nan="keep", by="position"),
        lambda: mmfuse.fuse("concat", {"m": path, "n": path}, nan="keep", threads=1),
        lambda: mmfuse.fuse("concat", {"m": X}, ids={"m": path}),
        lambda: mmfuse.fuse("concat", {"m": path}, pool="mean", nan="zero"),
    ]
    each(uses)


def ids_read(path: str) -> None:
    each([lambda: mmfuse.fuse("concat", {"m": X}, ids={"m": path})])


def lock_read(path: str) -> None:
    each([lambda: mmfuse.lock.Locked.parse(Path(path).read_bytes())])


def model_read(path: str) -> None:
    try:
        model = mmfuse.load(path)
    except MmfuseError:
        return
    again = f"{path}.again"
    uses: list[Callable[[], Any]] = [
        lambda: mmfuse.apply(model, data()),
        lambda: mmfuse.go_on(model, data()),
        lambda: mmfuse.merge([model, model], again),
        lambda: mmfuse.explain(model),
    ]
    each(uses)


def trained_read(path: str) -> None:
    try:
        model = mmfuse.load(path)
    except MmfuseError:
        return
    uses: list[Callable[[], Any]] = [
        lambda: mmfuse.predict(model, data()),
        lambda: mmfuse.predict(model, {"b": data()["b"]}),
    ]
    each(uses)


def each(uses: list[Callable[[], Any]]) -> None:
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for use in uses:
            try:
                use()
            except MmfuseError:
                """Refused, as it should be."""


# --- mutations that keep a file what it is -----------------------------------------------------


def parted(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the values of a safetensors file."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def joined(header: Any, body: bytes) -> bytes:
    text = json.dumps(header, ensure_ascii=False).encode(errors="surrogatepass")
    return len(text).to_bytes(8, "little") + text + body


def mutated(content: bytes, room: int = 64) -> bytes:
    return bytes(atheris.Mutate(content, max(len(content) + room, 1)))


def zip_mutated(content: bytes, rng: random.Random) -> bytes:
    """A member changed; its checksum and sizes are right again."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        names = old.namelist()
        chosen = rng.choice(names)
        for entry in old.infolist():
            member = old.read(entry)
            if entry.filename == chosen:
                member = mutated(member)
            new.writestr(zipfile.ZipInfo(entry.filename), member, entry.compress_type)
    return stream.getvalue()


def safetensors_mutated(content: bytes, rng: random.Random) -> bytes:
    """The header changed as text, or a value of JSON in it, or an archive among the tensors."""
    header, body = parted(content)
    metadata = header.get("__metadata__", {})
    zips = [
        name
        for name, entry in header.items()
        if name != "__metadata__" and body[entry["data_offsets"][0] :].startswith(b"PK")
    ]
    how = rng.randrange(4)
    if how == 0 and zips:
        first, last = header[zips[0]]["data_offsets"]
        changed = zip_mutated(body[first:last], rng)
        return joined(_resized(header, zips[0], len(changed)), body[:first] + changed + body[last:])
    if how == 1:
        return joined(header, mutated(body, 0))
    if how == 2 and metadata:
        key = rng.choice(sorted(metadata))
        metadata[key] = json.dumps(value_mutated(json.loads(metadata[key]), rng))
        return joined(header, body)
    text = mutated(json.dumps(header, ensure_ascii=False).encode())
    return len(text).to_bytes(8, "little") + text + body


def _resized(header: dict[str, Any], name: str, size: int) -> dict[str, Any]:
    """The header with one tensor of bytes of another size."""
    first, last = header[name]["data_offsets"]
    by = size - (last - first)
    for key, entry in header.items():
        if key != "__metadata__" and entry["data_offsets"][0] >= last:
            entry["data_offsets"] = [place + by for place in entry["data_offsets"]]
    header[name] |= {"shape": [size], "data_offsets": [first, first + size]}
    return header


ODD = (
    None,
    True,
    0,
    -1,
    1,
    2,
    1 << 31,
    1 << 63,
    1 << 80,
    0.5,
    1e308,
    -0.0,
    "",
    "x",
    "\ud800",
    [],
    {},
)


def value_mutated(value: Any, rng: random.Random) -> Any:
    """The same with one value, somewhere within, another, twice, or gone."""
    if isinstance(value, dict | list) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value)) if isinstance(value, dict) else rng.randrange(len(value))
        how = rng.random()
        if how < 0.05:
            del value[key]
        elif how < 0.1 and isinstance(value, list):
            value.append(value[key])
        else:
            value[key] = value_mutated(value[key], rng)
        return value
    return rng.choice(ODD)


TARGETS: dict[str, tuple[str, Callable[[], Bytes], Callable[[str], None], Any]] = {
    "npy": (".npy", npys, table_read, None),
    "npz": (".npz", npzs, table_read, zip_mutated),
    "csv": (".csv", csvs, table_read, None),
    "jsonl": (".jsonl", jsonls, table_read, None),
    "parquet": (".parquet", parquets, table_read, None),
    "arrow": (".arrow", arrows, table_read, None),
    "safetensors": (".safetensors", safetensorss, table_read, safetensors_mutated),
    "model": (".safetensors", models, model_read, safetensors_mutated),
    "trained": (".safetensors", traineds, trained_read, safetensors_mutated),
    "ids": (".ids.txt", idss, ids_read, None),
    "idsjson": (".ids.json", idss, ids_read, None),
    "lock": (".lock", locks, lock_read, None),
}


# --- the program -------------------------------------------------------------------------------


def fuzz(target: str, seconds: int, seed: int, findings: Path) -> None:
    """One target in this process, which libFuzzer ends."""
    suffix, make, read, mutate = TARGETS[target]
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    place = tempfile.mkdtemp(
        prefix="mmfuse-fuzz-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None
    )
    corpus = Path(place, "corpus")
    corpus.mkdir()
    for name, content in make().items():
        (corpus / name).write_bytes(content)
    os.chdir(place)
    path = f"x{suffix}"
    seen: set[str] = set()
    runs, end = itertools.count(), time.monotonic() + seconds

    def one(content: bytes) -> None:
        number = next(runs)
        if time.monotonic() > end:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            print(f"DONE {number:,} runs, {peak:,} MiB", flush=True)
            os._exit(0)  # libFuzzer would exit while threads of pyarrow wait for Python's lock
        Path(path).write_bytes(content)
        try:
            read(path)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            own = [frame for frame in frames if f"{os.sep}mmfuse{os.sep}" in frame.filename]
            places = [f"{frame.filename}:{frame.lineno}" for frame in (*own[-1:], frames[-1])]
            known = " ".join([type(error).__name__, *places])
            if known not in seen:  # the first of its kind
                seen.add(known)
                kept = findings / f"{target}-{sha256(known.encode()).hexdigest()[:8]}{suffix}"
                kept.write_bytes(content)
                print(f"FINDING {kept}\n  {str(error)[:200]}\n  {known}", flush=True)

    def custom(content: bytes, most: int, number: int) -> bytes:
        rng = random.Random(number)
        changed = b""
        if rng.random() < 0.7:
            try:
                changed = mutate(content, rng)
            except Exception:
                """It is no longer such a file."""
        return (changed or mutated(content))[:most]

    options = [f"-seed={seed}", f"-timeout={HANG_SECONDS}"]
    options += [f"-rss_limit_mb={MEMORY_MIB}", f"-max_len={MOST_BYTES * (8 if mutate else 1)}"]
    options += [f"-artifact_prefix={findings}/{target}-", "-verbosity=0"]
    findings.mkdir(exist_ok=True)
    more = {"custom_mutator": custom} if mutate else {}
    atheris.Setup([sys.argv[0], *options, str(corpus)], one, **more)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=" ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--here", action="store_true", help="in this process, one target")
    given = parser.parse_args()
    findings = given.findings.resolve()
    if given.here:
        fuzz(given.targets[0], given.seconds, given.seed, findings)
    failed = []
    for target in given.targets or TARGETS:
        command = [sys.executable, __file__, target, "--here", f"--seconds={given.seconds}"]
        command += [f"--seed={given.seed}", f"--findings={findings}"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        lines = done.stdout.splitlines()
        found = [line for line in lines if line.startswith(("FINDING", "DONE", "  "))]
        print(f"{target}: exit {done.returncode}", *found, sep="\n", flush=True)
        if done.returncode:
            print(*done.stderr.splitlines()[-15:], sep="\n")
        if done.returncode or found[0].startswith("FINDING"):
            failed.append(target)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
