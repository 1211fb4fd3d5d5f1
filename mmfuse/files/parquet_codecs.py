"""Decompression of Parquet's pages, to exactly as many bytes as are announced.

pyarrow's codecs, given a buffer larger than what comes out, say nothing and leave the rest of
it as it was.  So the length is read from what is compressed (Snappy), checked by the codec
itself (Zstandard), or found by reading a stream to its end (gzip, Brotli).  LZ4 offers none of
these.
"""

from __future__ import annotations

from mmfuse.files.thrift_decode import MalformedError, Reader

UNCOMPRESSED = 0
CODECS = {UNCOMPRESSED: "uncompressed", 1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd"}
"""The codecs that are read, by their number in Parquet."""


def decompress(codec: int, data: memoryview, size: int) -> memoryview:
    """The `size` bytes that were compressed.  Raises MalformedError if they are not so many."""
    if codec == UNCOMPRESSED:
        if len(data) != size:
            raise MalformedError(f"{len(data)} bytes, {size} are announced")
        return data
    import pyarrow as pa

    name = CODECS[codec]
    if name == "snappy" and Reader(bytes(data[:10])).varint() != size:
        raise MalformedError("the length in the compressed bytes is not the one announced")
    try:
        if name in ("snappy", "zstd"):
            return memoryview(pa.Codec(name).decompress(data, size))
        with pa.CompressedInputStream(pa.BufferReader(data), name) as stream:
            plain = memoryview(stream.read_buffer(size))
            if len(plain) != size or stream.read(1):
                raise MalformedError(f"compressed bytes are not {size}")
            return plain
    except (pa.ArrowException, OSError) as error:
        raise MalformedError(str(error)) from error
