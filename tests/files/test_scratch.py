"""Rows that are set aside: the same on disk as in memory, and nothing stays in the folder."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from mmfuse.core.source import Matrix, Part, Source, Taken
from mmfuse.errors import InputError, OutputError
from mmfuse.files.scratch import ScratchRoom

random = np.random.default_rng(7)
DTYPES = ["<f2", "<f4", "<f8", ">f4", "|u1", "<i8", ">i2"]
WAYS = ["memory", "partitioned"]


@dataclass(kw_only=True)
class Parts(Source):
    """Blocks in parts, each with the rows that it claims to have."""

    made: Sequence[tuple[int, Callable[[], Iterable[Matrix]]]]

    def parts(self) -> list[Part]:
        starts = np.cumsum([0, *(rows for rows, _ in self.made)]).tolist()
        return [Part(start, *part) for start, part in zip(starts[:-1], self.made, strict=True)]

    def blocks(self) -> Iterable[Matrix]:
        raise NotImplementedError


def source(*parts: tuple[int, Callable[[], Iterable[Matrix]]], dim: int = 2, dtype: str = "f4"):
    return Parts(
        name="image", label="image=a", columns=tuple(map(str, range(dim))),
        rows=sum(rows for rows, _ in parts), dtype=np.dtype(dtype), ids=None, id_source="",
        made=parts,
    )  # fmt: skip


def source_of(matrix: Matrix, parts: int = 1) -> Parts:
    """A matrix in parts, each in blocks of any height, some empty, some in Fortran order."""
    pieces = np.array_split(matrix, parts)
    made = [(len(piece), lambda piece=piece: cut(piece)) for piece in pieces]
    return source(*made, dim=matrix.shape[1], dtype=matrix.dtype.str)


def cut(matrix: Matrix) -> list[Matrix]:
    ends = np.sort(random.integers(0, len(matrix) + 1, 5))
    blocks = np.split(matrix, ends)
    return [np.asfortranarray(b) if k % 2 else b for k, b in enumerate(blocks)]


def read(taken: Taken, matrix: Matrix, rows: int) -> Matrix:
    out = np.empty((rows, matrix.shape[1]), matrix.dtype)
    for start in range(0, rows, 7):
        taken.read(start, min(start + 7, rows), out[start : start + 7])
    return out


def constant(*heights: int) -> Callable[[], Iterable[Matrix]]:
    return lambda: [np.ones((height, 2), "f4") for height in heights]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("threads", [1, 3])
def test_the_rows_that_are_taken_come_back(here, dtype, way, threads):
    for bucket in (1, 10, 1000):
        matrix = random.integers(-100, 100, random.integers(1, 300, 2)).astype(dtype)
        rows = random.permutation(len(matrix))[: random.integers(1, len(matrix) + 1)]
        for wanted in (rows, random.choice(rows, 50), None):
            room = ScratchRoom(bucket, str(here), threads)
            taken = room.store(source_of(matrix, parts=threads), wanted, way)
            expected = matrix if wanted is None else matrix[wanted]
            np.testing.assert_array_equal(read(taken, matrix, len(expected)), expected)
            assert os.listdir(here) == []


@pytest.mark.parametrize("way", WAYS)
class TestOtherNumbersOfRows:
    def test_too_few(self, here, way):
        made = source((1501, constant(700, 800)))
        with pytest.raises(InputError, match=r"ends after 1,500 of 1,501 rows"):
            ScratchRoom(10, str(here)).store(made, None, way)
        assert os.listdir(here) == []

    def test_too_many(self, here, way):
        def blocks():
            yield np.ones((3, 2), "f4")
            yield np.ones((2, 2), "f4")
            raise AssertionError("nobody needs more")

        with pytest.raises(InputError, match="while it was read: it holds more rows than before"):
            ScratchRoom(10, str(here)).store(source((4, blocks)), None, way)
        assert os.listdir(here) == []

    def test_too_many_in_one_part_too_few_in_the_next(self, here, way):
        made = source((3, constant(4)), (3, constant(2)))
        with pytest.raises(InputError, match="while it was read: it holds more rows than before"):
            ScratchRoom(10, str(here)).store(made, None, way)

    def test_none(self, here, way):
        with pytest.raises(InputError, match="ends after 0 of 4 rows"):
            ScratchRoom(10, str(here)).store(source((4, list)), None, way)

    def test_progress_is_told_of_every_block(self, here, way):
        told = []
        room = ScratchRoom(10, str(here), progress=lambda *args: told.append(args))
        room.store(source((5, constant(2, 3))), np.array([4]), way)
        assert told == [("reading image", 2, 5), ("reading image", 3, 5)]

    def test_errors_of_reading_are_not_taken_for_errors_of_writing(self, here, way):
        def blocks():
            yield np.ones((1, 2), "f4")
            raise FileNotFoundError(errno.ENOENT, "gone", "input.npy")

        with pytest.raises(FileNotFoundError, match="gone"):
            ScratchRoom(10, str(here)).store(source((4, blocks)), None, way)
        assert os.listdir(here) == []


class TestTheFolder:
    def store(self, folder: str | None) -> Taken:
        return ScratchRoom(10, folder).store(source((1, constant(1))), None, "partitioned")

    def test_missing(self, here):
        with pytest.raises(OutputError, match="cannot write no: No such file"):
            self.store("no")

    @pytest.mark.parametrize("call", ["pwrite", "posix_fallocate"])
    def test_full(self, here, monkeypatch, call):
        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, call, full)
        with pytest.raises(OutputError, match="No space left on device") as error:
            self.store(str(here))
        assert str(here) in str(error.value)
        assert os.listdir(here) == []

    def test_by_default_where_temporary_files_go(self, here, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(here / "no"))
        with pytest.raises(OutputError, match="cannot write a temporary file: No such file"):
            self.store(None)

    def test_no_file_stays_open_once_nobody_reads(self, here):
        before = os.listdir("/proc/self/fd")
        taken = self.store(str(here))
        with pytest.raises(ValueError, match="read-only"):
            taken.reader._array[0] = 5
        del taken
        assert os.listdir("/proc/self/fd") == before
