"""Hostile csv, jsonl, Parquet and Arrow files: by name, what makes one, and what is told."""

from __future__ import annotations

import gzip
import io
import re
import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from attack.hostile_arrays import Cases, blown

from mmfuse.files.thrift import column, file_metadata, i32

LONG_CELL = 20 << 20


def gz(head: bytes, unit: bytes, size: int) -> bytes:
    """Compressed: a head and many units; its checksum, which comes last, is none."""
    return b"\x1f\x8b\x08" + bytes(7) + blown(head, unit, size) + bytes(8)


CSV: Cases = {
    "header-of-2-gib.csv.gz": (lambda: gz(b"id,", b"a", 2 << 30), "line 1 is longer"),
    "line-of-2-gib.csv.gz": (lambda: gz(b"id,a\n1,2\n", b"7", 2 << 30), "line 3 is longer"),
    "quote-of-2-gib.csv.gz": (
        lambda: gz(b'id,a\n1,2\n2,"', b"7" * 99 + b"\n", 2 << 30),
        "field larger",
    ),
    "commas-of-1-gib.csv.gz": (lambda: gz(b"id,a", b",", 1 << 30), "line 1 is longer"),
    "commas-of-1-gib-below.csv.gz": (lambda: gz(b"id,a\n1,2\n", b",", 1 << 30), "line 3 is longer"),
    "nested.csv.gz": (lambda: gzip.compress(gzip.compress(b"id,a\n1,2\n")), "not UTF-8 text"),
    "cut.csv.gz": (lambda: gzip.compress(b"id,a\n" + b"1,2\n" * 9000, mtime=0)[:-20], "Truncated"),
    "cut.csv.zst": (
        lambda: pa.compress(b"id,a\n1,2\n" * 99, "zstd", asbytes=True)[:-9],
        "Truncated",
    ),
    "cell.csv": (
        lambda: b"id,a,b\nx,1,1\ny," + b"9" * (6 << 20) + b"k,2\n",
        "line 3, column 'a'",
    ),
    "column-name.csv": (lambda: b"id,\xff\xfe\nx,1\n", "not UTF-8"),
    "escapes.csv": (lambda: b"id,a\n1,2\n2,\x1b[31m\x07\n", "is not a number"),
    "id-not-utf-8.csv": (lambda: b"id,a\nx\xff,1\ny,2\n", "UTF-8"),
    "list-deep.csv": (lambda: b"id,a\nx,[1]\ny," + b"[" * 100_000 + b"\n", "not a list of numbers"),
    "list-of-long-number.csv": (
        lambda: b"id,a\nx,[1]\ny,[" + b"9" * 5000 + b"]\n",
        "not a list of numbers",
    ),
    "list-first-deep.csv": (
        lambda: b"id,a\nx," + b"[" * 100_000 + b"\ny,[1]\n",
        "not a list of numbers",
    ),
    "list-empty.csv": (lambda: b"id,a\nx,[]\ny,[]\n", "empty"),
    "quotes.csv": (lambda: b'id,a\nx,"' + b'""' * 500_000 + b"\n", "no numeric column"),
}


def lines(*values: bytes) -> bytes:
    return b"\n".join(values) + b"\n"


def keys(count: int, last: int) -> bytes:
    """An object of so many keys, and one more."""
    text = ", ".join(f'"k{k}": 1' for k in [*range(count), last])
    return ("{" + text + "}\n").encode()


