"""The writer: after any end there is the old file or the complete new one, and nothing else."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import disks
import numpy as np
import pytest

import mmfuse
from mmfuse.errors import OutputError, UsageError
from mmfuse.files.output import OutputFile, commit_all, write_all, write_stream

ROOT = os.geteuid() == 0
OLD, NEW = b"the old content, longer than the new", b"the new content"


def listing(folder="."):
    return sorted(os.listdir(folder))


@pytest.fixture(params=["unnamed", "hidden"])
def temporary(request, monkeypatch):
    """How the temporary file is made: both ways, whatever the file system offers."""
    if request.param == "hidden":
        without_tmpfile(monkeypatch)
    return request.param


def without_tmpfile(monkeypatch):
    plain = os.open

    def refuse(path, flags, *args, **how):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return plain(path, flags, *args, **how)

    monkeypatch.setattr(os, "open", refuse)


def write_as_nobody(mode):
    """Write `z` in a folder of root's, and what is in it then; a folder of pytest is closed."""
    script = (
        "import os; from mmfuse.files.output import OutputFile\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "file = OutputFile('z'); file.commit()\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, mode)
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        return done, listing(folder)


def put(path, data=NEW, **how):
    with OutputFile(str(path), **how) as file:
        write_stream(file.fd, data)
        file.commit()


class TestOneFile:
    def test_the_file_appears_at_commit_and_not_before(self, here, temporary):
        with OutputFile("z") as file:
            write_stream(file.fd, NEW)
            assert not os.path.exists("z")
            file.commit()
            assert Path("z").read_bytes() == NEW
        assert listing() == ["z"]

    def test_a_shorter_file_replaces_a_longer_one(self, here, temporary):
        Path("z").write_bytes(OLD)
        put("z")
        assert Path("z").read_bytes() == NEW
        assert listing() == ["z"]

    def test_without_commit_the_old_file_stays(self, here, temporary):
        Path("z").write_bytes(OLD)
        with OutputFile("z") as file:
            write_stream(file.fd, NEW)
        assert Path("z").read_bytes() == OLD
        assert listing() == ["z"]

    def test_whoever_has_the_old_file_open_goes_on_reading_it(self, here, temporary):
        Path("z").write_bytes(OLD)
        with open("z", "rb") as held:
            put("z")
            assert held.read() == OLD

    def test_no_file_stays_open(self, here, temporary):
        before = os.listdir("/proc/self/fd")
        put("z")
        with OutputFile("y"):
            pass
        assert os.listdir("/proc/self/fd") == before

    def test_the_hidden_name_does_not_look_like_output(self, here, monkeypatch):
        without_tmpfile(monkeypatch)
        with OutputFile("z.npy"):
            (name,) = listing()
        assert name.startswith(".z.npy.")
        assert not name.endswith(".npy")

    def test_the_longest_name_a_file_system_takes(self, here, temporary):
        put("z" * 255)
        assert listing() == ["z" * 255]

    def test_a_name_that_is_no_text(self, here, temporary):
        put(os.fsdecode(b"\xff"))
        assert os.listdir(b".") == [b"\xff"]

    def test_unnamed_files_are_used_where_there_are_any(self, here):
        try:
            os.close(os.open(".", os.O_TMPFILE | os.O_RDWR))
        except OSError:
            pytest.skip("this file system has no O_TMPFILE")
        with OutputFile("z"):
            assert listing() == []


class TestLinks:
    def test_written_through(self, here, temporary):
        os.mkdir("data")
        Path("data/real").write_bytes(OLD)
        os.symlink("data/real", "z")
        put("z")
        assert os.readlink("z") == "data/real"
        assert Path("data/real").read_bytes() == NEW
        assert (listing(), listing("data")) == (["data", "z"], ["real"])

    def test_one_that_leads_nowhere_yet(self, here, temporary):
        os.symlink("real", "z")
        put("z")
        assert os.path.islink("z")
        assert Path("real").read_bytes() == NEW

    def test_one_that_leads_to_itself(self, here):
        os.symlink("z", "z")
        with pytest.raises(OutputError):
            OutputFile("z")
        assert os.readlink("z") == "z"

    def test_the_other_name_of_a_hard_link_keeps_the_old_content(self, here, temporary):
        Path("other").write_bytes(OLD)
        os.link("other", "z")
        put("z")
        assert Path("other").read_bytes() == OLD


