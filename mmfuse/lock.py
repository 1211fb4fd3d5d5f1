"""`--lock`: what a result was made of and which rows it has, written once and held to after."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from mmfuse.core.ids import Ids
from mmfuse.core.words import parts
from mmfuse.errors import AlignmentError, InputError, MmfuseError, UsageError
from mmfuse.files.digests import Digests, FileDigest
from mmfuse.files.inputs import reading
from mmfuse.files.output import OutputFile, write_stream, writing
from mmfuse.files.paths import same_file
from mmfuse.files.plain_json import distinct, fault, fields, items, natural, parsed, text
from mmfuse.sources import Opened

LOCK_VERSION = 1
_MOST_BYTES = 64 << 20
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class RowsDigest:
    """The ids of an output: how many, the hash of them in their order, and in any order."""

    count: int
    sha256: str
    sorted: str

    @classmethod
    def of(cls, ids: Ids) -> RowsDigest:
        """Hash their number, the lengths of their texts in UTF-8 and the texts.

        No two lists of ids are the same bytes so. `sorted` is only good for telling people that
        the order alone has changed.
        """
        text = ids.as_text()
        from hashlib import sha256  # which is slow to import

        found = sha256(len(text).to_bytes(8, "little"))
        for part in parts(len(text)):
            found.update(np.diff(text.offsets[part.start : part.stop + 1]).astype("<i8").data)
        found.update(np.ascontiguousarray(text.data).data)
        keys = np.concatenate(
            [np.empty(0, np.uint64), *(text.keys(part) for part in parts(len(text)))]
        )
        keys.sort()
        return cls(len(text), found.hexdigest(), sha256(keys.astype("<u8").data).hexdigest())


@dataclass(frozen=True)
class Locked:
    """What a lock file says: the output's rows, and the files of every input by its name."""

    rows: RowsDigest
    inputs: Mapping[str, Sequence[FileDigest]]

    def text(self) -> str:
        """The file's content."""
        inputs = [
            {"name": name, "files": [asdict(file) for file in files]}
            for name, files in self.inputs.items()
        ]
        content = {"mmfuse_lock": LOCK_VERSION, "rows": asdict(self.rows), "inputs": inputs}
        return json.dumps(content, indent=1) + "\n"

    @classmethod
    def parse(cls, data: bytes) -> Locked:
        """Read a lock file's content. Raises InputError for anything but that."""
        try:
            content = parsed(data)
            version, rows, inputs = fields(content, "mmfuse_lock", "rows", "inputs")
            if version != LOCK_VERSION or isinstance(version, bool):
                raise InputError(f"a lock file of version {version!r}; this mmfuse reads 1")
            named = [_input(item) for item in items(inputs)]
            count, ordered, unordered = fields(rows, "count", "sha256", "sorted")
            digest = RowsDigest(natural(count), _hash(ordered), _hash(unordered))
            return cls(digest, distinct(named))
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"not a lock file of mmfuse: {fault(error)}",
                hint="name another file, or delete it to lock what is there now",
            ) from error

    def differences(self, now: Locked) -> list[str]:
        """What is not as it was, for people."""
        told = [
            f"{name} is gone (it was {_files(files)})"
            for name, files in self.inputs.items()
            if name not in now.inputs
        ]
        for name, files in now.inputs.items():
            if name not in self.inputs:
                twins = (
                    o for o, old in self.inputs.items() if old and _bytes(old) == _bytes(files)
                )
                twin = next(twins, None)
                same = f", with the bytes that {twin} had" if twin is not None else ""
                told.append(f"{name} is new ({_files(files)}{same})")
            elif len(files) != len(before := self.inputs[name]):
                told.append(f"{name} is {_files(files)}, and was {_files(before)}")
            else:
                told += [
                    f"the bytes of {name}={new.file} changed ({_sizes(old.size, new.size)})"
                    for old, new in zip(before, files, strict=True)
                    if (old.size, old.sha256) != (new.size, new.sha256)
                ]
        return told

    def moved(self, rows: RowsDigest) -> str | None:
        """How the rows of the output differ, for people."""
        if (rows.count, rows.sha256) == (self.rows.count, self.rows.sha256):
            return None
        if (rows.count, rows.sorted) == (self.rows.count, self.rows.sorted):
            return f"the {rows.count:,} rows of the output stand in another order"
        return f"the output has other ids ({self.rows.count:,} rows before, {rows.count:,} now)"


