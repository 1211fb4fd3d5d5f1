"""Hostile models of both kinds, lock files and files of ids: by name, what makes one, and so on."""

from __future__ import annotations

import json
import pickle
import struct
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from attack.hostile_arrays import CANARY, Canary, Cases, archive, npy, objects, tensors

import mmfuse
from mmfuse.files.safetensors_header import tensors_head

ROWS = 12
LEARNED, TRAINED = "mmfuse_model", "mmfuse_trained"


def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(ROWS, 3)).astype(np.float32)


@cache
def good(kind: str) -> bytes:
    """A model of a kind, of three columns of one modality named m."""
    labels = np.arange(ROWS) % 2
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "model")
        if kind == LEARNED:
            mmfuse.fit("pca", {"m": rows()}, path, options={"n_components": 2})
        else:
            mmfuse.train({"m": rows()}, labels, path, estimator="forest", folds=0)
        return path.read_bytes()


def headed(kind: str, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """A model of another header."""
    data = good(kind)
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    change(header)
    return tensors(header, data[end:])


def described(kind: str, text: str) -> bytes:
    """A model with a description that is any text, and without a checksum."""
    return headed(kind, lambda header: header.update(__metadata__={kind: text}))


def said(kind: str, **more: Any) -> bytes:
    """A model that says something else of itself, and has no checksum."""

    def change(header: dict[str, Any]) -> None:
        content = json.loads(header["__metadata__"][kind])
        header["__metadata__"] = {kind: json.dumps({**content, **more})}

    return headed(kind, change)


def flipped(kind: str) -> bytes:
    """One bit of one number."""
    data = bytearray(good(kind))
    end = 8 + int.from_bytes(data[:8], "little")
    data[end + 5] ^= 1
    return bytes(data)


def forest(payload: bytes) -> bytes:
    """A trained model with any bytes for its forest."""
    data = good(TRAINED)
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    arrays = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        first, last = entry["data_offsets"]
        values = data[end + first : end + last]
        if entry["dtype"] == "U8":
            values = payload
        arrays[name] = (values, entry)
    forms = {
        name: (
            ((len(values),), np.dtype("u1"))
            if entry["dtype"] == "U8"
            else (tuple(entry["shape"]), np.dtype({"F64": "<f8", "I64": "<i8"}[entry["dtype"]]))
        )
        for name, (values, entry) in arrays.items()
    }
    head, _ = tensors_head(forms, {TRAINED: header["__metadata__"][TRAINED]})
    return head + b"".join(values for values, _ in arrays.values())


def _both(name: str, make: Callable[[str], bytes], told: str) -> Cases:
    return {
        f"{kind}-{name}.safetensors": ((lambda kind=kind: make(kind)), told)
        for kind in (LEARNED, TRAINED)
    }


SCHEMA = {
    "__class__": "Canary",
    "__module__": "hostile_arrays",
    "__loader__": "ObjectNode",
    "content": {},
    "_sklearn_version": "1",
}
MODELS: Cases = {
    **_both("flipped", flipped, "its checksum"),
    **_both("not-utf-8", lambda kind: tensors(b'{"\xff": 1}'), "not valid UTF-8"),
    **_both("deep", lambda kind: described(kind, "[" * 100_000), "nests too deeply"),
    **_both("long-number", lambda kind: described(kind, "9" * 5000), "too many digits"),
    **_both("nan", lambda kind: described(kind, '{"format_version": NaN}'), "NaN is no number"),
    **_both("twice", lambda kind: described(kind, '{"a": 1, "a": 2}'), "'a' stands there twice"),
    **_both("half-a-character", lambda kind: said(kind, version="\ud800"), "not valid UTF-8"),
    **_both("huge-version", lambda kind: said(kind, format_version=10**30), "a model of format"),
    **_both("wide", lambda kind: said(kind, modalities=[{"columns": 1 << 60}]), "damaged model"),
    **_both("other", lambda kind: tensors({"__metadata__": {kind: "1"}}, b""), "damaged model"),
    **_both(
        "huge-header",
        lambda kind: struct.pack("<Q", 1 << 62) + good(kind)[8:],
        "100,000,000 is the most",
    ),
    **_both(
        "endless-and-empty",
        lambda kind: headed(
            kind,
            lambda h: h.update(x={"dtype": "F64", "shape": [0, 1 << 50], "data_offsets": [0, 0]}),
        ),
        "damaged",
    ),
    **_both("pickle", lambda kind: pickle.dumps(Canary()), "never unpickles"),
    f"{TRAINED}-forest-is-a-pickle.safetensors": (
        lambda: forest(pickle.dumps(Canary())),
        "damaged model",
    ),
    f"{TRAINED}-forest-of-objects.safetensors": (
        lambda: forest(archive({"schema.json": json.dumps(SCHEMA).encode()})),
        "not trusted",
    ),
    f"{TRAINED}-forest-of-object-arrays.safetensors": (
        lambda: forest(archive({"schema.json": b"{}", "0.npy": npy(objects())})),
        "damaged model",
    ),
    f"{TRAINED}-forest-is-deep.safetensors": (
        lambda: forest(archive({"schema.json": b"[" * 100_000})),
        "damaged model",
    ),
}

IDS: Cases = {
    "deep.json": (lambda: b"[" * 100_000, "nests too deeply"),
    "half-a-character.json": (lambda: b'["a", "\\ud800"]', "not valid UTF-8"),
    "long-number.json": (lambda: b"[" + b"9" * 5000 + b"]", "too many digits"),
    "not-utf-8.json": (lambda: b'["\xff"]', "not valid UTF-8"),
    "nan.json": (lambda: b"[1, NaN]", "number 2 is nan"),
    "nul.txt": (lambda: b"a\0b\nc\n", "NUL"),
    "not-utf-8.txt": (lambda: b"a\xff\nc\n", "not valid UTF-8"),
    "empty-lines.txt": (lambda: b"\n" * 1_000_000, "empty"),
    "objects.npy": (lambda: npy(objects()), "Python objects"),
    "claims.npy": (
        lambda: npy(np.array(["a"])).replace(b"(1,), ", b"(9999999999,), ", 1),
        "",
    ),
    "code-points.npy": (
        lambda: npy(np.array(["ab", "c"])).replace(b"a\0\0\0", b"\xff\xff\xff\xff"),
        "no characters",
    ),
    "pickle.txt": (lambda: pickle.dumps(Canary()), ""),
}

LOCKS: Cases = {
    "deep.lock": (lambda: b"[" * 100_000, "nests too deeply"),
    "long-number.lock": (lambda: b"9" * 5000, "too many digits"),
    "not-utf-8.lock": (lambda: b'{"\xff": 1}', "not valid UTF-8"),
    "twice.lock": (lambda: b'{"mmfuse_lock": 1, "mmfuse_lock": 1}', "stands there twice"),
    "large.lock": (lambda: b" " * (80 << 20), "too large"),
    "pickle.lock": (lambda: pickle.dumps(Canary()), "not a lock file"),
    "numbers.lock": (
        lambda: json.dumps(
            {
                "mmfuse_lock": 1,
                "rows": {"count": 1 << 80, "sha256": "0" * 64, "sorted": "0" * 64},
                "inputs": [],
            }
        ).encode(),
        "not a lock file",
    ),
}
__all__ = ["CANARY", "IDS", "LEARNED", "LOCKS", "MODELS", "ROWS", "TRAINED", "good", "rows"]
