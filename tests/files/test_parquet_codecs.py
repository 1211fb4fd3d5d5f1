import pyarrow as pa
import pytest

from mmfuse.files.parquet_codecs import CODECS, decompress
from mmfuse.files.thrift_decode import MalformedError

PLAIN = bytes(range(256)) * 40


def compressed(codec: int, plain: bytes) -> memoryview:
    if not codec:
        return memoryview(plain)
    return memoryview(pa.Codec(CODECS[codec]).compress(plain))


@pytest.mark.parametrize("codec", CODECS)
def test_what_was_compressed_comes_back(codec: int) -> None:
    assert bytes(decompress(codec, compressed(codec, PLAIN), len(PLAIN))) == PLAIN


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [0, 1, len(PLAIN) - 1, len(PLAIN) + 1, 2 * len(PLAIN), 1 << 28])
def test_another_size_than_announced_is_refused(codec: int, size: int) -> None:
    with pytest.raises(MalformedError):
        decompress(codec, compressed(codec, PLAIN), size)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("stop", [0, 1, 5, 20, -1])
def test_what_is_cut_off_is_refused(codec: int, stop: int) -> None:
    with pytest.raises(MalformedError):
        decompress(codec, compressed(codec, PLAIN)[:stop], len(PLAIN))


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec])
def test_garbage_is_refused(codec: int) -> None:
    for data in (b"", b"\xff" * 40, bytes(40), PLAIN):
        with pytest.raises(MalformedError):
            decompress(codec, memoryview(data), len(PLAIN))
