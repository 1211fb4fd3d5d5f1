"""The one writer of files: all of the output appears at once, or nothing does.

The new file has no name until it is complete (O_TMPFILE), so even a killed process leaves
nothing behind; where the file system cannot do that, it has a hidden name beside the output.
Files that belong together cannot be renamed at once. While they are, the one without which the
others are not read is empty, so that old and new are not taken for each other.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Self

from mmfuse.errors import MmfuseError, OutputError
from mmfuse.files.folders import in_turn, sync_folder
from mmfuse.files.hidden import hidden_name, let_go, remove
from mmfuse.files.interrupts import undisturbed

_NEW = 0o666  # less the umask, as any new file
_EXCLUSIVE = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_NO_TMPFILE = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)  # or not of this file


class OutputFile:
    """A file that comes to stand at `path` when `commit` is called, and not before.

    As a context manager it gives up what was not committed. `fd` is where to write. `key`: others
    that appear with it are not read without it; see `commit_all`.
    Raises OutputError: a folder, a device, a missing or read-only folder, a full disk.
    """

    def __init__(self, path: str, *, clobber: bool = True, key: bool = False) -> None:
        self.path, self.key = path, key
        self._clobber = clobber
        self._flushed = False
        self._hidden: str | None = None  # names are noted before there is anything of that name
        self._old: str | None = None  # a second name of the old file, while it may come back
        self._empty: str | None = None
        self._stands = False  # what is at the path is ours
        self.fd = -1
        try:
            with writing(path):
                self._target = os.path.realpath(path)  # write through a symbolic link
                self.folder = os.path.dirname(self._target)
                self._mode = _mode_of(path, clobber)
                self.fd = self._create()
        except BaseException:
            self.discard()
            raise

    def _create(self) -> int:
        try:
            return os.open(self.folder, os.O_TMPFILE | os.O_RDWR, _NEW)
        except OSError as error:
            if error.errno not in _NO_TMPFILE:
                raise
        self._hidden = hidden_name(self._target)
        return os.open(self._hidden, _EXCLUSIVE | os.O_RDWR, _NEW)

    def flush(self) -> None:
        """Bring the whole file to the disk.

        Of several files that belong together, all are flushed before the first appears.
        """
        if self._flushed:
            return
        with writing(self.path):
            if self._mode is not None:
                os.fchmod(self.fd, self._mode)
            os.fsync(self.fd)
            self._flushed = True

    def seal(self) -> int:
        """Flush the file and close it, as one of many; returns its bytes."""
        self.flush()
        with writing(self.path):
            size = os.fstat(self.fd).st_size
            self.name()
            self._close()
        return size

    def name(self) -> None:
        """A hidden name for the file, if it has none yet, so that it can be renamed."""
        if self._hidden is not None:
            return
        with writing(self.path):
            links = os.open("/proc/self/fd", os.O_RDONLY)
            try:
                self._hidden = hidden_name(self._target)
                os.link(str(self.fd), self._hidden, src_dir_fd=links, follow_symlinks=True)
            finally:
                let_go(links)

    def commit(self) -> None:
        """Let the whole file stand at its path; see `commit_all`."""
        commit_all([self])

    def keep_old(self) -> None:
        """Give what stands at the path a second name, for `restore`."""
        with writing(self.path), suppress(FileNotFoundError):
            old = hidden_name(self._target)
            try:
                os.link(self._target, old)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                os.rename(self._target, old)
            self._old = old

    def blank(self) -> None:
        """Let an empty file stand at the path, which no reader takes for a result."""
        with writing(self.path):
            empty = self._empty = hidden_name(self._target)
            let_go(os.open(empty, _EXCLUSIVE | os.O_WRONLY, _NEW))
            self._put(empty)
            self._empty = None

    def appear(self) -> None:
        """Rename the file to its path."""
        with writing(self.path):
            assert self._hidden is not None
            self._put(self._hidden)
            self._hidden = None

    def _put(self, hidden: str) -> None:
        """Rename, but replace nothing that has come to stand there if that is to stay."""
        if self._clobber or self._stands:
            os.replace(hidden, self._target)
        else:
            self._put_new(hidden)
        self._stands = True

    def _put_new(self, hidden: str) -> None:
        try:
            os.link(hidden, self._target)
            remove(hidden)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            let_go(os.open(self._target, _EXCLUSIVE | os.O_WRONLY, _NEW))
            try:
                os.replace(hidden, self._target)
            except OSError:
                remove(self._target)
                raise

    def restore(self) -> None:
        """What `keep_old` found stands at the path again, or nothing of ours does."""
        with writing(self.path):
            if self._old is not None:
                os.replace(self._old, self._target)
                remove(self._old)  # two names of one file stay as they are
                self._old = None
            elif self._stands:
                os.unlink(self._target)

    def flush_folder(self) -> None:
        """Let the new name outlast a power cut."""
        with writing(self.path):
            sync_folder(self.folder)

    def discard(self) -> None:
        """Give up the file, unless it was committed, and the one that it replaces."""
        for name in (self._hidden, self._old, self._empty):
            if name is not None:
                remove(name)
        self._hidden = self._old = self._empty = None
        with suppress(OSError):  # it is on the disk, or given up
            self._close()

    def _close(self) -> None:
        """Close the file once; its number is another's even if that fails."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()


