"""The header of npy files (NumPy Enhancement Proposal 1): read without trust, and written."""

from __future__ import annotations

import io
import struct
import sys
import warnings
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.errors import InputError
from mmfuse.files.inputs import InputFile, as_bytes, looks_like, read_all

_MAGIC = b"\x93NUMPY"
_AXES, _SIDE_BITS = 64, 256  # of a shape; NumPy has as many axes, and sides of 63 bits
_HEADER_CHARACTERS = 1 << 20  # NumPy's own limit is too low for records of a few hundred fields
_CONVERT = (
    "convert it once, where it was made: "
    "import numpy as np; x = np.load(FILE, allow_pickle=True); "
    "np.save('new.npy', np.stack(x).astype('float32'))"
)


@dataclass(frozen=True)
class NpyHeader:
    """What an npy file says of itself; `offset` is where the values begin."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]
    offset: int


def read_header(file: InputFile) -> NpyHeader:
    """What an npy file says of itself; see `header_of`."""
    if not file.head.startswith(_MAGIC):
        raise InputError(f"not an npy file: it looks like {looks_like(file.head)}")
    with open(file.path, "rb") as stream:
        return header_of(stream, file.size)


def header_of(stream: IO[bytes], size: int) -> NpyHeader:
    """What npy data say of themselves, checked against their size before anything is allocated.

    stream: stands at their beginning, and is left where the values begin.
    Raises InputError: a damaged header, Python objects, cut short.
    """
    try:
        shape, fortran_order, dtype = _parse_header(stream)
    except Exception as error:
        raise InputError("the npy header is damaged") from error
    offset = stream.tell()
    if dtype.hasobject:
        raise InputError(
            f"an array of Python objects, shape {shape}, would run code", hint=_CONVERT
        )
    if len(shape) > _AXES or any(side.bit_length() > _SIDE_BITS for side in shape):
        raise InputError("the npy header is damaged: a shape too long to be told")
    if any(side < 0 for side in shape):
        raise InputError(f"the npy header is damaged: shape {shape}")
    if not dtype.itemsize:  # any number of such values would be within the file
        raise InputError(f"values of dtype {dtype} hold nothing")
    claimed = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if claimed > size - offset:
        raise InputError(
            f"the file is cut short: shape {shape} of {dtype} needs {claimed:,} bytes, "
            f"and {size - offset:,} are there"
        )
    return NpyHeader(shape, fortran_order and len(shape) > 1, dtype, offset)


def whole_array(file: InputFile, header: NpyHeader) -> NDArray[Any]:
    """All values of a C-ordered array that lies plain in a file."""
    with open(file.path, "rb", buffering=0) as stream:
        whole = np.empty(header.shape, header.dtype)
        read_all(stream.fileno(), as_bytes(whole), header.offset, file.label)
    return sound(whole)


def sound(array: NDArray[Any]) -> NDArray[Any]:
    """The array itself. Raises InputError for text of codes that are no characters.

    NumPy would make strings of them that Python cannot do anything with.
    """
    for name in array.dtype.names or ():
        sound(array[name])
    if array.dtype.kind == "U" and array.size and array.dtype.itemsize:
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("="))
        if plain.reshape(-1).view(np.uint32).max() > sys.maxunicode:
            raise InputError("the values are damaged: text of codes that are no characters")
    return array


def _parse_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError("an unknown version")
    short = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if short else np.lib.format.read_array_header_2_0
    size = stream.read(2 if short else 4)
    length = int.from_bytes(size, "little")
    if length > _HEADER_CHARACTERS:  # NumPy would look only after it has read all of that
        raise ValueError("a header that is too long")
    text = io.BytesIO(size + stream.read(length))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 2 wrote headers that are read a little slower
        shape, fortran_order, dtype = read(text, _HEADER_CHARACTERS)
    if version == (3, 0) and dtype.names is not None:
        # version 3 is version 2 with names in UTF-8, which that reader takes for Latin-1
        dtype.names = tuple(name.encode("latin1").decode() for name in dtype.names)
    return shape, fortran_order, dtype


def header_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """The header of format version 1.0, padded so that the values begin at a multiple of 64."""
    text = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(_MAGIC) + 4 + len(text) + 1) % 64) + b"\n"
    return _MAGIC + b"\x01\x00" + struct.pack("<H", len(text)) + text
