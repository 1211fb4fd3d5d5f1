"""Input files before their format is known, and the one boundary around reading them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import mmfuse
from mmfuse.errors import AlignmentError, InputError, ResourceError
from mmfuse.files.inputs import as_bytes, looks_like, open_input, read_all, reading

CHANGED = "the file changed while it was read"


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"\x93NUMPY\x01\x00", "an npy file"),
        (b"PAR1....", "a Parquet file"),
        (b"ARROW1\0\0", "an Arrow file"),
        (b"PK\x03\x04....", "a zip archive, as npz files are"),
        (b"\x1f\x8b\x08", "gzip data"),
        (b"\x28\xb5\x2f\xfd", "zstd data"),
        (b"\x80\x04\x95", "a pickle; mmfuse never unpickles"),
        (b"\x89HDF\r\n", "an HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a git-lfs pointer"),
        (b"\xff\xfei\0d\0", "UTF-16 text"),
        (b"\xfe\xff\0i\0d", "UTF-16 text"),
        (b"<!DOCTYPE html><title>404", "an HTML page"),
        (b"\n  <HTML>", "an HTML page"),
        (b"id,a\nx,1\n", "plain text"),
        (b"id\0a", "something else"),
        (b"\xc3\xa9", "something else"),
        (b"\x93NUMP", "something else"),
    ],
)
def test_looks_like(head, told):
    assert looks_like(head).startswith(told)


class TestWhatIsGiven:
    @pytest.mark.parametrize(
        ("make", "told"),
        [
            (lambda: None, "no such file"),
            (lambda: os.mkdir("a.npy"), "no file of features in this folder, which is empty"),
            (lambda: Path("a.npy").touch(), "the file is empty"),
            (lambda: os.symlink("/dev/null", "a.npy"), "this is not a regular file"),
            (lambda: os.symlink("/dev/zero", "a.npy"), "this is not a regular file"),
            (lambda: os.symlink("no", "a.npy"), "no such file"),
            (lambda: os.symlink("a.npy", "a.npy"), "symbolic link"),
            (lambda: os.mknod("a.npy", 0o140644), "this is not a regular file"),  # a socket
        ],
        ids=["missing", "folder", "empty", "null", "zero", "dangling", "loop", "socket"],
    )
    def test_is_refused(self, here, make, told):
        make()
        with pytest.raises(InputError, match=told) as error:
            mmfuse.fuse("concat", {"a": "a.npy"})
        assert error.value.exit_code == 3
        assert error.value.where == "a=a.npy"

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
    def test_no_permission(self, here, npy):
        npy("a.npy", [[1]])
        os.chmod("a.npy", 0)
        with pytest.raises(InputError, match="not allowed to read this file"):
            open_input("a.npy", "a")

    @pytest.mark.parametrize("name", ["a.npy", "a.parquet"])
    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n", "git lfs pull"),
            (b"<!DOCTYPE html>\n<html><title>Sign in</title></html>", "an HTML page"),
            (b"\x80\x04\x95\x05\0\0\0\0\0\0\0", "a pickle; mmfuse never unpickles"),
            (b"\x89HDF\r\n\x1a\n" * 9, "an HDF5 file"),
        ],
    )
    def test_what_it_is_instead_is_said(self, here, name, content, told):
        Path(name).write_bytes(content)
        with pytest.raises(InputError, match=told) as error:
            mmfuse.fuse("concat", {"a": name})
        assert error.value.where == f"a={name}"

    def test_a_file_with_the_suffix_of_another(self, here):
        np.save("a.npy", np.ones((2, 2)))
        os.rename("a.npy", "a.parquet")
        with pytest.raises(InputError, match="not a Parquet file: it looks like an npy file"):
            mmfuse.fuse("concat", {"a": "a.parquet"})


class TestStreams:
    @pytest.fixture
    def values(self):
        return np.random.default_rng(0).normal(size=(40_000, 3)).astype(np.float32)

    def test_a_fifo_is_read_once(self, here, mmfuse, values):
        """A writer of more than a pipe holds, who opens it once: a second reader would wait."""
        np.save("a.npy", values)
        os.mkfifo("fifo.npy")

        def feed():
            Path("fifo.npy").write_bytes(Path("a.npy").read_bytes())

        writer = threading.Thread(target=feed, daemon=True)
        writer.start()
        done = mmfuse("concat", "fifo.npy", "-o", "z.npy")
        assert done.code == 0, done.err
        writer.join(10)
        assert not writer.is_alive()
        np.testing.assert_array_equal(np.load("z.npy"), values)

    def test_process_substitution(self, here, values):
        np.save("a.npy", values)
        command = f"{sys.executable} -m mmfuse concat a=<(cat a.npy) --from npy -o z.npy"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        np.testing.assert_array_equal(np.load("z.npy"), values)

    @pytest.mark.parametrize("path", ["-", "/dev/stdin"])
    def test_stdin_that_is_a_pipe(self, here, mmfuse, values, path):
        np.save("a.npy", values)
        data = Path("a.npy").read_bytes()
        done = mmfuse("concat", f"a={path}", "--from", "npy", "-o", "z.npy", input=data)
        assert done.code == 0, done.err
        np.testing.assert_array_equal(np.load("z.npy"), values)

    @pytest.mark.parametrize("path", ["-", "/dev/stdin"])
    def test_stdin_that_is_a_file(self, here, mmfuse, values, path):
        np.save("a.npy", values)
        with open("a.npy", "rb") as stdin:
            done = mmfuse("concat", f"a={path}", "--from", "npy", "-o", "z.npy", stdin=stdin)
        assert done.code == 0, done.err
        np.testing.assert_array_equal(np.load("z.npy"), values)

    def test_nothing_on_stdin(self, here, mmfuse):
        done = mmfuse("concat", "a=-", "--from", "npy", "-o", "z.npy", input=b"")
        assert done.code == 3
        assert "the file is empty" in done.err
        assert os.listdir() == []


def opened():
    Path("a").write_bytes(b"some content")
    file = open_input("a", "a=a")
    file.verify()  # it is as it was
    time.sleep(0.02)  # the clock of a file system ticks slowly
    return file


def touched():
    os.utime("a")


def overwritten():
    Path("a").write_bytes(b"same length!")


def appended():
    with open("a", "ab") as file:
        file.write(b"more")


def replaced():
    Path("b").write_bytes(b"some content")
    status = os.stat("a")
    os.utime("b", ns=(status.st_atime_ns, status.st_mtime_ns))
    os.replace("b", "a")


class TestVerify:
    @pytest.mark.parametrize(
        "change",
        [
            touched,
            overwritten,
            appended,
            replaced,
            lambda: os.truncate("a", 3),
            lambda: os.remove("a"),
        ],
    )
    def test_after_a_change(self, here, change):
        file = opened()
        change()
        with pytest.raises(InputError, match=CHANGED) as error:
            file.verify()
        assert error.value.where == "a=a"

    def test_being_read_and_renamed_over_by_itself_is_no_change(self, here):
        file = opened()
        Path("a").read_bytes()
        os.chmod("a", 0o600)
        file.verify()

    def test_size_and_head(self, here):
        Path("a").write_bytes(bytes(range(256)) * 4)
        file = open_input("a", "a=a")
        assert (file.size, file.head) == (1024, bytes(range(256)) * 2)


class TestReadAll:
    def test_past_the_end(self, here):
        Path("a").write_bytes(b"12345")
        fd = os.open("a", os.O_RDONLY)
        try:
            room = bytearray(3)
            read_all(fd, memoryview(room), 2, "a=a")
            assert room == b"345"
            with pytest.raises(InputError, match=CHANGED) as error:
                read_all(fd, memoryview(room), 3, "a=a")
        finally:
            os.close(fd)
        assert error.value.where == "a=a"

    def test_short_reads_go_on(self, here, monkeypatch):
        Path("a").write_bytes(b"0123456789")
        plain = os.preadv
        monkeypatch.setattr(os, "preadv", lambda fd, views, place: plain(fd, [views[0][:3]], place))
        fd = os.open("a", os.O_RDONLY)
        room = bytearray(8)
        read_all(fd, memoryview(room), 1, "a")
        os.close(fd)
        assert room == b"12345678"

    def test_what_cannot_be_read(self):
        ends = os.pipe()
        with pytest.raises(InputError, match="cannot be read: Illegal seek") as error:
            read_all(ends[0], memoryview(bytearray(1)), 0, "a=a")
        for end in ends:
            os.close(end)
        assert error.value.where == "a=a"

    def test_as_bytes_shares_memory(self):
        array = np.zeros((2, 3), ">i2")
        as_bytes(array)[3] = 5
        assert array[0, 1] == 5


class TestBoundary:
    @pytest.mark.parametrize(
        ("raised", "kind", "told"),
        [
            (FileNotFoundError(2, "No such file"), InputError, "no such file"),
            (PermissionError(13, "denied"), InputError, "not allowed to read this file"),
            (OSError(5, "Input/output error"), InputError, "Input/output error"),
            (MemoryError(), ResourceError, "not enough memory to read this file"),
            (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad byte"), InputError, "not valid UTF-8"),
            (ValueError("first line\nsecond line"), InputError, "first line"),
            (ValueError("\n  first line\nsecond line"), InputError, "first line"),
            (EOFError(), InputError, "EOFError"),
            (RecursionError("too deep"), InputError, "too deep"),
            (KeyError("x"), InputError, "'x'"),
        ],
    )
    def test_everything_becomes_one_message(self, raised, kind, told):
        with pytest.raises(kind) as error, reading("a=b"):
            raise raised
        assert type(error.value) is kind
        assert told in error.value.message
        assert "\n" not in error.value.message
        assert error.value.where == "a=b"

    def test_own_errors_keep_their_kind_and_their_place(self):
        with pytest.raises(AlignmentError, match="ids") as error, reading("a=b"):
            raise AlignmentError("ids")
        assert error.value.where == "a=b"
        with pytest.raises(InputError) as error, reading("a=b"), reading("a=b (ids c)"):
            raise ValueError("text")
        assert error.value.where == "a=b (ids c)"

    @pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit, GeneratorExit])
    def test_what_is_no_error_passes(self, raised):
        with pytest.raises(raised), reading("a=b"):
            raise raised

    def test_nothing_is_made_of_success(self):
        with reading("a=b"):
            done = True
        assert done