GOOD = b'{"id": "x", "embedding": [1, 2]}'
JSONL: Cases = {
    "deep.jsonl": (lambda: lines(GOOD, b'{"id": ' + b"[" * 100_000), "line 2: not JSON"),
    "deep-objects.jsonl": (lambda: lines(b'{"a":' * 100_000), "line 1: not JSON"),
    "twice.jsonl": (lambda: lines(b'{"id": 1, "id": 2, "a": 3}'), "'id' stands there twice"),
    "twice-of-many.jsonl": (lambda: keys(300_000, 299_999), "stands there twice"),
    "long-number.jsonl": (
        lambda: lines(GOOD, b'{"id": "y", "embedding": [1, ' + b"9" * 5000 + b"]}"),
        "line 2",
    ),
    "half-a-character.jsonl": (lambda: lines(b'{"id": "\\ud800", "embedding": [1, 2]}'), "UTF-8"),
    "half-a-character-as-key.jsonl": (lambda: lines(b'{"id": "x", "\\ud800": 1}'), "UTF-8"),
    "id-not-utf-8.jsonl": (
        lambda: lines(b'{"id": "\xff", "embedding": [1, 2]}'),
        "not valid UTF-8",
    ),
    "cell.jsonl": (lambda: lines(GOOD, b'{"id": "' + b"y" * LONG_CELL + b'"}'), "is longer than"),
    "no-line-break.jsonl.gz": (lambda: gz(GOOD + b"\n", b" ", 2 << 30), "is longer than"),
    "text-for-a-list.jsonl": (lambda: lines(GOOD, b'{"id": "y", "embedding": "12"}'), "line 2"),
    "list-within.jsonl": (lambda: lines(GOOD, b'{"id": "y", "embedding": [[1], 2]}'), "line 2"),
    "batch-answer.jsonl": (
        lambda: lines(b'{"custom_id": {}, "response": {"body": {"data": [{"embedding": 7}]}}}'),
        "the id under 'custom_id' is {}",
    ),
}


NOT_FINITE: Cases = {
    "infinite.csv": (lambda: b"id,a\nx,inf\ny,1e999\n", "finite"),
    "nan.jsonl": (lambda: lines(GOOD, b'{"id": "y", "embedding": [NaN, 2]}'), "finite"),
    "infinity.jsonl": (lambda: lines(GOOD, b'{"id": "y", "embedding": [1, -Infinity]}'), "finite"),
    "too-large.jsonl": (lambda: lines(GOOD, b'{"id": "y", "embedding": [1, 1e999]}'), "finite"),
}


def parquet(table: Any = None, **how: Any) -> bytes:
    if table is None:
        rng = np.random.default_rng(0)
        table = {
            "id": [f"x{k}" for k in range(500)],
            "a": rng.integers(0, 9, 500).astype("f8"),
            "v": [[float(k), 1.0] for k in range(500)],
        }
    stream = io.BytesIO()
    pq.write_table(pa.table(table), stream, **how)
    return stream.getvalue()


def footed(data: bytes, footer: bytes, length: int = -1) -> bytes:
    """A Parquet file of other metadata."""
    return data + footer + struct.pack("<I", len(footer) if length < 0 else length) + b"PAR1"


def damaged(data: bytes, *places: int) -> bytes:
    changed = bytearray(data)
    for place in places:
        changed[place] ^= 0xFF
    return bytes(changed)


def flat(rows: int, leaves: int = 1) -> bytes:
    """A footer that tells of rows in no row group."""
    schema = [column(f"c{k}", {1: i32(5)}) for k in range(leaves)]
    return file_metadata(leaves, schema, rows, [], {})


