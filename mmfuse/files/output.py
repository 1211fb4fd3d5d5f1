"""The one writer of files: all of the output appears at once, or nothing does.

The new file has no name until it is complete (O_TMPFILE), so even a killed process leaves
nothing behind; where the file system cannot do that, it has a hidden name beside the output.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Self

from mmfuse.errors import MmfuseError, OutputError

_NEW = 0o666  # less the umask, as any new file


class OutputFile:
    """A file that comes to stand at `path` when `commit` is called, and not before.

    As a context manager it gives up what was not committed. `fd` is where to write.
    Raises OutputError: a folder, a device, a missing or read-only folder, a full disk.
    """

    def __init__(self, path: str, *, clobber: bool = True) -> None:
        self.path = path
        self._clobber = clobber
        self._complete = False
        with writing(path):
            self._target = os.path.realpath(path)  # write through a symbolic link
            self.folder = os.path.dirname(self._target)
            self._mode = _mode_of(path, clobber)
            self._hidden: str | None = None
            self._old: str | None = None  # a second name of the old file, while it may come back
            self.fd = self._create()

    def _create(self) -> int:
        try:
            return os.open(self.folder, os.O_TMPFILE | os.O_RDWR, _NEW)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                raise
        hidden = self._temporary_name()
        flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_RDWR
        fd = os.open(hidden, flags, _NEW)
        self._hidden = hidden
        return fd

    def _temporary_name(self) -> str:
        name = os.fsdecode(os.fsencode(os.path.basename(self._target))[:100])
        return os.path.join(self.folder, f".{name}.{os.urandom(6).hex()}.part")

    def complete(self) -> None:
        """Flush the file and give it its hidden name, so that only the renaming can fail.

        Of several files that belong together, all are completed before the first is committed.
        """
        if self._complete:
            return
        with writing(self.path):
            if self._mode is not None:
                os.fchmod(self.fd, self._mode)
            os.fsync(self.fd)
            if self._hidden is None:
                self._hidden = self._link()
            self._complete = True

    def seal(self) -> int:
        """Complete the file and close it, as one of many; returns its bytes."""
        self.complete()
        size = os.fstat(self.fd).st_size
        os.close(self.fd)
        self.fd = -1
        return size

    def _link(self) -> str:
        """A hidden name for a file that has none."""
        hidden = self._temporary_name()
        links = os.open("/proc/self/fd", os.O_RDONLY)
        try:
            os.link(str(self.fd), hidden, src_dir_fd=links, follow_symlinks=True)
        finally:
            os.close(links)
        return hidden

    def commit(self) -> None:
        """Let the complete file stand at its path; see `commit_all`."""
        commit_all([self])

    def keep_old(self) -> None:
        """Give what stands at the path a second name, for `restore`."""
        with writing(self.path), suppress(FileNotFoundError):
            old = self._temporary_name()
            os.link(self._target, old)
            self._old = old

    def appear(self) -> None:
        """Rename the complete file to its path."""
        with writing(self.path):
            assert self._hidden is not None
            if self._clobber:
                os.replace(self._hidden, self._target)
            else:  # fails if a file has come to stand there meanwhile
                os.link(self._hidden, self._target)
                os.unlink(self._hidden)
            self._hidden = None

    def restore(self) -> None:
        """Undo `appear`: what `keep_old` found stands at the path again, or nothing does."""
        if self._old is None:
            os.unlink(self._target)
        else:
            os.replace(self._old, self._target)
            self._old = None

    def flush_folder(self) -> None:
        """Let the new name outlast a power cut."""
        with writing(self.path):
            sync_folder(self.folder)

    def discard(self) -> None:
        """Give the file up, unless it was committed."""
        for name in (self._hidden, self._old):
            if name is not None:
                with suppress(OSError):  # nothing more can be done, and the cause is to be told
                    os.unlink(name)
        self._hidden = self._old = None
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.discard()


def commit_all(files: Sequence[OutputFile]) -> None:
    """Let files that belong together stand at their paths, in this order: all, or none.

    What can fail is done before the first appears; a later failure takes back those that did.
    """
    for file in files:
        file.complete()
    with ExitStack() as undo:
        for file in files[:-1]:
            file.keep_old()
            file.appear()
            undo.callback(file.restore)
        for file in files[-1:]:
            file.appear()
        undo.pop_all()
    for file in {file.folder: file for file in files}.values():
        file.flush_folder()


def _mode_of(path: str, clobber: bool) -> int | None:
    """The mode of the file that stands there now, which must be one that may be replaced."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise OutputError(f"{path} is a folder", hint="name a file in it")
    if not stat.S_ISREG(mode):
        raise OutputError(f"{path} is not a regular file", hint="-o - writes to standard output")
    if not clobber:
        raise OutputError(f"{path} exists, and --no-clobber keeps it")
    return stat.S_IMODE(mode)


def sync_folder(folder: str) -> None:
    """Let the names in a folder outlast a power cut."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:  # a folder may be one to write into and not to list
        return
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


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
