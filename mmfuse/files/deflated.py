"""A matrix that is compressed in an archive, decoded from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmfuse.core.source import Matrix, Source
from mmfuse.files.inputs import reading
from mmfuse.files.unnamed import unnamed_file
from mmfuse.files.zip_members import Member, ended, fill

_SCAN_BYTES = 8 << 20


@dataclass(kw_only=True)
class DeflatedSource(Source):
    """A modality in a compressed array."""

    member: Member

    def blocks(self) -> Iterator[Matrix]:
        with reading(self.label):
            yield from self._columns() if self.member.header.fortran_order else self._rows()
            self.verify()

    def verify(self) -> None:
        self.member.file.verify()

    @property
    def _step(self) -> int:
        return max(1, _SCAN_BYTES // max(1, self.member.row_bytes))

    def _rows(self) -> Iterator[Matrix]:
        with self.member.stream() as stream:
            stream.read(self.member.header.offset)
            for start in range(0, self.rows, self._step):
                count = min(self._step, self.rows - start)
                block = np.empty((count, len(self.columns)), self.dtype)
                fill(stream, block)
                if start + count == self.rows:  # before the last block is taken for good
                    ended(stream)
                yield block

    def _columns(self) -> Iterator[Matrix]:
        """Rows of an array that has its columns one behind the other: first all is decoded."""
        with self.member.stream() as stream, unnamed_file() as plain:
            stream.read(self.member.header.offset)
            while data := stream.read(1 << 20):
                plain.write(data)
            plain.flush()
            columns = np.memmap(plain, self.dtype, "r", shape=self.member.header.shape, order="F")
            for start in range(0, self.rows, self._step):
                part = columns[start : start + self._step]
                yield np.array(part).reshape(len(part), -1)
