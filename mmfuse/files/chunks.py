"""Text of a table cut where rows end, so that the pieces can be parsed at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_BOM = b"\xef\xbb\xbf"  # a parser would take it for no part of the first cell


class Chunks:
    """The rows of a stream, in pieces of whole rows and at most about `size` bytes.

    A quote at the start of a cell opens it and the next one closes it, unless doubled, so that
    newlines outside quotes end rows. Where quotes stand otherwise, or no row ends within `size`
    bytes, the pieces end early: `complete` stays False.
    """

    def __init__(self, stream: pa.NativeFile, delimiter: str, size: int) -> None:
        self.complete = False
        self.nul = False
        self._stream, self._size = stream, size
        self._beside_quotes = np.zeros(256, np.bool_)
        self._beside_quotes[list(f'{delimiter}"\n\r'.encode())] = True

    def __iter__(self) -> Iterator[bytearray]:
        rest = bytearray()
        while True:
            text = bytearray(self._size)
            text[: len(rest)] = rest
            taken = self._stream.readinto(memoryview(text)[len(rest) :])
            if not taken:
                break
            del text[len(rest) + taken :]
            self.nul = self.nul or b"\0" in text
            end = self._rows_end(text)
            rest = text[end:]
            if len(rest) == self._size:
                return
            del text[end:]
            if text:
                yield text
        if rest:  # the last row, without its newline
            if self._rows_end(rest + b"\n") <= len(rest):
                return
            yield rest
        self.complete = True

    def _rows_end(self, text: bytearray) -> int:
        """How many bytes, from the start of a row, are whole rows; 0 where that is not known."""
        end = text.rfind(b"\n") + 1
        if text.startswith(_BOM):
            return 0
        return self._end_beside_quotes(text, end) if b'"' in text else end

    def _end_beside_quotes(self, text: bytearray, end: int) -> int:
        """The same in text with quotes, where the last newline is before `end`."""
        codes = np.frombuffer(text, np.uint8)
        quotes = np.flatnonzero(codes == ord('"'))
        while (inside := int(np.searchsorted(quotes, end))) % 2:  # this newline is part of a cell
            end = text.rfind(b"\n", 0, quotes[inside - 1]) + 1
        opening, closing = quotes[:inside:2], quotes[1:inside:2]
        around = codes[np.concatenate([opening[opening > 0] - 1, closing + 1])]
        return end if self._beside_quotes[around].all() else 0
