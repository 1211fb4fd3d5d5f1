import base64

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfuse.files import arrow_schema

NUMBERS = {
    name: pa.type_for_alias(name)
    for name in (
        *("float16", "float32", "float64"),
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    )
}


def decode(value: str) -> pa.Schema:
    message = base64.b64decode(value, validate=True)
    assert len(message) % 8 == 0
    return pa.ipc.read_schema(pa.BufferReader(message))


@given(
    dtype=st.sampled_from(sorted(NUMBERS)),
    size=st.integers(1, (1 << 31) - 1),
    names=st.lists(st.text(), min_size=4, max_size=4),
    metadata=st.dictionaries(st.text(min_size=1), st.text()),
)
def test_arrow_reads_what_was_described(
    dtype: str, size: int, names: list[str], metadata: dict[str, str]
) -> None:
    element = arrow_schema.number("element", np.dtype(dtype))
    value = arrow_schema.schema_value(
        [
            arrow_schema.int64(names[0]),
            arrow_schema.fixed_size_list(names[1], element, size),
            arrow_schema.boolean(names[2]),
            arrow_schema.utf8(names[3]),
        ],
        metadata,
    )
    child = pa.field("element", NUMBERS[dtype], nullable=False)
    types = [pa.int64(), pa.list_(child, size), pa.bool_(), pa.string()]
    fields = [pa.field(name, kind, nullable=False) for name, kind in zip(names, types, strict=True)]
    expected = pa.schema(fields, metadata or None)
    assert decode(value).equals(expected, check_metadata=True)


@pytest.mark.parametrize("columns", [0, 1, 1000])
def test_any_number_of_columns(columns: int) -> None:
    value = arrow_schema.schema_value([arrow_schema.utf8(f"c{j}") for j in range(columns)], {})
    assert decode(value).names == [f"c{j}" for j in range(columns)]
