"""Rows that a strategy cannot fuse."""

from __future__ import annotations

from collections.abc import Sequence

from mmfuse.errors import InputError


class UnfitRowsError(InputError):
    """Raised by a strategy in the middle of its work.

    rows: numbers within the batch; the engine makes them those of the output. modality: its
    number, where it is one modality's fault.
    """

    def __init__(
        self,
        message: str,
        rows: Sequence[int],
        modality: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.rows, self.modality = tuple(rows), modality

    def after(self, start: int) -> UnfitRowsError:
        """The same of rows that come after `start` others."""
        rows = [start + row for row in self.rows]
        return UnfitRowsError(self.message, rows, self.modality, self.hint)
