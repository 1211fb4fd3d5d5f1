"""Hostile npy, npz and safetensors files: by name, what makes one, and a piece of what is told."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

Cases = dict[str, tuple[Callable[[], bytes], str]]
X = np.arange(12, dtype="<f4").reshape(4, 3)
CANARY = "canary"


class Canary:
    """Leaves a folder behind where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (CANARY,)


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def headed(text: str, rest: bytes = X.tobytes(), version: int = 1, length: int = -1) -> bytes:
    """An npy file of any header."""
    header = text.encode("latin1") + b"\n"
    size = struct.pack("<H" if version == 1 else "<I", len(header) if length < 0 else length)
    return b"\x93NUMPY" + bytes([version, 0]) + size + header + rest


def shaped(shape: str, descr: str = "'<f4'", **more: Any) -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}"
    return headed(text, **more)


def objects() -> np.ndarray:
    return np.array([Canary()] * 4, object)


NPY: Cases = {
    "huge.npy": (lambda: shaped("(1000000000000, 3)"), "is cut short"),
    "overflow.npy": (lambda: shaped("(4611686018427387904, 4)"), "is cut short"),
    "overflow-to-zero.npy": (lambda: shaped("(4294967296, 4294967296)"), "is cut short"),
    "beyond-float.npy": (lambda: shaped(f"({10**400}, 3)"), "too long to be told"),
    "beyond-text.npy": (lambda: shaped("(0x" + "f" * 60_000 + ", 3)"), "too long to be told"),
    "negative.npy": (lambda: shaped("(-4, 3)"), "header is damaged"),
    "both-negative.npy": (lambda: shaped("(-4, -3)"), "header is damaged"),
    "many-axes.npy": (lambda: shaped("(" + "1, " * 100 + ")"), "too long to be told"),
    "empty-but-wide.npy": (lambda: shaped("(0, 1000000000000000)"), "at least one of each"),
    "empty-but-long.npy": (lambda: shaped("(1000000000000000, 0)"), "at least one of each"),
    "length-lies.npy": (lambda: shaped("(4, 3)", length=0xFFFF), "header is damaged"),
    "length-zero.npy": (lambda: shaped("(4, 3)", length=0), "header is damaged"),
    "length-of-4-gib.npy": (
        lambda: shaped("(4, 3)", version=2, length=0xFFFFFFFF),
        "header is damaged",
    ),
    "expression.npy": (
        lambda: shaped(f"(__import__('os').mkdir('{CANARY}') or 4, 3)"),
        "header is damaged",
    ),
    "code.npy": (lambda: headed(f"__import__('os').mkdir('{CANARY}')"), "header is damaged"),
    "sum.npy": (lambda: shaped("(" + "+".join("1" * 20_000) + ", 3)"), "header is damaged"),
    "attributes.npy": (lambda: shaped("(a" + ".a" * 20_000 + ", 3)"), "header is damaged"),
    "nested-dtype.npy": (
        lambda: shaped("(4,)", "[('a', " * 90 + "'<f4'" + ")]" * 90),
        "no numeric column",
    ),
    "dtype-twice.npy": (
        lambda: headed("{'descr': '<f4', 'descr': '|O', 'fortran_order': False, 'shape': (4, 3)}"),
        "Python objects",
    ),
    "field-twice.npy": (lambda: shaped("(4,)", "[('a', '<f4'), ('a', '<f4')]"), "is damaged"),
    "wide-text.npy": (lambda: shaped("(4,)", "'<U500000000'"), "is cut short"),
    "too-wide-text.npy": (lambda: shaped("(4,)", "'<U600000000'"), "header is damaged"),
    "unicode-dtype.npy": (lambda: shaped("(4, 3)", "'<\xb2'"), "header is damaged"),
    "huge-field.npy": (lambda: shaped("(1,)", "[('a', '<f4', (500000000,))]"), "is cut short"),
    "huge-dtype.npy": (lambda: shaped("(4,)", "('<f4', (500000000,))"), "is cut short"),
    "objects-within.npy": (lambda: shaped("(1,)", "[('a', [('b', '|O')])]"), "Python objects"),
    "complex.npy": (lambda: npy(X.astype(complex)), "features are real numbers"),
    "dates.npy": (lambda: npy(X.astype("M8[s]")), "features are real numbers"),
    "names-not-utf-8.npy": (
        lambda: shaped("(3,)", "[('\xff\xfe', '<f4'), ('b', '<f4')]", version=3),
        "header is damaged",
    ),
    "objects.npy": (lambda: npy(objects()), "Python objects"),
    "pickle.npy": (lambda: pickle.dumps(Canary()), "never unpickles"),
    "pickle-behind-zero.npy": (
        lambda: shaped("(0, 3)", "'|O'", rest=pickle.dumps(Canary())),
        "Python objects",
    ),
}


