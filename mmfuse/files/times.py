"""Times of rows, as whole nanoseconds: numbers, timestamps, or ISO text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmfuse.core.durations import NANOSECONDS
from mmfuse.core.time_align import Times
from mmfuse.errors import AlignmentError, InputError, count
from mmfuse.files.cells import MISSING
from mmfuse.files.checks import told_rows
from mmfuse.files.inputs import InputFile, as_bytes, read_all, reading, refuse_no_lines
from mmfuse.files.npy_header import read_header
from mmfuse.files.paths import suffix

if TYPE_CHECKING:
    import pyarrow as pa


def read_times(file: InputFile, unit: str) -> Times:
    """The times in a file of their own: text one a line, or a one-dimensional npy array.

    Raises InputError or AlignmentError, naming the file.
    """
    with reading(file.label):
        if suffix(file.name) == ".npy":
            header = read_header(file)
            array = np.empty(header.shape, header.dtype)
            with open(file.path, "rb", buffering=0) as stream:
                read_all(stream.fileno(), as_bytes(array), header.offset, file.label)
            return times_of_array(array, unit, "the array")
        import pyarrow as pa

        refuse_no_lines(file.head)
        with open(file.path, encoding="utf-8-sig") as lines:
            cells = pa.array([line.rstrip("\n") for line in lines], pa.string())
        return times_of_column([cells], unit, "the file")


def times_of_array(array: NDArray[Any], unit: str, place: str) -> Times:
    """Times in an array `(n,)` of numbers, datetime64 or timedelta64.

    unit: of the numbers. Raises AlignmentError: another shape or dtype, a time that is missing or
    that nanoseconds cannot hold.
    """
    if array.ndim != 1:
        raise AlignmentError(f"times of shape {array.shape} in {place}; one a row is needed")
    if array.dtype.kind in "iuf":
        return _of_numbers(array, NANOSECONDS[unit], place)
    if array.dtype.kind not in "mM":
        raise AlignmentError(f"times of {place} are {array.dtype}; times are numbers or timestamps")
    _refuse_missing(np.isnat(array), place)
    exact = array.astype(f"{array.dtype.kind}8[ns]")
    if (exact.astype(array.dtype) != array).any():
        raise AlignmentError(f"times of {place} leave the years 1678 to 2261, which ns can hold")
    return exact.astype(np.int64)


def times_of_column(chunks: Iterable[pa.Array], unit: str, place: str) -> Times:
    """Times in a column of numbers, timestamps, dates, times of the day, durations or text.

    Text is numbers, or else ISO 8601; without a zone it is UTC. unit: of the numbers.
    Raises InputError where there is none, AlignmentError: another type, a time that is missing or
    that nanoseconds cannot hold.
    """
    import pyarrow as pa

    parts = list(chunks)
    if not any(map(len, parts)):
        raise InputError("the table has no rows")
    column = pa.chunked_array(parts)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if str(column.type) in ("string", "large_string", "string_view"):
        column = _parsed(column.cast(pa.large_string()), place)
    _refuse_missing(column.is_null().to_numpy(), place)
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return _of_numbers(column.to_numpy(), NANOSECONDS[unit], place)
    exact = (
        pa.timestamp("ns", kind.tz)
        if pa.types.is_timestamp(kind)
        else pa.timestamp("ns")
        if pa.types.is_date(kind)
        else pa.time64("ns")
        if pa.types.is_time(kind)
        else pa.duration("ns")
        if pa.types.is_duration(kind)
        else None
    )
    if exact is None:
        raise AlignmentError(f"times of {place} are {kind}; times are numbers or timestamps")
    return np.asarray(column.cast(exact).cast(pa.int64()).to_numpy())


def _parsed(column: pa.ChunkedArray, place: str) -> pa.ChunkedArray:
    """Text as the first kind that all of it is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    _refuse_missing(pc.is_in(column, pa.array(MISSING, column.type)).to_numpy(), place)
    for kind in (pa.int64(), pa.float64(), pa.timestamp("ns"), pa.timestamp("ns", "UTC")):
        try:
            return column.cast(kind)
        except pa.ArrowInvalid:
            continue
    raise AlignmentError(
        f"times of {place} are neither all numbers nor all ISO 8601; "
        f"the first is {column[0].as_py()[:60]!r}",
        hint="times are written like 12.5 or 2024-05-01T12:30:00.125, all with a zone or none",
    )


def _of_numbers(values: NDArray[Any], factor: int, place: str) -> Times:
    """Numbers as nanoseconds, rounded to the nearest."""
    _refuse_missing(~np.isfinite(values), place)
    largest = max(abs(values.max().item()), abs(values.min().item()))
    if largest * factor >= 2**63:
        raise AlignmentError(
            f"times of {place} go up to {largest:g}, and nanoseconds hold 292 years",
            hint="say what unit they are in: --time-unit ms, us or ns",
        )
    if values.dtype.kind != "f":
        return values.astype(np.int64) * factor
    whole = np.floor(values.astype(np.float64))  # apart, so that the product rounds less
    part = np.rint((values - whole) * factor)
    found: Times = whole.astype(np.int64) * factor + part.astype(np.int64)
    return found


def _refuse_missing(missing: NDArray[np.bool_], place: str) -> None:
    if missing.any():
        raise AlignmentError(
            f"{count(int(missing.sum()), 'time')} missing in {place}; rows {told_rows(missing)}"
        )