class TestModes:
    @pytest.mark.parametrize("mode", [0o600, 0o640, 0o755, 0o444])
    def test_the_old_one_is_kept(self, here, temporary, mode):
        Path("z").write_bytes(OLD)
        os.chmod("z", mode)
        put("z")
        assert stat.S_IMODE(os.stat("z").st_mode) == mode
        assert Path("z").read_bytes() == NEW

    @pytest.mark.parametrize("umask", [0o022, 0o077, 0o002, 0o000])
    def test_a_new_one_follows_the_umask(self, here, temporary, umask):
        before = os.umask(umask)
        try:
            put("z")
        finally:
            os.umask(before)
        assert stat.S_IMODE(os.stat("z").st_mode) == 0o666 & ~umask


class TestPlaces:
    @pytest.mark.parametrize("path", [".", "sub", "sub/", "/"])
    def test_a_folder(self, here, path):
        os.mkdir("sub")
        with pytest.raises(OutputError, match="is a folder") as error:
            mmfuse.fuse("concat", {"a": np.ones((2, 2))}, output=path, format="npy")
        assert error.value.exit_code == 5
        assert listing() == ["sub"]

    @pytest.mark.parametrize("device", ["/dev/full", "/dev/null"])
    def test_a_device_stays_one(self, device):
        number = os.stat(device).st_rdev
        with pytest.raises(OutputError, match="not a regular file"):
            mmfuse.fuse("concat", {"a": np.ones((2, 2))}, output=device, format="npy")
        assert stat.S_ISCHR(os.stat(device).st_mode)
        assert os.stat(device).st_rdev == number

    def test_a_fifo_stays_one(self, here):
        os.mkfifo("z.npy")
        with pytest.raises(OutputError, match="not a regular file"):
            mmfuse.fuse("concat", {"a": np.ones((2, 2))}, output="z.npy")
        assert stat.S_ISFIFO(os.stat("z.npy").st_mode)
        assert listing() == ["z.npy"]

    def test_a_pipe_by_its_number(self, here):
        ends = os.pipe()
        try:
            with pytest.raises(OutputError, match="not a regular file"):
                OutputFile(f"/proc/self/fd/{ends[1]}")
        finally:
            os.close(ends[0])
            os.close(ends[1])

    def test_a_missing_folder(self, here):
        with pytest.raises(OutputError, match=r"cannot write no/z\.npy") as error:
            mmfuse.fuse("concat", {"a": "missing.npy"}, output="no/z.npy")  # before the inputs
        assert error.value.hint == "make the folder first"
        assert listing() == []

    def test_a_file_where_a_folder_should_be(self, here):
        Path("a").write_bytes(OLD)
        with pytest.raises(OutputError, match="cannot write a/z"):
            OutputFile("a/z")

    @pytest.mark.skipif(ROOT, reason="root may write anywhere")
    def test_a_read_only_folder(self, here):
        os.mkdir("sub", 0o555)
        with pytest.raises(OutputError, match="cannot write sub/z"):
            OutputFile("sub/z")

    @pytest.mark.skipif(not ROOT, reason="only root may become somebody else")
    def test_a_read_only_folder_as_somebody_else(self):
        done, left = write_as_nobody(0o755)
        assert "OutputError: cannot write z: Permission denied" in done.stderr
        assert left == []

    @pytest.mark.skipif(not ROOT, reason="only root may become somebody else")
    def test_a_folder_to_write_into_and_not_to_list(self):
        done, left = write_as_nobody(0o733)
        assert done.returncode == 0, done.stderr
        assert left == ["z"]

    def test_too_long_a_name(self, here):
        with pytest.raises(OutputError, match="File name too long"):
            OutputFile("z" * 256)