def archive(entries: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as file:
        for name, data in entries.items():
            file.writestr(zipfile.ZipInfo(name), data, how)
    return buffer.getvalue()


def lied(entries: dict[str, bytes], at: int, value: bytes, *, local: int = -1) -> bytes:
    """An archive with other bytes at a place of its last directory entry, and of a local header."""
    data = bytearray(archive(entries, zipfile.ZIP_DEFLATED))
    place = data.rindex(b"PK\x01\x02")
    data[place + at : place + at + len(value)] = value
    if local >= 0:
        data[local : local + len(value)] = value
    return bytes(data)


def blown(head: bytes, unit: bytes, size: int) -> bytes:
    """Deflated: a head, and a unit as often as it fits into every mebibyte of so many bytes."""
    packed = []
    for text in (head, unit * ((1 << 20) // len(unit))):
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed.append(packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH))
    return packed[0] + packed[1] * (size >> 20) + b"\3\0"


def bomb(name: str, head: bytes, size: int) -> bytes:
    """An archive of one member that is a head and zeros, its sizes true and its checksum not."""
    data, whole = blown(head, b"\0", size), len(head) + (size >> 20 << 20)
    entry = name.encode()
    shared = struct.pack(
        "<HHHHHIIIHH", 20, 0, 8, 0, 0, 0, len(data), whole & 0xFFFFFFFF, len(entry), 0
    )
    local = b"PK\x03\x04" + shared + entry
    directory = b"PK\x01\x02" + struct.pack("<H", 20) + shared + bytes(14) + entry
    end = struct.pack("<HHHHIIH", 0, 0, 1, 1, len(directory), len(local) + len(data), 0)
    return local + data + directory + b"PK\x05\x06" + end


def twice() -> bytes:
    data = archive({"a.npy": npy(X), "b.npy": npy(X)})
    return data.replace(b"b.npy", b"a.npy")


def true_zip64() -> bytes:
    """Sizes of 2^60 bytes in the field that zip64 has for them."""
    extra = struct.pack("<HHQQ", 1, 16, 1 << 60, 1 << 60)
    data = bytearray(archive({"a.npy": npy(X)}))
    place, end = data.rindex(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    struct.pack_into("<II", data, place + 20, 0xFFFFFFFF, 0xFFFFFFFF)
    struct.pack_into("<H", data, place + 30, len(extra))
    struct.pack_into("<I", data, end + 12, end - place + len(extra))
    return bytes(data[:end] + extra + data[end:])


DEFLATED = {"a.npy": npy(np.arange(3000.0).reshape(1000, 3))}
NPZ: Cases = {
    "claims-12-gib.npz": (
        lambda: archive({"a.npy": shaped("(1073741824, 3)")}, zipfile.ZIP_DEFLATED),
        "is cut short",
    ),
    "header-of-1-gib.npz": (
        lambda: bomb("a.npy", b"\x93NUMPY\2\0" + struct.pack("<I", 1 << 30), 1 << 30),
        "header is damaged",
    ),
    "text-of-256-mib.npz": (
        lambda: bomb("ids.npy", shaped("(1024,)", "'|S262144'", rest=b""), 256 << 20),
        "no array of numbers",
    ),
    "many-columns.npz": (
        lambda: bomb("a.npy", shaped("(1, 268435456)", "'|u1'", rest=b""), 256 << 20),
        "columns",
    ),
    "directory-claims-4-gib.npz": (
        lambda: lied(DEFLATED, 24, b"\xff\xff\xff\x7f"),
        "cannot hold 2,147,483,647",
    ),
    "packed-size-lies.npz": (lambda: lied(DEFLATED, 20, b"\xff\xff\xff\x7f"), "cannot hold"),
    "zip64-lies.npz": (true_zip64, "cannot hold"),
    "encrypted.npz": (lambda: lied(DEFLATED, 8, b"\1", local=6), "it is encrypted"),
    "method-unknown.npz": (lambda: lied(DEFLATED, 10, b"\x63", local=8), "that npz files are not"),
    "far-away.npz": (lambda: lied(DEFLATED, 42, b"\xf0\xff\xff\x7f"), "archive is damaged"),
    "checksum.npz": (lambda: lied(DEFLATED, 16, b"\0\0\0\0"), "Bad CRC-32"),
    "twice.npz": (twice, "two arrays are named 'a'"),
    "objects.npz": (lambda: archive({"a.npy": npy(objects())}), "Python objects"),
    "objects-as-ids.npz": (
        lambda: archive({"a.npy": npy(X), "ids.npy": npy(objects())}),
        "Python objects",
    ),
    "objects-in-npz-of-pickle.npz": (
        lambda: archive({"a.npy": pickle.dumps(Canary())}),
        "header is damaged",
    ),
    "nested.npz": (
        lambda: archive({"a.npy": archive({"b.npy": npy(X)})}),
        "header is damaged",
    ),
    "no-end.npz": (lambda: archive(DEFLATED)[:-22], "damaged, or cut short"),
    "directory-too-long.npz": (
        lambda: archive(DEFLATED)[:-10] + b"\xff\xff\xff\x7f" + bytes(6),
        "damaged",
    ),
}


def tensors(header: Any, rest: bytes = X.tobytes(), length: int = -1) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length < 0 else length) + text + rest


def tensor(*offsets: Any, shape: Any = (4, 3), dtype: Any = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


SAFETENSORS: Cases = {
    "overlapping.safetensors": (
        lambda: tensors({"a": tensor(0, 48), "b": tensor(0, 48)}),
        "does not follow",
    ),
    "gap.safetensors": (
        lambda: tensors({"a": tensor(4, 52)}, bytes(52)),
        "does not follow",
    ),
    "beyond.safetensors": (
        lambda: tensors({"a": tensor(0, 48 << 40, shape=[4 << 40, 3])}),
        "cut short or damaged",
    ),
    "negative.safetensors": (lambda: tensors({"a": tensor(-48, 0)}), "header is damaged"),
    "backwards.safetensors": (lambda: tensors({"a": tensor(48, 0)}), "header is damaged"),
    "overflow.safetensors": (
        lambda: tensors({"a": tensor(0, 48, shape=[(1 << 64) + 4, 3])}),
        "header is damaged",
    ),
    "offsets-of-float.safetensors": (lambda: tensors({"a": tensor(0.0, 48.0)}), "damaged"),
    "shape-of-truth.safetensors": (lambda: tensors({"a": tensor(0, 4, shape=[True])}), "damaged"),
    "many-axes.safetensors": (
        lambda: tensors({"a": tensor(0, 4, shape=[1] * 100)}, bytes(4)),
        "at least one of each",
    ),
    "empty-but-wide.safetensors": (
        lambda: tensors({"a": tensor(0, 0, shape=[0, 1 << 62])}, b""),
        "at least one of each",
    ),
    "header-of-2-to-the-63.safetensors": (
        lambda: tensors({"a": tensor(0, 48)}, length=1 << 63),
        "100,000,000 is the most",
    ),
    "header-longer-than-file.safetensors": (
        lambda: tensors({"a": tensor(0, 48)}, length=99_999_999),
        "its header does not end",
    ),
    "twice.safetensors": (
        lambda: tensors(b'{"a":{"dtype":"F32"},"a":{"dtype":"F32"}}'),
        "'a' stands there twice",
    ),
    "deep.safetensors": (lambda: tensors(b'{"a":' + b"[" * 100_000), "header is damaged"),
    "not-utf-8.safetensors": (lambda: tensors(b'{"\xff\xfe": 1}'), "header is damaged"),
    "a-list.safetensors": (lambda: tensors(b"{}]"), "header is damaged"),
    "long-number.safetensors": (
        lambda: tensors(b'{"a":{"dtype":"F32","shape":[' + b"9" * 10_000 + b"]}}"),
        "header is damaged",
    ),
    "ids-deep.safetensors": (
        lambda: tensors({"a": tensor(0, 48), "__metadata__": {"ids": "[" * 100_000}}),
        "no JSON list",
    ),
    "dtype-unknown.safetensors": (
        lambda: tensors({"a": tensor(0, 48, dtype="O")}),
        "unknown dtype 'O'",
    ),
    "dtype-a-list.safetensors": (lambda: tensors({"a": tensor(0, 48, dtype=[])}), "damaged"),
    "pickle.safetensors": (lambda: pickle.dumps(Canary()), "not a safetensors file"),
}

ARRAYS: Cases = {**NPY, **NPZ, **SAFETENSORS}
