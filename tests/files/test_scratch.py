"""Rows that are set aside: the same on disk as in memory, and nothing stays in the folder."""

from __future__ import annotations

import errno
import os
import tempfile

import numpy as np
import pytest

from mmfuse.errors import InputError, OutputError
from mmfuse.files.scratch import ScratchRoom

random = np.random.default_rng(7)
DTYPES = ["<f2", "<f4", "<f8", ">f4", "|u1", "<i8", ">i2"]


def matrix_of(dtype, shape):
    return random.integers(-100, 100, shape).astype(dtype)


def cut(matrix):
    """A matrix in blocks of any height, some of them empty, some in Fortran order."""
    ends = np.sort(random.integers(0, len(matrix) + 1, 5))
    blocks = np.split(matrix, ends)
    return [np.asfortranarray(b) if k % 2 else b for k, b in enumerate(blocks)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("memory", [0, 1 << 30], ids=["on disk", "in memory"])
def test_the_rows_come_back(here, dtype, memory):
    for _ in range(10):
        matrix = matrix_of(dtype, tuple(random.integers(1, 300, 2)))
        room = ScratchRoom(memory, str(here))
        stored = room.store(matrix.shape, matrix.dtype, cut(matrix))
        assert stored.dtype == matrix.dtype
        np.testing.assert_array_equal(stored, matrix)
        assert os.listdir(here) == []


def test_memory_is_shared_by_all_that_is_stored(here, monkeypatch):
    disk = []
    plain = ScratchRoom._on_disk

    def watched(room, shape, dtype, blocks):
        disk.append(shape)
        return plain(room, shape, dtype, blocks)

    monkeypatch.setattr(ScratchRoom, "_on_disk", watched)
    room = ScratchRoom(1000, str(here))
    for rows in (100, 26, 25, 1):  # of 8 bytes: 800 fit, 208 do not, 200 do, and then none
        matrix = matrix_of("<f8", (rows, 1))
        np.testing.assert_array_equal(room.store(matrix.shape, matrix.dtype, [matrix]), matrix)
    assert disk == [(26, 1), (1, 1)]


@pytest.mark.parametrize("memory", [0, 1 << 30], ids=["on disk", "in memory"])
class TestOtherNumbersOfRows:
    def test_too_few(self, here, memory):
        with pytest.raises(InputError, match=r"ends after 1,500 of 1,501 rows"):
            ScratchRoom(memory, str(here)).store(
                (1501, 2), np.dtype("f4"), [np.ones((700, 2)), np.ones((800, 2))]
            )
        assert os.listdir(here) == []

    def test_too_many(self, here, memory):
        def blocks():
            yield np.ones((3, 2), "f4")
            yield np.ones((2, 2), "f4")
            raise AssertionError("nobody needs more")

        with pytest.raises(InputError, match="more rows than before"):
            ScratchRoom(memory, str(here)).store((4, 2), np.dtype("f4"), blocks())
        assert os.listdir(here) == []

    def test_none(self, here, memory):
        with pytest.raises(InputError, match="ends after 0 of 4 rows"):
            ScratchRoom(memory, str(here)).store((4, 2), np.dtype("f4"), [])

    def test_progress_is_told_of_every_block(self, here, memory):
        told = []
        room = ScratchRoom(memory, str(here), lambda *args: told.append(args))
        room.store((5, 1), np.dtype("f4"), [np.ones((2, 1)), np.ones((3, 1))], "image")
        assert told == [("reading image", 2, 5), ("reading image", 3, 5)]

    def test_errors_of_reading_are_not_taken_for_errors_of_writing(self, here, memory):
        def blocks():
            yield np.ones((1, 2), "f4")
            raise FileNotFoundError(errno.ENOENT, "gone", "input.npy")

        with pytest.raises(FileNotFoundError, match="gone"):
            ScratchRoom(memory, str(here)).store((4, 2), np.dtype("f4"), blocks())
        assert os.listdir(here) == []


class TestTheFolder:
    def test_missing(self, here):
        with pytest.raises(OutputError, match="cannot write no: No such file"):
            ScratchRoom(0, "no").store((1, 1), np.dtype("f4"), [np.ones((1, 1))])

    @pytest.mark.parametrize("call", ["pwrite", "posix_fallocate"])
    def test_full(self, here, monkeypatch, call):
        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, call, full)
        with pytest.raises(OutputError, match="No space left on device") as error:
            ScratchRoom(0, str(here)).store((1, 1), np.dtype("f4"), [np.ones((1, 1))])
        assert str(here) in str(error.value)
        assert os.listdir(here) == []

    def test_by_default_where_temporary_files_go(self, here, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(here / "no"))
        with pytest.raises(OutputError, match="cannot write a temporary file: No such file"):
            ScratchRoom(0).store((1, 1), np.dtype("f4"), [np.ones((1, 1))])

    def test_no_file_stays_open_once_the_array_is_gone(self, here):
        before = os.listdir("/proc/self/fd")
        array = ScratchRoom(0, str(here)).store((2, 1), np.dtype("f4"), [np.ones((2, 1))])
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 5
        del array
        assert os.listdir("/proc/self/fd") == before