class TestNoClobber:
    def test_what_is_there_stays(self, here, temporary):
        Path("z").write_bytes(OLD)
        with pytest.raises(OutputError, match="exists"):
            put("z", clobber=False)
        assert Path("z").read_bytes() == OLD

    def test_what_came_meanwhile_stays(self, here, temporary):
        with OutputFile("z", clobber=False) as file:
            Path("z").write_bytes(OLD)
            with pytest.raises(OutputError, match="File exists"):
                file.commit()
        assert Path("z").read_bytes() == OLD
        assert listing() == ["z"]

    def test_a_new_file_is_written(self, here, temporary):
        put("z", clobber=False)
        assert Path("z").read_bytes() == NEW

    def test_neither_are_the_ids_beside_it(self, here):
        Path("z.ids.txt").write_bytes(OLD)
        with pytest.raises(OutputError, match=r"z\.ids\.txt exists"):
            mmfuse.fuse("concat", {"a": np.ones((2, 2))}, output="z.npy", clobber=False)
        assert Path("z.ids.txt").read_bytes() == OLD
        assert listing() == ["z.ids.txt"]


def write_inputs():
    """Two modalities of the ids b, c, d: a csv and an npy file with a sidecar."""
    Path("text.csv").write_text("id,f\nb,1\nc,2\nd,3\n")
    np.save("image.npy", np.array([[4, 5], [6, 7], [8, 9]], np.float32))
    Path("image.ids.txt").write_text("d\nb\nc\n")


def bytes_of(*paths):
    return [Path(path).read_bytes() for path in paths]


class TestInputsAreSafe:
    def refused(self, output, *, modalities=None, **how):
        write_inputs()
        files = ("text.csv", "image.npy", "image.ids.txt")
        before = bytes_of(*files)
        modalities = modalities or {"t": "text.csv", "i": "image.npy"}
        with pytest.raises(UsageError, match="is one of the inputs") as error:
            mmfuse.fuse("concat", modalities, output=output, **how)
        assert error.value.exit_code == 2
        assert bytes_of(*files) == before
        assert not [name for name in listing() if name.endswith(".part")]

    @pytest.mark.parametrize(
        "output", ["image.npy", "./image.npy", "sub/../image.npy", "text.csv", "sub//../text.csv"]
    )
    def test_by_another_name(self, here, output):
        os.mkdir("sub")
        self.refused(output)

    def test_by_its_full_path(self, here):
        self.refused(str(here / "image.npy"))

    def test_through_a_symbolic_link(self, here):
        os.symlink("image.npy", "z.npy")
        self.refused("z.npy")

    def test_through_a_link_to_the_folder(self, here):
        os.symlink(".", "same")
        self.refused("same/text.csv")

    def test_through_a_hard_link(self, here):
        write_inputs()
        os.link("image.npy", "z.npy")
        before = bytes_of("image.npy")
        with pytest.raises(UsageError, match="is one of the inputs"):
            mmfuse.fuse("concat", {"t": "text.csv", "i": "image.npy"}, output="z.npy")
        assert bytes_of("image.npy") == before

    def test_where_the_input_is_the_link(self, here):
        write_inputs()
        os.symlink("image.npy", "link.npy")
        self.refused("image.npy", modalities={"t": "text.csv", "i": "link.npy"})

    def test_the_ids_beside_an_input(self, here):
        self.refused("image.ids.txt", format="csv")

    def test_ids_that_the_output_would_bring_along(self, here):
        write_inputs()
        os.rename("image.npy", "image.npz.npy")  # leaves image.ids.txt to others
        np.save("i.npy", np.load("image.npz.npy"))
        before = bytes_of("image.ids.txt")
        with pytest.raises(UsageError, match=r"image\.ids\.txt is one of the inputs"):
            mmfuse.fuse(
                "concat",
                {"t": "text.csv", "i": "i.npy"},
                output="image.npy",
                ids={"i": "image.ids.txt"},
            )
        assert bytes_of("image.ids.txt") == before
        assert "image.npy" not in listing()

    def test_the_companion_is_a_link_to_an_input(self, here):
        write_inputs()
        os.symlink("image.ids.txt", "z.ids.txt")
        before = bytes_of("image.ids.txt")
        with pytest.raises(UsageError, match=r"z\.ids\.txt is one of the inputs"):
            mmfuse.fuse("concat", {"t": "text.csv", "i": "image.npy"}, output="z.npy")
        assert bytes_of("image.ids.txt") == before
        assert "z.npy" not in listing()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with disks.small_disk(folder, "64k"):
        yield folder


