"""Rows out of a mapped file: as numpy has them, and never a crash when others write to it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mmfuse.errors import InputError
from mmfuse.files import mapped
from mmfuse.files.inputs import open_input
from mmfuse.files.mapped import MappedReader, Pages

DTYPES = [
    *("<f2", "<f4", "<f8", ">f4", ">f8", "|u1", "|i1", "<i2", ">u2", "<i4", "<u4", "<i8", ">u8"),
    "|b1",
]
ROWS = 3000
CHANGED = "the file changed while it was read"


@pytest.fixture(params=["mapped", "by calls"])
def lease(request, monkeypatch):
    """Reading with a lease, which the file system of the tests must offer, and without one."""
    if request.param == "by calls":
        monkeypatch.setattr(mapped, "_lease", lambda fd: False)
    elif not lease_to_be_had():
        pytest.skip("this file system gives no leases")
    return request.param == "mapped"


def lease_to_be_had():
    with open("probe", "wb"):
        pass
    fd = os.open("probe", os.O_RDONLY)
    try:
        return mapped._lease(fd)
    finally:
        os.close(fd)


def stored(dtype, dim=7, offset=64):
    """A file of random values after `offset` other bytes; the values as numpy made them."""
    numbers = np.random.default_rng(5).integers(0, 100, (ROWS, dim))
    matrix = numbers.astype(dtype)
    Path("m").write_bytes(b"\xaa" * offset + matrix.tobytes())
    return matrix


def reader_of(matrix, offset=64):
    file = open_input("m", "a=m")
    return MappedReader(file, matrix.shape, matrix.dtype, Pages.one(offset))


def read(reader, matrix, rows):
    count = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
    out = np.full((count, matrix.shape[1]), 77, matrix.dtype)
    reader.read(rows, out)
    return out


SOME = [
    slice(0, ROWS),
    slice(17, 18),
    slice(ROWS - 1, ROWS),
    slice(5, 5),
    np.random.default_rng(1).permutation(ROWS),
    np.array([ROWS - 1, 0, 0, 3, ROWS - 1]),
    np.array([], np.int64),
]


class TestValues:
    @pytest.mark.parametrize("dtype", DTYPES)
    @pytest.mark.parametrize("offset", [64, 128, 61, 0])
    def test_as_numpy_has_them(self, here, lease, dtype, offset):
        matrix = stored(dtype, offset=offset)
        reader = reader_of(matrix, offset)
        for rows in SOME:
            out = read(reader, matrix, rows)
            assert out.dtype == matrix.dtype
            np.testing.assert_array_equal(out, matrix[rows])
        reader.close()

    def test_values_that_are_no_numbers_keep_their_bits(self, here, lease):
        bits = np.random.default_rng(2).integers(0, 1 << 32, (ROWS, 3), dtype=np.uint32)
        Path("m").write_bytes(bits.tobytes())
        reader = reader_of(bits.view(np.float32), 0)
        out = read(reader, bits.view(np.float32), SOME[4])
        np.testing.assert_array_equal(out.view(np.uint32), bits[SOME[4]])
        reader.close()

    def test_bytes_after_the_matrix_do_not_matter(self, here, lease):
        matrix = stored("<f4")
        with open("m", "ab") as file:
            file.write(b"more")
        reader = reader_of(matrix)
        np.testing.assert_array_equal(read(reader, matrix, SOME[4]), matrix[SOME[4]])
        reader.close()

    @pytest.mark.parametrize("offset", [64, 60])
    def test_it_is_mapped_only_under_a_lease(self, here, lease, offset):
        reader = reader_of(stored("<f8", offset=offset), offset)
        assert (reader._mapped is not None) == lease
        reader.close()

    @pytest.mark.parametrize("gap", [0, 1, 28, 100])
    def test_rows_in_pages(self, here, lease, gap):
        matrix = stored("<f4")
        pieces = np.array_split(matrix, [1, 700, 2900])
        content, offsets = b"", []
        for piece in pieces:
            content += b"\xaa" * gap
            offsets.append(len(content))
            content += piece.tobytes()
        Path("m").write_bytes(content)
        starts = np.array([0, 1, 700, 2900])
        pages = Pages(starts, np.array(offsets))
        reader = MappedReader(open_input("m", "a=m"), matrix.shape, matrix.dtype, pages)
        for rows in SOME:
            np.testing.assert_array_equal(read(reader, matrix, rows), matrix[rows])
        reader.close()

    def test_pages_given_back_are_read_again(self, here, monkeypatch):
        matrix = stored("<f4", dim=64)
        given = []

        class Counting(mapped.mmap.mmap):
            def madvise(self, advice, *part):
                given.append(advice)
                super().madvise(advice, *part)

        monkeypatch.setattr(mapped, "_CHECK_ROWS", 8)
        monkeypatch.setattr(mapped, "_RESIDENT_BYTES", 0)
        monkeypatch.setattr(mapped.mmap, "mmap", Counting)
        reader = reader_of(matrix)
        if reader._mapped is None:
            pytest.skip("this file system gives no leases")
        for rows in np.array_split(np.random.default_rng(3).permutation(ROWS), 300):
            np.testing.assert_array_equal(read(reader, matrix, rows), matrix[rows])
        assert given == [mapped.mmap.MADV_DONTNEED] * 300
        reader.close()

    def test_pages_are_kept_while_they_are_few(self, here, monkeypatch):
        matrix = stored("<f4")
        monkeypatch.setattr(mapped, "_CHECK_ROWS", 1)
        monkeypatch.setattr(mapped, "_RESIDENT_BYTES", 1 << 60)
        reader = reader_of(matrix)
        if reader._mapped is None:
            pytest.skip("this file system gives no leases")
        reader._resident._mapped = None  # whoever gave pages back would fail
        np.testing.assert_array_equal(read(reader, matrix, SOME[4]), matrix[SOME[4]])

    def test_resident_bytes_are_those_of_mapped_files(self, here):
        Path("m").write_bytes(bytes(32 << 20))
        with (
            open("m", "rb") as file,
            mapped.mmap.mmap(file.fileno(), 0, prot=mapped.mmap.PROT_READ) as pages,
        ):
            before = mapped._shared_bytes()
            assert sum(pages[::4096]) == 0
            assert mapped._shared_bytes() - before > 16 << 20


def cut():
    os.truncate("m", 100)


def append():
    with open("m", "ab") as file:
        file.write(b"more")


def overwrite():
    with open("m", "r+b") as file:
        file.write(b"other")


def replace():
    Path("n").write_bytes(Path("m").read_bytes())
    os.replace("n", "m")


def remove():
    os.unlink("m")


def in_another_process(function):
    """Start a change that waits for the lease; whether it waits cannot be said beforehand."""
    import inspect

    script = (
        f"import os\nfrom pathlib import Path\n{inspect.getsource(function)}{function.__name__}()"
    )
    return subprocess.Popen([sys.executable, "-c", script])


def wait_for_break(reader, writer):
    """Until the writer asks for the lease; how long it takes to begin is no matter."""
    while fcntl.fcntl(reader._fd, fcntl.F_GETLEASE) == fcntl.F_RDLCK:
        assert writer.poll() is None, "nobody asked for the lease"
        time.sleep(0.01)


def leases(path):
    """Those that the kernel knows of on a file."""
    number = os.stat(path).st_ino
    lines = Path("/proc/locks").read_text().splitlines()
    return [line for line in lines if "LEASE" in line and f":{number} " in line]


CHANGES = [cut, append, overwrite, replace, remove]


class TestChanges:
    @pytest.mark.parametrize("change", [cut, append, overwrite, replace])
    def test_before_it_is_opened(self, here, lease, change):
        matrix = stored("<f4")
        file = open_input("m", "a=m")
        before = os.listdir("/proc/self/fd")
        time.sleep(0.02)  # the clock of a file system ticks slowly
        change()
        with pytest.raises(InputError, match=CHANGED) as error:
            MappedReader(file, matrix.shape, matrix.dtype, Pages.one(64))
        assert error.value.where == "a=m"
        assert os.listdir("/proc/self/fd") == before

    @pytest.mark.parametrize("change", CHANGES)
    def test_between_reading_and_closing_without_a_lease(self, here, monkeypatch, change):
        monkeypatch.setattr(mapped, "_lease", lambda fd: False)
        matrix = stored("<f4")
        reader = reader_of(matrix)
        read(reader, matrix, SOME[0])
        time.sleep(0.02)
        change()
        with pytest.raises(InputError, match=CHANGED):
            reader.close()
        reader.close()  # there is nothing more to close

    def test_cut_short_while_reading_without_a_lease(self, here, monkeypatch):
        monkeypatch.setattr(mapped, "_lease", lambda fd: False)
        matrix = stored("<f4")
        reader = reader_of(matrix)
        os.truncate("m", 64 + 10 * 28 + 5)
        np.testing.assert_array_equal(read(reader, matrix, slice(0, 10)), matrix[:10])
        for rows in (slice(0, 20), np.array([3, 10])):
            with pytest.raises(InputError, match=CHANGED) as error:
                read(reader, matrix, rows)
            assert error.value.where == "a=m"
        with pytest.raises(InputError, match=CHANGED):
            reader.close()

    @pytest.mark.parametrize("change", [cut, append, overwrite])
    def test_a_writer_waits_and_the_reader_says_so(self, here, change):
        matrix = stored("<f4")
        reader = reader_of(matrix)
        if reader._mapped is None:
            pytest.skip("this file system gives no leases")
        content = Path("m").read_bytes()
        writer = in_another_process(change)
        wait_for_break(reader, writer)
        assert leases("m")
        with pytest.raises(InputError, match=CHANGED) as error:
            read(reader, matrix, SOME[0])
        assert error.value.where == "a=m"
        assert Path("m").read_bytes() == content
        reader.close()
        assert not leases("m")  # the kernel alone would let it wait for 45 seconds
        assert writer.wait() == 0
        assert Path("m").read_bytes() != content

    @pytest.mark.parametrize("change", [replace, remove])
    def test_a_name_that_leads_elsewhere_is_seen_at_the_end(self, here, lease, change):
        matrix = stored("<f4")
        reader = reader_of(matrix)
        change()
        np.testing.assert_array_equal(read(reader, matrix, SOME[4]), matrix[SOME[4]])
        with pytest.raises(InputError, match=CHANGED):
            reader.close()

    def test_cut_short_at_any_time_is_no_crash(self, tmp_path, mmfuse):
        """A job that reads all the while; the file is cut as soon as it has begun."""
        np.save(tmp_path / "a.npy", np.ones((200_000, 16), np.float32))
        script = (
            "import sys, mmfuse\n"
            "def told(*_):\n"
            "    print('reading', flush=True)\n"
            "while True:\n"
            "    mmfuse.fuse('sum', {'a': 'a.npy'}, progress=told)\n"
        )
        how = {"cwd": tmp_path, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        for delay in (0, 0.003, 0.01):
            np.save(tmp_path / "a.npy", np.ones((200_000, 16), np.float32))
            job = subprocess.Popen([sys.executable, "-c", script], **how)
            job.stdout.readline()
            time.sleep(delay)
            os.truncate(tmp_path / "a.npy", 5000)
            _, told = job.communicate(timeout=60)
            assert job.returncode == 1, told  # a signal would be negative
            assert b"mmfuse.errors.InputError: the file " in told


class TestClosing:
    def test_others_can_write_at_once(self, here, lease):
        matrix = stored("<f4")
        reader = reader_of(matrix)
        read(reader, matrix, SOME[0])
        reader.close()
        assert not leases("m")
        assert in_another_process(overwrite).wait() == 0
        assert reader is not None  # it is still there, and still holds nothing

    def test_twice(self, here, lease):
        matrix = stored("<f4")
        before = os.listdir("/proc/self/fd")
        reader = reader_of(matrix)
        reader.close()
        reader.close()
        assert os.listdir("/proc/self/fd") == before

    def test_nothing_but_a_file_gives_a_lease(self):
        ends = os.pipe()
        assert not mapped._lease(ends[0])
        for end in ends:
            os.close(end)