class Lock:
    """Holds a run to a lock file; where there is none, it is one of the files to write.

    path: None locks nothing. outputs: the files that the run writes.
    As a context manager it gives up what was not committed.

    Raises InputError for a file that is no lock, UsageError for one that is an input or output.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        opened: Opened,
        outputs: Sequence[str] = (),
        *,
        dry_run: bool = False,
    ) -> None:
        self._resources = ExitStack()
        self.files: list[OutputFile] = []
        self._before: Locked | None = None
        self._rows: RowsDigest | None = None
        self._path = None if path is None else os.fspath(path)
        if self._path is None:
            return
        places = [os.path.realpath(place) for place in outputs]
        taken = any(same_file(self._path, other) for other in opened.paths)
        if taken or os.path.realpath(self._path) in places:
            raise UsageError(f"--lock {self._path} is an input or an output")
        if os.path.exists(self._path):
            self._before = _read(self._path)
        elif not dry_run:
            file = OutputFile(self._path, clobber=False)
            self.files.append(self._resources.enter_context(file))
        self._digests = self._resources.enter_context(Digests(opened.parts))

    def rows(self, ids: Ids) -> None:
        """Note the ids of the output. Raises AlignmentError if they are not as locked."""
        if self._path is not None:
            self._rows = RowsDigest.of(ids)
            if self._before is not None and self._before.moved(self._rows):
                self.finish()

    def finish(self, written: Sequence[OutputFile] = ()) -> None:
        """Compare everything with the lock, or write it.

        written: the files that are to appear, those beside the outputs among them.

        Raises AlignmentError where the rows are not as locked, else InputError for the inputs;
        UsageError if the lock is one of the files written.
        """
        if self._path is None:
            return
        if os.path.realpath(self._path) in {os.path.realpath(file.path) for file in written}:
            raise UsageError(f"--lock {self._path} is an input or an output")
        inputs = self._digests.found()
        if self._before is not None:
            rows = self._rows or self._before.rows
            moved = self._before.moved(rows)
            told = self._before.differences(Locked(rows, inputs))
            if moved is not None or told:
                kind: type[MmfuseError] = InputError if moved is None else AlignmentError
                raise kind(
                    "not as locked: " + "; ".join([*told, *([moved] if moved else [])]),
                    where=self._path,
                    hint="delete the lock file to lock what is there now",
                )
        for file in self.files:
            assert self._rows is not None
            with writing(file.path):
                write_stream(file.fd, Locked(self._rows, inputs).text().encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()


def _read(path: str) -> Locked:
    with reading(path):
        if os.path.exists(path) and not os.path.isfile(path):
            raise InputError("not a lock file of mmfuse, but a folder, a pipe or a device")
        with open(path, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise InputError("too large for a lock file of mmfuse")
        return Locked.parse(data)


def _input(item: Any) -> tuple[str, list[FileDigest]]:
    name, files = fields(item, "name", "files")
    digests = []
    for file in items(files):
        own, size, digest = fields(file, "file", "size", "sha256")
        digests.append(FileDigest(text(own), natural(size), _hash(digest)))
    return text(name), digests


def _hash(value: Any) -> str:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise ValueError("a hash is not 64 hexadecimal digits")
    return value


def _bytes(files: Sequence[FileDigest]) -> list[str]:
    return [file.sha256 for file in files]


def _files(files: Sequence[FileDigest]) -> str:
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return files[0].file + more if files else "in memory"


def _sizes(old: int, new: int) -> str:
    return f"{new:,} of them as before" if old == new else f"{old:,} before, {new:,} now"