class TestFullDisk:
    @pytest.mark.parametrize(
        ("name", "how"),
        [
            ("z.npy", {}),
            ("z.csv", {}),
            ("z.parquet", {}),
            ("z.parquet", {"layout": "wide"}),
        ],
    )
    def test_the_old_file_stays(self, small_disk, name, how):
        Path(small_disk / name).write_bytes(OLD)
        matrix = np.random.default_rng(0).normal(size=(1000, 64)).astype(np.float32)
        with pytest.raises(OutputError, match="No space left on device") as error:
            mmfuse.fuse("concat", {"a": matrix}, output=small_disk / name, threads=1, **how)
        assert name in str(error.value)
        assert "what was there before is intact" in str(error.value.hint)
        assert listing(small_disk) == [name]
        assert Path(small_disk / name).read_bytes() == OLD

    def test_compressed(self, small_disk, mmfuse):
        Path(small_disk / "z.parquet").write_bytes(OLD)
        matrix = np.random.default_rng(0).normal(size=(1000, 64)).astype(np.float32)
        np.save(small_disk.parent / "a.npy", matrix)
        output = ("-o", small_disk / "z.parquet", "--compression", "zstd")
        done = mmfuse("concat", small_disk.parent / "a.npy", *output)
        assert done.code == 5
        assert "No space left on device" in done.err
        assert listing(small_disk) == ["z.parquet"]
        assert Path(small_disk / "z.parquet").read_bytes() == OLD

    def test_rows_that_are_set_aside_fill_it(self, small_disk, monkeypatch):
        monkeypatch.delenv("TMPDIR", raising=False)
        scattered = small_disk.parent / "a.npy"
        np.save(scattered, np.asfortranarray(np.ones((60_000, 8))))
        with pytest.raises(OutputError, match=f"cannot write {small_disk}: No space left"):
            mmfuse.fuse(
                "sum",
                {"b": (np.ones((60_000, 8)), np.arange(60_000)), "a": scattered},
                output=small_disk / "z.npy",
                ids={"a": np.arange(60_000)[::-1]},
                memory=4 << 20,
            )
        assert listing(small_disk) == []


OUTPUTS = ("z.npy", "z.csv", "z.parquet")


class Failing:
    """A function of `os` whose k-th call fails; `calls` counts."""

    def __init__(self, plain, k, number):
        self.plain, self.k, self.number, self.calls = plain, k, number, 0

    def __call__(self, *args, **how):
        self.calls += 1
        if self.calls == self.k:
            raise OSError(self.number, os.strerror(self.number))
        return self.plain(*args, **how)


def fused(name, modalities):
    """Write an output; it and what belongs to it as bytes."""
    mmfuse.fuse("concat", modalities, output=name, threads=1)
    return state()


def state():
    """The output, what belongs to it and whatever was left behind, by name."""
    return {file: Path(file).read_bytes() for file in listing() if file.startswith(("z.", ".z"))}