FEW = parquet()
PARQUET: Cases = {
    "footer-longer-than-file.parquet": (lambda: footed(b"PAR1", b"", 1 << 30), ""),
    "footer-of-2-gib.parquet": (lambda: footed(b"PAR1", b"", 0x7FFFFFFF), ""),
    "footer-of-4-gib.parquet": (lambda: footed(b"PAR1", b"", 0xFFFFFFFF), ""),
    "no-footer.parquet": (lambda: footed(b"PAR1", b""), ""),
    "encrypted.parquet": (lambda: b"PARE" + FEW[4:-4] + b"PARE", "not a Parquet file"),
    "encrypted-at-the-end.parquet": (lambda: FEW[:-4] + b"PARE", ""),
    "rows-without-groups.parquet": (lambda: footed(b"PAR1", flat(1 << 60)), ""),
    "negative-rows.parquet": (lambda: footed(b"PAR1", flat(-5)), ""),
    "children-lie.parquet": (
        lambda: footed(b"PAR1", file_metadata(1 << 30, [], 5, [], {})),
        "",
    ),
    "deep-structures.parquet": (lambda: footed(b"PAR1", b"\x1c" * 1_000_000), ""),
    "deep-schema.parquet": (
        lambda: footed(
            b"PAR1",
            file_metadata(1, [column("a", {5: i32(1)})] * 50_000, 5, [], {}),
        ),
        "",
    ),
    "list-of-2-to-the-31.parquet": (
        lambda: footed(b"PAR1", b"\x15\x02\x19\xfc\xff\xff\xff\xff\x07"),
        "",
    ),
    "text-of-2-gib.parquet": (lambda: footed(b"PAR1", b"\x18\xff\xff\xff\xff\x07"), ""),
    "page.parquet": (lambda: damaged(parquet(write_page_checksum=True), 60, 61), ""),
    "page-without-checksum.parquet": (lambda: damaged(FEW, *range(40, 80)), ""),
    "dictionary.parquet": (lambda: damaged(FEW, *range(4, 30)), ""),
    "arrow-schema.parquet": (
        lambda: re.sub(rb"/////[A-Za-z0-9+]{16}", b"/////" + b"A" * 16, FEW),
        "",
    ),
    "names-twice.parquet": (
        lambda: parquet(pa.table([pa.array([1.0]), pa.array([2.0])], ["a", "a"])),
        "two columns are named 'a'",
    ),
    "name-not-utf-8.parquet": (
        lambda: parquet({"id": ["x"], "qqqq": [1.0]}, store_schema=False).replace(
            b"qqqq", b"\xff\xfe\xfd\xfc"
        ),
        "UTF-8",
    ),
    "id-not-utf-8.parquet": (
        lambda: parquet({"id": ["qqqq", "r"], "a": [1.0, 2.0]}).replace(
            b"qqqq", b"\xff\xfe\xfd\xfc"
        ),
        "",
    ),
}


def levels(file: bytes, seed: int) -> bytes:
    """A few bytes of pages changed."""
    rng = np.random.default_rng(seed)
    places = rng.integers(4, max(5, file.rindex(b"schema") - 20), 6)
    return damaged(file, *places.tolist())


PERHAPS: Cases = {
    f"pages-{version}-{seed}.parquet": (
        lambda version=version, seed=seed: levels(
            parquet(data_page_version=version, compression="none"), seed
        ),
        "",
    )
    for version in ("1.0", "2.0")
    for seed in range(12)
}


def ipc(batch: Any = None, stream: bool = False, **how: Any) -> bytes:
    if batch is None:
        batch = pa.record_batch(
            {
                "id": pa.array(["xx", "yy", "zz"]),
                "a": pa.array([1.0, 2.0, None]),
                "v": pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
            }
        )
    buffer = io.BytesIO()
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(buffer, batch.schema, options=pa.ipc.IpcWriteOptions(**how)) as writer:
        writer.write_batch(batch)
    return buffer.getvalue()


def offsets(*values: int) -> bytes:
    return np.array(values, np.int32).tobytes()


LISTS = offsets(0, 2, 4, 6)  # of the vectors and of the ids above
INDICES = pa.array([0, 1, 99], pa.int8())


def dictionary_ids() -> pa.RecordBatch:
    ids = pa.DictionaryArray.from_arrays(INDICES, pa.array(["x", "y"]), safe=False)
    return pa.record_batch({"id": ids, "a": pa.array([1.0, 2.0, 3.0])})


