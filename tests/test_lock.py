"""The lock file itself: what it hashes, and that only a lock file is read as one."""

from __future__ import annotations

import hashlib
import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfuse.core.ids import IntegerIds, TextIds
from mmfuse.errors import InputError
from mmfuse.files.digests import Digests, FileDigest
from mmfuse.lock import Locked, RowsDigest

texts = st.lists(st.text(min_size=1, max_size=3, alphabet="ab\0é"), max_size=5)
digests = st.builds(
    FileDigest,
    st.text(max_size=5),
    st.integers(0, 1 << 40),
    st.text("0123456789abcdef", min_size=64, max_size=64),
)
locks = st.builds(
    Locked,
    st.lists(st.text("xyz", min_size=1), min_size=1).map(
        lambda ids: RowsDigest.of(TextIds.of(ids))
    ),
    st.dictionaries(st.text(max_size=5), st.lists(digests, max_size=2), max_size=3),
)


@given(texts, texts)
def test_only_equal_lists_of_ids_have_equal_hashes(one, other):
    a, b = RowsDigest.of(TextIds.of(one)), RowsDigest.of(TextIds.of(other))
    assert (a.sha256 == b.sha256) == (one == other)
    assert (a.sorted == b.sorted) == (sorted(one) == sorted(other))


def test_the_joint_of_two_ids_counts():
    joints = [["ab", "c"], ["a", "bc"], ["abc"], ["a", "b", "c"]]
    assert len({RowsDigest.of(TextIds.of(ids)).sha256 for ids in joints}) == 4


def test_integers_are_their_decimal_text():
    numbers = [7, -1, 1 << 60]
    assert RowsDigest.of(IntegerIds(np.array(numbers))) == RowsDigest.of(
        TextIds.of(map(str, numbers))
    )


@given(locks)
def test_what_is_written_is_read(lock):
    assert Locked.parse(lock.text().encode()) == lock
    assert lock.differences(lock) == []
    assert lock.moved(lock.rows) is None


GOOD = json.loads(
    Locked(RowsDigest(1, "0" * 64, "1" * 64), {"a": [FileDigest("a.npy", 3, "2" * 64)]}).text()
)


def changed(path: list[str | int], value: object) -> bytes:
    content = json.loads(json.dumps(GOOD))
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe\x00",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"1" * 10_000,
        changed(["mmfuse_lock"], 2),
        changed(["mmfuse_lock"], True),
        changed(["more"], 1),
        changed(["rows", "count"], -1),
        changed(["rows", "count"], True),
        changed(["rows", "count"], 1.0),
        changed(["rows", "count"], 1 << 63),
        changed(["rows", "sha256"], "0" * 63),
        changed(["rows", "sha256"], "0" * 64 + "\n"),
        changed(["rows", "sorted"], "G" * 64),
        changed(["rows"], [1, 2, 3]),
        changed(["inputs"], {}),
        changed(["inputs", 0, "name"], 1),
        changed(["inputs", 0, "files"], None),
        changed(["inputs", 0, "files", 0, "size"], "3"),
        changed(["inputs"], GOOD["inputs"] * 2),
        json.dumps(GOOD).replace('"count": 1', '"count": 1, "count": 1').encode(),
    ],
    ids=range(23),
)
def test_anything_else_is_refused(data):
    with pytest.raises(InputError, match="lock file"):
        Locked.parse(data)


@given(st.binary(max_size=60))
def test_no_bytes_are_an_accident(data):
    with pytest.raises(InputError):
        Locked.parse(data)


@pytest.mark.parametrize("change", ["other", "longer bytes", None])
def test_a_file_that_changes_while_it_is_hashed(tmp_path, change):
    path = tmp_path / "a.csv"
    path.write_text("these")
    os.utime(path, ns=(0, 0))
    with Digests({"a": [str(path)]}) as found:
        assert found.found()["a"][0].sha256 == hashlib.sha256(b"these").hexdigest()
    later = Digests({"a": [str(path)]})
    if change is None:
        path.unlink()
    else:
        path.write_text(change)
    told = "no such file" if change is None else "the file changed while it was read"
    with later, pytest.raises(InputError, match=told) as caught:
        later.found()
    assert caught.value.where == str(path)