def commit_all(files: Sequence[OutputFile], obsolete: Callable[[], Sequence[str]] = list) -> None:
    """Let files that belong together stand at their paths, and remove others: all, or nothing.

    What can fail is done before the first appears; a later failure takes back those that did.
    obsolete: tells which others, once no other run lets its files appear in the same folders. The
    keys among the files are empty until all others have appeared: a process that is killed between
    the two leaves something that cannot be read, but nothing that is read wrongly.
    """
    for file in files:
        file.flush()
    with in_turn(file.folder for file in files), undisturbed():
        for file in files:
            file.name()
        if len(files) + len(others := obsolete()) == 1:
            files[0].appear()
        else:
            _exchange(files, others)
            for file in files:
                file.discard()
    for file in {file.folder: file for file in files}.values():
        file.flush_folder()


def _exchange(files: Sequence[OutputFile], obsolete: Sequence[str]) -> None:
    keys, aside = [file for file in files if file.key], list[str]()
    with ExitStack() as undo:
        for file in files:
            file.keep_old()
            undo.callback(file.restore)
        for file in keys:
            file.blank()
        for path in obsolete:
            with writing(path):
                aside.append(hidden_name(path))
                os.rename(path, aside[-1])
            undo.callback(os.rename, aside[-1], path)
        for file in files:
            if not file.key:
                file.appear()
        for file in keys:
            file.appear()
        undo.pop_all()
    for name in aside:
        remove(name)


def _mode_of(path: str, clobber: bool) -> int | None:
    """The mode of the file that stands there now, which must be one that may be replaced."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise OutputError(f"{path} is a folder", hint="name a file in it")
    if not stat.S_ISREG(mode):
        raise OutputError(f"{path} is not a regular file")
    if not clobber:
        raise OutputError(f"{path} exists, and --no-clobber keeps it")
    return stat.S_IMODE(mode)


def write_all(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write every byte at its place; a short write goes on where it stopped."""
    view = memoryview(data).cast("B")
    while len(view):
        done = os.pwrite(fd, view, offset)
        view, offset = view[done:], offset + done


def write_stream(fd: int, data: bytes | memoryview) -> None:
    """Write every byte where the file stands."""
    view = memoryview(data).cast("B")
    while len(view):
        view = view[os.write(fd, view) :]


@contextmanager
def writing(path: str) -> Iterator[None]:
    """One boundary around everything that writes: an operating system's error in one line."""
    try:
        yield
    except BrokenPipeError:
        raise
    except MmfuseError:
        raise
    except OSError as error:
        hints = {
            errno.ENOENT: "make the folder first",
            errno.ENOSPC: "free some space or write elsewhere; what was there before is intact",
        }
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}", hint=hints.get(error.errno or 0)
        ) from error