def bomb_ids() -> pa.RecordBatch:
    """Ids that would be 20 TB, in a dictionary of one."""
    indices = pa.array(np.zeros(1 << 20, np.int8))
    ids = pa.DictionaryArray.from_arrays(indices, pa.array(["x" * LONG_CELL]))
    return pa.record_batch({"id": ids, "a": pa.array(np.zeros(1 << 20))})


def wide_list(width: int) -> pa.RecordBatch:
    values = pa.array(np.zeros(width, np.uint8))
    return pa.record_batch({"id": ["x"], "a": pa.FixedSizeListArray.from_arrays(values, width)})


ARROW: Cases = {
    "offsets-beyond.arrow": (lambda: ipc().replace(LISTS, offsets(0, 2, 4, 1 << 30)), ""),
    "offsets-not-in-order.arrow": (lambda: ipc().replace(LISTS, offsets(0, 4, 2, 6)), ""),
    "offsets-negative.arrow": (lambda: ipc().replace(LISTS, offsets(-2, 0, 2, 4)), ""),
    "offsets-beyond.arrows": (
        lambda: ipc(stream=True).replace(LISTS, offsets(0, 2, 4, 1 << 30)),
        "",
    ),
    "text-not-utf-8.arrow": (
        lambda: ipc().replace(b"xxyyzz", b"\xff\xfe\xfd\xfc\xfb\xfa"),
        "UTF8",
    ),
    "dictionary-index.arrow": (lambda: ipc(dictionary_ids()), ""),
    "dictionary-of-20-tb.arrow": (lambda: ipc(bomb_ids()), "memory"),
    "name-not-utf-8.arrow": (
        lambda: ipc(pa.record_batch({"id": ["x"], "qqqq": [1.0]})).replace(
            b"qqqq", b"\xff\xfe\xfd\xfc"
        ),
        "UTF-8",
    ),
    "names-twice.arrow": (
        lambda: ipc(pa.RecordBatch.from_arrays([pa.array([1.0]), pa.array([2.0])], ["a", "a"])),
        "two columns are named 'a'",
    ),
    "width-of-2-to-the-28.arrow": (
        lambda: ipc(wide_list(1 << 28), compression="zstd"),
        "columns",
    ),
    "compressed-body-lies.arrow": (
        lambda: ipc(
            pa.record_batch({"id": ["x"], "a": [[1.0] * 5000]}), compression="zstd"
        ).replace(struct.pack("<q", 40_000), struct.pack("<q", 1 << 40)),
        "",
    ),
    "compressed-body-negative.arrow": (
        lambda: ipc(
            pa.record_batch({"id": ["x"], "a": [[1.0] * 5000]}), compression="zstd"
        ).replace(struct.pack("<q", 40_000), struct.pack("<q", -77)),
        "",
    ),
    "message-of-2-gib.arrows": (
        lambda: b"\xff\xff\xff\xff" + struct.pack("<i", 0x7FFFFFF8) + bytes(64),
        "",
    ),
    "message-negative.arrows": (
        lambda: b"\xff\xff\xff\xff" + struct.pack("<i", -8) + bytes(64),
        "",
    ),
    "footer-lies.arrow": (
        lambda: ipc()[:-10] + struct.pack("<i", 0x7FFFFFFF) + b"ARROW1",
        "",
    ),
    "footer-negative.arrow": (lambda: ipc()[:-10] + struct.pack("<i", -1) + b"ARROW1", ""),
    "cut.arrow": (lambda: ipc()[:-200], ""),
    "cut.arrows": (lambda: ipc(stream=True)[:-60], ""),
}


def _flipped(data: bytes, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    return damaged(data, *rng.integers(8, len(data) - 6, 3).tolist())


PERHAPS |= {
    f"flipped-{seed}.{kind}": (
        lambda seed=seed, kind=kind: _flipped(ipc(stream=kind == "arrows"), seed),
        "",
    )
    for kind in ("arrow", "arrows")
    for seed in range(12)
}

TABLES: Cases = {**CSV, **JSONL, **PARQUET, **ARROW}