@pytest.mark.parametrize("name", OUTPUTS)
@pytest.mark.parametrize("most", [1, 7])
def test_short_writes_go_on(here, monkeypatch, name, most):
    write_inputs()
    inputs = {"t": "text.csv", "i": "image.npy"}
    wanted = fused(name, inputs)
    for file in wanted:
        os.unlink(file)
    write, pwrite = os.write, os.pwrite
    counted = []

    def short(plain):
        def call(fd, data, *place):
            counted.append(len(data))
            return plain(fd, bytes(data[:most]), *place)

        return call

    monkeypatch.setattr(os, "write", short(write))
    monkeypatch.setattr(os, "pwrite", short(pwrite))
    monkeypatch.setattr(
        os, "pwritev", lambda fd, parts, place: short(pwrite)(fd, b"".join(parts), place)
    )
    assert fused(name, inputs) == wanted
    assert max(counted) > most


@pytest.mark.parametrize("data", [b"", b"12", memoryview(np.arange(3, dtype=np.int64))])
def test_whole_buffers_are_written(here, data):
    with OutputFile("z") as file:
        write_all(file.fd, data, 3)
        os.lseek(file.fd, 0, os.SEEK_SET)
        write_stream(file.fd, b"abc")
        file.commit()
    assert Path("z").read_bytes() == b"abc" + bytes(data) if len(data) else b"abc"


class TestSeveralFiles:
    @pytest.fixture
    def pair(self, here):
        Path("ids").write_bytes(OLD)
        with OutputFile("ids") as ids, OutputFile("z") as matrix:
            write_stream(ids.fd, NEW)
            write_stream(matrix.fd, NEW)
            yield [ids, matrix]

    def test_all_appear(self, pair, temporary):
        commit_all(pair)
        for file in pair:
            file.discard()
        assert bytes_of("ids", "z") == [NEW, NEW]
        assert listing() == ["ids", "z"]

    @pytest.mark.parametrize("there", [True, False])
    def test_none_if_the_last_cannot(self, pair, monkeypatch, there):
        if not there:
            os.unlink("ids")
        monkeypatch.setattr(os, "replace", Failing(os.replace, 2, errno.EPERM))
        with pytest.raises(OutputError, match="cannot write z: Operation not permitted"):
            commit_all(pair)
        for file in pair:
            file.discard()
        assert listing() == (["ids"] if there else [])
        assert not there or bytes_of("ids") == [OLD]

    def test_what_cannot_be_flushed_does_not_appear(self, pair, monkeypatch):
        monkeypatch.setattr(os, "fsync", Failing(os.fsync, 2, errno.EIO))
        with pytest.raises(OutputError, match="Input/output error"):
            commit_all(pair)
        for file in pair:
            file.discard()
        assert bytes_of("ids") == [OLD]
        assert listing() == ["ids"]

    def test_the_key_is_empty_while_the_others_take_their_places(self, pair, monkeypatch):
        seen = []
        plain = os.replace

        def look(source, target):
            plain(source, target)
            seen.append((os.path.basename(target), *bytes_of("ids")))

        monkeypatch.setattr(os, "replace", look)
        pair[0].key = True
        commit_all(pair)
        assert seen == [("ids", b""), ("z", b""), ("ids", NEW)]
        assert listing() == ["ids", "z"]

    @pytest.mark.parametrize("fails", [False, True])
    def test_obsolete_files_go_with_the_others(self, pair, monkeypatch, fails):
        Path("more").write_bytes(OLD)
        if fails:
            monkeypatch.setattr(os, "replace", Failing(os.replace, 2, errno.EIO))
            with pytest.raises(OutputError, match="cannot write z: Input/output error"):
                commit_all(pair, lambda: ["more"])
            for file in pair:
                file.discard()
            assert bytes_of("ids", "more") == [OLD, OLD]
            assert listing() == ["ids", "more"]
        else:
            commit_all(pair, lambda: ["more"])
            assert listing() == ["ids", "z"]


