"""Ids in arrays and files of their own, against the lists of text that they stand for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmfuse.core.ids import IntegerIds, TextIds
from mmfuse.errors import AlignmentError
from mmfuse.files.ids import ids_of_array, read_ids
from mmfuse.files.inputs import open_input

# "x" in front: never empty, never an integer; the NULs at an end are not NumPy's to keep
ASCII = st.text(st.characters(max_codepoint=127), max_size=9)
ANY = st.text(st.characters(codec="utf-8"), max_size=5)


def prefixed(texts: list[str]) -> list[str]:
    return ["x" + text.rstrip("\0") for text in texts]


@pytest.mark.parametrize("order", ["<", ">"])
@given(st.lists(ASCII, min_size=1, max_size=8) | st.lists(ANY, min_size=1, max_size=8))
@settings(deadline=None, max_examples=80)
def test_arrays_of_text(order: str, texts: list[str]) -> None:
    listed = prefixed(texts)
    array = np.array(listed)
    array = array.astype(array.dtype.newbyteorder(order))
    ids = ids_of_array(array)
    assert isinstance(ids, TextIds)
    assert list(ids) == listed
    assert list(ids_of_array(np.repeat(array, 2)[::2])) == listed
    encoded = ids_of_array(np.array([text.encode() for text in listed]))
    assert list(encoded) == listed


def test_bytes_are_whole_characters_in_every_id() -> None:
    with pytest.raises(UnicodeDecodeError):
        ids_of_array(np.array([b"a\xc3", b"\xa9b"]))


@pytest.mark.parametrize("dtype", ["U1", "S1", "U0", "S0", object])
def test_empty_text_in_an_array(dtype: Any) -> None:
    with pytest.raises(AlignmentError, match="empty"):
        ids_of_array(np.array(["", ""], dtype))


@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=9)),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
@example(["\ufeffx"], "\n", True)
@settings(deadline=None, max_examples=100)
def test_lines(tmp_path_factory: Any, texts: list[str], end: str, ended: bool) -> None:
    listed = ["x", *prefixed(texts)]
    path = tmp_path_factory.mktemp("lines") / "ids.txt"
    path.write_bytes((end.join(listed) + end * ended).encode())
    ids = read_ids(open_input(str(path), "a"), None)
    assert list(ids) == listed


def test_lines_of_integers(tmp_path: Path) -> None:
    listed = [-(2**63), 2**63 - 1, 0, 7, -7, 10**18, 12345678, 123456789]
    (tmp_path / "ids.txt").write_text("\n".join(map(str, listed)))
    ids = read_ids(open_input(str(tmp_path / "ids.txt"), "a"), None)
    assert isinstance(ids, IntegerIds)
    assert ids.values.tolist() == listed


def test_text_of_any_width() -> None:
    listed = ["x", "a long one", "é"]
    assert list(ids_of_array(np.array(listed, np.dtypes.StringDType()))) == listed