class TestWithoutLinks:
    """File systems that have no second names, or refuse one for somebody else's file."""

    @pytest.fixture(autouse=True, params=[errno.EPERM, errno.EOPNOTSUPP])
    def refused(self, request, monkeypatch, here):
        def refuse(*_, **__):
            raise OSError(request.param, os.strerror(request.param))

        without_tmpfile(monkeypatch)
        monkeypatch.setattr(os, "link", refuse)

    def test_files_that_belong_together_are_replaced(self):
        for value in (1, 2):
            rows = {"a": (np.full((2, 1), value), [f"{value}", "x"])}
            mmfuse.fuse("concat", rows, output="z.npy")
        assert Path("z.ids.txt").read_text() == "2\nx\n"
        assert np.load("z.npy").tolist() == [[2], [2]]
        assert listing() == ["z.ids.txt", "z.npy"]

    def test_all_stay_if_one_cannot_be_replaced(self, monkeypatch):
        Path("ids").write_bytes(OLD)
        Path("z").write_bytes(OLD)
        with OutputFile("ids", key=True) as ids, OutputFile("z") as matrix:
            monkeypatch.setattr(os, "replace", Failing(os.replace, 2, errno.EIO))
            with pytest.raises(OutputError, match="cannot write z"):
                commit_all([ids, matrix])
        assert bytes_of("ids", "z") == [OLD, OLD]
        assert listing() == ["ids", "z"]

    def test_a_new_file_is_written(self):
        put("z", clobber=False)
        assert Path("z").read_bytes() == NEW
        assert listing() == ["z"]

    def test_what_came_meanwhile_stays(self):
        with OutputFile("z", clobber=False) as file:
            Path("z").write_bytes(OLD)
            with pytest.raises(OutputError, match="File exists"):
                file.commit()
        assert Path("z").read_bytes() == OLD
        assert listing() == ["z"]

    def test_what_holds_the_place_goes_if_the_file_cannot_appear(self, monkeypatch):
        modes = []

        def refuse(hidden, target):
            modes.append(mode_of(target))
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with OutputFile("z", clobber=False) as file:
            monkeypatch.setattr(os, "replace", refuse)
            with pytest.raises(OutputError, match="cannot write z: Input/output error"):
                file.commit()
        assert modes == [new_mode()]
        assert listing() == []


def mode_of(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def new_mode():
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask


def test_an_empty_file_is_one_like_any_other(here):
    with OutputFile("z", key=True) as file:
        file.blank()
        assert (mode_of("z"), Path("z").read_bytes()) == (new_mode(), b"")


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_part_that_cannot_be_closed_is_named(here, monkeypatch, number):
    with OutputFile("z") as file:
        file.flush()
        file.name()
        with monkeypatch.context() as patch:
            patch.setattr(os, "close", Failing(os.close, 1, number))
            with pytest.raises(OutputError, match=f"cannot write z: {os.strerror(number)}"):
                file.seal()
    assert listing() == []


def test_an_old_file_that_cannot_be_put_back_is_named(here, monkeypatch):
    Path("z").write_bytes(OLD)
    with OutputFile("z") as file:
        file.keep_old()
        monkeypatch.setattr(os, "replace", Failing(os.replace, 1, errno.EIO))
        with pytest.raises(OutputError, match="cannot write z: Input/output error"):
            file.restore()
    assert bytes_of("z") == [OLD]


def test_a_file_is_closed_whatever_its_number(here):
    held = os.dup(0)
    os.close(0)
    try:
        with OutputFile("z") as file:
            assert file.fd == 0
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(0)
    finally:
        os.dup2(held, 0)
        os.close(held)


def test_a_folder_that_cannot_be_flushed_is_none_to_complain_of(here, monkeypatch):
    monkeypatch.setattr(os, "fsync", Failing(os.fsync, 2, errno.EINVAL))
    put("z")
    assert Path("z").read_bytes() == NEW


def test_a_folder_that_cannot_be_listed_is_not_flushed(here, monkeypatch):
    plain = os.open

    def refuse(path, flags, *more, **how):
        if flags == os.O_RDONLY | os.O_DIRECTORY:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return plain(path, flags, *more, **how)

    monkeypatch.setattr(os, "open", refuse)
    put("z")
    assert Path("z").read_bytes() == NEW
